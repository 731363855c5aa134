//! What a user did, as the fold sees it.
//!
//! An event holds no text but the user id: ids and names that are only ever compared are 64-bit hashes, so that
//! decoding copies nothing and an event can wait in a buffer after its bytes are gone.

use xxhash_rust::xxh3::xxh3_64;

use super::{EventId, Timestamp, UserId};

/// Where an event came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Source {
    App = 0,
    Sms = 1,
    Branch = 2,
    Merchant = 3,
}

impl Source {
    pub const ALL: [Self; 4] = [Self::App, Self::Sms, Self::Branch, Self::Merchant];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Sms => "sms",
            Self::Branch => "branch",
            Self::Merchant => "merchant",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == text)
    }

    /// The channel of an event that names none.
    pub const fn channel(self) -> Channel {
        match self {
            Self::App => Channel::App,
            Self::Sms => Channel::Sms,
            Self::Branch => Channel::Branch,
            Self::Merchant => Channel::Merchant,
        }
    }
}

/// How a user was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Channel {
    Unknown = 0,
    App,
    Wechat,
    Partner,
    Branch,
    Sms,
    Phone,
    Merchant,
}

impl Channel {
    pub const ALL: [Self; 8] =
        [Self::Unknown, Self::App, Self::Wechat, Self::Partner, Self::Branch, Self::Sms, Self::Phone, Self::Merchant];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::App => "app",
            Self::Wechat => "wechat",
            Self::Partner => "partner",
            Self::Branch => "branch",
            Self::Sms => "sms",
            Self::Phone => "phone",
            Self::Merchant => "merchant",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == text)
    }
}

/// Whose customer the user was first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Origin {
    #[default]
    Own = 0,
    Telecom,
    Partner,
}

impl Origin {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "own" => Some(Self::Own),
            "telecom" => Some(Self::Telecom),
            "partner" => Some(Self::Partner),
            _ => None,
        }
    }
}

/// A name that is only compared (a scene, a loan, a campaign, a coupon): its 64-bit hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

impl Token {
    pub fn of(text: &str) -> Self {
        Self(xxh3_64(text.as_bytes()))
    }
}

/// One event, decoded and well formed. Whether it is too old, a duplicate or another partition's is for the engine to say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    pub id: EventId,
    pub user: UserId,
    pub source: Source,
    pub time: Timestamp,
    pub channel: Channel,
    pub origin: Origin,
    pub body: Body,
}

/// The types of the input contract with their data. Amounts are integers in minor units, 0 to 10^15.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Body {
    /// A type that this version does not know: skipped, counted, moves stream time.
    Unknown,
    AppDownloaded,
    UserRegistered,
    AppLogin,
    AppViewed {
        category: Option<Token>,
    },
    AppUninstalled,
    CardBound {
        credit: Option<bool>,
    },
    PaymentCompleted {
        amount: i64,
        scene: Option<Token>,
        merchant: Option<Token>,
        coupon: Option<Token>,
        auto: bool,
    },
    PaymentRefunded {
        original: Option<EventId>,
        original_time: Timestamp,
        amount: i64,
        full: bool,
        auto: bool,
    },
    WealthBought {
        amount: i64,
        product: Option<Token>,
        auto: bool,
    },
    WealthRedeemed {
        amount: Option<i64>,
        product: Option<Token>,
    },
    LoanDrawn {
        amount: i64,
        product: Option<Token>,
        loan: Option<Token>,
        auto: bool,
    },
    LoanDueScheduled {
        loan: Option<Token>,
        due: Timestamp,
    },
    LoanRepaid {
        amount: i64,
        product: Option<Token>,
        loan: Option<Token>,
        auto: bool,
    },
    BillPaid {
        amount: i64,
        product: Option<Token>,
        auto: bool,
    },
    CouponIssued {
        coupon: Token,
        amount: Option<i64>,
        expires: Option<Timestamp>,
    },
    CouponRedeemed {
        coupon: Token,
        amount: Option<i64>,
        expires: Option<Timestamp>,
    },
    CouponExpired {
        coupon: Token,
        amount: Option<i64>,
        expires: Option<Timestamp>,
    },
    CheckinDone,
    RedpacketOpened {
        inviter: Option<Token>,
    },
    CourseJoined,
    CourseCompleted,
    GroupJoined,
    AdviserAdded,
    PushOpened,
    PushPermissionChanged {
        granted: bool,
    },
    ConsentChanged {
        granted: bool,
    },
    SurveyAnswered {
        max_per_month: Option<u32>,
        preferred_channel: Option<Channel>,
        interests: Option<Token>,
    },
    Message {
        event: MessageEvent,
        campaign: Option<Token>,
        channel: Option<Channel>,
    },
    BranchVisited,
    TelecomPackageSubscribed,
    TelecomPackageCancelled,
    RebateCredited {
        amount: Option<i64>,
    },
    ComplaintOpened,
    ComplaintClosed,
    UserErased,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageEvent {
    Sent,
    Delivered,
    Failed,
    Clicked,
    Replied,
    OptedOut,
}

/// A type's name and who may send it: the table of the input contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventType {
    AppDownloaded,
    UserRegistered,
    AppLogin,
    AppViewed,
    AppUninstalled,
    CardBound,
    PaymentCompleted,
    PaymentRefunded,
    WealthBought,
    WealthRedeemed,
    LoanDrawn,
    LoanDueScheduled,
    LoanRepaid,
    BillPaid,
    CouponIssued,
    CouponRedeemed,
    CouponExpired,
    CheckinDone,
    RedpacketOpened,
    CourseJoined,
    CourseCompleted,
    GroupJoined,
    AdviserAdded,
    PushOpened,
    PushPermissionChanged,
    SurveyAnswered,
    ConsentChanged,
    Message(MessageEvent),
    BranchVisited,
    TelecomPackageSubscribed,
    TelecomPackageCancelled,
    RebateCredited,
    ComplaintOpened,
    ComplaintClosed,
    UserErased,
}

impl EventType {
    /// `None` for a type that this version does not know.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "app.downloaded" => Self::AppDownloaded,
            "user.registered" => Self::UserRegistered,
            "app.login" => Self::AppLogin,
            "app.viewed" => Self::AppViewed,
            "app.uninstalled" => Self::AppUninstalled,
            "card.bound" => Self::CardBound,
            "payment.completed" => Self::PaymentCompleted,
            "payment.refunded" => Self::PaymentRefunded,
            "wealth.bought" => Self::WealthBought,
            "wealth.redeemed" => Self::WealthRedeemed,
            "loan.drawn" => Self::LoanDrawn,
            "loan.due_scheduled" => Self::LoanDueScheduled,
            "loan.repaid" => Self::LoanRepaid,
            "bill.paid" => Self::BillPaid,
            "coupon.issued" => Self::CouponIssued,
            "coupon.redeemed" => Self::CouponRedeemed,
            "coupon.expired" => Self::CouponExpired,
            "checkin.done" => Self::CheckinDone,
            "redpacket.opened" => Self::RedpacketOpened,
            "course.joined" => Self::CourseJoined,
            "course.completed" => Self::CourseCompleted,
            "group.joined" => Self::GroupJoined,
            "adviser.added" => Self::AdviserAdded,
            "push.opened" => Self::PushOpened,
            "push.permission_changed" => Self::PushPermissionChanged,
            "survey.answered" => Self::SurveyAnswered,
            "consent.changed" => Self::ConsentChanged,
            "message.sent" => Self::Message(MessageEvent::Sent),
            "message.delivered" => Self::Message(MessageEvent::Delivered),
            "message.failed" => Self::Message(MessageEvent::Failed),
            "message.clicked" => Self::Message(MessageEvent::Clicked),
            "message.replied" => Self::Message(MessageEvent::Replied),
            "message.opted_out" => Self::Message(MessageEvent::OptedOut),
            "branch.visited" => Self::BranchVisited,
            "telecom.package_subscribed" => Self::TelecomPackageSubscribed,
            "telecom.package_cancelled" => Self::TelecomPackageCancelled,
            "rebate.credited" => Self::RebateCredited,
            "complaint.opened" => Self::ComplaintOpened,
            "complaint.closed" => Self::ComplaintClosed,
            "user.erased" => Self::UserErased,
            _ => return None,
        })
    }

    /// Whether `source` may send this type.
    pub const fn allowed_from(self, source: Source) -> bool {
        match self {
            Self::UserErased => true,
            Self::PaymentCompleted | Self::PaymentRefunded | Self::CouponRedeemed => {
                matches!(source, Source::App | Source::Merchant)
            }
            Self::Message(_) => matches!(source, Source::Sms),
            Self::BranchVisited
            | Self::TelecomPackageSubscribed
            | Self::TelecomPackageCancelled
            | Self::BillPaid
            | Self::RebateCredited
            | Self::ComplaintOpened
            | Self::ComplaintClosed => matches!(source, Source::Branch),
            _ => matches!(source, Source::App),
        }
    }
}
