//! The stream of records: time goes on, a user is drawn, its deed told; what follows from it later is kept until then.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::draw::Draw;
use super::story::{Deed, Kind, Life};
use super::text::{Told, What};
use super::{Record, Settings, UserNumber};
use crate::domain::{DAY_MS, HOUR_MS, MINUTE_MS, Source, Timestamp};

const SCENES: [(u32, &str); 6] =
    [(30, "grocery"), (25, "food"), (20, "transport"), (10, "shopping"), (10, "utilities"), (5, "travel")];

/// Something that will be told when its time comes; `number` is told with it and makes the order total.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Later {
    at: Timestamp,
    number: u64,
    told: Told,
}

impl Ord for Later {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl PartialOrd for Later {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A record on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Arriving {
    number: u64,
    record: Record,
}

impl Ord for Arriving {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.record.arrival, self.number).cmp(&(other.record.arrival, other.number))
    }
}

impl PartialOrd for Arriving {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Records in the order of arrival, as many as the settings say.
#[derive(Debug, Clone)]
pub struct Generator {
    settings: Settings,
    draw: Draw,
    lives: Vec<Life>,
    /// Registrations to come, the last first.
    registrations: Vec<(Timestamp, UserNumber)>,
    now_ms: f64,
    step_ms: f64,
    next_number: u64,
    later: BinaryHeap<Reverse<Later>>,
    arriving: BinaryHeap<Reverse<Arriving>>,
    given: u64,
}

impl Generator {
    /// Records for each deed that is drawn, about: deeds have consequences, and some records come twice.
    const RECORDS_PER_DEED: f64 = 1.13;
    const TRIES: u32 = 16;
    /// How often a quiet user that is drawn does something all the same.
    const QUIET_SHARE: f64 = 0.1;

    /// The settings must be sound ([`Settings::validate`]).
    pub fn new(settings: Settings) -> Self {
        let mut draw = Draw::new(settings.seed);
        let span_ms = i64::from(settings.days) * DAY_MS;
        let (mut lives, mut registrations) = (Vec::new(), Vec::new());
        for user in 0..settings.users {
            let (life, registered) = Life::begin(&mut draw, settings.start, span_ms);
            lives.push(life);
            registrations.extend(registered.map(|at| (at, UserNumber(user))));
        }
        registrations.sort_unstable_by(|a, b| b.cmp(a));
        let deeds = (settings.records as f64 - registrations.len() as f64).max(1.0) / Self::RECORDS_PER_DEED;
        Self {
            draw,
            lives,
            registrations,
            now_ms: settings.start.millis() as f64,
            step_ms: span_ms as f64 / deeds,
            next_number: 1,
            later: BinaryHeap::new(),
            arriving: BinaryHeap::new(),
            given: 0,
            settings,
        }
    }

    /// How far event time has come: nothing that is still to be given arrives before it.
    pub fn now(&self) -> Timestamp {
        Timestamp::of_millis(self.now_ms as i64)
    }

    /// One step of time: what was due until then, and one user's deed.
    fn step(&mut self) {
        self.now_ms += self.step_ms;
        let now = self.now();
        while let Some(&(at, user)) = self.registrations.last().filter(|(at, _)| *at <= now) {
            self.registrations.pop();
            self.tell_now(Source::App, user, at, What::Bare("user.registered"));
        }
        while self.later.peek().is_some_and(|Reverse(later)| later.at <= now) {
            if let Some(Reverse(Later { told, .. })) = self.later.pop() {
                self.send(told);
            }
        }
        // Most are found at once; where nearly all are quiet, time goes on without a deed.
        for _ in 0..Self::TRIES {
            let user = UserNumber(self.draw.skewed(self.settings.users, self.settings.skew));
            let life = &mut self.lives[user.0 as usize];
            let (is_active, kind) = (life.is_active(now), life.kind);
            if is_active {
                let deed = kind.deed(&mut self.draw);
                return self.perform(user, now, deed);
            }
            if life.is_registered() && self.draw.happens(Self::QUIET_SHARE) {
                let deed = Kind::quiet_deed(&mut self.draw);
                return self.perform(user, now, deed);
            }
        }
    }

    fn perform(&mut self, user: UserNumber, now: Timestamp, deed: Deed) {
        use Source::{App, Branch, Sms};
        match deed {
            Deed::Pay(source) => self.pay(source, user, now),
            Deed::DrawLoan => self.draw_loan(user, now),
            Deed::Campaign => self.campaign(user, now),
            Deed::BuyWealth => {
                let amount = self.draw.between(10_000, 5_000_000);
                self.tell_now(App, user, now, What::Amount { name: "wealth.bought", amount });
            }
            Deed::RedeemWealth => {
                let amount = self.draw.between(10_000, 2_000_000);
                self.tell_now(App, user, now, What::Amount { name: "wealth.redeemed", amount });
            }
            Deed::PayBill => {
                let amount = self.draw.between(2_000, 60_000);
                self.tell_now(Branch, user, now, What::Amount { name: "bill.paid", amount });
            }
            Deed::RedeemCoupon => {
                let coupon = self.draw.below(500);
                self.tell_now(App, user, now, What::Coupon { coupon });
            }
            Deed::Course => {
                self.tell_now(App, user, now, What::Bare("course.joined"));
                let done = now.plus_millis(self.draw.between(DAY_MS, 20 * DAY_MS));
                self.tell_later(App, user, done, What::Bare("course.completed"));
            }
            Deed::Complain => {
                self.tell_now(Branch, user, now, What::Bare("complaint.opened"));
                let closed = now.plus_millis(self.draw.between(HOUR_MS, 5 * DAY_MS));
                self.tell_later(Branch, user, closed, What::Bare("complaint.closed"));
            }
            Deed::Consent => {
                let granted = self.draw.happens(0.8);
                self.tell_now(App, user, now, What::Granted { name: "consent.changed", granted });
            }
            Deed::Login => self.tell_now(App, user, now, What::Bare("app.login")),
            Deed::View => self.tell_now(App, user, now, What::Bare("app.viewed")),
            Deed::CheckIn => self.tell_now(App, user, now, What::Bare("checkin.done")),
            Deed::RedPacket => self.tell_now(App, user, now, What::Bare("redpacket.opened")),
            Deed::OpenPush => self.tell_now(App, user, now, What::Bare("push.opened")),
            Deed::Visit => self.tell_now(Branch, user, now, What::Bare("branch.visited")),
            Deed::Erase => self.tell_now(Sms, user, now, What::Bare("user.erased")),
        }
    }

    fn pay(&mut self, source: Source, user: UserNumber, now: Timestamp) {
        let amount = self.draw.between(1, 200) * self.draw.between(1, 200);
        let scene = self.draw.pick(&SCENES);
        let auto = self.draw.happens(0.03);
        let of = self.next_number;
        self.tell_now(source, user, now, What::Payment { amount, scene, auto });
        if !auto && self.draw.happens(0.02) {
            let full = self.draw.happens(0.6);
            let amount = if full { amount } else { (amount / 2).max(1) };
            let at = now.plus_millis(self.draw.between(10 * MINUTE_MS, 6 * DAY_MS));
            self.tell_later(source, user, at, What::Refund { of, at: now, amount, full });
        }
    }

    /// A schedule follows at once, the repayment at about the due date, if at all.
    fn draw_loan(&mut self, user: UserNumber, now: Timestamp) {
        let (amount, loan) = (self.draw.between(50_000, 2_000_000), self.next_number);
        self.tell_now(Source::App, user, now, What::Loan { name: "loan.drawn", amount, loan });
        let due = now.plus_millis(30 * DAY_MS);
        self.tell_later(Source::App, user, now.plus_millis(MINUTE_MS), What::Due { loan, due });
        if self.draw.happens(0.9) {
            let repaid = due.plus_millis(self.draw.between(-5 * DAY_MS, 4 * DAY_MS));
            self.tell_later(Source::App, user, repaid, What::Loan { name: "loan.repaid", amount, loan });
        }
    }

    fn campaign(&mut self, user: UserNumber, now: Timestamp) {
        // One campaign a week.
        let campaign = (now.millis() / (7 * DAY_MS)) as u64;
        let message = |name| What::Message { name, campaign };
        self.tell_now(Source::Sms, user, now, message("message.sent"));
        let arrives = now.plus_millis(self.draw.between(1_000, 5 * MINUTE_MS));
        let name = if self.draw.happens(0.96) { "message.delivered" } else { "message.failed" };
        self.tell_later(Source::Sms, user, arrives, message(name));
        if self.draw.happens(0.06) {
            let at = arrives.plus_millis(self.draw.between(MINUTE_MS, DAY_MS));
            let name = self.draw.pick(&[(85, "message.clicked"), (10, "message.replied"), (5, "message.opted_out")]);
            self.tell_later(Source::Sms, user, at, message(name));
        }
    }

    fn told(&mut self, source: Source, user: UserNumber, time: Timestamp, what: What) -> Told {
        let number = self.next_number;
        self.next_number += 1;
        Told { source, user, time, number, what }
    }

    fn tell_now(&mut self, source: Source, user: UserNumber, time: Timestamp, what: What) {
        let told = self.told(source, user, time, what);
        self.send(told);
    }

    fn tell_later(&mut self, source: Source, user: UserNumber, at: Timestamp, what: What) {
        let told = self.told(source, user, at, what);
        self.later.push(Reverse(Later { at, number: told.number, told }));
    }

    /// Puts an event on its way, with whatever befalls it there.
    fn send(&mut self, told: Told) {
        let disorder = self.settings.disorder;
        // What was due between two steps arrives with the later one.
        let earliest = told.time.max(self.now());
        let draw = &mut self.draw;
        let value = if draw.happens(disorder.bad) { told.write_damaged(draw) } else { told.write() };
        let delay_ms = if !draw.happens(disorder.late) {
            0
        } else if draw.happens(0.9) {
            draw.between(1_000, 30 * MINUTE_MS)
        } else {
            draw.between(HOUR_MS, 3 * DAY_MS)
        };
        let arrival = earliest.plus_millis(delay_ms);
        let again = draw.happens(disorder.duplicates).then(|| arrival.plus_millis(draw.between(1, HOUR_MS)));
        let record = Record { source: told.source, arrival, user: told.user, value };
        if let Some(arrival) = again {
            let number = self.next_number;
            self.next_number += 1;
            self.arriving.push(Reverse(Arriving { number, record: Record { arrival, ..record.clone() } }));
        }
        self.arriving.push(Reverse(Arriving { number: told.number, record }));
    }
}

impl Iterator for Generator {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        if self.given == self.settings.records {
            return None;
        }
        while self.arriving.peek().is_none_or(|Reverse(first)| first.record.arrival > self.now()) {
            self.step();
        }
        self.given += 1;
        self.arriving.pop().map(|Reverse(arriving)| arriving.record)
    }
}
