//! Names that are only compared, as hashes.

use xxhash_rust::xxh3::xxh3_64;

/// A name that is only compared (a scene, a loan, a campaign, a coupon): its 64-bit hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

impl Token {
    /// The token of a name, which is compared byte by byte.
    pub fn of(text: &str) -> Self {
        Self(xxh3_64(text.as_bytes()))
    }
}
