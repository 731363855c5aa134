//! Why stream time does not follow the clock where nothing comes: as the board, metrics and `/readyz` tell it.

use crate::domain::{DAY_MS, HOUR_MS};

/// Why stream time does not follow the clock, though nothing comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdleWait {
    /// The machine's clock and the broker's differ too much.
    ClockApart,
    /// The machine's clock was not compared with the broker's, or not for too long.
    ClockUnknown,
    /// Stream time is further behind than `stream.idle_reach`.
    BeyondReach {
        /// How far it is behind.
        behind_ms: i64,
        /// The setting.
        reach_ms: i64,
    },
}

impl IdleWait {
    /// As it is named in metrics, each of them.
    pub const NAMES: [&'static str; 3] = ["clock_apart", "clock_unknown", "beyond_reach"];

    /// As it is named in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClockApart => Self::NAMES[0],
            Self::ClockUnknown => Self::NAMES[1],
            Self::BeyondReach { .. } => Self::NAMES[2],
        }
    }
}

/// Why, and what to do.
impl std::fmt::Display for IdleWait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ClockApart => f.write_str(
                "this machine's clock and the broker's differ by more than stream.max_skew; set the wrong one right",
            ),
            Self::ClockUnknown => f.write_str(
                "this machine's clock could not be compared with the broker's yet; the log says why, and it is tried \
                 again",
            ),
            Self::BeyondReach { behind_ms, reach_ms } => write!(
                f,
                "stream time is {} behind the clock, more than stream.idle_reach, {}: this is taken for a history \
                 that is still being loaded. Its next event goes on with it; if it is complete, raise \
                 stream.idle_reach",
                span(*behind_ms),
                span(*reach_ms),
            ),
        }
    }
}

/// In the largest whole unit that fits.
fn span(ms: i64) -> String {
    match ms {
        _ if ms >= 2 * DAY_MS => format!("{} days", ms / DAY_MS),
        _ if ms >= 2 * HOUR_MS => format!("{} h", ms / HOUR_MS),
        _ => format!("{} s", ms / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_says_how_far_behind_and_what_to_do() {
        let text = IdleWait::BeyondReach { behind_ms: 330 * DAY_MS + 1, reach_ms: 7 * DAY_MS }.to_string();
        for part in ["330 days behind the clock", "stream.idle_reach, 7 days", "raise stream.idle_reach"] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }
}
