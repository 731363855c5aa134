//! The members of JSON objects by name: of both JSON shapes, and of `data`. Whoever reads the text ([`super::json`],
//! [`super::plain`]) finds here which field a name stands for and how its value is read.
//!
//! tideline JSON and structured CloudEvents share a table: which of the two an object is can only be told at its end.
//! Of a name given twice the last counts, as in most readers of JSON.

use super::attribute::{JsonType, Version};
use super::envelope::{Data, Envelope};
use super::field::{
    Amount, Card, ChannelName, Count, FieldKind, Flag, Id, Name, OriginName, OriginalId, Raw, Time, TypeName, User,
};
use crate::domain::{Source, Token, UserId};

/// The members of one object, of both JSON shapes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Members {
    pub envelope: Envelope,
    /// CloudEvents: the user.
    pub subject: Raw<UserId>,
    /// CloudEvents: who sent the event. In tideline JSON the name means nothing.
    pub sender: Raw<Token>,
    /// CloudEvents: whether it is the version that is known.
    pub version: Raw<bool>,
    /// CloudEvents: whether the data is JSON.
    pub data_is_json: Raw<bool>,
    /// CloudEvents: whether there is data as base64.
    pub has_base64: bool,
}

/// A reader that stands before the value of a member. Each method takes that value.
pub(super) trait Values {
    type Error;

    fn field<K: FieldKind>(&mut self, kind: K) -> Result<Raw<K::Value>, Self::Error>;
    /// A text or a list of texts.
    fn names(&mut self) -> Result<Raw<Token>, Self::Error>;
    fn data(&mut self, data: &mut Data) -> Result<(), Self::Error>;
    /// Whether it is anything but `null`.
    fn is_given(&mut self) -> Result<bool, Self::Error>;
}

impl Members {
    /// Reads the value of the member of that name.
    #[inline]
    pub(super) fn read<V: Values>(&mut self, name: Member, source: Source, value: &mut V) -> Result<(), V::Error> {
        let envelope = &mut self.envelope;
        match name {
            Member::Id => envelope.id = value.field(Id(source))?,
            Member::UserId => envelope.user = value.field(User)?,
            Member::Type => envelope.event_type = value.field(TypeName)?,
            Member::Time => envelope.time = value.field(Time)?,
            Member::Channel => envelope.channel = value.field(ChannelName)?,
            Member::Origin => envelope.origin = value.field(OriginName)?,
            Member::Data => value.data(&mut envelope.data)?,
            Member::Subject => self.subject = value.field(User)?,
            Member::Sender => self.sender = value.field(Name)?,
            Member::SpecVersion => self.version = value.field(Version)?,
            Member::DataContentType => self.data_is_json = value.field(JsonType)?,
            Member::DataBase64 => self.has_base64 = value.is_given()?,
            Member::Other => drop(value.is_given()?),
        }
        Ok(())
    }
}

impl Data {
    /// Reads the value of the member of that name.
    #[inline]
    pub(super) fn read<V: Values>(&mut self, name: DataMember, value: &mut V) -> Result<(), V::Error> {
        match name {
            DataMember::Amount => self.amount = value.field(Amount)?,
            DataMember::Scene => self.scene = value.field(Name)?,
            DataMember::Merchant => self.merchant = value.field(Name)?,
            DataMember::Coupon => self.coupon = value.field(Name)?,
            DataMember::Auto => self.auto = value.field(Flag)?,
            DataMember::Product => self.product = value.field(Name)?,
            DataMember::LoanId => self.loan_id = value.field(Name)?,
            DataMember::OriginalId => self.original_id = value.field(OriginalId)?,
            DataMember::OriginalTime => self.original_time = value.field(Time)?,
            DataMember::Full => self.full = value.field(Flag)?,
            DataMember::Due => self.due = value.field(Time)?,
            DataMember::Kind => self.kind = value.field(Card)?,
            DataMember::Expires => self.expires = value.field(Time)?,
            DataMember::Campaign => self.campaign = value.field(Name)?,
            DataMember::Channel => self.channel = value.field(ChannelName)?,
            DataMember::Granted => self.granted = value.field(Flag)?,
            DataMember::MaxPerMonth => self.max_per_month = value.field(Count)?,
            DataMember::PreferredChannel => self.preferred_channel = value.field(ChannelName)?,
            DataMember::Interests => self.interests = value.names()?,
            DataMember::Inviter => self.inviter = value.field(Name)?,
            DataMember::Category => self.category = value.field(Name)?,
            DataMember::Other => drop(value.is_given()?),
        }
        Ok(())
    }
}

/// A member of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    Id,
    UserId,
    Type,
    Time,
    Channel,
    Origin,
    Data,
    Subject,
    Sender,
    SpecVersion,
    DataContentType,
    DataBase64,
    Other,
}

impl Member {
    #[inline]
    pub(super) fn named(name: &[u8]) -> Self {
        match name {
            b"id" => Self::Id,
            b"user_id" => Self::UserId,
            b"type" => Self::Type,
            b"time" => Self::Time,
            b"channel" => Self::Channel,
            b"origin" => Self::Origin,
            b"data" => Self::Data,
            b"subject" => Self::Subject,
            b"source" => Self::Sender,
            b"specversion" => Self::SpecVersion,
            b"datacontenttype" => Self::DataContentType,
            b"data_base64" => Self::DataBase64,
            _ => Self::Other,
        }
    }
}

/// A member of `data`, of whatever type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataMember {
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
    #[inline]
    pub(super) fn named(name: &[u8]) -> Self {
        match name {
            b"amount" => Self::Amount,
            b"scene" => Self::Scene,
            b"merchant" => Self::Merchant,
            b"coupon" => Self::Coupon,
            b"auto" => Self::Auto,
            b"product" => Self::Product,
            b"loan_id" => Self::LoanId,
            b"original_id" => Self::OriginalId,
            b"original_time" => Self::OriginalTime,
            b"full" => Self::Full,
            b"due" => Self::Due,
            b"kind" => Self::Kind,
            b"expires" => Self::Expires,
            b"campaign" => Self::Campaign,
            b"channel" => Self::Channel,
            b"granted" => Self::Granted,
            b"max_per_month" => Self::MaxPerMonth,
            b"preferred_channel" => Self::PreferredChannel,
            b"interests" => Self::Interests,
            b"inviter" => Self::Inviter,
            b"category" => Self::Category,
            _ => Self::Other,
        }
    }
}
