//! Attributes that CloudEvents alone have, as fields: the same in headers as in JSON.

use super::field::{FieldKind, Raw};
use super::shape::MediaType;

/// The version of the specification: whether it is the one that is known.
#[derive(Clone, Copy)]
pub(super) struct Version;

impl FieldKind for Version {
    type Value = bool;
    const EXPECTED: &'static str = "expected a text";

    fn text(self, text: &str) -> Raw<bool> {
        if text.is_empty() { Raw::Absent } else { Raw::Given(text == "1.0") }
    }
}

/// A content type: whether it is JSON.
#[derive(Clone, Copy)]
pub(super) struct JsonType;

impl FieldKind for JsonType {
    type Value = bool;
    const EXPECTED: &'static str = "expected a text";

    fn text(self, text: &str) -> Raw<bool> {
        if text.is_empty() { Raw::Absent } else { Raw::Given(MediaType::parse(text) == Some(MediaType::Json)) }
    }
}
