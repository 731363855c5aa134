//! What a cluster knows of offsets: the group's, and the ends of logs. Asked for with clients that never read.
//!
//! Two of them, because a pending commit is invisible to one and blocks the other: a read_committed client answers only
//! once no open transaction holds an offset, a read_uncommitted one answers at once, with what may be stale.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::broker::{BrokerError, CommitMetadata, Committed, ForwardProgress, Topics};
use crate::domain::{Input, PartitionId, Timestamp, TopicId};
use crate::record::Offset;

use super::context::{self, PlainContext};
use super::retry::{error_of, judge, retry};
use crate::broker::Isolation;
use crate::broker::kafka::deadline::{self, GaveUp};
use crate::broker::kafka::native;
use crate::broker::kafka::settings::KafkaSettings;
use crate::broker::kafka::triage;

/// A read now and then comes with an empty note although there is one; asked again, it tells.
const NOTE_READS: u32 = 5;
/// Reads of committed offsets are asked for in slices of that, so that a pending one is noticed and named.
const COMMITTED_SLICE: Duration = Duration::from_secs(2);

/// Clients that are made on first use and kept.
#[derive(Default)]
pub(in crate::broker::kafka) struct Observers {
    stable: Observer,
    latest: Observer,
    /// Asks about topics, whatever the others wait for.
    describer: Observer,
}

type Observer = Mutex<Option<Arc<BaseConsumer<PlainContext>>>>;

/// The first and the next offset of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::broker::kafka) struct Watermarks {
    pub low: Offset,
    pub high: Offset,
}

impl Observers {
    /// The group's offsets of one partition, once no open transaction holds any of them.
    pub fn committed(
        &self,
        settings: &KafkaSettings,
        topics: &Topics,
        partition: PartitionId,
    ) -> Result<Vec<Committed>, BrokerError> {
        let what = || format!("read the committed offsets of partition {partition} in group {}", settings.group_id);
        let client = self.client(settings, Isolation::ReadCommitted)?;
        let slice = COMMITTED_SLICE.min(settings.call_timeout.duration());
        let mut reads = 0;
        let read = deadline::retry(
            settings.no_progress_bound.duration(),
            Duration::ZERO,
            |error, _| judge(error),
            || loop {
                let committed = read_committed(&client, settings, topics, partition, slice)?;
                reads += 1;
                if reads == NOTE_READS || committed.iter().all(|it| it.note.is_some()) {
                    return Ok(committed);
                }
            },
        );
        read.map_err(|gave_up| match gave_up {
            GaveUp::Late { error, waited, .. } => {
                let source = self.why_not_committed(settings, topics, partition, &error).into();
                BrokerError::NoProgress { what: what(), waited, source }
            }
            refused => error_of(what(), refused),
        })
    }

    /// The group's offsets as they last stood: what an open transaction is about to change is not in them.
    pub fn last_committed(
        &self,
        settings: &KafkaSettings,
        topics: &Topics,
        partition: PartitionId,
    ) -> Result<Vec<Committed>, BrokerError> {
        let client = self.client(settings, Isolation::ReadUncommitted)?;
        let what = format!("read the last offsets of partition {partition} in group {}", settings.group_id);
        retry(settings, &what, || {
            let mut committed = Vec::new();
            for _ in 0..NOTE_READS {
                committed = read_committed(&client, settings, topics, partition, settings.call_timeout.duration())?;
                if committed.iter().all(|it| it.note.is_some()) {
                    break;
                }
            }
            Ok(committed)
        })
    }

    /// By partition, its front as last committed: `rekey` has every partition, and each commit writes to all inputs
    /// alike.
    pub fn forward_progress(
        &self,
        settings: &KafkaSettings,
        topics: &Topics,
    ) -> Result<Vec<Option<ForwardProgress>>, BrokerError> {
        let client = self.client(settings, Isolation::ReadUncommitted)?;
        let (rekey, partitions) = (topics.rekey(), 0..topics.partitions);
        retry(settings, format_args!("read the fronts in group {}", settings.group_id), || {
            let mut fronts = Vec::new();
            for _ in 0..NOTE_READS {
                let mut asked = TopicPartitionList::with_capacity(partitions.len());
                partitions.clone().for_each(|partition| _ = asked.add_partition(rekey, partition));
                let answer = client.committed_offsets(asked, settings.call_timeout.duration())?;
                let mut has_all = true;
                fronts.clear();
                for partition in partitions.clone() {
                    let found = answer.find_partition(rekey, partition);
                    let found = found.filter(|element| matches!(element.offset(), rdkafka::Offset::Offset(_)));
                    if let Some(element) = &found {
                        element.error()?;
                        has_all &= !element.metadata().is_empty();
                    }
                    fronts.push(found.map(|element| ForwardProgress::parse(element.metadata())));
                }
                if has_all {
                    break;
                }
            }
            Ok(fronts)
        })
    }

    /// Whether an open transaction holds an offset: then a read_committed client gets no answer, though the group gives
    /// others one.
    pub fn is_pending(
        &self,
        settings: &KafkaSettings,
        topics: &Topics,
        partition: PartitionId,
    ) -> Result<bool, BrokerError> {
        let client = self.client(settings, Isolation::ReadCommitted)?;
        match read_committed(
            &client,
            settings,
            topics,
            partition,
            COMMITTED_SLICE.min(settings.call_timeout.duration()),
        ) {
            Ok(_) => Ok(false),
            Err(_) => self.last_committed(settings, topics, partition).map(|_| true),
        }
    }

    /// With [`Isolation::ReadCommitted`], `high` is the last stable offset: an open transaction hides what comes after
    /// it.
    pub fn watermarks(
        &self,
        settings: &KafkaSettings,
        topic: &str,
        partition: PartitionId,
        isolation: Isolation,
    ) -> Result<Watermarks, BrokerError> {
        let client = self.client(settings, isolation)?;
        retry(settings, format_args!("read the watermarks of partition {partition} of {topic}"), || {
            match client.fetch_watermarks(topic, partition.0, settings.call_timeout.duration()) {
                Ok((low, high)) => Ok(Watermarks { low, high }),
                Err(error) => {
                    // The client may go by what it heard when a leader had just died, for a quarter of an hour, and say
                    // that there is no such partition. Asked for the topic, it hears anew; if not, the next attempt
                    // tells.
                    let _ = client.fetch_metadata(Some(topic), settings.call_timeout.duration());
                    Err(error)
                }
            }
        })
    }

    /// How many partitions a topic has; none if there is no such topic.
    pub fn partitions(&self, settings: &KafkaSettings, topic: &str) -> Result<i32, BrokerError> {
        let client = self.client(settings, Isolation::ReadCommitted)?;
        retry(settings, format_args!("ask for the partitions of {topic}"), || {
            let metadata = client.fetch_metadata(Some(topic), settings.call_timeout.duration())?;
            let Some(found) = metadata.topics().first() else { return Ok(0) };
            match found.error().map(RDKafkaErrorCode::from) {
                None => Ok(found.partitions().len() as i32),
                Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(0),
                Some(code) => Err(KafkaError::MetadataFetch(code)),
            }
        })
    }

    /// The topics of those names as they are now. One that this client may not see is an error.
    pub fn describe(
        &self,
        settings: &KafkaSettings,
        names: &[&str],
    ) -> Result<Vec<(Option<TopicId>, i32)>, BrokerError> {
        let client = kept(&self.describer, settings, Isolation::ReadUncommitted)?;
        let what = || format!("describe the topics {}", names.join(", "));
        let described = native::describe_topics(client.client(), names, settings.call_timeout.duration())
            .map_err(|error| triage::client_error(what(), &error))?;
        let told = names.iter().map(|name| {
            let topic = described.iter().find(|topic| topic.name == **name);
            match topic.map_or(RDKafkaErrorCode::NoEnt, |topic| topic.error) {
                RDKafkaErrorCode::NoError => {
                    Ok(topic.map_or((None, 0), |topic| (TopicId::new(&topic.id), topic.partitions)))
                }
                RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => Ok((None, 0)),
                error => {
                    let what = format_args!("describe the topic {name}");
                    Err(triage::client_error(what, &KafkaError::AdminOp(error)))
                }
            }
        });
        told.collect()
    }

    /// By input, the first offset whose record was written at that time or later; past all offsets where there is none.
    pub fn at(
        &self,
        settings: &KafkaSettings,
        topics: &Topics,
        partition: PartitionId,
        at: Timestamp,
    ) -> Result<Vec<(Input, Offset)>, BrokerError> {
        let client = self.client(settings, Isolation::ReadCommitted)?;
        retry(settings, format_args!("ask for the offsets of {at} in partition {partition}"), || {
            let mut asked = TopicPartitionList::with_capacity(topics.inputs.len());
            for topic in topics.inputs.iter().filter(|topic| settings.has(topic, partition)) {
                asked.add_partition_offset(topic, partition.0, rdkafka::Offset::Offset(at.millis()))?;
            }
            let answer = client.offsets_for_times(asked, settings.call_timeout.duration())?;
            let mut found = Vec::new();
            for (input, topic) in (0u8..).map(Input).zip(&topics.inputs) {
                let Some(element) = answer.find_partition(topic, partition.0) else { continue };
                element.error()?;
                let offset = if let rdkafka::Offset::Offset(offset) = element.offset() { offset } else { Offset::MAX };
                found.push((input, offset));
            }
            Ok(found)
        })
    }

    fn why_not_committed(
        &self,
        settings: &KafkaSettings,
        topics: &Topics,
        partition: PartitionId,
        failure: &KafkaError,
    ) -> String {
        match self.last_committed(settings, topics, partition) {
            Err(_) => format!("the broker gives no answer ({failure})"),
            Ok(last) => {
                let writers: Vec<String> =
                    last.iter().filter_map(|it| it.note.as_ref()).map(CommitMetadata::to_string).collect();
                let last = writers.first().map_or("nobody of ours", String::as_str);
                format!(
                    "an open transaction holds one of them (the last to commit was {last}); \
                     it ends when its producer is fenced, or times out"
                )
            }
        }
    }

    fn client(
        &self,
        settings: &KafkaSettings,
        isolation: Isolation,
    ) -> Result<Arc<BaseConsumer<PlainContext>>, BrokerError> {
        let observer = match isolation {
            Isolation::ReadCommitted => &self.stable,
            Isolation::ReadUncommitted => &self.latest,
        };
        kept(observer, settings, isolation)
    }
}

/// The client of an observer, made on first use.
fn kept(
    observer: &Observer,
    settings: &KafkaSettings,
    isolation: Isolation,
) -> Result<Arc<BaseConsumer<PlainContext>>, BrokerError> {
    let mut observer = context::lock(observer);
    let client = match &*observer {
        Some(client) => Arc::clone(client),
        None => {
            let made = BaseConsumer::from_config_and_context(&settings.observer(isolation), PlainContext::of(settings));
            let made = made.map_err(|error| settings.creation_error("make a client that asks for offsets", &error))?;
            Arc::clone(observer.insert(Arc::new(made)))
        }
    };
    serve(&client);
    Ok(client)
}

/// Serves what the client has to say (it reads nothing), so that it doesn't pile up.
fn serve(client: &BaseConsumer<PlainContext>) {
    let watch = &client.context().watch;
    loop {
        let served = watch.served();
        let polled = client.poll(Duration::ZERO);
        if polled.is_none() && watch.served() == served {
            return;
        }
    }
}

/// One read. The list is gone before this returns: held until after its client, it would hang.
fn read_committed(
    client: &BaseConsumer<PlainContext>,
    settings: &KafkaSettings,
    topics: &Topics,
    partition: PartitionId,
    timeout: Duration,
) -> Result<Vec<Committed>, KafkaError> {
    let mut asked = TopicPartitionList::with_capacity(topics.inputs.len());
    for topic in topics.inputs.iter().filter(|topic| settings.has(topic, partition)) {
        asked.add_partition(topic, partition.0);
    }
    let answer = client.committed_offsets(asked, timeout)?;
    let mut committed = Vec::new();
    let (present, absent): (Vec<_>, Vec<_>) =
        (0u8..).map(Input).zip(&topics.inputs).partition(|(_, topic)| settings.has(topic, partition));
    for (input, topic) in present {
        let Some(element) = answer.find_partition(topic, partition.0) else { continue };
        element.error()?;
        if let rdkafka::Offset::Offset(offset) = element.offset() {
            committed.push(Committed { input, offset, note: CommitMetadata::parse(element.metadata()) });
        }
    }
    // A partition that an input lacks stands where it always does, by whoever committed the others.
    if let Some(note) = committed.first().map(|first| first.note.clone()) {
        committed.extend(absent.into_iter().map(|(input, _)| Committed { input, offset: 0, note: note.clone() }));
        committed.sort_by_key(|committed| committed.input);
    }
    Ok(committed)
}
