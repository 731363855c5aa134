//! One partition of one input as a queue of its own: records and ends in order, up to a bound a poll.
//!
//! Must not know: the group, and who owns the partition.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;

use crate::broker::kafka::client::context::MemberContext;
use crate::broker::kafka::message::KafkaMessage;
use crate::broker::kafka::settings::KafkaSettings;
use crate::broker::kafka::triage;
use crate::broker::{BrokerError, Polled};
use crate::domain::{Input, PartitionId};
use crate::record::{Message as _, Offset};

use super::poll_error;
use super::read_ahead::ReadAhead;

/// One partition of one input that flows.
pub(in crate::broker::kafka) struct InputQueue {
    pub input: Input,
    pub partition: PartitionId,
    pub topic: Arc<str>,
    pub queue: PartitionQueue<MemberContext>,
    /// No record before this one is handed over.
    pub next: Offset,
    pub paused: bool,
    pub ahead: ReadAhead,
}

impl InputQueue {
    /// Hands over at most `limit` items, and no more once the `bytes` are used up. Says whether there may be more.
    pub fn read(
        &mut self,
        limit: usize,
        bytes: &mut usize,
        context: &MemberContext,
        settings: &KafkaSettings,
        into: &mut Vec<Polled<KafkaMessage>>,
    ) -> Result<bool, BrokerError> {
        if self.paused {
            return Ok(false);
        }
        let (input, partition) = (self.input, self.partition);
        for _ in 0..limit {
            if *bytes == 0 {
                return Ok(true);
            }
            match self.queue.poll(Duration::ZERO) {
                None => return Ok(false),
                Some(Ok(message)) if message.offset() < self.next => {
                    tracing::debug!(topic = &*self.topic, %partition, offset = message.offset(), "a void record");
                }
                Some(Ok(message)) => {
                    self.next = message.offset() + 1;
                    let message = KafkaMessage::copy(&message);
                    let size = message.size();
                    *bytes = bytes.saturating_sub(size);
                    self.ahead.saw(size - message.value().map_or(0, <[u8]>::len));
                    into.push(Polled::Record { input, partition, message });
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    self.next = self.next.max(context.last_end().unwrap_or(self.next));
                    into.push(Polled::End { input, partition, offset: self.next });
                }
                Some(Err(error)) if triage::is_out_of_range(&error) => {
                    into.push(Polled::OutOfRange { input, partition });
                }
                Some(Err(error)) => poll_error::judge(&error, settings, Some(&self.topic))?,
            }
        }
        Ok(true)
    }
}
