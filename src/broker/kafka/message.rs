//! A record as it was read, owned: one allocation for its bytes, one for its headers if it has any.

use rdkafka::Message as _;
use rdkafka::message::BorrowedMessage;

use crate::guard::guarded;
use crate::record::{Damage, Header, Message, Offset, Unread};

use super::native;

/// A record of an input.
#[derive(Debug, Clone)]
pub struct KafkaMessage {
    offset: Offset,
    timestamp: Option<i64>,
    /// The key, the value, then name and value of each header.
    bytes: Box<[u8]>,
    key_len: Option<usize>,
    value_len: Option<usize>,
    /// By header, the lengths of name and value.
    headers: Box<[(usize, Option<usize>)]>,
    damage: Option<Box<Damage>>,
}

impl KafkaMessage {
    /// A panic on the way ends the copy alone: what is left is the offset.
    pub(super) fn copy(message: &BorrowedMessage<'_>) -> Self {
        Self::guarded(message.offset(), || Self::copy_whole(message))
    }

    fn guarded(offset: Offset, copy: impl FnOnce() -> Self) -> Self {
        guarded(copy).unwrap_or_else(|panicked| Self {
            offset,
            timestamp: None,
            bytes: Box::default(),
            key_len: None,
            value_len: None,
            headers: Box::default(),
            damage: Some(Box::new(Damage { unread: Unread::All, detail: panicked.to_string() })),
        })
    }

    fn copy_whole(message: &BorrowedMessage<'_>) -> Self {
        let (key, value) = (message.key(), message.payload());
        let (headers, damage) = match native::headers(message) {
            Ok(headers) => (headers, None),
            Err(error) => {
                let detail = format!("headers: the client can't read them ({error})");
                (Vec::new(), Some(Box::new(Damage { unread: Unread::Headers, detail })))
            }
        };
        let of = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let of_headers: usize = headers.iter().map(|(name, value)| name.len() + of(*value)).sum();
        let mut bytes = Vec::with_capacity(of(key) + of(value) + of_headers);
        bytes.extend_from_slice(key.unwrap_or_default());
        bytes.extend_from_slice(value.unwrap_or_default());
        for (name, value) in &headers {
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(value.unwrap_or_default());
        }
        Self {
            offset: message.offset(),
            timestamp: message.timestamp().to_millis(),
            bytes: bytes.into(),
            key_len: key.map(<[u8]>::len),
            value_len: value.map(<[u8]>::len),
            headers: headers.iter().map(|(name, value)| (name.len(), value.map(<[u8]>::len))).collect(),
            damage,
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
        let from = self.key_len.unwrap_or(0);
        self.value_len.map(|len| &self.bytes[from..from + len])
    }

    fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        let mut rest = &self.bytes[self.key_len.unwrap_or(0) + self.value_len.unwrap_or(0)..];
        let mut take = move |len: usize| {
            let (taken, left) = rest.split_at(len);
            rest = left;
            taken
        };
        self.headers.iter().map(move |&(name, value)| (take(name), value.map(&mut take)))
    }

    fn damage(&self) -> Option<&Damage> {
        self.damage.as_deref()
    }

    fn size(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rdkafka::consumer::{BaseConsumer, Consumer as _};
    use rdkafka::mocking::MockCluster;

    use super::*;
    use crate::broker::Isolation;
    use crate::broker::kafka::{KafkaSettings, PlainProducer};
    use crate::record::{Outgoing, OwnedHeader, owned, text_header};

    /// As it comes back from the client's own mock of a broker, which keeps records as bytes.
    fn through_the_client(record: &Outgoing) -> KafkaMessage {
        let cluster = MockCluster::new(1).expect("a cluster");
        cluster.create_topic(&record.topic, 1, 1).expect("a topic");
        let settings = KafkaSettings { bootstrap: cluster.bootstrap_servers(), ..KafkaSettings::default() };
        PlainProducer::new(settings.clone()).expect("a producer").write(record).expect("written");
        let consumer: BaseConsumer = settings.reader(Isolation::ReadCommitted).create().expect("a consumer");
        let mut list = rdkafka::TopicPartitionList::new();
        list.add_partition_offset(&record.topic, 0, rdkafka::Offset::Beginning).expect("a partition");
        consumer.assign(&list).expect("assigned");
        let polled = consumer.poll(Duration::from_secs(30)).expect("a record in time").expect("a record");
        KafkaMessage::copy(&polled)
    }

    fn record(headers: Vec<OwnedHeader>) -> Outgoing {
        let (key, value) = (Some(b"\xffkey".to_vec()), Some(b"value".to_vec()));
        Outgoing { topic: "t".into(), partition: None, key, value, headers, timestamp: Some(7) }
    }

    #[test]
    fn what_is_written_comes_back_whatever_names_and_values_headers_have() {
        let headers = vec![
            (b"\xc3\x28".to_vec(), Some(b"no UTF-8".to_vec())),
            (Vec::new(), Some(Vec::new())),
            text_header("trace", "1"),
            (b"trace".to_vec(), None),
            (vec![b'n'; 100_000], Some(vec![0; 300_000])),
            (b"\xff".to_vec(), None),
        ];
        let written = record(headers);
        let read = through_the_client(&written);
        assert_eq!((read.offset(), read.timestamp(), read.damage()), (0, Some(7), None));
        assert_eq!((read.key(), read.value()), (written.key.as_deref(), written.value.as_deref()));
        assert_eq!(read.headers().map(|header| owned(&header)).collect::<Vec<_>>(), written.headers);
        assert_eq!(read.header("trace"), None, "the last of that name is null");
        let bare = through_the_client(&Outgoing { key: None, value: None, ..record(Vec::new()) });
        assert_eq!((bare.key(), bare.value(), bare.headers().count()), (None, None, 0));
    }

    #[test]
    fn a_panic_in_a_copy_leaves_the_offset_and_the_next_is_copied() {
        let broken = KafkaMessage::guarded(41, || panic!("as rdkafka did over a header's name"));
        let damage = broken.damage().expect("a damage");
        assert_eq!((broken.offset(), broken.key(), broken.value()), (41, None, None));
        assert!(damage.unread == Unread::All && damage.detail.contains("message.rs:"), "{damage:?}");
        let whole = KafkaMessage::guarded(42, || KafkaMessage { damage: None, ..broken.clone() });
        assert_eq!(whole.damage(), None);
    }

    /// The client refuses more than 100,000 headers, which a broker accepts.
    #[test]
    fn headers_that_the_client_cannot_read_leave_key_and_value_and_say_so() {
        let written = record(vec![(b"h".to_vec(), None); 100_001]);
        let read = through_the_client(&written);
        let damage = read.damage().expect("a damage");
        assert!(damage.unread == Unread::Headers && damage.detail.starts_with("headers: "), "{damage:?}");
        assert_eq!((read.key(), read.value()), (written.key.as_deref(), written.value.as_deref()));
        assert_eq!(read.headers().count(), 0);
    }
}
