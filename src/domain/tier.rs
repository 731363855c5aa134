//! Where a user stands: the tier that activity earns, the stage that silence reaches.

/// A tier as a place on the order `inactive` < `new` < ladder. Rung names are configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tier(pub u8);

impl Tier {
    /// Below the ladder: no rung is earned, and the month of registration is over.
    pub const INACTIVE: Self = Self(0);
    /// In the calendar month of registration.
    pub const NEW: Self = Self(1);

    /// The ladder's rung `index`, from 0 for the lowest.
    pub const fn rung(index: u8) -> Self {
        Self(index + 2)
    }

    /// Its place on a ladder, from 0 for the lowest; `inactive` and `new` have none.
    pub fn rung_index(self) -> Option<usize> {
        self.0.checked_sub(Self::rung(0).0).map(usize::from)
    }
}

/// How far a silence has gone. `AtRisk` is a forecast, `Dormant` and `Lost` are facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Stage {
    /// Not silent for long enough to say anything.
    #[default]
    Active = 0,
    /// Forecast to become dormant, with the configured confidence.
    AtRisk = 1,
    /// Silent for `dormant_days`.
    Dormant = 2,
    /// Silent for `lost_days`.
    Lost = 3,
}

impl Stage {
    /// In order of silence.
    pub const ALL: [Self; 4] = [Self::Active, Self::AtRisk, Self::Dormant, Self::Lost];

    /// As outputs and metrics name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::AtRisk => "at_risk",
            Self::Dormant => "dormant",
            Self::Lost => "lost",
        }
    }

    /// The stage of a stored code; `None` for a code that this version does not know.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}
