//! Whether the machine's clock agrees with the broker's: as the timekeeper finds it, and as the board and metrics tell
//! it.

/// How the machine's clock compared with the broker's the last time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ClockAgreement {
    /// They never were.
    #[default]
    Unknown,
    /// They differ by no more than `stream.max_skew`. So far the machine's is ahead; below 0: behind.
    Agrees {
        /// Milliseconds.
        ahead_ms: i64,
    },
    /// They differ by more.
    Apart {
        /// Milliseconds.
        ahead_ms: i64,
    },
    /// The broker's can't be had, and why: the machine's is taken on trust.
    OnTrust(String),
}
