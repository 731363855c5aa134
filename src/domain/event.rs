//! What a user did, as the fold sees it.
//!
//! An event holds no text but the user id: ids and names that are only ever compared are 64-bit hashes, so that
//! decoding copies nothing and an event can wait in a buffer after its bytes are gone.

use super::{Channel, EventId, Origin, Source, Timestamp, Token, UserId};

/// One event, decoded and well formed. Whether it is too old, a duplicate or another partition's is for the engine to
/// say.
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
