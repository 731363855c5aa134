//! Events as lines of tideline JSON, and what becomes of damaged ones.

use super::UserNumber;
use super::draw::Draw;
use crate::domain::{Source, Timestamp};

/// An event, before it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub source: Source,
    pub user: UserNumber,
    pub time: Timestamp,
    pub number: u64,
    pub what: What,
}

/// A type with its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A type without data.
    Bare(&'static str),
    Payment {
        amount: i64,
        scene: &'static str,
        auto: bool,
    },
    Refund {
        of: u64,
        at: Timestamp,
        amount: i64,
        full: bool,
    },
    /// `wealth.bought`, `bill.paid` and the like.
    Amount {
        name: &'static str,
        amount: i64,
    },
    Loan {
        name: &'static str,
        amount: i64,
        loan: u64,
    },
    Due {
        loan: u64,
        due: Timestamp,
    },
    Coupon {
        coupon: u64,
    },
    Message {
        name: &'static str,
        campaign: u64,
    },
    Granted {
        name: &'static str,
        granted: bool,
    },
}

/// The id that a payment's refund names.
pub(super) fn id(number: u64) -> String {
    format!("e{number}")
}

impl Told {
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(192);
        let head = format_args!(r#"{{"id":"{}","user_id":"{}","type":""#, id(self.number), self.user).to_string();
        put(&mut out, &head);
        put(&mut out, self.what.name());
        put(&mut out, &format!(r#"","time":"{}""#, self.time));
        if let Some(data) = self.what.data() {
            put(&mut out, r#","data":"#);
            put(&mut out, &data);
        }
        out.push(b'}');
        out
    }

    /// The record as something went wrong with it: each wrong in itself, whatever a clock shows.
    pub fn write_damaged(&self, draw: &mut Draw) -> Vec<u8> {
        let whole = self.write();
        let text = String::from_utf8_lossy(&whole).into_owned();
        match draw.below(8) {
            0 => Vec::new(),
            1 => whole[..whole.len() / 2].to_vec(),
            2 => text.replacen("\"user_id\"", "\"uid\"", 1).into_bytes(),
            3 => text.replacen(&self.time.to_string(), "yesterday", 1).into_bytes(),
            // Seconds that were taken for milliseconds.
            4 => text
                .replacen(&self.time.to_string(), &Timestamp::of_millis(self.time.millis() / 1000).to_string(), 1)
                .into_bytes(),
            5 => text.replacen(self.what.name(), "loan.rescheduled_by_pigeon", 1).into_bytes(),
            6 => [b"\xff\xfe", &whole[2..]].concat(),
            // A message from anywhere but sms, a visit from there.
            _ if self.source == Source::Sms => text.replacen(self.what.name(), "branch.visited", 1).into_bytes(),
            _ => text.replacen(self.what.name(), "message.sent", 1).into_bytes(),
        }
    }
}

impl What {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Payment { .. } => "payment.completed",
            Self::Refund { .. } => "payment.refunded",
            Self::Due { .. } => "loan.due_scheduled",
            Self::Coupon { .. } => "coupon.redeemed",
            Self::Bare(name)
            | Self::Amount { name, .. }
            | Self::Loan { name, .. }
            | Self::Message { name, .. }
            | Self::Granted { name, .. } => name,
        }
    }

    fn data(&self) -> Option<String> {
        Some(match self {
            Self::Bare(_) => return None,
            Self::Payment { amount, scene, auto: false } => format!(r#"{{"amount":{amount},"scene":"{scene}"}}"#),
            Self::Payment { amount, scene, auto } => {
                format!(r#"{{"amount":{amount},"scene":"{scene}","auto":{auto}}}"#)
            }
            Self::Refund { of, at, amount, full } => {
                format!(r#"{{"original_id":"{}","original_time":"{at}","amount":{amount},"full":{full}}}"#, id(*of))
            }
            Self::Amount { amount, .. } => format!(r#"{{"amount":{amount}}}"#),
            Self::Loan { amount, loan, .. } => format!(r#"{{"amount":{amount},"loan_id":"l{loan}"}}"#),
            Self::Due { loan, due } => format!(r#"{{"loan_id":"l{loan}","due":"{due}"}}"#),
            Self::Coupon { coupon } => format!(r#"{{"coupon":"c{coupon}"}}"#),
            Self::Message { campaign, .. } => format!(r#"{{"campaign":"campaign-{campaign}"}}"#),
            Self::Granted { granted, .. } => format!(r#"{{"granted":{granted}}}"#),
        })
    }
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}
