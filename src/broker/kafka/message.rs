//! A record as it was read, owned: one allocation for its bytes, one for its headers if it has any.

use rdkafka::Message as _;
use rdkafka::message::BorrowedMessage;

use crate::record::{Message, Offset};

use super::native;

/// A record of an input.
#[derive(Debug, Clone)]
pub struct KafkaMessage {
    offset: Offset,
    timestamp: Option<i64>,
    /// The key, then the value.
    bytes: Box<[u8]>,
    key_len: Option<usize>,
    has_value: bool,
    headers: Box<[Header]>,
}

type Header = (Box<str>, Box<[u8]>);

impl KafkaMessage {
    pub(super) fn copy(message: &BorrowedMessage<'_>) -> Self {
        let (key, value) = (message.key(), message.payload());
        // A header without a value stands for an empty one: no reader of ours tells them apart.
        let headers = native::headers(message).unwrap_or_default().into_iter();
        let headers = headers
            .map(|(name, value)| (String::from_utf8_lossy(name).into(), value.unwrap_or_default().into()))
            .collect();
        Self {
            offset: message.offset(),
            timestamp: message.timestamp().to_millis(),
            bytes: [key.unwrap_or_default(), value.unwrap_or_default()].concat().into(),
            key_len: key.map(<[u8]>::len),
            has_value: value.is_some(),
            headers,
        }
    }
}

impl Message for KafkaMessage {
    fn offset(&self) -> Offset {
        self.offset
    }

    fn timestamp(&self) -> Option<i64> {
        self.timestamp
    }

    fn key(&self) -> Option<&[u8]> {
        self.key_len.map(|len| &self.bytes[..len])
    }

    fn value(&self) -> Option<&[u8]> {
        self.has_value.then(|| &self.bytes[self.key_len.unwrap_or(0)..])
    }

    fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (&**name, &**value))
    }
}
