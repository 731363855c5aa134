//! A wait with a bound, and trying again within one. The one place of this module that looks at a clock or lets time
//! pass: the client's calls block by nature, and between two of them there is nothing else to wait for.

use std::time::{Duration, Instant};

/// How long something may take, from when this was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    since: Instant,
    limit: Duration,
}

impl Deadline {
    #[expect(clippy::disallowed_methods, reason = "a wait for a real broker is measured in real time")]
    pub fn after(limit: impl Into<Duration>) -> Self {
        Self { since: Instant::now(), limit: limit.into() }
    }

    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    pub fn is_over(&self) -> bool {
        self.elapsed() >= self.limit
    }

    pub fn left(&self) -> Duration {
        self.limit.saturating_sub(self.elapsed())
    }

    /// Before something is tried again.
    #[expect(clippy::disallowed_methods, reason = "the client tells nobody when trying again will help")]
    pub fn pause(&self, pause: impl Into<Duration>) {
        std::thread::sleep(pause.into().min(self.left()));
    }
}

/// What follows from a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It may pass: again, while there is time.
    Retry,
    /// It may pass, but not in time.
    GiveUp,
    /// It will not pass.
    Refuse,
}

/// Why something isn't tried again.
#[derive(Debug)]
pub(super) enum GaveUp<E> {
    /// The attempt's error will not pass.
    Refused { error: E, attempts: u32, waited: Duration },
    /// The time is over; the last attempt's error might have passed.
    Late { error: E, attempts: u32, waited: Duration },
}

/// Attempts something until it succeeds, at least once, for at most `limit`, with `pause` between two attempts. `judge`
/// is told each failure and how long it has taken so far.
///
/// # Errors
/// The last failure: once `judge` doesn't say [`Next::Retry`], or the time is over.
pub(super) fn retry<T, E>(
    limit: Duration,
    pause: Duration,
    judge: impl Fn(&E, Duration) -> Next,
    mut attempt: impl FnMut() -> Result<T, E>,
) -> Result<T, GaveUp<E>> {
    let deadline = Deadline::after(limit);
    let mut attempts = 0;
    loop {
        attempts += 1;
        let error = match attempt() {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let waited = deadline.elapsed();
        match judge(&error, waited) {
            Next::Refuse => return Err(GaveUp::Refused { error, attempts, waited }),
            Next::Retry if !deadline.is_over() => deadline.pause(pause),
            Next::Retry | Next::GiveUp => return Err(GaveUp::Late { error, attempts, waited }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn after(limit: Duration, outcomes: &[Result<u8, Next>]) -> Result<u8, (&'static str, u32)> {
        let mut outcomes = outcomes.iter();
        let outcome = retry(limit, Duration::ZERO, |next, _| *next, || *outcomes.next().expect("an attempt too many"));
        outcome.map_err(|gave_up| match gave_up {
            GaveUp::Refused { attempts, .. } => ("refused", attempts),
            GaveUp::Late { attempts, .. } => ("late", attempts),
        })
    }

    #[test]
    fn what_may_pass_is_tried_again_while_there_is_time_and_what_will_not_is_not() {
        assert_eq!(after(LONG, &[Err(Next::Retry), Err(Next::Retry), Ok(7)]), Ok(7));
        assert_eq!(after(LONG, &[Err(Next::Retry), Err(Next::Refuse)]), Err(("refused", 2)));
        assert_eq!(after(LONG, &[Err(Next::GiveUp)]), Err(("late", 1)));
        assert_eq!(after(Duration::ZERO, &[Err(Next::Retry)]), Err(("late", 1)), "it is attempted once in any case");
        assert_eq!(after(Duration::ZERO, &[Ok(7)]), Ok(7));
    }
}
