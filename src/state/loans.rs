//! A user's loans: of each its latest schedule and its latest repayment, by event time, whatever arrived first.

use crate::domain::{Timestamp, Token};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loan {
    /// None: the one unnamed loan.
    pub name: Option<Token>,
    /// When the latest schedule was made, and the due date it set.
    pub scheduled: Option<(Timestamp, Timestamp)>,
    pub repaid: Option<Timestamp>,
}

impl Loan {
    /// The due date, unless a later repayment closed it.
    pub fn open_due(&self) -> Option<Timestamp> {
        let (scheduled, due) = self.scheduled?;
        self.repaid.is_none_or(|repaid| repaid <= scheduled).then_some(due)
    }

    fn last_told(&self) -> Option<Timestamp> {
        self.scheduled.map(|(at, _)| at).max(self.repaid)
    }
}

/// The 8 loans with the latest schedule or repayment, in order of name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loans(pub(super) Vec<Loan>);

impl Loans {
    pub const MAX: usize = 8;

    pub fn iter(&self) -> impl Iterator<Item = &Loan> {
        self.0.iter()
    }

    /// The latest schedule by event time wins; of two at one instant, the later due date.
    pub(super) fn schedule(&mut self, name: Option<Token>, at: Timestamp, due: Timestamp) {
        let loan = self.loan(name);
        loan.scheduled = loan.scheduled.max(Some((at, due)));
        self.limit();
    }

    pub(super) fn repay(&mut self, name: Option<Token>, at: Timestamp) {
        let loan = self.loan(name);
        loan.repaid = loan.repaid.max(Some(at));
        self.limit();
    }

    fn loan(&mut self, name: Option<Token>) -> &mut Loan {
        let place = match self.0.binary_search_by_key(&name, |loan| loan.name) {
            Ok(place) => place,
            Err(place) => {
                self.0.insert(place, Loan { name, scheduled: None, repaid: None });
                place
            }
        };
        &mut self.0[place]
    }

    /// The loan that was told of the longest ago goes.
    fn limit(&mut self) {
        if self.0.len() <= Self::MAX {
            return;
        }
        let oldest = (0..self.0.len()).min_by_key(|&i| (self.0[i].last_told(), self.0[i].name));
        if let Some(oldest) = oldest {
            self.0.remove(oldest);
        }
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
            assert_eq!(Loan { name: None, scheduled, repaid }.open_due(), open);
        }
    }

    #[test]
    fn the_eight_told_of_last_are_kept_in_any_order() {
        let name = |i: i64| Some(Token(i as u64 * 7 % 11));
        let fold = |order: &mut dyn Iterator<Item = i64>| {
            let mut loans = Loans::default();
            order.for_each(|i| loans.schedule(name(i), t(i), t(i + 100)));
            loans
        };
        let loans = fold(&mut (1..=10));
        assert_eq!(loans.iter().count(), 8);
        assert!(loans.iter().all(|loan| loan.last_told() >= Some(t(3))));
        assert_eq!(loans, fold(&mut (1..=10).rev()));
    }
}
