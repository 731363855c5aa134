//! How an output is described: its members one after the other, each once, whatever form they are written in.
//!
//! A description calls a [`MemberWriter`] with each member's number in `proto/signals/v1`, its name in JSON and its
//! value. A member is added to both forms by one call, so the forms can't say different things.
//!
//! May break readers if a number is given to another member. The order of calls is the order of the JSON.

use std::fmt;

use super::OutputType;
use crate::domain::{TimeText, Timestamp};

/// A member's number in the protobuf, and what stands before its value in JSON.
#[derive(Clone, Copy)]
pub(super) struct Member {
    pub tag: u32,
    /// A comma, the name in quotes, a colon.
    pub json: &'static str,
}

macro_rules! member {
    ($tag:literal, $name:literal) => {
        $crate::emit::members::Member { tag: $tag, json: concat!(",\"", $name, "\":") }
    };
}
pub(super) use member;

/// One of a few values, each with a name and a number of its own: in JSON the name (or null), in protobuf the number.
#[derive(Clone, Copy)]
pub(super) struct Code {
    pub name: Option<&'static str>,
    pub number: i32,
}

/// A whole number of at most 64 bits.
pub(super) trait WholeNumber: itoa::Integer + Copy {
    /// As a varint has it: a negative one takes all 64 bits.
    fn bits(self) -> u64;
}

macro_rules! whole {
    ($($Type:ty)+) => {
        $(impl WholeNumber for $Type {
            fn bits(self) -> u64 {
                self as u64
            }
        })+
    };
}
whole!(i32 u32 i64 u64);

/// What the members of an output are written to. A protobuf leaves out what has the value that readers take for
/// absent; what is `optional` in the schema it leaves out only if it is absent, where JSON has a null.
pub(super) trait MemberWriter {
    /// Whether members must come by their numbers: a protobuf's canonical bytes have them so.
    const BY_TAG: bool;

    /// A text that never needs escaping.
    fn plain(&mut self, member: Member, value: &str);
    fn text(&mut self, member: Member, value: &str);
    fn optional_text(&mut self, member: Member, value: Option<&str>);
    fn code(&mut self, member: Member, value: Code);
    fn number(&mut self, member: Member, value: impl WholeNumber);
    fn optional_number(&mut self, member: Member, value: Option<impl WholeNumber>);
    /// In minor units. Of one that 64 bits can't hold the protobuf has the nearest that they can.
    fn amount(&mut self, member: Member, value: i128);
    /// In the protobuf milliseconds; `text` is the same instant.
    fn time(&mut self, member: Member, value: Timestamp, text: &TimeText);
    fn optional_time(&mut self, member: Member, value: Option<Timestamp>);
    fn real(&mut self, member: Member, value: Option<f64>);
    /// Days, in JSON with one decimal.
    fn days(&mut self, member: Member, value: Option<f64>);
    fn object(&mut self, member: Member, content: impl FnOnce(&mut Self));
    /// The name of the type: a member of the JSON alone, for the protobuf tells it by which body it has.
    fn type_name(&mut self, value: OutputType);
    /// What is particular to the type: in JSON members beside the others, in protobuf a message of its own.
    fn body(&mut self, value: OutputType, content: impl FnOnce(&mut Self));
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.tag, self.json)
    }
}
