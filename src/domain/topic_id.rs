//! The id of a topic (KIP-516): another one for each topic that was ever created, whatever its name.

use std::fmt;

/// The 128 bits by which the cluster tells a topic from one that was made anew under its name. Shown as Kafka shows it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId([u8; 16]);

impl TopicId {
    /// None where these are not 16 bytes, or all zero: that is how a broker says that it can't tell.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; 16] = bytes.try_into().ok()?;
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// As the protocol has them.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Base64 as of URLs, without padding: what `kafka-topics.sh --describe` shows as `TopicId`.
impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let bits = u128::from_be_bytes(self.0);
        // 128 bits are 21 digits of 6 bits, and one whose upper 2 bits are the rest.
        let digit = |at: u32| if at < 21 { (bits >> (122 - 6 * at)) & 63 } else { (bits & 3) << 4 };
        (0..22).try_for_each(|at| write!(f, "{}", char::from(DIGITS[digit(at) as usize])))
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_shown_as_kafka_shows_it() {
        // As Python's base64.urlsafe_b64encode has these bytes.
        let counting: Vec<u8> = (0..16).collect();
        for (bytes, shown) in [
            (vec![0xff; 16], "_____________________w"),
            (counting, "AAECAwQFBgcICQoLDA0ODw"),
            ([vec![0; 15], vec![1]].concat(), "AAAAAAAAAAAAAAAAAAAAAQ"),
        ] {
            assert_eq!(TopicId::new(&bytes).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn all_zero_is_no_id() {
        assert_eq!(TopicId::new(&[0; 16]), None);
        assert_eq!(TopicId::new(&[]), None);
    }
}
