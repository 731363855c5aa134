//! A member of the consumer group, as values: records, ends and rebalances come out of one poll, in order.
//!
//! A rebalance is recorded by the callback and answered here, on the polling thread, between polls:
//! 1. ASSIGN is answered at once; the partitions stay paused until [`Source::start`] says from where.
//! 2. REVOKE is the last item of its poll and answered by the next, so that what is in hand may still be committed.
//!
//! Each partition of a topic has a queue of its own. The client tells an end by the partition's number alone, so only
//! its queue tells whose end it is, and the merge rests on that. A seek puts up a version barrier inside the client:
//! what was fetched before it never comes out of the queue.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::broker::{BrokerError, ErrorClass, Polled, Source, Topics};
use crate::chain::Chain;
use crate::domain::{Input, PartitionId};
use crate::record::Offset;

use super::assignment::Assignment;
use super::input_queue::InputQueue;
use super::poll_error;
use super::poll_signal::PollSignal;
use super::read_ahead::{self, ReadAhead};
use super::ungrouped_reader::UngroupedReader;
use crate::broker::kafka::client::context::{self, MemberContext, Rebalance, RebalanceKind, TopicPartition};
use crate::broker::kafka::client::retry;
use crate::broker::kafka::deadline::{self, Deadline, Next};
use crate::broker::kafka::message::KafkaMessage;
use crate::broker::kafka::native;
use crate::broker::kafka::settings::KafkaSettings;
use crate::broker::kafka::triage;

/// More events than that, neither record nor end, are left to the next poll.
const MAX_EVENTS_A_POLL: usize = 1_000;

type Client = BaseConsumer<MemberContext>;

/// Proof of membership, as the broker checks it at a commit.
pub struct KafkaGeneration(pub(in crate::broker::kafka) Arc<ConsumerGroupMetadata>);

/// A member of the consumer group, with a queue for each input of each partition that it owns.
pub struct KafkaSource {
    settings: Arc<KafkaSettings>,
    topics: Arc<Topics>,
    /// Before the consumer: a queue must be gone before its consumer goes.
    flows: Vec<InputQueue>,
    /// The flow that is read first, in turn.
    first: usize,
    consumer: Arc<Client>,
    /// Reads the inputs that the group doesn't share out.
    ungrouped: Option<UngroupedReader>,
    /// Ends of inputs that lack a partition, to be told by the next poll.
    absent: Vec<(Input, PartitionId)>,
    wake: Arc<PollSignal>,
    assignment: Assignment,
    unanswered: Option<Rebalance>,
    split: Option<Deadline>,
    /// Since the poll before. Who doesn't poll for longer than that is out of the group, whatever the client says.
    silence: Deadline,
}

impl KafkaSource {
    pub(in crate::broker::kafka) fn join(
        settings: Arc<KafkaSettings>,
        topics: Arc<Topics>,
        member: &str,
    ) -> Result<Self, BrokerError> {
        let failed =
            |error: KafkaError| settings.creation_error(format_args!("join group {}", settings.group_id), &error);
        let context = MemberContext::of(&settings);
        let mut consumer = BaseConsumer::from_config_and_context(&settings.member(member), context).map_err(failed)?;
        let wake = Arc::new(PollSignal::default());
        consumer.set_nonempty_callback(wake.caller());
        let inputs = (0u8..).map(Input).zip(topics.inputs.iter().cloned());
        let (shared, aside): (Vec<_>, Vec<_>) =
            inputs.partition(|(_, topic)| !settings.narrow_inputs.contains_key(&**topic));
        let names: Vec<&str> = shared.iter().map(|(_, topic)| &**topic).collect();
        consumer.subscribe(&names).map_err(failed)?;
        let ungrouped = (!aside.is_empty()).then(|| UngroupedReader::new(&settings, aside, member)).transpose()?;
        Ok(Self {
            assignment: Assignment::new(shared, topics.partitions),
            ungrouped,
            absent: Vec::new(),
            silence: Deadline::after(settings.max_poll_interval),
            settings,
            topics,
            flows: Vec::new(),
            first: 0,
            consumer: Arc::new(consumer),
            wake,
            unanswered: None,
            split: None,
        })
    }

    /// Answers what the poll before has handed over as revoked.
    fn let_go(&mut self) -> Result<(), BrokerError> {
        let Some(rebalance) = self.unanswered.take() else { return Ok(()) };
        let aside = |input| self.ungrouped.as_ref().is_some_and(|ungrouped| ungrouped.reads(input));
        let gone = |flow: &InputQueue| {
            let of_flow = |topic: &str| *topic == *flow.topic || aside(flow.input);
            rebalance.partitions.iter().any(|(topic, it)| *it == flow.partition.0 && of_flow(topic))
        };
        self.flows.retain(|flow| !gone(flow));
        if let Some(ungrouped) = &mut self.ungrouped {
            rebalance.partitions.iter().try_for_each(|(_, partition)| ungrouped.let_go(PartitionId(*partition)))?;
        }
        context::answer(&self.consumer, &rebalance, None)
            .map_err(|error| triage::client_error("let partitions go", &error))
    }

    /// Serves the group's own queue until it is empty, or until a revocation, which ends the poll. Says whether it did.
    fn serve_group(&mut self, into: &mut Vec<Polled<KafkaMessage>>) -> Result<bool, BrokerError> {
        for _ in 0..MAX_EVENTS_A_POLL {
            let served = self.consumer.context().watch.served();
            let polled = self.consumer.poll(Duration::ZERO);
            let empty = polled.is_none() && served == self.consumer.context().watch.served();
            match polled {
                // Fetched between an assignment and its pause, before anyone said from where: void.
                None | Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) if triage::is_out_of_range(&error) => {}
                Some(Err(error)) => poll_error::judge(&error, &self.settings, None)?,
            }
            while let Some(rebalance) = self.consumer.context().next_rebalance() {
                if self.take(rebalance, into)? {
                    return Ok(true);
                }
            }
            if empty {
                break;
            }
        }
        if let Some(ungrouped) = &self.ungrouped {
            ungrouped.serve()?;
        }
        match &self.split {
            Some(bound) if bound.is_over() => self.refuse_split(),
            _ => Ok(false),
        }
    }

    /// Says whether it is a revocation that must end the poll.
    fn take(&mut self, rebalance: Rebalance, into: &mut Vec<Polled<KafkaMessage>>) -> Result<bool, BrokerError> {
        let incremental = rebalance.incremental;
        let revoked = match rebalance.kind {
            RebalanceKind::Assign => {
                self.accept(&rebalance)?;
                let whole = self.assignment.assign(&rebalance.partitions);
                // An empty one, too: it says that the group has settled, and that what was revoked is another's now.
                if !whole.is_empty() || rebalance.partitions.is_empty() {
                    into.push(Polled::Assigned(whole));
                }
                false
            }
            RebalanceKind::Revoke { lost } => {
                let lost = lost || self.silence.is_over();
                let partitions = self.assignment.revoke(&rebalance.partitions);
                self.unanswered = Some(rebalance);
                if partitions.is_empty() {
                    self.let_go()?;
                    false
                } else {
                    into.push(Polled::Revoked { partitions, lost });
                    true
                }
            }
        };
        let bound = Deadline::after(self.settings.no_progress_bound.duration());
        self.split = self.assignment.split().and(self.split.or(Some(bound)));
        // In steps, the rest may still come.
        if self.split.is_some() && !incremental {
            return self.refuse_split();
        }
        Ok(revoked)
    }

    /// Answers an assignment, an empty one too, and keeps what came from flowing.
    fn accept(&self, rebalance: &Rebalance) -> Result<(), BrokerError> {
        let failed = |error: KafkaError| triage::client_error("take partitions over", &error);
        context::answer(&self.consumer, rebalance, Some(self.settings.call_timeout.duration())).map_err(failed)?;
        if rebalance.partitions.is_empty() {
            return Ok(());
        }
        let list = context::list_of(&rebalance.partitions, rdkafka::Offset::Invalid).map_err(failed)?;
        self.consumer.pause(&list).map_err(failed)
    }

    fn refuse_split<T>(&self) -> Result<T, BrokerError> {
        Err(BrokerError::SplitAssignment(self.assignment.split().unwrap_or_default()))
    }

    /// Reads the flows in turn: a fair share each, then what is left of the poll to those that have more.
    fn read(&mut self, into: &mut Vec<Polled<KafkaMessage>>) -> Result<(), BrokerError> {
        let ends = self.absent.drain(..).map(|(input, partition)| Polled::End { input, partition, offset: 0 });
        into.extend(ends);
        let count = self.flows.len();
        if count == 0 {
            return Ok(());
        }
        let full = into.len() + self.settings.poll_records;
        let mut bytes = self.settings.poll_bytes.bytes();
        let share = (self.settings.poll_records / count).max(1);
        // Flows may have gone since.
        self.first = (self.first + 1) % count;
        let mut unread: Vec<usize> = (self.first..count).chain(0..self.first).collect();
        while !unread.is_empty() && into.len() < full && bytes > 0 {
            let mut more = Vec::new();
            for i in unread {
                let limit = share.min(full - into.len());
                let client = Arc::clone(self.client(self.flows[i].input));
                if self.flows[i].read(limit, &mut bytes, client.context(), &self.settings, into)? {
                    more.push(i);
                }
            }
            unread = more;
        }
        self.bound_what_is_read_ahead()
    }

    /// See `ahead`.
    fn bound_what_is_read_ahead(&mut self) -> Result<(), BrokerError> {
        let (records, bytes) = (self.settings.queued_records, self.settings.queued_bytes.bytes());
        for i in 0..self.flows.len() {
            let flow = &self.flows[i];
            let (input, partition, next, client) = (flow.input, flow.partition, flow.next, self.client(flow.input));
            let waiting = || native::queue_length(client.client(), &flow.topic, partition.0);
            match flow.ahead.judge(flow.paused, records, bytes, waiting) {
                read_ahead::Adjustment::Keep => {}
                read_ahead::Adjustment::Pause => {
                    let failed = |error| triage::client_error(format_args!("pause partition {partition}"), &error);
                    let names = [(flow.topic.to_string(), partition.0)];
                    let list = context::list_of(&names, rdkafka::Offset::Invalid).map_err(failed)?;
                    client.pause(&list).map_err(failed)?;
                    let flow = &mut self.flows[i];
                    flow.ahead.held = true;
                    // What waits is void now, and goes when it is asked for. It is read again.
                    while flow.queue.poll(Duration::ZERO).is_some() {}
                }
                read_ahead::Adjustment::Resume => self.start_on(&[(input, next)], partition)?,
            }
        }
        Ok(())
    }

    /// Who reads an input.
    fn client(&self, input: Input) -> &Arc<Client> {
        match &self.ungrouped {
            Some(ungrouped) if ungrouped.reads(input) => &ungrouped.consumer,
            _ => &self.consumer,
        }
    }

    /// Seeks until the client takes it: a partition whose fetcher is just being started or stopped can't yet. One whose
    /// position was out of range never does: that is given up sooner, for whoever asks to look at its topics.
    fn seek(&self, client: &Client, positions: &[(TopicPartition, Offset)]) -> Result<(), BrokerError> {
        let what = || {
            let (topic, partition) = &positions[0].0;
            format!("seek in partition {partition} of {topic} and its like")
        };
        let judge = |error: &KafkaError, waited| match retry::judge(error) {
            Next::Retry
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::State)
                    && waited > self.settings.call_timeout.duration() =>
            {
                Next::GiveUp
            }
            next => next,
        };
        let (limit, pause) = (self.settings.retry_bound.duration(), self.settings.retry_pause.duration());
        let sought = deadline::retry(limit, pause, judge, || self.try_seek(client, positions));
        sought.map_err(|gave_up| retry::error_of(what(), gave_up))
    }

    fn try_seek(&self, client: &Client, positions: &[(TopicPartition, Offset)]) -> Result<(), KafkaError> {
        let mut list = rdkafka::TopicPartitionList::with_capacity(positions.len());
        for ((topic, partition), offset) in positions {
            list.add_partition_offset(topic, *partition, rdkafka::Offset::Offset(*offset))?;
        }
        let sought = client.seek_partitions(list, self.settings.call_timeout.duration())?;
        sought.elements().iter().try_for_each(rdkafka::topic_partition_list::TopicPartitionListElem::error)
    }

    fn flow(&mut self, input: Input, partition: PartitionId) -> Option<&mut InputQueue> {
        self.flows.iter_mut().find(|flow| flow.input == input && flow.partition == partition)
    }

    /// Of inputs of one client.
    fn start_on(&mut self, positions: &[(Input, Offset)], partition: PartitionId) -> Result<(), BrokerError> {
        let Some(&(first, _)) = positions.first() else { return Ok(()) };
        let client = Arc::clone(self.client(first));
        let named: Vec<(TopicPartition, Offset)> = positions
            .iter()
            .map(|&(input, offset)| ((self.topics.input(input).to_string(), partition.0), offset))
            .collect();
        self.seek(&client, &named)?;
        for &(input, offset) in positions {
            self.open_flow(input, partition, offset)?;
        }
        let failed = |error: KafkaError| triage::client_error(format_args!("start partition {partition}"), &error);
        let names: Vec<TopicPartition> = named.into_iter().map(|(name, _)| name).collect();
        let list = context::list_of(&names, rdkafka::Offset::Invalid).map_err(failed)?;
        client.resume(&list).map_err(failed)
    }

    /// Gives a partition of a topic its own queue, once.
    fn open_flow(&mut self, input: Input, partition: PartitionId, next: Offset) -> Result<(), BrokerError> {
        if let Some(flow) = self.flow(input, partition) {
            flow.next = next;
            flow.paused = false;
            flow.ahead.held = false;
            return Ok(());
        }
        let topic = self.topics.input(input).clone();
        let mut queue = self.client(input).split_partition_queue(&topic, partition.0).ok_or_else(|| {
            let what = format!("read partition {partition} of {topic}");
            BrokerError::client(what, ErrorClass::Retriable, "the client doesn't know it")
        })?;
        queue.set_nonempty_callback(self.wake.caller());
        self.flows.push(InputQueue {
            input,
            partition,
            topic,
            queue,
            next,
            paused: false,
            ahead: ReadAhead::default(),
        });
        Ok(())
    }
}

impl Source for KafkaSource {
    type Message = KafkaMessage;
    type Generation = KafkaGeneration;

    fn poll(&mut self, timeout: Duration, into: &mut Vec<Polled<KafkaMessage>>) -> Result<(), BrokerError> {
        let bound = Deadline::after(timeout);
        self.let_go()?;
        loop {
            // Cleared before looking, so that what comes while we look wakes us.
            self.wake.clear();
            let before = into.len();
            let revoked = self.serve_group(into)?;
            self.silence = Deadline::after(self.settings.max_poll_interval);
            if revoked {
                return Ok(());
            }
            self.read(into)?;
            if into.len() > before || !self.wake.wait(bound.left()) {
                return Ok(());
            }
        }
    }

    fn generation(&self) -> Result<KafkaGeneration, BrokerError> {
        self.consumer.group_metadata().map(|it| KafkaGeneration(Arc::new(it))).ok_or_else(|| {
            let what = format!("ask for our generation in group {}", self.settings.group_id);
            BrokerError::client(what, ErrorClass::Fatal, "the client belongs to no group")
        })
    }

    fn start(&mut self, partition: PartitionId, positions: &[(Input, Offset)]) -> Result<(), BrokerError> {
        if !self.assignment.is_whole(partition) {
            let what = format!("start partition {partition}");
            return Err(BrokerError::client(what, ErrorClass::Retriable, "it isn't ours"));
        }
        let has = |input| self.settings.has(self.topics.input(input), partition);
        let (positions, absent): (Vec<_>, Vec<_>) = positions.iter().copied().partition(|&(input, _)| has(input));
        self.absent.extend(absent.into_iter().map(|(input, _)| (input, partition)));
        let Some(ungrouped) = &mut self.ungrouped else { return self.start_on(&positions, partition) };
        ungrouped.hold(partition)?;
        let (aside, shared): (Vec<_>, Vec<_>) = positions.into_iter().partition(|&(input, _)| ungrouped.reads(input));
        self.start_on(&shared, partition)?;
        self.start_on(&aside, partition)
    }

    /// The queue is left standing: it fills to its bound, and the client stops fetching by itself. (Its own pause would
    /// throw away what it has read ahead.)
    fn pause(&mut self, input: Input, partition: PartitionId) -> Result<(), BrokerError> {
        if let Some(flow) = self.flow(input, partition) {
            flow.paused = true;
        }
        Ok(())
    }

    fn resume(&mut self, input: Input, partition: PartitionId) -> Result<(), BrokerError> {
        if let Some(flow) = self.flow(input, partition) {
            flow.paused = false;
        }
        Ok(())
    }
}

impl Drop for KafkaSource {
    /// Leaves the group. The client's own drop polls until it has left; a rebalance that nobody answered would keep it
    /// there for ever.
    fn drop(&mut self) {
        self.consumer.context().close();
        if let Err(error) = self.let_go() {
            tracing::warn!(error = %Chain(&error), "leaving the group");
        }
        while let Some(rebalance) = self.consumer.context().next_rebalance() {
            if let Err(error) = context::answer(&self.consumer, &rebalance, None) {
                tracing::warn!(error = %Chain(&error), "leaving the group");
            }
        }
        self.flows.clear();
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::Size;
    use rdkafka::mocking::MockCluster;

    use super::*;
    use crate::broker::kafka::PlainProducer;
    use crate::record::{Message as _, Outgoing, text_header};

    const I0: Input = Input(0);
    const P0: PartitionId = PartitionId(0);
    const RECORDS: usize = 120;

    /// A member on the client's mock cluster, with records of 100 KB of headers each, that has read the first.
    fn member(
        settings: KafkaSettings,
    ) -> (MockCluster<'static, rdkafka::producer::DefaultProducerContext>, KafkaSource, usize) {
        let cluster = MockCluster::new(1).expect("a cluster");
        let topics = Topics::of(&["in", "rekey"], 1);
        topics.inputs.iter().for_each(|topic| cluster.create_topic(topic, 1, 1).expect("a topic"));
        let settings = KafkaSettings { bootstrap: cluster.bootstrap_servers(), ..settings };
        let producer = PlainProducer::new(settings.clone()).expect("a producer");
        for _ in 0..RECORDS {
            let headers = vec![text_header("trace", vec![b'x'; 100_000])];
            let (topic, value) = (topics.inputs[0].clone(), Some(b"v".to_vec()));
            let record = Outgoing { topic, partition: Some(P0), key: None, value, headers, timestamp: None };
            producer.send(&record).expect("sent");
        }
        producer.flush().expect("written");
        let mut source = KafkaSource::join(Arc::new(settings), Arc::new(topics), "member").expect("a member");
        let bound = Deadline::after(Duration::from_secs(60));
        let mut read = 0;
        while read == 0 {
            assert!(!bound.is_over(), "nothing comes");
            let mut polled = Vec::new();
            source.poll(Duration::from_millis(20), &mut polled).expect("a poll");
            for polled in polled {
                match polled {
                    Polled::Assigned(_) => source.start(P0, &[(I0, 0), (Input(1), 0)]).expect("started"),
                    Polled::Record { .. } => read += 1,
                    _ => {}
                }
            }
        }
        (cluster, source, read)
    }

    fn records(polled: &[Polled<KafkaMessage>]) -> impl Iterator<Item = Offset> {
        polled.iter().filter_map(|polled| match polled {
            Polled::Record { message, .. } => Some(message.offset()),
            _ => None,
        })
    }

    #[test]
    fn a_poll_ends_at_its_bytes_of_keys_headers_and_values() {
        let (_cluster, mut source, first) =
            member(KafkaSettings { poll_bytes: Size::of_bytes(250_000), ..KafkaSettings::default() });
        let (mut read, bound) = (first, Deadline::after(Duration::from_secs(60)));
        while read < RECORDS {
            assert!(!bound.is_over(), "{read} of {RECORDS}");
            let mut polled = Vec::new();
            source.poll(Duration::from_millis(20), &mut polled).expect("a poll");
            let count = records(&polled).count();
            assert!(count <= 3, "{count} records of 100 KB in a poll of 250 KB");
            read += count;
        }
    }

    #[test]
    fn what_nobody_reads_is_not_read_ahead_beyond_its_bound_and_nothing_of_it_is_lost() {
        let settings = KafkaSettings { poll_records: 1, queued_bytes: Size::of_kib(64), ..KafkaSettings::default() };
        let (_cluster, mut source, first) = member(settings);
        source.pause(I0, P0).expect("paused");
        // 8 times 64 KiB are 5 records.
        for _ in 0..50 {
            source.poll(Duration::from_millis(20), &mut Vec::new()).expect("a poll");
        }
        let waiting = native::queue_length(source.consumer.client(), "in", 0);
        assert!(waiting <= 5, "{waiting} records of 100 KB wait");
        source.resume(I0, P0).expect("resumed");
        let (mut read, bound) = (first, Deadline::after(Duration::from_secs(60)));
        while read < RECORDS {
            assert!(!bound.is_over(), "{read} of {RECORDS}");
            let mut polled = Vec::new();
            source.poll(Duration::from_millis(20), &mut polled).expect("a poll");
            for offset in records(&polled) {
                assert_eq!(offset, read as Offset, "one after the other");
                read += 1;
            }
        }
    }
}
