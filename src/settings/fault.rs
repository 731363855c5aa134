//! What is wrong with settings: which key, on which line, and why.

use std::fmt;

use super::{Period, Size};

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Of the key, from the root of the configuration: `inputs[1].source`.
    pub path: String,
    /// The key's line in the file, from 1; none where the defaults, or no file, are at fault.
    pub line: Option<usize>,
    /// Why, and what would do.
    pub what: String,
}

impl Fault {
    /// One of the key at that path, without a line.
    pub fn new(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self { path: path.into(), line: None, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// Faults found so far; a part's `check` adds its own, by the names of its keys.
///
/// A fault that rests on another key than its own must name it in its text, by [`Self::path`]: then it isn't reported
/// where that key's value can't be read.
#[derive(Debug, Default)]
pub struct Faults {
    /// The path of the table being checked; empty: the root.
    table: String,
    found: Vec<Fault>,
}

impl Faults {
    /// Checks a table: inside `check`, keys are named within it.
    pub fn within(&mut self, table: &str, check: impl FnOnce(&mut Self)) {
        let around = std::mem::replace(&mut self.table, table.to_owned());
        check(self);
        self.table = around;
    }

    /// Of a key of the table being checked, from the root of the configuration.
    pub fn path(&self, key: &str) -> String {
        if self.table.is_empty() { key.to_owned() } else { format!("{}.{key}", self.table) }
    }

    /// Unless something holds, `what` is a fault of the key.
    pub fn unless(&mut self, holds: bool, key: &str, what: impl Into<String>) {
        if !holds {
            let path = self.path(key);
            self.found.push(Fault::new(path, what));
        }
    }

    /// A period that must not be nothing.
    pub fn unless_positive(&mut self, key: &str, period: Period) {
        self.unless(period > Period::default(), key, "must be longer than 0s");
    }

    /// A count that is neither nothing nor a slip of the pen.
    pub fn unless_countable(&mut self, key: &str, count: usize) {
        self.unless((1..=10_000_000).contains(&count), key, format!("must be 1 to 10000000, not {count}"));
    }

    /// A size that must not be less than another.
    pub fn unless_at_least(&mut self, key: &str, size: Size, least: Size) {
        self.unless(size >= least, key, format!("must be at least {least}, not {size}"));
    }

    /// `than` is a key of the table being checked, too.
    pub fn unless_shorter(&mut self, key: &str, period: Period, than: &str, limit: Period) {
        let than = self.path(than);
        self.unless(period < limit, key, format!("{period} must be shorter than {than}, {limit}"));
    }

    /// All that was found, in the order of the checks.
    pub fn into_found(self) -> Vec<Fault> {
        self.found
    }

    /// # Errors
    ///
    /// All that was found, unless nothing was.
    pub fn into_result(self) -> Result<(), Unsound> {
        if self.found.is_empty() { Ok(()) } else { Err(Unsound { faults: self.found }) }
    }
}

/// Settings that a part refuses to work by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these settings are not sound: {}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Unsound {
    /// At least one.
    pub faults: Vec<Fault>,
}

impl Unsound {
    /// One fault.
    pub fn of(path: &str, what: impl Into<String>) -> Self {
        Self { faults: vec![Fault::new(path, what)] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_named_from_the_root_whatever_table_it_is_found_in() {
        let mut faults = Faults::default();
        faults.within("stream", |faults| {
            faults.unless_shorter("linger", Period::of_secs(2), "timeout", Period::of_secs(1));
            faults.unless_positive("tick", Period::of_secs(1));
        });
        faults.unless(false, "application.lanes", "too many");
        let told = faults.into_result().unwrap_err().to_string();
        assert_eq!(
            told,
            "these settings are not sound: stream.linger: 2s must be shorter than stream.timeout, 1s; \
                application.lanes: too many"
        );
        assert_eq!(Faults::default().into_result(), Ok(()));
    }
}
