//! A journal frame as bytes: counts and lengths as u32 (of a null header value its largest), numbers as i64, little
//! endian, in the order of the fields.

use std::sync::Arc;

use super::frame::{Frame, Part, StoredOffset};
use super::log::{Contents, MemoryMessage};
use super::logs::LogId;
use crate::domain::{Input, PartitionId};

pub(super) fn encode(frame: &Frame) -> Vec<u8> {
    let mut out = FrameWriter(Vec::new());
    out.list(&frame.parts, |out, part| {
        out.number(i64::from(part.log.topic));
        out.number(i64::from(part.log.partition.0));
        out.number(part.start);
        out.number(part.next);
        out.list(&part.records, |out, record| {
            out.number(record.offset);
            out.contents(&record.contents);
        });
    });
    out.list(&frame.offsets, |out, ((partition, input), stored)| {
        out.number(i64::from(partition.0));
        out.number(i64::from(input.0));
        out.number(stored.offset);
        out.bytes(stored.metadata.as_bytes());
    });
    out.0
}

/// None where the bytes are no frame.
pub(super) fn decode(bytes: &[u8]) -> Option<Frame> {
    let mut input = FrameReader(bytes);
    let parts = input.list(|input| {
        Some(Part {
            log: LogId {
                topic: input.number()?.try_into().ok()?,
                partition: PartitionId(input.number()?.try_into().ok()?),
            },
            start: input.number()?,
            next: input.number()?,
            records: input
                .list(|input| Some(MemoryMessage { offset: input.number()?, contents: Arc::new(input.contents()?) }))?,
        })
    })?;
    let offsets = input.list(|input| {
        let key = (PartitionId(input.number()?.try_into().ok()?), Input(input.number()?.try_into().ok()?));
        Some((key, StoredOffset { offset: input.number()?, metadata: input.text()? }))
    })?;
    input.0.is_empty().then_some(Frame { parts, offsets })
}

/// The length of a header's value that is null: no value is as long.
const NULL: u32 = u32::MAX;

struct FrameWriter(Vec<u8>);

impl FrameWriter {
    fn number(&mut self, number: i64) {
        self.0.extend(number.to_le_bytes());
    }

    /// The journal refuses frames of 4 GiB and more, so no length in one is cut here.
    fn count(&mut self, count: usize) {
        self.0.extend((count as u32).to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend(bytes);
    }

    fn list<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.count(items.len());
        items.iter().for_each(|item| each(self, item));
    }

    fn optional<T>(&mut self, value: Option<T>, each: impl FnOnce(&mut Self, T)) {
        self.0.push(value.is_some().into());
        if let Some(value) = value {
            each(self, value);
        }
    }

    fn contents(&mut self, contents: &Contents) {
        self.optional(contents.key.as_ref(), |out, key| out.bytes(key));
        self.optional(contents.value.as_ref(), |out, value| out.bytes(value));
        self.optional(contents.timestamp, Self::number);
        self.list(&contents.headers, |out, (name, value)| {
            out.bytes(name);
            match value {
                Some(value) => out.bytes(value),
                None => out.0.extend(NULL.to_le_bytes()),
            }
        });
    }
}

struct FrameReader<'a>(&'a [u8]);

impl<'a> FrameReader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn number(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }

    fn count(&mut self) -> Option<usize> {
        self.take().map(|bytes| u32::from_le_bytes(bytes) as usize)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.count()?;
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn nullable(&mut self) -> Option<Option<&'a [u8]>> {
        if let Some(rest) = self.0.strip_prefix(&NULL.to_le_bytes()) {
            self.0 = rest;
            return Some(None);
        }
        self.bytes().map(Some)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    /// Grows as items are read, so that a wrong count can't ask for memory that isn't there.
    fn list<T>(&mut self, mut each: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.count()?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(each(self)?);
        }
        Some(items)
    }

    fn optional<T>(&mut self, each: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.take()? {
            [0] => Some(None),
            [1] => each(self).map(Some),
            _ => None,
        }
    }

    fn contents(&mut self) -> Option<Contents> {
        Some(Contents {
            key: self.optional(|input| Some(input.bytes()?.to_vec()))?,
            value: self.optional(|input| Some(input.bytes()?.to_vec()))?,
            timestamp: self.optional(Self::number)?,
            headers: self.list(|input| Some((input.bytes()?.to_vec(), input.nullable()?.map(<[u8]>::to_vec))))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_survives_and_no_prefix_of_it_is_one() {
        let contents = Contents {
            key: Some(b"k".to_vec()),
            value: None,
            headers: vec![(b"\xfename".to_vec(), Some(b"\xff".to_vec())), (b"null".to_vec(), None)],
            timestamp: Some(-1),
        };
        let part = Part {
            log: LogId { topic: 3, partition: PartitionId(7) },
            start: 1,
            next: 9,
            records: vec![MemoryMessage { offset: 8, contents: Arc::new(contents) }],
        };
        let stored = StoredOffset { offset: 5, metadata: "lane#1".to_owned() };
        let frame = Frame { parts: vec![part], offsets: vec![((PartitionId(7), Input(2)), stored)] };
        let bytes = encode(&frame);
        assert_eq!(decode(&bytes), Some(frame));
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), None, "cut at {cut}");
        }
    }
}
