//! LEB128 varints, zigzag for signed ones, and a reader that never panics.

use super::StateError;

#[inline]
pub fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline]
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, (value << 1 ^ value >> 63) as u64);
}

/// A number of 64 bits has the bytes that [`put_signed`] gives it.
#[inline]
pub fn put_wide(out: &mut Vec<u8>, value: i128) {
    let low = value as i64;
    if i128::from(low) == value { put_signed(out, low) } else { put_wider(out, value) }
}

/// Apart, so that the sums that occur cost what they cost with 64 bits.
#[cold]
fn put_wider(out: &mut Vec<u8>, value: i128) {
    let mut value = (value << 1 ^ value >> 127) as u128;
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn byte(&mut self) -> Result<u8, StateError> {
        let (&byte, rest) = self.0.split_first().ok_or(StateError::Damaged("cut short"))?;
        self.0 = rest;
        Ok(byte)
    }

    #[inline]
    pub fn unsigned(&mut self) -> Result<u64, StateError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(StateError::Damaged("a number too long"))
    }

    #[inline]
    pub fn signed(&mut self) -> Result<i64, StateError> {
        self.unsigned().map(|value| (value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// What [`put_wide`] wrote.
    #[inline]
    pub fn wide(&mut self) -> Result<i128, StateError> {
        let mut value = 0u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(i128::from((value >> 1) as i64 ^ -((value & 1) as i64)));
            }
        }
        self.wide_from(u128::from(value))
    }

    /// The rest of a number of which 63 bits are read.
    #[cold]
    fn wide_from(&mut self, mut value: u128) -> Result<i128, StateError> {
        for shift in (63..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok((value >> 1) as i128 ^ -((value & 1) as i128));
            }
        }
        Err(StateError::Damaged("a number too long"))
    }

    /// A count, of which there can be at most `most`.
    pub fn count(&mut self, most: u64) -> Result<usize, StateError> {
        match self.unsigned()? {
            count if count <= most => Ok(count as usize),
            _ => Err(StateError::Damaged("a count out of range")),
        }
    }

    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], StateError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(StateError::Damaged("cut short"))?;
        self.0 = rest;
        Ok(*bytes)
    }

    /// Whether all bytes are read.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(value: i128) {
        let mut bytes = Vec::new();
        put_wide(&mut bytes, value);
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.wide(), Ok(value));
        assert!(reader.0.is_empty(), "{value}");
        let Ok(narrow) = i64::try_from(value) else { return };
        let mut as_before = Vec::new();
        put_signed(&mut as_before, narrow);
        assert_eq!(bytes, as_before, "{value}");
    }

    #[test]
    fn the_ends_of_wide_numbers_are_read_back() {
        for end in [0, 1, i128::from(i64::MAX), i128::from(i64::MAX) + 1, 1 << 68, 1 << 69, i128::MAX] {
            [end, -end, -end - 1].into_iter().for_each(check);
        }
        for longer in [[&[0xff; 18][..], &[0x04]].concat(), vec![0xff; 19], [&[0x80; 19][..], &[0x01]].concat()] {
            assert_eq!(Reader::new(&longer).wide(), Err(StateError::Damaged("a number too long")), "{longer:?}");
        }
    }

    proptest! {
        #[test]
        fn wide_numbers_are_read_back_and_those_of_64_bits_are_as_they_were(value: i128, shift in 0..127u32) {
            check(value >> shift);
        }
    }
}
