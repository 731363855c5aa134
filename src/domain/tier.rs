//! Where a user stands: the tier that activity earns, the stage that silence reaches.

/// A tier as a place on the order `inactive` < `new` < ladder. Rung names are configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tier(pub u8);

impl Tier {
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
    #[default]
    Active = 0,
    AtRisk = 1,
    Dormant = 2,
    Lost = 3,
}

impl Stage {
    pub const ALL: [Self; 4] = [Self::Active, Self::AtRisk, Self::Dormant, Self::Lost];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::AtRisk => "at_risk",
            Self::Dormant => "dormant",
            Self::Lost => "lost",
        }
    }

    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}
