//! Without transactions: writes what `generate` and tests feed in, reads back what was written.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::client::Client;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _};

use crate::broker::{BrokerError, ErrorClass};
use crate::domain::Timestamp;
use crate::record::{Lent, Offset, Outgoing};

use super::admin::record_limit;
use super::client::context::ProducerWatch;
use super::client::outgoing::base_record;
use super::deadline::Deadline;
use super::settings::KafkaSettings;
use super::triage;

/// While the queue is full or is being flushed.
const PAUSE: Duration = Duration::from_millis(1);

/// A producer that neither loses nor doubles a record, but commits each by itself.
pub struct PlainProducer {
    client: BaseProducer<ProducerWatch>,
    settings: Arc<KafkaSettings>,
}

impl PlainProducer {
    /// Makes no connection yet.
    ///
    /// # Errors
    ///
    /// Where the client refuses its properties.
    pub fn new(settings: KafkaSettings) -> Result<Self, BrokerError> {
        let client = BaseProducer::from_config_and_context(&settings.plain_producer(), ProducerWatch::of(&settings))
            .map_err(|error| settings.creation_error("make a producer", &error))?;
        Ok(Self { client, settings: Arc::new(settings) })
    }

    /// Queues a record; waits while the queue is full. Whether it was written, [`Self::flush`] tells.
    ///
    /// # Errors
    ///
    /// [`BrokerError::NoProgress`] where the queue stays full, or the client's reason.
    pub fn send(&self, record: &Outgoing) -> Result<(), BrokerError> {
        record.lend(|record| self.lend(record))
    }

    fn lend(&self, record: Lent<'_>) -> Result<(), BrokerError> {
        let what = || format!("write to {}", record.topic);
        let bound = Deadline::after(self.settings.no_progress_bound);
        let mut outgoing = base_record(record, None);
        loop {
            self.client.poll(Duration::ZERO);
            match self.client.send(outgoing) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), unsent)) => {
                    if bound.is_over() {
                        let source = "the broker takes nothing more".into();
                        return Err(BrokerError::NoProgress { what: what(), waited: bound.elapsed(), source });
                    }
                    outgoing = unsent;
                    bound.pause(PAUSE);
                }
                Err((error, _)) => return Err(triage::client_error(what(), &error)),
            }
        }
    }

    /// Waits until all that was sent is written; an error if any of it wasn't.
    ///
    /// # Errors
    ///
    /// The first record that was not written, or [`BrokerError::NoProgress`].
    pub fn flush(&self) -> Result<(), BrokerError> {
        let what = || "write what was sent".to_owned();
        let mut left = self.client.in_flight_count();
        let mut bound = Deadline::after(self.settings.no_progress_bound);
        while self.client.in_flight_count() > 0 {
            self.client.poll(Duration::ZERO);
            let now = self.client.in_flight_count();
            if now != left {
                (left, bound) = (now, Deadline::after(self.settings.no_progress_bound));
            } else if bound.is_over() {
                let source = format!("{left} records are not acknowledged").into();
                return Err(BrokerError::NoProgress { what: what(), waited: bound.elapsed(), source });
            } else {
                bound.pause(PAUSE);
            }
        }
        match self.client.context().take_failures() {
            None => Ok(()),
            Some((count, first)) => {
                let first = record_limit::explain(first, &self.settings);
                let source = format!("{count} records were not written, the first: {first}");
                Err(BrokerError::client(what(), ErrorClass::Fatal, source))
            }
        }
    }

    /// When the broker appended the record that was acknowledged last, by its own clock; none where the topic keeps the
    /// writer's.
    pub(super) fn last_appended(&self) -> Option<Timestamp> {
        self.client.context().last_appended()
    }

    pub(super) fn client(&self) -> &Client<ProducerWatch> {
        self.client.client()
    }

    /// Writes one record and waits for it; its offset.
    ///
    /// # Errors
    ///
    /// As [`Self::send`] and [`Self::flush`].
    pub fn write(&self, record: &Outgoing) -> Result<Offset, BrokerError> {
        self.send(record)?;
        self.flush()?;
        Ok(self.client.context().last_written())
    }
}
