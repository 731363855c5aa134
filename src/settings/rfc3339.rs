//! A time in RFC 3339, for a field with `#[serde(with = "…")]`. What is no such time is refused in the words of
//! [`Timestamp`].

use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};

use crate::domain::Timestamp;

/// # Errors
///
/// Those of the serializer.
pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    at.serialize(serializer)
}

/// # Errors
///
/// If it is no text, or none that is a time.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    Timestamp::parse(&text).map_err(D::Error::custom)
}

/// The same for one that may be absent; the field needs `default`, too.
pub mod optional {
    use super::{Deserializer, Serialize, Serializer, Timestamp};

    /// # Errors
    ///
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        at.serialize(serializer)
    }

    /// # Errors
    ///
    /// As [`super::deserialize`].
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}
