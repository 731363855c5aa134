//! A record that was not written: which, how large, by what limit.
//!
//! The client tells the topic and the error; the limit of the topic is asked for where size was the reason, and only
//! then.

use std::fmt;

use rdkafka::Message as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;

use crate::record::Lent;

use crate::broker::kafka::triage;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::broker::kafka) struct Undelivered {
    topic: String,
    partition: Option<i32>,
    /// Of key and value.
    bytes: usize,
    reason: String,
    is_too_large: bool,
    /// Thrown away by the client, on account of what befell another.
    pub is_purged: bool,
    /// For want of a right.
    pub is_denied: bool,
    limit: Option<(&'static str, String)>,
}

impl Undelivered {
    /// By the client itself, before anything was sent.
    pub fn by_client(record: Lent<'_>, error: &KafkaError, max_message_bytes: usize) -> Self {
        let is_too_large = is_too_large(error);
        Self {
            topic: record.topic.to_owned(),
            partition: record.partition.map(|partition| partition.0),
            bytes: len(record.key) + len(record.value),
            reason: error.to_string(),
            is_too_large,
            is_purged: false,
            is_denied: false,
            limit: is_too_large.then(|| ("kafka.max_message", max_message_bytes.to_string())),
        }
    }

    /// By the broker, or because it never took it.
    pub fn by_broker(message: &BorrowedMessage<'_>, error: &KafkaError) -> Self {
        Self {
            topic: message.topic().to_owned(),
            partition: Some(message.partition()),
            bytes: len(message.key()) + len(message.payload()),
            reason: error.to_string(),
            is_too_large: is_too_large(error),
            is_purged: is_purged(error),
            is_denied: triage::denied(error).is_some(),
            limit: None,
        }
    }

    /// The topic whose limit it broke, where that limit is still to be asked for.
    pub fn over_limit_of(&self) -> Option<&str> {
        (self.is_too_large && self.limit.is_none()).then_some(&*self.topic)
    }

    /// With the limit that it broke, and the name of that limit.
    pub fn with_limit(mut self, name: &'static str, limit: String) -> Self {
        self.limit = Some((name, limit));
        self
    }
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.topic)?;
        if let Some(partition) = self.partition {
            write!(f, " partition {partition}")?;
        }
        write!(f, ", a record of {} bytes: {}", self.bytes, self.reason)?;
        match &self.limit {
            Some((name, limit)) => write!(f, "; the limit is {name}, {limit}"),
            None => Ok(()),
        }
    }
}

fn len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(0, <[u8]>::len)
}

pub(in crate::broker::kafka) fn is_purged(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::PurgeQueue)
}

fn is_too_large(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_the_client_finds_too_large_is_named_with_topic_size_and_limit() {
        let (key, value) = ([0; 3], [0; 97]);
        let (key, value) = (Some(&key[..]), Some(&value[..]));
        let record = Lent { topic: "tiers", partition: None, key, value, headers: &[], timestamp: None };
        let error = KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge);
        let told = Undelivered::by_client(record, &error, 64).to_string();
        for part in ["tiers", "a record of 100 bytes", "kafka.max_message, 64"] {
            assert!(told.contains(part), "{part:?} is not in {told}");
        }
    }
}
