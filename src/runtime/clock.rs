//! The one clock. Nothing else in tideline may ask what time it is; a simulated one makes a run of lanes repeatable.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::Timestamp;

/// Wall time, and a time that never runs backwards. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock(Kind);

#[derive(Debug, Clone)]
enum Kind {
    System { origin: Instant },
    Accelerated { origin: Instant, start: Timestamp, speed: u32 },
    Simulated(Arc<Simulation>),
}

#[derive(Debug)]
struct Simulation {
    now_ms: AtomicI64,
    /// So far the calendar is ahead of the time that goes by.
    wall_ahead_ms: AtomicI64,
}

impl Clock {
    /// The machine's.
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    pub fn system() -> Self {
        Self(Kind::System { origin: Instant::now() })
    }

    /// A calendar that begins at `start` and runs `speed` times as fast as the machine's clock. Waits stay what they
    /// are.
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    pub fn accelerated(start: Timestamp, speed: u32) -> Self {
        Self(Kind::Accelerated { origin: Instant::now(), start, speed })
    }

    /// One that stays at `start` until its owner moves it.
    pub fn simulated(start: Timestamp) -> (Self, SimulatedTime) {
        let now = Arc::new(Simulation { now_ms: AtomicI64::new(start.millis()), wall_ahead_ms: AtomicI64::new(0) });
        (Self(Kind::Simulated(now.clone())), SimulatedTime(now))
    }

    /// What the calendar says.
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    pub fn wall(&self) -> Timestamp {
        match &self.0 {
            Kind::System { .. } => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::of_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
            }
            Kind::Accelerated { origin, start, speed } => {
                let elapsed_ms = i64::try_from(origin.elapsed().as_millis()).unwrap_or(i64::MAX);
                start.plus_millis(elapsed_ms.saturating_mul(i64::from(*speed)))
            }
            Kind::Simulated(now) => Timestamp::of_millis(now.now_ms.load(Ordering::Relaxed))
                .plus_millis(now.wall_ahead_ms.load(Ordering::Relaxed)),
        }
    }

    /// Milliseconds since some moment; never runs backwards.
    pub fn monotonic_ms(&self) -> u64 {
        match &self.0 {
            Kind::System { origin } | Kind::Accelerated { origin, .. } => {
                u64::try_from(origin.elapsed().as_millis()).unwrap_or(u64::MAX)
            }
            Kind::Simulated(now) => now.now_ms.load(Ordering::Relaxed).max(0).unsigned_abs(),
        }
    }
}

impl Clock {
    /// How far the calendar goes in that time.
    pub(super) fn calendar_ms(&self, elapsed_ms: u64) -> i64 {
        let elapsed_ms = i64::try_from(elapsed_ms).unwrap_or(i64::MAX);
        match &self.0 {
            Kind::Accelerated { speed, .. } => elapsed_ms.saturating_mul(i64::from(*speed)),
            Kind::System { .. } | Kind::Simulated(_) => elapsed_ms,
        }
    }

    pub(super) fn is_simulated(&self) -> bool {
        matches!(self.0, Kind::Simulated(_))
    }

    /// How long a call may wait for the world: on a simulated clock not at all, for nobody moves it meanwhile.
    pub(super) fn wait(&self, timeout: Duration) -> Duration {
        match &self.0 {
            Kind::System { .. } | Kind::Accelerated { .. } => timeout,
            Kind::Simulated(_) => Duration::ZERO,
        }
    }
}

/// Moves a simulated clock.
#[derive(Debug)]
pub struct SimulatedTime(Arc<Simulation>);

impl SimulatedTime {
    /// Lets time go by, on the calendar too.
    pub fn advance_ms(&self, ms: u64) {
        self.0.now_ms.fetch_add(i64::try_from(ms).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Sets the calendar so far ahead of the time that goes by, or behind it: as a machine whose clock is wrong has it.
    pub fn set_wall_ahead_ms(&self, ms: i64) {
        self.0.wall_ahead_ms.store(ms, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_clock_stands_still_until_it_is_moved() {
        let (clock, time) = Clock::simulated(Timestamp::of_millis(1_000));
        assert_eq!((clock.wall(), clock.monotonic_ms()), (Timestamp::of_millis(1_000), 1_000));
        time.advance_ms(5);
        assert_eq!((clock.clone().wall(), clock.monotonic_ms()), (Timestamp::of_millis(1_005), 1_005));
    }

    #[test]
    fn a_calendar_that_is_set_moves_no_time_that_goes_by() {
        let (clock, time) = Clock::simulated(Timestamp::of_millis(1_000));
        time.set_wall_ahead_ms(-300);
        time.advance_ms(5);
        assert_eq!((clock.wall(), clock.monotonic_ms()), (Timestamp::of_millis(705), 1_005));
    }

    #[test]
    fn an_accelerated_calendar_runs_ahead_of_waits_which_stay_what_they_are() {
        let start = Timestamp::of_millis(1_000);
        let clock = Clock::accelerated(start, 60);
        assert_eq!((clock.calendar_ms(5), clock.wait(Duration::from_secs(1))), (300, Duration::from_secs(1)));
        assert!(clock.wall() >= start);
        assert_eq!(Clock::simulated(start).0.wait(Duration::from_secs(1)), Duration::ZERO);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "compares the one clock with the machine's")]
    fn the_systems_calendar_is_the_machines() {
        let machine = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        let (before, said, after) = (machine(), Clock::system().wall().millis(), machine());
        assert!((before..=after).contains(&said), "{said} is not between {before} and {after}");
    }
}
