//! What a user is like, and what happens to it: active for weeks, quiet for weeks, active again.

use super::draw::{Draw, OwnDraw};
use crate::domain::{DAY_MS, Source, Timestamp};

/// How users spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Pays with the app.
    Shopper,
    /// Pays at merchants.
    Walker,
    Saver,
    Borrower,
    /// Looks, and never pays: has no key activity.
    Browser,
}

/// One user, 24 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    own: OwnDraw,
    /// Until when what it does now goes on, in milliseconds.
    until_ms: i64,
    pub kind: Kind,
    /// `None`: not registered yet.
    is_active: Option<bool>,
}

/// What a user does of its own accord.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Pay(Source),
    BuyWealth,
    RedeemWealth,
    DrawLoan,
    PayBill,
    Login,
    View,
    CheckIn,
    RedPacket,
    Course,
    RedeemCoupon,
    OpenPush,
    Visit,
    Complain,
    Consent,
    /// Not the user's own: a campaign reaches it.
    Campaign,
    Erase,
}

impl Life {
    const ACTIVE_DAYS: i64 = 75;
    const QUIET_DAYS: i64 = 80;

    /// Registered before the start, or at an instant of the first two thirds of the time.
    pub fn begin(draw: &mut Draw, start: Timestamp, span_ms: i64) -> (Self, Option<Timestamp>) {
        let kind = draw.pick(&[
            (50, Kind::Shopper),
            (25, Kind::Walker),
            (10, Kind::Saver),
            (8, Kind::Borrower),
            (7, Kind::Browser),
        ]);
        let own = OwnDraw(draw.number());
        if draw.happens(0.4) {
            let registered = start.plus_millis(draw.between(0, span_ms * 2 / 3));
            return (Self { own, until_ms: registered.millis(), kind, is_active: None }, Some(registered));
        }
        let mut life = Self { own, until_ms: start.millis(), kind, is_active: Some(draw.happens(0.3)) };
        life.turn();
        (life, None)
    }

    /// Whether the user is active at a time; times must not run backwards.
    pub fn is_active(&mut self, at: Timestamp) -> bool {
        while self.until_ms <= at.millis() {
            self.turn();
        }
        self.is_active == Some(true)
    }

    pub fn is_registered(&self) -> bool {
        self.is_active.is_some()
    }

    fn turn(&mut self) {
        let is_active = self.is_active != Some(true);
        self.is_active = Some(is_active);
        let days = if is_active { Self::ACTIVE_DAYS } else { Self::QUIET_DAYS };
        self.until_ms += self.own.exponential(days * DAY_MS);
    }
}

impl Kind {
    pub fn deed(self, draw: &mut Draw) -> Deed {
        const AROUND: [(u32, Deed); 11] = [
            (120, Deed::Login),
            (60, Deed::View),
            (50, Deed::CheckIn),
            (25, Deed::RedPacket),
            (10, Deed::Course),
            (20, Deed::RedeemCoupon),
            (25, Deed::OpenPush),
            (12, Deed::Visit),
            (3, Deed::Complain),
            (4, Deed::Consent),
            (1, Deed::Erase),
        ];
        const AROUND_SHARE: f64 = 0.35;
        if self == Self::Browser || draw.happens(AROUND_SHARE) {
            return draw.pick(&AROUND);
        }
        let (app, merchant) = (Deed::Pay(Source::App), Deed::Pay(Source::Merchant));
        match self {
            Self::Shopper | Self::Browser => draw.pick(&[(80, app), (12, merchant), (8, Deed::PayBill)]),
            Self::Walker => draw.pick(&[(15, app), (85, merchant)]),
            Self::Saver => draw.pick(&[(40, Deed::BuyWealth), (15, Deed::RedeemWealth), (45, app)]),
            Self::Borrower => draw.pick(&[(12, Deed::DrawLoan), (40, app), (40, merchant), (8, Deed::PayBill)]),
        }
    }

    /// What a quiet user may still do: nothing that earns anything.
    pub fn quiet_deed(draw: &mut Draw) -> Deed {
        draw.pick(&[(55, Deed::Campaign), (30, Deed::Login), (15, Deed::View)])
    }
}
