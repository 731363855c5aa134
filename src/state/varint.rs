//! LEB128 varints, zigzag for signed ones, and a reader that never panics.

use super::StateError;

pub fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, (value << 1 ^ value >> 63) as u64);
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

    /// All that is left, once it is known to be whole sections: (tag, length, bytes) each.
    pub fn sections(self) -> Result<&'a [u8], StateError> {
        let mut rest = Self(self.0);
        while !rest.0.is_empty() {
            rest.unsigned()?;
            let length = usize::try_from(rest.unsigned()?).map_err(|_| StateError::Damaged("a section too long"))?;
            rest.0 = rest.0.get(length..).ok_or(StateError::Damaged("a section cut short"))?;
        }
        Ok(self.0)
    }
}
