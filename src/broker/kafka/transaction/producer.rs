//! A transactional producer over the client's: one id, one open transaction, every error sorted once.
//!
//! The order within a commit, and why:
//! 1. drain, before the offsets and again before the commit: until every record is acknowledged (the client's own flush
//!    would cost 100 ms);
//! 2. no record may have failed;
//! 3. commit, the same call again while it is retriable and within the bound;
//! 4. if a connection failed between 3's first call and its return, the outcome is unknown even when the call says Ok:
//!    a commit still on its way could end a part of the *next* transaction. Only a new producer (a new epoch) is safe;
//! 5. if one failed at any other time, offsets still on their way could replace those of the next transaction, and a
//!    lone broker that stopped may have ended the last one without its markers: the outcome stands, but the next
//!    transaction is a new producer's.
//!
//! Must not know: what is written, or what memory makes of an error. The order of its calls is `open_transaction.rs`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer as _};

use super::failure::{AttemptError, CallError, right};
use crate::broker::error::BoxedError;
use crate::broker::kafka::admin::{record_limit, rights};
use crate::broker::kafka::client::context::ProducerWatch;
use crate::broker::kafka::client::detached_call;
use crate::broker::kafka::client::undelivered::Undelivered;
use crate::broker::kafka::client_error::ClientError;
use crate::broker::kafka::deadline::{self, Deadline, GaveUp, Next};
use crate::broker::kafka::group::source::KafkaGeneration;
use crate::broker::kafka::settings::KafkaSettings;
use crate::broker::kafka::triage::{self, Denied};
use crate::broker::rights::{Lacking, Operation, Right};
use crate::broker::{BrokerError, ErrorClass, Topics, TransactionError};
use crate::chain::Chain;
use crate::record::Lent;

/// Between two looks at how many records are unacknowledged. Waiting inside of the client spins for up to 1 ms instead.
pub(super) const DRAIN_PAUSE: Duration = Duration::from_micros(200);
/// An abort first lets what is on its way arrive: a purge of it costs the next transaction up to 2 s.
const ABORT_DRAIN_BOUND: Duration = Duration::from_millis(500);

/// Why a producer must be replaced by a new one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RetireReason {
    /// The client is busy with a call that was given up.
    #[error("{0} never returned")]
    NeverReturned(&'static str),
    /// The error, with its causes.
    #[error("after {0}")]
    After(String),
}

impl RetireReason {
    pub fn after(error: &TransactionError) -> Self {
        Self::After(Chain(error).to_string())
    }
}

/// Records that were not written, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unwritten(String);

#[derive(Debug, thiserror::Error)]
#[error("no thread to call the client on")]
struct NoThread(#[source] io::Error);

/// A commit may or may not have arrived. None: the client says that it was committed.
#[derive(Debug, thiserror::Error)]
#[error("a connection failed during the commit{}", if source.is_none() { "; the client says it was \
    committed" } else { "" })]
struct LostConnection {
    #[source]
    source: Option<BoxedError>,
}

/// A transactional id of ours: at most one open transaction, and at most one holder in the cluster.
pub struct KafkaProducer {
    pub(super) client: Arc<BaseProducer<ProducerWatch>>,
    pub(super) transactional_id: Arc<str>,
    pub(super) settings: Arc<KafkaSettings>,
    pub(super) topics: Arc<Topics>,
    /// Why this producer must not begin another transaction, if it must not.
    pub(super) retired: Option<RetireReason>,
    /// Connections that had failed when the id was taken.
    pub(super) failures: u64,
}

impl KafkaProducer {
    /// Takes the id: returns when its earlier holder is fenced and what that had open is aborted. Retriable: another
    /// takes it at the same time.
    pub(in crate::broker::kafka) fn take(
        settings: Arc<KafkaSettings>,
        topics: Arc<Topics>,
        transactional_id: &str,
    ) -> Result<Self, BrokerError> {
        let what = || format!("take transactional id {transactional_id}");
        let client = BaseProducer::from_config_and_context(
            &settings.transactional(transactional_id),
            ProducerWatch::of(&settings),
        )
        .map_err(|error| settings.creation_error(what(), &error))?;
        let client = Arc::new(client);
        let transactional_id = transactional_id.into();
        let mut producer = Self { client, transactional_id, settings, topics, retired: None, failures: 0 };
        let (limit, pause, timeout) = (
            producer.settings.retry_bound.duration(),
            producer.settings.retry_pause.duration(),
            producer.settings.call_timeout.duration(),
        );
        let judge = |error: &KafkaError, _| match triage::of_transaction(error) {
            ErrorClass::Retriable if triage::denied(error).is_none() => Next::Retry,
            _ => Next::Refuse,
        };
        let initialised = deadline::retry(limit, pause, judge, || {
            producer.client.init_transactions(timeout).inspect_err(|_| producer.serve())
        });
        match initialised {
            Ok(()) => {
                producer.failures = producer.transport_failures();
                Ok(producer)
            }
            Err(GaveUp::Late { error, waited, .. }) => {
                Err(BrokerError::NoProgress { what: what(), waited, source: Box::new(ClientError::of(&error)) })
            }
            Err(GaveUp::Refused { error, .. }) => Err(producer.refused_id(what(), &error)),
        }
    }

    /// Why the id can't be had.
    fn refused_id(&self, what: String, error: &KafkaError) -> BrokerError {
        if let Some(denied) = triage::denied(error) {
            let right = right(denied, &self.transactional_id, &self.settings.group_id);
            return BrokerError::Denied { what, lacking: self.settings.lacking(vec![right]) };
        }
        let source = Box::new(ClientError::of(error));
        if triage::is_fenced(error) {
            BrokerError::Fenced { what, source }
        } else {
            BrokerError::Client { what, class: ErrorClass::Fatal, source }
        }
    }

    fn serve(&self) {
        serve(&self.client);
    }

    /// Until every record is acknowledged or given up. Says whether that came about within the bound.
    fn drain(&self, bound: Duration) -> bool {
        let bound = Deadline::after(bound);
        loop {
            self.client.poll(Duration::ZERO);
            if self.client.in_flight_count() == 0 {
                return true;
            }
            if bound.is_over() {
                return false;
            }
            bound.pause(DRAIN_PAUSE);
        }
    }

    pub(super) fn transport_failures(&self) -> u64 {
        self.serve();
        self.client.context().watch.transport_failures()
    }

    /// The same call again while it is retriable and within the bound.
    pub(super) fn insist<E: Into<AttemptError>>(
        &self,
        call: &'static str,
        mut attempt: impl FnMut() -> Result<(), E>,
    ) -> Result<(), CallError> {
        let id = &*self.transactional_id;
        let judge = |error: &AttemptError, _| {
            if error.class != ErrorClass::Retriable || error.denied.is_some() {
                return Next::Refuse;
            }
            tracing::debug!(call, reason = %error, id, "it failed, and may be tried again");
            Next::Retry
        };
        let outcome =
            deadline::retry(self.settings.retry_bound.duration(), self.settings.retry_pause.duration(), judge, || {
                let one = Deadline::after(2 * self.settings.call_timeout.duration());
                let outcome = attempt();
                if one.is_over() {
                    tracing::warn!(call, took = ?one.elapsed(), id, "the client overran its time-out");
                }
                self.serve();
                outcome.map_err(Into::into)
            });
        outcome.map_err(|gave_up| {
            let (GaveUp::Refused { error, attempts, waited } | GaveUp::Late { error, attempts, waited }) = gave_up;
            let AttemptError { class, is_fenced, denied, source } = error;
            let denied = denied.map(|denied| Box::new(self.lacking_for(denied)));
            CallError { call, class, is_fenced, attempts, waited, source, denied }
        })
    }

    /// The rights that a denied call lacked.
    fn lacking_for(&self, denied: Denied) -> Lacking {
        let right = right(denied, &self.transactional_id, &self.settings.group_id);
        self.denied_topics().unwrap_or_else(|| self.settings.lacking(vec![right]))
    }

    /// For how long the broker makes this client wait (a quota), as its statistics last told.
    pub(super) fn throttled(&self) -> Option<Duration> {
        self.client.context().throttled()
    }

    /// The client's time-out for this call holds for none of its waits, and a broker that left the cluster while
    /// the call waits for it makes that last for minutes (librdkafka's issues 5456 and 5511). The transaction is lost
    /// by then: the broker aborts it when its time has passed.
    pub(super) fn try_send_list(
        &self,
        list: &TopicPartitionList,
        generation: &KafkaGeneration,
        hangs: &mut bool,
    ) -> Result<(), AttemptError> {
        let (list, generation, timeout) = (list.clone(), generation.0.clone(), self.settings.call_timeout.duration());
        let (client, tended) = (self.client.clone(), self.client.clone());
        let send = move || client.send_offsets_to_transaction(&list, &generation, timeout);
        let bound = self.settings.transaction_timeout.duration();
        match detached_call::call(bound, send, move || serve(&tended)) {
            Ok(Some(outcome)) => Ok(outcome?),
            Ok(None) => {
                *hangs = true;
                let source = format!("the client did not return in {bound:?}; it is left behind");
                Err(AttemptError::of(ErrorClass::Fatal, source))
            }
            Err(error) => Err(AttemptError::of(ErrorClass::Abortable, NoThread(error))),
        }
    }

    pub(super) fn abort(&self) -> Result<(), TransactionError> {
        let call = "abort";
        let failures = self.transport_failures();
        if let Some(error) = self.fatal_error(call) {
            return Err(error);
        }
        self.drain(ABORT_DRAIN_BOUND);
        self.insist(call, || self.client.abort_transaction(self.settings.call_timeout.duration()))?;
        // What failed with it is none of the next transaction's.
        self.drain(ABORT_DRAIN_BOUND);
        self.client.context().take_failures();
        if self.transport_failures() != failures {
            // As with a commit: an abort still on its way could end a part of the next transaction.
            return Err(TransactionError::fatal(call, "a connection failed during the abort"));
        }
        Ok(())
    }

    /// Commits what is drained. The outcome as such; whether anything may go on is `commit`'s to say.
    pub(super) fn commit_drained(&self) -> Result<(), TransactionError> {
        let call = "commit";
        let failures = self.transport_failures();
        let outcome = self.insist(call, || self.client.commit_transaction(self.settings.call_timeout.duration()));
        let unknown = |source: BoxedError| Err(TransactionError::OutcomeUnknown { call, source });
        if self.transport_failures() != failures {
            let source = outcome.err().map(|error| error.source);
            return unknown(Box::new(LostConnection { source }));
        }
        match outcome {
            // The bound has passed, or an earlier attempt may have got through.
            Err(error @ CallError { class: ErrorClass::Retriable, .. }) => unknown(error.source),
            Err(error @ CallError { class: ErrorClass::Fatal, .. }) if error.attempts > 1 => unknown(error.source),
            outcome => Ok(outcome?),
        }
    }

    /// Why what was sent can't be committed, if any of it wasn't written.
    pub(super) fn check_written(&self, call: &'static str) -> Result<(), TransactionError> {
        if !self.drain(self.settings.transaction_timeout.duration()) {
            let unsent = self.client.in_flight_count();
            let throttled = self.throttled();
            let quota = throttled.map_or_else(String::new, |throttled| {
                format!("; the broker throttles this client by {throttled:?} (a quota on what it may write)")
            });
            let waited = self.settings.transaction_timeout.duration();
            let source = format!("{unsent} records unacknowledged after {waited:?}{quota}").into();
            return Err(TransactionError::TimedOut { call, throttled, source });
        }
        let denied = self.denied_topics();
        let Some((count, first)) = self.client.context().take_failures() else { return Ok(()) };
        if let Some(lacking) = denied {
            return Err(TransactionError::Denied { call, lacking });
        }
        let first = record_limit::explain(first, &self.settings);
        let unwritten = Unwritten(format!("{count} records were not written, the first: {first}"));
        Err(match self.client.client().fatal_error() {
            Some((_, fatal)) => TransactionError::fatal(call, format!("{fatal}; {unwritten}")),
            None => TransactionError::abortable(call, unwritten),
        })
    }

    /// That the client can't go on, if it can't.
    fn fatal_error(&self, call: &'static str) -> Option<TransactionError> {
        let (code, text) = self.client.client().fatal_error()?;
        Some(match triage::is_fenced_by(code) {
            true => TransactionError::Fenced { call, source: text.into() },
            false => TransactionError::fatal(call, text),
        })
    }

    /// The rights for want of which records were not written: the client may throw them away without saying why.
    fn denied_topics(&self) -> Option<Lacking> {
        let failed = self.client.context().take_unexplained();
        let needed: Vec<_> = failed.iter().map(|topic| Right::on_topic(Operation::Write, topic)).collect();
        match rights::lacking(self.client.client(), &self.settings, &needed) {
            Ok(lacking) => lacking,
            Err(error) => {
                tracing::debug!(%error, "the broker doesn't say what is allowed");
                None
            }
        }
    }

    /// An error that came without a verdict, as `send` gives it: fatal if the client is done for, else abortable.
    pub(super) fn sort_send_error(&self, record: Lent<'_>, error: &KafkaError) -> TransactionError {
        let call = "send";
        if let Some(lacking) = self.denied_topics() {
            return TransactionError::Denied { call, lacking };
        }
        self.fatal_error(call).unwrap_or_else(|| {
            let refused = Undelivered::by_client(record, error, self.settings.max_message.bytes());
            TransactionError::abortable(call, Unwritten(refused.to_string()))
        })
    }

    /// Gives up what is open without a word to the broker, which would have to wait for what it doesn't take: whoever
    /// takes the id next ends it.
    pub(super) fn leave(&mut self, error: &TransactionError) {
        self.retired = Some(RetireReason::after(error));
    }
}

/// Serves what the client has for us; it hands over one event a call.
fn serve(client: &BaseProducer<ProducerWatch>) {
    let watch = &client.context().watch;
    loop {
        let served = watch.served();
        client.poll(Duration::ZERO);
        if watch.served() == served {
            return;
        }
    }
}
