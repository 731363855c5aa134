//! The protobuf wire format, read in place: tags, varints, lengths.
//!
//! The generated types own their texts, one allocation each; a record's texts are only hashed or compared. Every read
//! is checked against what is left, so that no bytes can make it panic.

/// The value of one field as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// A kind that no field of the schema has: 32 or 64 bits.
    Fixed,
}

/// Bytes that aren't protobuf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotProtobuf(pub &'static str);

/// Reads fields one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct WireReader<'a>(&'a [u8]);

impl<'a> WireReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What has not been read.
    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// The next field's number and value; `None` at the end.
    pub(super) fn field(&mut self) -> Result<Option<(u32, Value<'a>)>, NotProtobuf> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = u32::try_from(self.varint()?).map_err(|_| NotProtobuf("a tag is out of range"))?;
        let number = tag >> 3;
        if number == 0 {
            return Err(NotProtobuf("a tag is zero"));
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let length = self.varint()?;
                // A length beyond the address space is beyond what is left, too.
                Value::Bytes(self.take(usize::try_from(length).unwrap_or(usize::MAX))?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            // Groups were never part of proto3; the schema has none that could be unknown to us.
            _ => return Err(NotProtobuf("a wire type is unknown")),
        };
        Ok(Some((number, value)))
    }

    /// Base 128, at most ten bytes.
    pub(super) fn varint(&mut self) -> Result<u64, NotProtobuf> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let &[byte] = self.take(1)? else { return Err(TRUNCATED) };
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(NotProtobuf("a varint is too long"))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], NotProtobuf> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(TRUNCATED)?;
        self.0 = rest;
        Ok(taken)
    }
}

const TRUNCATED: NotProtobuf = NotProtobuf("it ends in the middle of a field");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_order() {
        let mut reader = WireReader::new(&[0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1d, 1, 2, 3, 4]);
        assert_eq!(reader.field(), Ok(Some((1, Value::Varint(150)))));
        assert_eq!(reader.field(), Ok(Some((2, Value::Bytes(b"hi")))));
        assert_eq!(reader.field(), Ok(Some((3, Value::Fixed))));
        assert_eq!(reader.field(), Ok(None));
    }

    #[test]
    fn what_is_no_protobuf_is_refused() {
        let cases: [&[u8]; 8] = [
            &[0x08],
            &[0x08, 0x80],
            &[0x12, 0x05, b'h', b'i'],
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
            &[0x00, 0x00],
            &[0x0b],
            &[0x19, 1, 2, 3],
        ];
        for bytes in cases {
            assert!(WireReader::new(bytes).field().is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_negative_int64_has_ten_bytes() {
        let mut reader = WireReader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        assert_eq!(reader.varint(), Ok(u64::MAX));
    }
}
