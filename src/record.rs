//! A record as it was read, and one to be written: bytes, headers, coordinates. No client, no broker.

use std::sync::Arc;

use crate::domain::PartitionId;

/// The position of a record in a partition. Offsets have gaps: a commit and an abort each burn one.
pub type Offset = i64;

/// A header as it was read: name and value. Kafka's names are text by convention only, and a null value is no empty
/// one.
pub type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// A header to be written.
pub type OwnedHeader = (Vec<u8>, Option<Vec<u8>>);

/// A header with a text for a name, as ours are.
pub fn text_header(name: &str, value: impl Into<Vec<u8>>) -> OwnedHeader {
    (name.into(), Some(value.into()))
}

/// Whether a header has one of these names.
pub fn is_named(name: &[u8], names: &[&str]) -> bool {
    names.iter().any(|it| it.as_bytes() == name)
}

/// A record as it was read. Borrowed from the client where the client allows it.
pub trait Message: Send {
    /// Where it lies in its partition.
    fn offset(&self) -> Offset;
    /// Milliseconds since the epoch, as the broker has it; not the event's time.
    fn timestamp(&self) -> Option<i64>;
    /// The key as it lies in the log; `None` where it is null.
    fn key(&self) -> Option<&[u8]>;
    /// The value as it lies in the log; `None` for a tombstone.
    fn value(&self) -> Option<&[u8]>;
    /// In the order of the record; a name may come more than once.
    fn headers(&self) -> impl Iterator<Item = Header<'_>>;

    /// The value of the last header of that name, as Kafka's own `lastHeader`; none where that is null.
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().filter(|(n, _)| *n == name.as_bytes()).last().and_then(|(_, value)| value)
    }

    /// What of the record couldn't be read, if anything.
    fn damage(&self) -> Option<&Damage> {
        None
    }

    /// Bytes of the key, of names and values of headers, and of the value.
    fn size(&self) -> usize {
        let of = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let headers: usize = self.headers().map(|(name, value)| name.len() + of(value)).sum();
        of(self.key()) + headers + of(self.value())
    }

    /// Bytes that it takes in memory besides itself, about.
    fn footprint(&self) -> usize {
        const HEADER_BYTES: usize = 24;
        self.size() + self.headers().count() * HEADER_BYTES
    }
}

/// What of a record couldn't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// Its headers; key and value are whole.
    Headers,
    /// All but its offset.
    All,
}

impl Unread {
    /// As the dead letter's header names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::All => "all",
        }
    }
}

/// What of a record couldn't be read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// How much of it.
    pub unread: Unread,
    /// What was tried, and what is wrong, in words.
    pub detail: String,
}

/// Where a record stood: what `cause` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinates {
    /// The name of its topic.
    pub topic: Arc<str>,
    /// Its partition there.
    pub partition: PartitionId,
    /// Its offset in that partition.
    pub offset: Offset,
}

/// A record to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The name of the topic that it goes to.
    pub topic: Arc<str>,
    /// `None`: murmur2 of the key, as [`crate::domain::partition_of`] has it.
    pub partition: Option<PartitionId>,
    /// `None` is a null key.
    pub key: Option<Vec<u8>>,
    /// `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// In the order in which they are written.
    pub headers: Vec<OwnedHeader>,
    /// Milliseconds since the epoch; `None`: the time of sending.
    pub timestamp: Option<i64>,
}

impl Outgoing {
    /// Bytes of the key, of names and values of headers, and of the value.
    pub fn size(&self) -> usize {
        let of = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        of(&self.key) + of(&self.value) + self.headers.iter().map(|(name, value)| name.len() + of(value)).sum::<usize>()
    }

    /// Lends it to `to`.
    pub fn lend<T>(&self, to: impl FnOnce(Lent<'_>) -> T) -> T {
        let headers: Vec<_> = self.headers.iter().map(borrowed).collect();
        to(Lent {
            topic: &self.topic,
            partition: self.partition,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
            timestamp: self.timestamp,
        })
    }
}

/// A header to be written, lent.
pub fn borrowed((name, value): &OwnedHeader) -> Header<'_> {
    (name, value.as_deref())
}

/// A header to be kept.
pub fn owned((name, value): &Header<'_>) -> OwnedHeader {
    (name.to_vec(), value.map(<[u8]>::to_vec))
}

/// A record to be written, lent for the time of the call: whoever writes it copies it once, to where it leaves from.
/// Its fields are those of [`Outgoing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lent<'a> {
    /// As [`Outgoing::topic`].
    pub topic: &'a str,
    /// As [`Outgoing::partition`].
    pub partition: Option<PartitionId>,
    /// As [`Outgoing::key`].
    pub key: Option<&'a [u8]>,
    /// As [`Outgoing::value`].
    pub value: Option<&'a [u8]>,
    /// As [`Outgoing::headers`].
    pub headers: &'a [Header<'a>],
    /// As [`Outgoing::timestamp`].
    pub timestamp: Option<i64>,
}

impl From<Lent<'_>> for Outgoing {
    fn from(record: Lent<'_>) -> Self {
        Self {
            topic: record.topic.into(),
            partition: record.partition,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.iter().map(owned).collect(),
            timestamp: record.timestamp,
        }
    }
}
