//! A user's loans: of each its latest schedule and its latest repayment, by event time, whatever arrived first.

use super::{Fact, Moment};
use crate::domain::{Body, Event, Timestamp, Token};
use crate::state::keep::{Latest, Ranked, TopK};
use crate::state::varint::Reader;
use crate::state::{Affected, StateError};

/// One loan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loan {
    /// None: the one unnamed loan.
    pub name: Option<Token>,
    /// When the latest schedule was made, and the due date it set; of two at one instant the later due date.
    pub scheduled: Latest<(Timestamp, Timestamp)>,
    /// The latest repayment.
    pub repaid: Latest<Timestamp>,
}

impl Loan {
    /// The due date, unless a later repayment closed it.
    pub fn open_due(&self) -> Option<Timestamp> {
        let (scheduled, due) = self.scheduled.get()?;
        self.repaid.get().is_none_or(|repaid| repaid <= scheduled).then_some(due)
    }
}

/// The 8 loans with the latest schedule or repayment, in order of name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loans(pub(in crate::state) TopK<Loan, { Loans::MAX }>);

impl Loans {
    /// How many are kept.
    pub const MAX: usize = 8;

    /// The loans, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = &Loan> {
        self.0.iter()
    }
}

impl Fact for Loans {
    #[inline]
    fn fold(&mut self, event: &Event, _moment: &Moment<'_>) -> Affected {
        match event.body {
            Body::LoanDueScheduled { loan, due } => {
                self.0.change(loan, |loan| _ = loan.scheduled.add((event.time, due)));
            }
            Body::LoanRepaid { loan, .. } => {
                self.0.change(loan, |loan| _ = loan.repaid.add(event.time));
            }
            _ => return Affected::NONE,
        }
        Affected::SILENCE
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put(&self, out: &mut Vec<u8>, base: i64) {
        self.0.put(out, base);
    }

    fn read(&mut self, from: &mut Reader<'_>, base: i64) -> Result<(), StateError> {
        self.0.read(from, base)
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

const NAMED: u8 = 1;
const SCHEDULED: u8 = 1 << 1;
const REPAID: u8 = 1 << 2;

impl Ranked for Loan {
    type Key = Option<Token>;
    /// The time of the last that was told of it.
    type Rank = Option<Timestamp>;

    fn new(name: Option<Token>) -> Self {
        Self { name, scheduled: Latest::default(), repaid: Latest::default() }
    }

    fn key(&self) -> Option<Token> {
        self.name
    }

    fn rank(&self) -> Option<Timestamp> {
        self.scheduled.get().map(|(at, _)| at).max(self.repaid.get())
    }

    fn put(&self, out: &mut Vec<u8>, base: i64) {
        let flag = |present: bool, bit: u8| if present { bit } else { 0 };
        let scheduled = flag(!self.scheduled.is_empty(), SCHEDULED);
        out.push(flag(self.name.is_some(), NAMED) | scheduled | flag(!self.repaid.is_empty(), REPAID));
        if let Some(name) = self.name {
            out.extend_from_slice(&name.0.to_le_bytes());
        }
        self.scheduled.put(out, base);
        self.repaid.put(out, base);
    }

    fn read(from: &mut Reader<'_>, base: i64) -> Result<Self, StateError> {
        let flags = from.byte()?;
        let has = |bit: u8| flags & bit != 0;
        let name = if has(NAMED) { Some(Token(u64::from_le_bytes(from.fixed()?))) } else { None };
        let scheduled = if has(SCHEDULED) { Latest::read(from, base)? } else { Latest::default() };
        let repaid = if has(REPAID) { Latest::read(from, base)? } else { Latest::default() };
        Ok(Self { name, scheduled, repaid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn t(millis: i64) -> Timestamp {
        Timestamp::of_millis(millis)
    }

    #[test]
    fn a_due_date_is_open_until_a_later_repayment() {
        // (schedule, due), repayment, what is open
        let cases = [
            (Some((t(5), t(50))), None, Some(t(50))),
            (Some((t(5), t(50))), Some(t(6)), None),
            (Some((t(5), t(50))), Some(t(5)), Some(t(50))),
            (None, Some(t(5)), None),
        ];
        for (scheduled, repaid, open) in cases {
            let mut loan = Loan::new(None);
            scheduled.into_iter().for_each(|schedule| _ = loan.scheduled.add(schedule));
            repaid.into_iter().for_each(|at| _ = loan.repaid.add(at));
            assert_eq!(loan.open_due(), open);
        }
    }

    #[test]
    fn the_eight_told_of_last_are_kept_in_any_order() {
        let name = |i: i64| Some(Token(i as u64 * 7 % 11));
        let fold = |order: &mut dyn Iterator<Item = i64>| {
            let mut loans = Loans::default();
            order.for_each(|i| _ = loans.0.change(name(i), |loan| _ = loan.scheduled.add((t(i), t(i + 100)))));
            loans
        };
        let loans = fold(&mut (1..=10));
        assert_eq!(loans.iter().count(), 8);
        assert!(loans.iter().all(|loan| loan.rank() >= Some(t(3))));
        assert_eq!(loans, fold(&mut (1..=10).rev()));
    }
}
