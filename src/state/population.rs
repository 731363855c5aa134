//! How many users are what: a registry of the ways in which they are told apart, and a count a cell of each.
//!
//! Kept in the partition record, as cells by the name of their dimension, and taken over from it at restore. A new
//! dimension is a row of [`Dimension`] and its metric (`telemetry::metrics`); the record, the sums over partitions, the
//! summary of a replay and the demo follow. A record from before it lacks its cells: then all users are counted again,
//! once.
//!
//! Must not know: rules but for the names of tiers, which are given.

use super::User;
use crate::domain::{Stage, Tier};

/// A way in which users are told apart: each user is in exactly one cell of each. What overlaps is a cell a
/// combination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(usize)]
pub enum Dimension {
    /// By announced tier: `inactive`, `new`, then the ladder from its lowest rung.
    Tier = 0,
    /// By announced stage.
    Stage = 1,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Tier, Self::Stage];

    /// Its name in the partition record, and the label of its metric.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tier => "tier",
            Self::Stage => "stage",
        }
    }

    /// What a user's cell is called; none for one that no user can be in. `tiers`: the names of tiers, in order.
    pub fn cell_name(self, cell: usize, tiers: &[String]) -> Option<&str> {
        match self {
            Self::Tier => tiers.get(cell).map(String::as_str),
            Self::Stage => Stage::ALL.get(cell).map(|stage| stage.as_str()),
        }
    }

    /// The cell that counts a user.
    fn cell(self, user: &User) -> usize {
        match self {
            Self::Tier => usize::from(user.announced_tier().0),
            Self::Stage => user.stage as usize,
        }
    }

    /// Cells that there are from the start, so that a count of 0 shows. `tiers`: how many tiers there are.
    const fn cells_at_least(self, tiers: usize) -> usize {
        match self {
            Self::Tier => tiers,
            Self::Stage => Stage::ALL.len(),
        }
    }
}

/// The cell of a user in each dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cells([u8; Dimension::ALL.len()]);

impl Cells {
    /// The cells that count a user. Of a dimension's cells from the 256th on the 256th.
    #[inline]
    pub fn of(user: &User) -> Self {
        Self(Dimension::ALL.map(|dimension| u8::try_from(dimension.cell(user)).unwrap_or(u8::MAX)))
    }
}

/// Users by the cell of each dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Population([Vec<u64>; Dimension::ALL.len()]);

/// Nobody, under rules that are not known.
impl Default for Population {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Population {
    /// Nobody, under rules with so many tiers.
    pub fn new(tiers: usize) -> Self {
        Self(Dimension::ALL.map(|dimension| vec![0; dimension.cells_at_least(tiers)]))
    }

    /// The counts of a dimension, by cell.
    pub fn cells(&self, dimension: Dimension) -> &[u64] {
        &self.0[dimension as usize]
    }

    /// The counts of a dimension by the names of its cells. `tiers`: the names of tiers, in order.
    pub fn named<'a>(&'a self, dimension: Dimension, tiers: &'a [String]) -> impl Iterator<Item = (&'a str, u64)> {
        let cells = self.cells(dimension).iter().enumerate();
        cells.filter_map(move |(cell, &users)| Some((dimension.cell_name(cell, tiers)?, users)))
    }

    /// Sets the counts of a dimension.
    pub fn set(&mut self, dimension: Dimension, cells: Vec<u64>) {
        self.0[dimension as usize] = cells;
    }

    /// How many users a dimension counts.
    pub fn counted(&self, dimension: Dimension) -> u64 {
        self.cells(dimension).iter().fold(0, |users, cell| users.saturating_add(*cell))
    }

    /// How many users there are; none where the dimensions don't agree.
    pub fn users(&self) -> Option<u64> {
        let users = self.counted(Dimension::Tier);
        Dimension::ALL.iter().all(|dimension| self.counted(*dimension) == users).then_some(users)
    }

    /// Counts a user in its cells.
    #[inline]
    pub fn add(&mut self, user: Cells) {
        for (cells, cell) in self.0.iter_mut().zip(user.0) {
            let cell = usize::from(cell);
            if cells.len() <= cell {
                cells.resize(cell + 1, 0);
            }
            cells[cell] += 1;
        }
    }

    /// Takes a user who was counted from its cells.
    #[inline]
    pub fn take(&mut self, user: Cells) {
        for (cells, cell) in self.0.iter_mut().zip(user.0) {
            if let Some(count) = cells.get_mut(usize::from(cell)) {
                *count = count.saturating_sub(1);
            }
        }
    }

    /// Adds the counts of another partition.
    pub fn merge(&mut self, other: &Self) {
        for (cells, more) in self.0.iter_mut().zip(&other.0) {
            if cells.len() < more.len() {
                cells.resize(more.len(), 0);
            }
            cells.iter_mut().zip(more).for_each(|(cell, more)| *cell = cell.saturating_add(*more));
        }
    }
}

const _: () = assert!(size_of::<Tier>() == 1, "a tier is a cell of one byte");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn user(tier: u8, stage: usize) -> User {
        User { announced: Some(Tier(tier)), stage: Stage::ALL[stage], ..User::default() }
    }

    proptest! {
        #[test]
        fn every_dimension_counts_every_user_once(
            users in prop::collection::vec((0..9u8, 0..4usize), 0..40),
            gone: u8,
        ) {
            let mut population = Population::new(3);
            users.iter().for_each(|&(tier, stage)| population.add(Cells::of(&user(tier, stage))));
            prop_assert_eq!(population.users(), Some(users.len() as u64));
            let gone = usize::from(gone) % (users.len() + 1);
            users[..gone].iter().for_each(|&(tier, stage)| population.take(Cells::of(&user(tier, stage))));
            let left = users[gone..].iter().filter(|(tier, _)| *tier == 4).count() as u64;
            prop_assert_eq!(population.cells(Dimension::Tier).get(4).copied().unwrap_or(0), left);
            let mut twice = population.clone();
            twice.merge(&population);
            prop_assert_eq!(twice.users(), Some(2 * (users.len() - gone) as u64));
        }
    }

    #[test]
    fn dimensions_that_count_different_users_agree_on_none() {
        let mut population = Population::new(2);
        population.add(Cells::of(&user(0, 0)));
        population.set(Dimension::Stage, vec![2]);
        assert_eq!(population.users(), None);
    }
}
