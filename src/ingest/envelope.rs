//! What every shape is read into, and how it becomes an event: the builder that all shapes share.
//!
//! `data` is one flat set of fields, since the shapes know their fields before (or without) the type. Only the fields
//! that the type has are judged; the rest may be anything.

use super::field::Raw;
use super::{Reject, RejectReason};
use crate::domain::{
    Body, Channel, DAY_MS, DataType, Event, EventId, EventType, Form, MessageEvent, Origin, Source, Timestamp, Token,
    UserId,
};

/// A refund may name a time at most this far after its own, in milliseconds: clocks differ, and what is stored of the
/// future is bounded by it.
pub const MAX_REFUND_AHEAD_MS: i64 = DAY_MS;

/// The envelope of one record, read and not yet judged.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Envelope {
    pub id: Raw<EventId>,
    pub user: Raw<UserId>,
    pub event_type: Raw<Option<EventType>>,
    pub time: Raw<Timestamp>,
    pub channel: Raw<Channel>,
    pub origin: Raw<Origin>,
    pub data: Data,
}

impl Envelope {
    /// The event, or the first fault in the order of the contract's fields. `subject` is what the shape calls the user.
    pub(super) fn event(
        &self,
        subject: &str,
        source: Source,
        origin: Origin,
        earliest: Timestamp,
    ) -> Result<Event, Reject> {
        let id = self.id.required("id")?;
        let user = self.user.required(subject)?;
        let event_type = self.event_type.required("type")?;
        let time = self.time.required("time")?;
        if time < earliest {
            let detail = format!("time: before stream.earliest, {earliest}: seconds? expected milliseconds");
            return Err(Reject::new(RejectReason::BadValue, detail));
        }
        let channel = self.channel.optional("channel")?.unwrap_or(source.channel());
        let origin = self.origin.optional("origin")?.unwrap_or(origin);
        let body = match event_type {
            Some(event_type) => self.data.body(event_type, time)?,
            None => Body::Unknown,
        };
        if event_type.is_some_and(|event_type| !event_type.allowed_from(source)) {
            let detail = format!("type: source {} may not send it", source.as_str());
            return Err(Reject::new(RejectReason::WrongSource, detail));
        }
        Ok(Event { id, user, source, time, channel, origin, body })
    }
}

/// The fields of `data`, of whatever type.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Data {
    /// Set when it isn't an object.
    pub fault: Option<&'static str>,
    pub amount: Raw<i64>,
    pub scene: Raw<Token>,
    pub merchant: Raw<Token>,
    pub coupon: Raw<Token>,
    pub auto: Raw<bool>,
    pub product: Raw<Token>,
    pub loan_id: Raw<Token>,
    pub original_id: Raw<EventId>,
    pub original_time: Raw<Timestamp>,
    pub full: Raw<bool>,
    pub due: Raw<Timestamp>,
    pub kind: Raw<bool>,
    pub expires: Raw<Timestamp>,
    pub campaign: Raw<Token>,
    pub channel: Raw<Channel>,
    pub granted: Raw<bool>,
    pub max_per_month: Raw<u32>,
    pub preferred_channel: Raw<Channel>,
    pub interests: Raw<Token>,
    pub inviter: Raw<Token>,
    pub category: Raw<Token>,
}

impl Data {
    /// The body of an event of that type and time.
    fn body(&self, event_type: EventType, time: Timestamp) -> Result<Body, Reject> {
        if let Some(fault) = self.fault {
            return Err(Reject::new(RejectReason::BadValue, format!("data: {fault}")));
        }
        let data_type = match event_type.form() {
            Form::Bare(body) => return Ok(body),
            Form::Data(data_type) => data_type,
        };
        Ok(match data_type {
            DataType::PaymentCompleted => self.payment()?,
            DataType::PaymentRefunded => self.refund(time)?,
            DataType::WealthBought => {
                self.loan_id.optional("data.loan_id")?;
                Body::WealthBought { amount: self.required_amount()?, product: self.product()?, auto: self.auto()? }
            }
            DataType::BillPaid => {
                self.loan_id.optional("data.loan_id")?;
                Body::BillPaid { amount: self.required_amount()?, product: self.product()?, auto: self.auto()? }
            }
            DataType::WealthRedeemed => Body::WealthRedeemed { amount: self.amount()?, product: self.product()? },
            DataType::LoanDrawn => Body::LoanDrawn {
                amount: self.required_amount()?,
                product: self.product()?,
                loan: self.loan()?,
                auto: self.auto()?,
            },
            DataType::LoanRepaid => Body::LoanRepaid {
                amount: self.required_amount()?,
                product: self.product()?,
                loan: self.loan()?,
                auto: self.auto()?,
            },
            DataType::LoanDueScheduled => {
                Body::LoanDueScheduled { loan: self.loan()?, due: self.due.required("data.due")? }
            }
            DataType::CouponIssued => {
                let (coupon, amount, expires) = self.coupon()?;
                Body::CouponIssued { coupon, amount, expires }
            }
            DataType::CouponRedeemed => {
                let (coupon, amount, expires) = self.coupon()?;
                Body::CouponRedeemed { coupon, amount, expires }
            }
            DataType::CouponExpired => {
                let (coupon, amount, expires) = self.coupon()?;
                Body::CouponExpired { coupon, amount, expires }
            }
            DataType::Message(event) => self.message(event)?,
            DataType::SurveyAnswered => self.survey()?,
            DataType::CardBound => Body::CardBound { credit: self.kind.optional("data.kind")? },
            DataType::RebateCredited => Body::RebateCredited { amount: self.amount()? },
            DataType::PushPermissionChanged => Body::PushPermissionChanged { granted: self.granted()? },
            DataType::ConsentChanged => Body::ConsentChanged { granted: self.granted()? },
            DataType::RedpacketOpened => Body::RedpacketOpened { inviter: self.inviter.optional("data.inviter")? },
            DataType::AppViewed => Body::AppViewed { category: self.category.optional("data.category")? },
        })
    }

    fn payment(&self) -> Result<Body, Reject> {
        Ok(Body::PaymentCompleted {
            amount: self.required_amount()?,
            scene: self.scene.optional("data.scene")?,
            merchant: self.merchant.optional("data.merchant")?,
            coupon: self.coupon.optional("data.coupon")?,
            auto: self.auto()?,
        })
    }

    fn message(&self, event: MessageEvent) -> Result<Body, Reject> {
        Ok(Body::Message {
            event,
            campaign: self.campaign.optional("data.campaign")?,
            channel: self.channel.optional("data.channel")?,
        })
    }

    fn survey(&self) -> Result<Body, Reject> {
        Ok(Body::SurveyAnswered {
            max_per_month: self.max_per_month.optional("data.max_per_month")?,
            preferred_channel: self.preferred_channel.optional("data.preferred_channel")?,
            interests: self.interests.optional("data.interests")?,
        })
    }

    fn refund(&self, time: Timestamp) -> Result<Body, Reject> {
        let original_time = self.original_time.required("data.original_time")?;
        if original_time.since(time) > MAX_REFUND_AHEAD_MS {
            let detail = "data.original_time: more than a day after the event's own time";
            return Err(Reject::new(RejectReason::BadValue, detail));
        }
        Ok(Body::PaymentRefunded {
            original: self.original_id.optional("data.original_id")?,
            original_time,
            amount: self.required_amount()?,
            full: self.full.optional("data.full")?.unwrap_or(false),
            auto: self.auto()?,
        })
    }

    fn coupon(&self) -> Result<(Token, Option<i64>, Option<Timestamp>), Reject> {
        let coupon = self.coupon.required("data.coupon")?;
        Ok((coupon, self.amount()?, self.expires.optional("data.expires")?))
    }

    fn amount(&self) -> Result<Option<i64>, Reject> {
        self.amount.optional("data.amount")
    }

    fn required_amount(&self) -> Result<i64, Reject> {
        self.amount.required("data.amount")
    }

    fn auto(&self) -> Result<bool, Reject> {
        Ok(self.auto.optional("data.auto")?.unwrap_or(false))
    }

    fn granted(&self) -> Result<bool, Reject> {
        self.granted.required("data.granted")
    }

    fn product(&self) -> Result<Option<Token>, Reject> {
        self.product.optional("data.product")
    }

    fn loan(&self) -> Result<Option<Token>, Reject> {
        self.loan_id.optional("data.loan_id")
    }
}
