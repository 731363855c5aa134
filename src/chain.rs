//! An error with all its causes on one line, for whoever shows one: `Display` of an error itself tells only what was
//! tried.
//!
//! Must not know: any error of ours.

use std::error::Error;
use std::fmt;

/// Shows an error and its sources, outermost first, as `what: why: why`.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let causes = std::iter::successors(self.0.source(), |&cause| cause.source());
        causes.into_iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("read partition 3")]
    struct Read(#[source] std::io::Error);

    #[test]
    fn every_cause_is_told_once_and_the_outermost_first() {
        let error = Read(std::io::Error::other("the disk is gone"));
        assert_eq!(error.to_string(), "read partition 3");
        assert_eq!(Chain(&error).to_string(), "read partition 3: the disk is gone");
    }
}
