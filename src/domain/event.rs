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
    /// The app itself.
    App = 0,
    /// The SMS gateway: what became of messages.
    Sms = 1,
    /// Branches, the call centre and back offices.
    Branch = 2,
    /// Merchants, who see payments by other ways than the app.
    Merchant = 3,
}

impl Source {
    /// In the order of their codes.
    pub const ALL: [Self; 4] = [Self::App, Self::Sms, Self::Branch, Self::Merchant];

    /// As configuration and the `source` header name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Sms => "sms",
            Self::Branch => "branch",
            Self::Merchant => "merchant",
        }
    }

    /// The source of that name; `None` where there is none.
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
    /// Named by none, or by a name that this version does not know.
    Unknown = 0,
    /// The app.
    App,
    /// WeChat.
    Wechat,
    /// A partner's app or page.
    Partner,
    /// A branch.
    Branch,
    /// A text message.
    Sms,
    /// A call.
    Phone,
    /// A merchant.
    Merchant,
}

impl Channel {
    /// In the order of their codes.
    pub const ALL: [Self; 8] =
        [Self::Unknown, Self::App, Self::Wechat, Self::Partner, Self::Branch, Self::Sms, Self::Phone, Self::Merchant];

    /// As events and outputs name it.
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

    /// The channel of that name; `None` where there is none.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == text)
    }
}

/// Whose customer the user was first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Origin {
    /// Ours.
    #[default]
    Own = 0,
    /// A telecom partner's.
    Telecom,
    /// Another partner's.
    Partner,
}

impl Origin {
    /// The origin of that name; `None` where there is none.
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
    /// The token of a name, which is compared byte by byte.
    pub fn of(text: &str) -> Self {
        Self(xxh3_64(text.as_bytes()))
    }
}

/// One event, decoded and well formed. Whether it is too old, a duplicate or another partition's is for the engine to say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// Unique within its source; a second event of an id within the retention is a duplicate.
    pub id: EventId,
    /// Whose state it changes, and the key that decides its partition.
    pub user: UserId,
    /// Who sent it, by its input or, of a forwarded one, by its header.
    pub source: Source,
    /// When it happened, by its source.
    pub time: Timestamp,
    /// By which way; the source's own where the event names none.
    pub channel: Channel,
    /// Whose customer it says the user is; its input's where it says none.
    pub origin: Origin,
    /// Its type and data.
    pub body: Body,
}

/// The types of the input contract with their data. Amounts are integers in minor units, 0 to 10^15.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Body {
    /// A type that this version does not know: skipped, counted, moves stream time.
    Unknown,
    /// `app.downloaded`: the app was installed.
    AppDownloaded,
    /// `user.registered`: the user has an account from now on.
    UserRegistered,
    /// `app.login`: the user opened the app.
    AppLogin,
    /// `app.viewed`: the user looked at a page.
    AppViewed {
        /// The kind of page.
        category: Option<Token>,
    },
    /// `app.uninstalled`: the app was removed.
    AppUninstalled,
    /// `card.bound`: a card was added to the wallet.
    CardBound {
        /// Whether it is a credit card; `None` where that is not said.
        credit: Option<bool>,
    },
    /// `payment.completed`: a payment went through.
    PaymentCompleted {
        /// In minor units.
        amount: i64,
        /// What was paid for, such as transport.
        scene: Option<Token>,
        /// To whom.
        merchant: Option<Token>,
        /// Which coupon was used.
        coupon: Option<Token>,
        /// Made by standing order: no activity of the user.
        auto: bool,
    },
    /// `payment.refunded`: a payment was given back, in part or whole.
    PaymentRefunded {
        /// The payment, as [`EventId::refunded`]; `None` where it is not named.
        original: Option<EventId>,
        /// When the payment was made: the day from which it is taken back.
        original_time: Timestamp,
        /// In minor units.
        amount: i64,
        /// All of the payment: its day counts no longer for it.
        full: bool,
        /// Made by standing order: no activity of the user.
        auto: bool,
    },
    /// `wealth.bought`: money was put into a product.
    WealthBought {
        /// In minor units.
        amount: i64,
        /// Which product.
        product: Option<Token>,
        /// Made by standing order: no activity of the user.
        auto: bool,
    },
    /// `wealth.redeemed`: money was taken out of a product.
    WealthRedeemed {
        /// In minor units; `None` where it is not said.
        amount: Option<i64>,
        /// Which product.
        product: Option<Token>,
    },
    /// `loan.drawn`: a loan was paid out.
    LoanDrawn {
        /// In minor units.
        amount: i64,
        /// Which product.
        product: Option<Token>,
        /// Which loan; `None` for an only one.
        loan: Option<Token>,
        /// Made by standing order: no activity of the user.
        auto: bool,
    },
    /// `loan.due_scheduled`: an instalment has a due date.
    LoanDueScheduled {
        /// Which loan; `None` for an only one.
        loan: Option<Token>,
        /// When the instalment is due.
        due: Timestamp,
    },
    /// `loan.repaid`: an instalment was paid.
    LoanRepaid {
        /// In minor units.
        amount: i64,
        /// Which product.
        product: Option<Token>,
        /// Which loan; `None` for an only one.
        loan: Option<Token>,
        /// Made by standing order: no activity of the user.
        auto: bool,
    },
    /// `bill.paid`: a bill was paid.
    BillPaid {
        /// In minor units.
        amount: i64,
        /// Which product.
        product: Option<Token>,
        /// Made by standing order: no activity of the user.
        auto: bool,
    },
    /// `coupon.issued`: the user was given a coupon.
    CouponIssued {
        /// Which coupon.
        coupon: Token,
        /// In minor units; `None` where it is not said.
        amount: Option<i64>,
        /// When the coupon ends.
        expires: Option<Timestamp>,
    },
    /// `coupon.redeemed`: a coupon was used.
    CouponRedeemed {
        /// Which coupon.
        coupon: Token,
        /// In minor units; `None` where it is not said.
        amount: Option<i64>,
        /// When the coupon ends.
        expires: Option<Timestamp>,
    },
    /// `coupon.expired`: a coupon ended unused.
    CouponExpired {
        /// Which coupon.
        coupon: Token,
        /// In minor units; `None` where it is not said.
        amount: Option<i64>,
        /// When the coupon ends.
        expires: Option<Timestamp>,
    },
    /// `checkin.done`: the daily check-in.
    CheckinDone,
    /// `redpacket.opened`: a red packet was opened.
    RedpacketOpened {
        /// Who invited the user.
        inviter: Option<Token>,
    },
    /// `course.joined`: the user began a course.
    CourseJoined,
    /// `course.completed`: the user finished a course.
    CourseCompleted,
    /// `group.joined`: the user joined a chat group.
    GroupJoined,
    /// `adviser.added`: the user added an adviser.
    AdviserAdded,
    /// `push.opened`: a push notification was opened.
    PushOpened,
    /// `push.permission_changed`: notifications were allowed or refused.
    PushPermissionChanged {
        /// Given, not withdrawn.
        granted: bool,
    },
    /// `consent.changed`: marketing consent was given or withdrawn.
    ConsentChanged {
        /// Given, not withdrawn.
        granted: bool,
    },
    /// `survey.answered`: the user said what contact is welcome.
    SurveyAnswered {
        /// Contacts a month that are welcome.
        max_per_month: Option<u32>,
        /// By which way.
        preferred_channel: Option<Channel>,
        /// In what.
        interests: Option<Token>,
    },
    /// `message.*`: what became of a message to the user.
    Message {
        /// What became of the message.
        event: MessageEvent,
        /// Of which campaign.
        campaign: Option<Token>,
        /// By which way it was sent.
        channel: Option<Channel>,
    },
    /// `branch.visited`: the user came to a branch.
    BranchVisited,
    /// `telecom.package_subscribed`: a telecom package was taken.
    TelecomPackageSubscribed,
    /// `telecom.package_cancelled`: a telecom package was given up.
    TelecomPackageCancelled,
    /// `rebate.credited`: a rebate was paid out.
    RebateCredited {
        /// In minor units; `None` where it is not said.
        amount: Option<i64>,
    },
    /// `complaint.opened`: a complaint was filed.
    ComplaintOpened,
    /// `complaint.closed`: a complaint was settled.
    ComplaintClosed,
    /// `user.erased`: the user is to be forgotten.
    UserErased,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageEvent {
    /// `message.sent`: given to the gateway.
    Sent,
    /// `message.delivered`: it arrived.
    Delivered,
    /// `message.failed`: it did not arrive.
    Failed,
    /// `message.clicked`: the user followed its link.
    Clicked,
    /// `message.replied`: the user answered.
    Replied,
    /// `message.opted_out`: the user wants no more.
    OptedOut,
}

/// A type's name and who may send it: the table of the input contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventType {
    /// `app.downloaded`.
    AppDownloaded,
    /// `user.registered`.
    UserRegistered,
    /// `app.login`.
    AppLogin,
    /// `app.viewed`.
    AppViewed,
    /// `app.uninstalled`.
    AppUninstalled,
    /// `card.bound`.
    CardBound,
    /// `payment.completed`.
    PaymentCompleted,
    /// `payment.refunded`.
    PaymentRefunded,
    /// `wealth.bought`.
    WealthBought,
    /// `wealth.redeemed`.
    WealthRedeemed,
    /// `loan.drawn`.
    LoanDrawn,
    /// `loan.due_scheduled`.
    LoanDueScheduled,
    /// `loan.repaid`.
    LoanRepaid,
    /// `bill.paid`.
    BillPaid,
    /// `coupon.issued`.
    CouponIssued,
    /// `coupon.redeemed`.
    CouponRedeemed,
    /// `coupon.expired`.
    CouponExpired,
    /// `checkin.done`.
    CheckinDone,
    /// `redpacket.opened`.
    RedpacketOpened,
    /// `course.joined`.
    CourseJoined,
    /// `course.completed`.
    CourseCompleted,
    /// `group.joined`.
    GroupJoined,
    /// `adviser.added`.
    AdviserAdded,
    /// `push.opened`.
    PushOpened,
    /// `push.permission_changed`.
    PushPermissionChanged,
    /// `survey.answered`.
    SurveyAnswered,
    /// `consent.changed`.
    ConsentChanged,
    /// `message.*`.
    Message(MessageEvent),
    /// `branch.visited`.
    BranchVisited,
    /// `telecom.package_subscribed`.
    TelecomPackageSubscribed,
    /// `telecom.package_cancelled`.
    TelecomPackageCancelled,
    /// `rebate.credited`.
    RebateCredited,
    /// `complaint.opened`.
    ComplaintOpened,
    /// `complaint.closed`.
    ComplaintClosed,
    /// `user.erased`.
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
