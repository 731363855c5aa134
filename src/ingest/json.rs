//! Reads a JSON object in one pass into an [`Envelope`], without building a tree and without allocating.
//!
//! The members of tideline JSON and of structured CloudEvents are read by the same visitor: which of the two an object
//! is can only be told at its end. Of a name given twice the last counts, as in most readers of JSON. Texts are used
//! up where they are met, since one with escapes lives only until the next.
//!
//! May break it: a visitor method that refuses a value. Then a field of the wrong kind turns a record `malformed`.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::cloudevents::{JsonType, Version};
use super::envelope::{Data, Envelope};
use super::field::{
    Amount, Card, ChannelName, Count, Flag, Id, Kind, Name, Names, OriginName, OriginalId, Raw, Time, TypeName, User,
};
use super::{Reason, Reject};
use crate::domain::{Source, Token, UserId};

/// The members of one object, of both JSON shapes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Members {
    pub envelope: Envelope,
    /// CloudEvents: the user.
    pub subject: Raw<UserId>,
    /// CloudEvents: whether it is the version that is known.
    pub version: Raw<bool>,
    /// CloudEvents: whether the data is JSON.
    pub data_is_json: Raw<bool>,
    /// CloudEvents: whether there is data as base64.
    pub has_base64: bool,
}

/// Reads one whole JSON object.
pub(super) fn members(value: &[u8], source: Source) -> Result<Members, Reject> {
    read(value, MembersOf(source))
}

/// Reads a value that is the `data` alone.
pub(super) fn data(value: &[u8]) -> Result<Data, Reject> {
    read(value, DataSeed)
}

fn read<'de, S: DeserializeSeed<'de>>(value: &'de [u8], seed: S) -> Result<S::Value, Reject> {
    // The whole value at once, so that text in fields that are skipped is held to UTF-8 too.
    let text = std::str::from_utf8(value).map_err(|_| Reject::new(Reason::Malformed, "not UTF-8"))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let read = seed.deserialize(&mut json).map_err(reject)?;
    json.end().map_err(reject)?;
    Ok(read)
}

/// What serde_json found wrong. Its words hold no content of the record but for kinds of values, which are told apart here.
fn reject(error: serde_json::Error) -> Reject {
    if error.is_data() {
        return Reject::new(Reason::Malformed, "not a JSON object");
    }
    let detail = error.to_string();
    if detail.starts_with("number out of range") {
        return Reject::new(Reason::BadValue, detail);
    }
    Reject::new(Reason::Malformed, format!("not JSON: {detail}"))
}

/// A value read as one kind of field; never an error of its own.
struct Field<K>(K);

impl<'de, K: Kind> DeserializeSeed<'de> for Field<K> {
    type Value = Raw<K::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, K: Kind> Visitor<'de> for Field<K> {
    type Value = Raw<K::Value>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(K::EXPECTED)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.0.text(text))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(self.0.integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Raw::Bad(K::EXPECTED), |number| self.0.integer(number)))
    }

    fn visit_f64<E>(self, _number: f64) -> Result<Self::Value, E> {
        Ok(Raw::Bad(K::EXPECTED))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(self.0.flag(flag))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Raw::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(items)?;
        Ok(Raw::Bad(K::EXPECTED))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(members)?;
        Ok(Raw::Bad(K::EXPECTED))
    }
}

/// A text, or a list of texts.
struct NamesField;

impl<'de> DeserializeSeed<'de> for NamesField {
    type Value = Raw<Token>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NamesField {
    type Value = Raw<Token>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(Names::EXPECTED)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Name.text(text))
    }

    fn visit_i64<E>(self, _number: i64) -> Result<Self::Value, E> {
        Ok(Raw::Bad(Names::EXPECTED))
    }

    fn visit_u64<E>(self, _number: u64) -> Result<Self::Value, E> {
        Ok(Raw::Bad(Names::EXPECTED))
    }

    fn visit_f64<E>(self, _number: f64) -> Result<Self::Value, E> {
        Ok(Raw::Bad(Names::EXPECTED))
    }

    fn visit_bool<E>(self, _flag: bool) -> Result<Self::Value, E> {
        Ok(Raw::Bad(Names::EXPECTED))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Raw::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut all = Raw::Absent;
        while let Some(one) = items.next_element_seed(Field(Name))? {
            all = Names::join(all, one);
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(members)?;
        Ok(Raw::Bad(Names::EXPECTED))
    }
}

/// The name of a member, turned at once into what it stands for.
struct Named<T>(fn(&str) -> T);

impl<'de, T> DeserializeSeed<'de> for Named<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<T> Visitor<'_> for Named<T> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<T, E> {
        Ok((self.0)(name))
    }
}

enum Member {
    Id,
    UserId,
    Type,
    Time,
    Channel,
    Origin,
    Data,
    Subject,
    SpecVersion,
    DataContentType,
    DataBase64,
    Other,
}

impl Member {
    fn named(name: &str) -> Self {
        match name {
            "id" => Self::Id,
            "user_id" => Self::UserId,
            "type" => Self::Type,
            "time" => Self::Time,
            "channel" => Self::Channel,
            "origin" => Self::Origin,
            "data" => Self::Data,
            "subject" => Self::Subject,
            "specversion" => Self::SpecVersion,
            "datacontenttype" => Self::DataContentType,
            "data_base64" => Self::DataBase64,
            _ => Self::Other,
        }
    }
}

/// Reads the members of an object; ids count within the source.
struct MembersOf(Source);

impl<'de> DeserializeSeed<'de> for MembersOf {
    type Value = Members;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Members, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MembersOf {
    type Value = Members;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members, A::Error> {
        let mut members = Members::default();
        let envelope = &mut members.envelope;
        while let Some(name) = object.next_key_seed(Named(Member::named))? {
            match name {
                Member::Id => envelope.id = object.next_value_seed(Field(Id(self.0)))?,
                Member::UserId => envelope.user = object.next_value_seed(Field(User))?,
                Member::Type => envelope.event_type = object.next_value_seed(Field(TypeName))?,
                Member::Time => envelope.time = object.next_value_seed(Field(Time))?,
                Member::Channel => envelope.channel = object.next_value_seed(Field(ChannelName))?,
                Member::Origin => envelope.origin = object.next_value_seed(Field(OriginName))?,
                Member::Data => envelope.data = object.next_value_seed(DataSeed)?,
                Member::Subject => members.subject = object.next_value_seed(Field(User))?,
                Member::SpecVersion => members.version = object.next_value_seed(Field(Version))?,
                Member::DataContentType => members.data_is_json = object.next_value_seed(Field(JsonType))?,
                Member::DataBase64 => members.has_base64 = object.next_value::<Option<IgnoredAny>>()?.is_some(),
                Member::Other => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(members)
    }
}

enum DataMember {
    Amount,
    Scene,
    Merchant,
    Coupon,
    Auto,
    Product,
    LoanId,
    OriginalId,
    OriginalTime,
    Full,
    Due,
    Kind,
    Expires,
    Campaign,
    Channel,
    Granted,
    MaxPerMonth,
    PreferredChannel,
    Interests,
    Inviter,
    Category,
    Other,
}

impl DataMember {
    fn named(name: &str) -> Self {
        match name {
            "amount" => Self::Amount,
            "scene" => Self::Scene,
            "merchant" => Self::Merchant,
            "coupon" => Self::Coupon,
            "auto" => Self::Auto,
            "product" => Self::Product,
            "loan_id" => Self::LoanId,
            "original_id" => Self::OriginalId,
            "original_time" => Self::OriginalTime,
            "full" => Self::Full,
            "due" => Self::Due,
            "kind" => Self::Kind,
            "expires" => Self::Expires,
            "campaign" => Self::Campaign,
            "channel" => Self::Channel,
            "granted" => Self::Granted,
            "max_per_month" => Self::MaxPerMonth,
            "preferred_channel" => Self::PreferredChannel,
            "interests" => Self::Interests,
            "inviter" => Self::Inviter,
            "category" => Self::Category,
            _ => Self::Other,
        }
    }
}

/// Reads `data`: an object, or nothing, or a fault to be judged with the type.
struct DataSeed;

impl DataSeed {
    const EXPECTED: &'static str = "expected an object";

    fn fault<E>() -> Result<Data, E> {
        Ok(Data { fault: Some(Self::EXPECTED), ..Data::default() })
    }
}

impl<'de> DeserializeSeed<'de> for DataSeed {
    type Value = Data;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Data, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for DataSeed {
    type Value = Data;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(Self::EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Data, A::Error> {
        let mut data = Data::default();
        while let Some(name) = object.next_key_seed(Named(DataMember::named))? {
            match name {
                DataMember::Amount => data.amount = object.next_value_seed(Field(Amount))?,
                DataMember::Scene => data.scene = object.next_value_seed(Field(Name))?,
                DataMember::Merchant => data.merchant = object.next_value_seed(Field(Name))?,
                DataMember::Coupon => data.coupon = object.next_value_seed(Field(Name))?,
                DataMember::Auto => data.auto = object.next_value_seed(Field(Flag))?,
                DataMember::Product => data.product = object.next_value_seed(Field(Name))?,
                DataMember::LoanId => data.loan_id = object.next_value_seed(Field(Name))?,
                DataMember::OriginalId => data.original_id = object.next_value_seed(Field(OriginalId))?,
                DataMember::OriginalTime => data.original_time = object.next_value_seed(Field(Time))?,
                DataMember::Full => data.full = object.next_value_seed(Field(Flag))?,
                DataMember::Due => data.due = object.next_value_seed(Field(Time))?,
                DataMember::Kind => data.kind = object.next_value_seed(Field(Card))?,
                DataMember::Expires => data.expires = object.next_value_seed(Field(Time))?,
                DataMember::Campaign => data.campaign = object.next_value_seed(Field(Name))?,
                DataMember::Channel => data.channel = object.next_value_seed(Field(ChannelName))?,
                DataMember::Granted => data.granted = object.next_value_seed(Field(Flag))?,
                DataMember::MaxPerMonth => data.max_per_month = object.next_value_seed(Field(Count))?,
                DataMember::PreferredChannel => data.preferred_channel = object.next_value_seed(Field(ChannelName))?,
                DataMember::Interests => data.interests = object.next_value_seed(NamesField)?,
                DataMember::Inviter => data.inviter = object.next_value_seed(Field(Name))?,
                DataMember::Category => data.category = object.next_value_seed(Field(Name))?,
                DataMember::Other => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(data)
    }

    fn visit_unit<E>(self) -> Result<Data, E> {
        Ok(Data::default())
    }

    fn visit_str<E>(self, _text: &str) -> Result<Data, E> {
        Self::fault()
    }

    fn visit_i64<E>(self, _number: i64) -> Result<Data, E> {
        Self::fault()
    }

    fn visit_u64<E>(self, _number: u64) -> Result<Data, E> {
        Self::fault()
    }

    fn visit_f64<E>(self, _number: f64) -> Result<Data, E> {
        Self::fault()
    }

    fn visit_bool<E>(self, _flag: bool) -> Result<Data, E> {
        Self::fault()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Data, A::Error> {
        IgnoredAny.visit_seq(items)?;
        Self::fault()
    }
}
