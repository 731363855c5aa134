//! A wait with a bound. The one place of this module that looks at a clock or lets time pass: the client's calls block by
//! nature, and between two of them there is nothing else to wait for.

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
