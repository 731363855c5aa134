//! Whom a process believes about the time. Stream time that followed a wrong clock is never taken back, so the
//! machine's clock is compared with the broker's: before a partition is first served, then every `clock_check`, and at
//! once where it jumps. In between time goes by at the monotonic clock's batch_limit.
//!
//! Events are judged by the same time: by a clock that is known to be wrong, each would be dead, or none.
//!
//! Must not know: what follows the time. May break it: a time that is read off the machine where the broker's can be
//! had.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::broker::{Broker, BrokerTime};
use crate::chain::Chain;
use crate::domain::{PartitionId, Timestamp};
use crate::runtime::board::clock_agreement::ClockAgreement;
use crate::runtime::board::status::Board;
use crate::runtime::clock::Clock;
use crate::runtime::settings::{LaneSettings, millis};

/// Why stream time may follow no clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::runtime) enum ClockDoubt {
    /// Not compared, or not for too long, or it has jumped since.
    Unknown,
    Apart,
}

/// One for all lanes of a process.
#[derive(Debug)]
pub(in crate::runtime) struct Timekeeper {
    max_skew_ms: i64,
    every_ms: u64,
    /// Where the last comparison brought nothing to go by.
    retry_ms: u64,
    state: Mutex<State>,
    /// PartitionSlot while the broker is asked: who comes meanwhile waits for what it says.
    asking: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    compared: Option<Comparison>,
    asked_ms: Option<u64>,
}

#[derive(Debug, Clone)]
struct Comparison {
    wall: Timestamp,
    at_ms: u64,
    agreement: ClockAgreement,
}

impl Timekeeper {
    pub fn new(max_skew_ms: i64, settings: &LaneSettings) -> Self {
        Self {
            max_skew_ms,
            every_ms: millis(settings.clock_check),
            retry_ms: millis(settings.idle_after.min(settings.clock_check)),
            state: Mutex::default(),
            asking: Mutex::default(),
        }
    }

    pub fn max_skew_ms(&self) -> i64 {
        self.max_skew_ms
    }

    /// Asks the broker, unless it has been asked lately.
    pub fn compare_first<B: Broker>(&self, broker: &B, at: PartitionId, clock: &Clock, board: &Board) {
        let _asking = lock(&self.asking);
        if self.is_fresh(clock) {
            return;
        }
        self.ask(broker, at, clock, board);
    }

    /// Asks the broker.
    pub fn compare<B: Broker>(&self, broker: &B, at: PartitionId, clock: &Clock, board: &Board) {
        let _asking = lock(&self.asking);
        self.ask(broker, at, clock, board);
    }

    fn ask<B: Broker>(&self, broker: &B, at: PartitionId, clock: &Clock, board: &Board) {
        lock(&self.state).asked_ms = Some(clock.monotonic_ms());
        let before = clock.wall();
        match broker.time(at) {
            Ok(answered) => {
                let (after, at_ms) = (clock.wall(), clock.monotonic_ms());
                let agreement = agreement(before, after, answered, self.max_skew_ms);
                self.note(Comparison { wall: after, at_ms, agreement }, board);
            }
            // What is known stays true for a while; without anything known nothing follows the clock.
            Err(error) => tracing::warn!("the broker's clock can't be asked for now: {}; trying again", Chain(&error)),
        }
    }

    fn note(&self, comparison: Comparison, board: &Board) {
        let agreement = comparison.agreement.clone();
        let before = lock(&self.state).compared.replace(comparison).map(|before| before.agreement);
        board.write(|status| status.clock = agreement.clone());
        if before.is_some_and(|before| std::mem::discriminant(&before) == std::mem::discriminant(&agreement)) {
            return;
        }
        match agreement {
            ClockAgreement::Unknown => {}
            ClockAgreement::Agrees { ahead_ms } => {
                tracing::info!(ahead_ms, "this machine's clock agrees with the broker's");
            }
            ClockAgreement::Apart { ahead_ms } => tracing::error!(
                ahead_ms,
                "this machine's clock and the broker's differ by more than stream.max_skew: stream time follows no \
                 clock, and events are judged by the broker's; set the wrong one right"
            ),
            ClockAgreement::OnTrust(why) => tracing::warn!(
                "the broker's clock can't be had ({why}): stream time follows this machine's on trust; `tideline \
                 topics --create` gives the changelog message.timestamp.type=LogAppendTime, which tells it"
            ),
        }
    }

    /// Whether the broker should be asked now. Whoever gets true must ask: nobody else gets it for a while.
    pub fn is_due(&self, clock: &Clock) -> bool {
        let now_ms = clock.monotonic_ms();
        let mut state = lock(&self.state);
        let settled = state.compared.as_ref().filter(|it| it.is_settled());
        let has_jumped = settled.is_some_and(|it| self.has_jumped(it, clock));
        let rest_ms = if settled.is_some() && !has_jumped { self.every_ms } else { self.retry_ms };
        let is_due = state.asked_ms.is_none_or(|asked_ms| {
            // A jump is looked into at once, but once.
            let is_news = has_jumped && settled.is_some_and(|it| asked_ms <= it.at_ms);
            is_news || now_ms.saturating_sub(asked_ms) >= rest_ms
        });
        if is_due {
            state.asked_ms = Some(now_ms);
        }
        is_due
    }

    /// By what events are judged: the machine's clock, unless it is known to be wrong.
    pub fn now(&self, clock: &Clock) -> Timestamp {
        let wall = clock.wall();
        match &lock(&self.state).compared {
            Some(it) => match it.agreement {
                ClockAgreement::Apart { ahead_ms } => it.now(clock).minus_millis(ahead_ms),
                // It has jumped, and one of the two is wrong. Until it is known which, no event of today dies for it.
                ClockAgreement::Agrees { .. } if self.has_jumped(it, clock) => wall.max(it.now(clock)),
                _ => wall,
            },
            None => wall,
        }
    }

    /// What records are stamped with where the machine's clock is not to be believed; none: the client stamps them by
    /// it. A topic's retention goes by that time, and would take at once what a clock far behind has stamped; what lies
    /// more than an hour ahead is refused (`message.timestamp.after.max.ms`).
    pub fn stamp(&self, clock: &Clock) -> Option<Timestamp> {
        let state = lock(&self.state);
        let compared = state.compared.as_ref()?;
        match compared.agreement {
            ClockAgreement::Apart { ahead_ms } => Some(compared.now(clock).minus_millis(ahead_ms)),
            ClockAgreement::Agrees { .. } if self.has_jumped(compared, clock) => Some(compared.now(clock)),
            _ => None,
        }
    }

    /// What that clock is called in messages.
    pub fn clock_name(&self) -> &'static str {
        match lock(&self.state).compared.as_ref().map(|it| &it.agreement) {
            Some(ClockAgreement::Agrees { .. } | ClockAgreement::Apart { .. }) => "the broker's clock",
            _ => "this machine's clock",
        }
    }

    /// What stream time may follow.
    pub fn idle_now(&self, clock: &Clock) -> Result<Timestamp, ClockDoubt> {
        let state = lock(&self.state);
        let compared = state.compared.as_ref().ok_or(ClockDoubt::Unknown)?;
        let age_ms = clock.monotonic_ms().saturating_sub(compared.at_ms);
        match compared.agreement {
            ClockAgreement::Apart { .. } => Err(ClockDoubt::Apart),
            ClockAgreement::Unknown => Err(ClockDoubt::Unknown),
            _ if age_ms > 2 * self.every_ms || self.has_jumped(compared, clock) => Err(ClockDoubt::Unknown),
            ClockAgreement::Agrees { .. } | ClockAgreement::OnTrust(_) => Ok(compared.now(clock)),
        }
    }

    fn is_fresh(&self, clock: &Clock) -> bool {
        let state = lock(&self.state);
        state.compared.as_ref().is_some_and(|it| {
            it.is_settled()
                && clock.monotonic_ms().saturating_sub(it.at_ms) < self.every_ms
                && !self.has_jumped(it, clock)
        })
    }

    /// Whether the machine's clock went otherwise than time goes by.
    fn has_jumped(&self, compared: &Comparison, clock: &Clock) -> bool {
        clock.wall().since(compared.now(clock)).abs() > self.max_skew_ms
    }
}

impl Comparison {
    /// What the machine's clock would say now, had it gone on steadily.
    fn now(&self, clock: &Clock) -> Timestamp {
        self.wall.plus_millis(clock.calendar_ms(clock.monotonic_ms().saturating_sub(self.at_ms)))
    }

    fn is_settled(&self) -> bool {
        matches!(self.agreement, ClockAgreement::Agrees { .. } | ClockAgreement::OnTrust(_))
    }
}

/// The broker's time was taken between `before` and `after` on the machine's clock.
fn agreement(before: Timestamp, after: Timestamp, answered: BrokerTime, max_skew_ms: i64) -> ClockAgreement {
    let at = match answered {
        BrokerTime::At(at) => at,
        BrokerTime::Ours => return ClockAgreement::Agrees { ahead_ms: 0 },
        BrokerTime::Untold(why) => return ClockAgreement::OnTrust(why),
    };
    let (first, last) = (before.min(after), before.max(after));
    let ahead_ms = first.since(at).max(0) + last.since(at).min(0);
    if ahead_ms.abs() > max_skew_ms { ClockAgreement::Apart { ahead_ms } } else { ClockAgreement::Agrees { ahead_ms } }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brokers_time_lies_between_the_question_and_its_answer() {
        let at = Timestamp::of_millis;
        for (answered, expected) in [
            (990, ClockAgreement::Agrees { ahead_ms: 10 }),
            (1_000, ClockAgreement::Agrees { ahead_ms: 0 }),
            (1_030, ClockAgreement::Agrees { ahead_ms: 0 }),
            (1_150, ClockAgreement::Agrees { ahead_ms: -100 }),
            (1_151, ClockAgreement::Apart { ahead_ms: -101 }),
            (899, ClockAgreement::Apart { ahead_ms: 101 }),
        ] {
            assert_eq!(agreement(at(1_000), at(1_050), BrokerTime::At(at(answered)), 100), expected, "{answered}");
        }
    }

    /// A clock that agreed, and has jumped since: between that and the next comparison nobody knows which of the two is
    /// wrong.
    #[test]
    fn a_clock_that_has_jumped_is_not_followed_until_it_is_compared_again() {
        let (clock, time) = Clock::simulated(Timestamp::of_millis(1_000_000));
        let (settings, board) = (LaneSettings::default(), Board::default());
        let keeper = Timekeeper::new(1_000, &settings);
        assert_eq!(keeper.idle_now(&clock), Err(ClockDoubt::Unknown));
        let agrees = || ClockAgreement::Agrees { ahead_ms: 0 };
        keeper.note(Comparison { wall: clock.wall(), at_ms: clock.monotonic_ms(), agreement: agrees() }, &board);
        time.advance_ms(60_000);
        assert_eq!(keeper.idle_now(&clock), Ok(Timestamp::of_millis(1_060_000)));
        for jump_ms in [1_001, 86_400_000, -1_001] {
            time.set_wall_ahead_ms(jump_ms);
            assert_eq!(keeper.idle_now(&clock), Err(ClockDoubt::Unknown), "{jump_ms}");
        }
        time.set_wall_ahead_ms(1_000);
        assert_eq!(
            keeper.idle_now(&clock),
            Ok(Timestamp::of_millis(1_060_000)),
            "at the monotonic clock's batch_limit"
        );
        time.advance_ms(2 * millis(settings.clock_check));
        assert_eq!(keeper.idle_now(&clock), Err(ClockDoubt::Unknown), "not compared for too long");
    }
}
