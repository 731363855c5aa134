//! One field of the input contract: how its text or number is read, whatever the shape it came in.
//!
//! A field is read where it stands but judged later: `data` may come before `type`, and only what the type asks for
//! may make a record unusable. So a [`Raw`] keeps what was wrong with it until somebody asks.
//!
//! Must not know: JSON, protobuf, headers. Nothing here may allocate while a record is good.

use super::{Reject, RejectReason};
use crate::domain::{Channel, EventId, EventType, Origin, Source, Timestamp, Token, UserId};

/// Amounts, in minor units, reach from 0 to this.
pub const MAX_AMOUNT: i64 = 1_000_000_000_000_000;

/// A field as it stood in a record. `null` and an empty text count as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Raw<T> {
    #[default]
    Absent,
    Given(T),
    /// What was wrong with it, without what it was.
    Bad(&'static str),
}

impl<T> Raw<T> {
    pub(super) fn optional(self, name: &str) -> Result<Option<T>, Reject> {
        match self {
            Self::Absent => Ok(None),
            Self::Given(value) => Ok(Some(value)),
            Self::Bad(fault) => Err(Reject::new(RejectReason::BadValue, format!("{name}: {fault}"))),
        }
    }

    pub(super) fn required(self, name: &str) -> Result<T, Reject> {
        self.optional(name)?.ok_or_else(|| Reject::new(RejectReason::MissingField, format!("{name}: absent or empty")))
    }
}

/// How the values of a field are read. What a kind does not override is of the wrong kind.
pub(super) trait FieldKind: Copy {
    type Value;
    const EXPECTED: &'static str;

    fn text(self, _text: &str) -> Raw<Self::Value> {
        Raw::Bad(Self::EXPECTED)
    }

    fn integer(self, _number: i64) -> Raw<Self::Value> {
        Raw::Bad(Self::EXPECTED)
    }

    fn flag(self, _flag: bool) -> Raw<Self::Value> {
        Raw::Bad(Self::EXPECTED)
    }
}

/// An event's id, which counts within its source (of a CloudEvent within its sender too: [`EventId::within`]).
#[derive(Clone, Copy)]
pub(super) struct Id(pub Source);

impl FieldKind for Id {
    type Value = EventId;
    const EXPECTED: &'static str = "expected a text of at most 128 bytes";

    fn text(self, text: &str) -> Raw<EventId> {
        bounded_id(text, |id| EventId::new(self.0, id))
    }
}

/// The id of the payment that a refund takes back.
#[derive(Clone, Copy)]
pub(super) struct OriginalId;

impl FieldKind for OriginalId {
    type Value = EventId;
    const EXPECTED: &'static str = Id::EXPECTED;

    fn text(self, text: &str) -> Raw<EventId> {
        bounded_id(text, EventId::refunded)
    }
}

fn bounded_id(text: &str, hash: impl FnOnce(&str) -> EventId) -> Raw<EventId> {
    match text.len() {
        0 => Raw::Absent,
        1..=EventId::MAX_BYTES => Raw::Given(hash(text)),
        _ => Raw::Bad(Id::EXPECTED),
    }
}

#[derive(Clone, Copy)]
pub(super) struct User;

impl FieldKind for User {
    type Value = UserId;
    const EXPECTED: &'static str = "expected a text of at most 64 bytes";

    fn text(self, text: &str) -> Raw<UserId> {
        match UserId::new(text) {
            Some(user) => Raw::Given(user),
            None if text.is_empty() => Raw::Absent,
            None => Raw::Bad(Self::EXPECTED),
        }
    }
}

/// An event's type; `None` is one that this version does not know.
#[derive(Clone, Copy)]
pub(super) struct TypeName;

impl FieldKind for TypeName {
    type Value = Option<EventType>;
    const EXPECTED: &'static str = "expected a text";

    fn text(self, text: &str) -> Raw<Option<EventType>> {
        if text.is_empty() { Raw::Absent } else { Raw::Given(EventType::parse(text)) }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Time;

impl FieldKind for Time {
    type Value = Timestamp;
    const EXPECTED: &'static str = "expected an RFC 3339 time or epoch milliseconds, of the years 1970 to 9998";

    fn text(self, text: &str) -> Raw<Timestamp> {
        match Timestamp::parse(text) {
            Ok(time) => Raw::Given(time),
            Err(_) if text.is_empty() => Raw::Absent,
            Err(_) => Raw::Bad(Self::EXPECTED),
        }
    }

    fn integer(self, number: i64) -> Raw<Timestamp> {
        Timestamp::from_millis(number).map_or(Raw::Bad(Self::EXPECTED), Raw::Given)
    }
}

/// A channel. A name that isn't one of ours says that we don't know how the user was reached, not that the record is
/// bad.
#[derive(Clone, Copy)]
pub(super) struct ChannelName;

impl FieldKind for ChannelName {
    type Value = Channel;
    const EXPECTED: &'static str = "expected a text";

    fn text(self, text: &str) -> Raw<Channel> {
        if text.is_empty() { Raw::Absent } else { Raw::Given(Channel::parse(text).unwrap_or(Channel::Unknown)) }
    }
}

/// An origin. There is no unknown one, and to guess whose customer a user is would be worse than to refuse.
#[derive(Clone, Copy)]
pub(super) struct OriginName;

impl FieldKind for OriginName {
    type Value = Origin;
    const EXPECTED: &'static str = "expected own, telecom or partner";

    fn text(self, text: &str) -> Raw<Origin> {
        match Origin::parse(text) {
            Some(origin) => Raw::Given(origin),
            None if text.is_empty() => Raw::Absent,
            None => Raw::Bad(Self::EXPECTED),
        }
    }
}

/// A name that is only ever compared.
#[derive(Clone, Copy)]
pub(super) struct Name;

impl FieldKind for Name {
    type Value = Token;
    const EXPECTED: &'static str = "expected a text";

    fn text(self, text: &str) -> Raw<Token> {
        if text.is_empty() { Raw::Absent } else { Raw::Given(Token::of(text)) }
    }
}

/// A set of names as one token: the same whatever their order, and that of the name where there is one only.
#[derive(Clone, Copy)]
pub(super) struct Names;

impl Names {
    pub(super) const EXPECTED: &'static str = "expected a text or a list of texts";

    pub(super) fn join(all: Raw<Token>, one: Raw<Token>) -> Raw<Token> {
        match (all, one) {
            (Raw::Given(a), Raw::Given(b)) => Raw::Given(Token(a.0.wrapping_add(b.0))),
            (bad @ Raw::Bad(_), _) | (_, bad @ Raw::Bad(_)) => bad,
            (Raw::Absent, one) => one,
            (all, Raw::Absent) => all,
        }
    }
}

/// An amount of money in minor units.
#[derive(Clone, Copy)]
pub(super) struct Amount;

impl FieldKind for Amount {
    type Value = i64;
    const EXPECTED: &'static str = "expected an integer from 0 to 10^15";

    fn integer(self, number: i64) -> Raw<i64> {
        if (0..=MAX_AMOUNT).contains(&number) { Raw::Given(number) } else { Raw::Bad(Self::EXPECTED) }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Count;

impl FieldKind for Count {
    type Value = u32;
    const EXPECTED: &'static str = "expected an integer from 0 to 4294967295";

    fn integer(self, number: i64) -> Raw<u32> {
        u32::try_from(number).map_or(Raw::Bad(Self::EXPECTED), Raw::Given)
    }
}

#[derive(Clone, Copy)]
pub(super) struct Flag;

impl FieldKind for Flag {
    type Value = bool;
    const EXPECTED: &'static str = "expected true or false";

    fn flag(self, flag: bool) -> Raw<bool> {
        Raw::Given(flag)
    }
}

/// A card's kind: whether it is a credit card.
#[derive(Clone, Copy)]
pub(super) struct Card;

impl FieldKind for Card {
    type Value = bool;
    const EXPECTED: &'static str = "expected debit or credit";

    fn text(self, text: &str) -> Raw<bool> {
        match text {
            "" => Raw::Absent,
            "debit" => Raw::Given(false),
            "credit" => Raw::Given(true),
            _ => Raw::Bad(Self::EXPECTED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_names_has_no_order_and_one_name_is_itself() {
        let (a, b) = (Name.text("funds"), Name.text("travel"));
        assert_eq!(Names::join(Names::join(Raw::Absent, a), b), Names::join(Names::join(Raw::Absent, b), a));
        assert_eq!(Names::join(Raw::Absent, a), a);
        assert_eq!(Names::join(a, Raw::Absent), a);
        assert_eq!(Names::join(a, Raw::Bad("x")), Raw::Bad("x"));
    }

    #[test]
    fn ends_of_ranges_belong_to_them() {
        assert_eq!(Amount.integer(0), Raw::Given(0));
        assert_eq!(Amount.integer(MAX_AMOUNT), Raw::Given(MAX_AMOUNT));
        assert_eq!(Amount.integer(MAX_AMOUNT + 1), Raw::Bad(Amount::EXPECTED));
        assert_eq!(Amount.integer(-1), Raw::Bad(Amount::EXPECTED));
        assert_eq!(Count.integer(i64::from(u32::MAX)), Raw::Given(u32::MAX));
        assert_eq!(Count.integer(i64::from(u32::MAX) + 1), Raw::Bad(Count::EXPECTED));
        assert_eq!(Time.integer(-1), Raw::Bad(Time::EXPECTED));
        assert!(matches!(OriginalId.text(&"x".repeat(128)), Raw::Given(_)));
        assert_eq!(OriginalId.text(&"x".repeat(129)), Raw::Bad(Id::EXPECTED));
    }
}
