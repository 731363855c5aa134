//! Reads a partition of the changelog as entries. Whoever looks at a changelog reads it with this: a restore portion by
//! portion, others from start to end.
//!
//! Must not know: what an entry means to whoever reads it.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::broker::{BrokerError, ChangelogReader, ReadProgress};
use crate::state::ChangelogEntry;

/// Reads on for one portion, as [`ChangelogReader::read`] bounds it. Ends at the first entry that `each` fails on.
///
/// # Errors
/// The error of `each`; or the broker's.
pub fn read_entries<C: ChangelogReader, E: From<BrokerError>>(
    changelog: &mut C,
    timeout: Duration,
    mut each: impl FnMut(ChangelogEntry<'_>) -> Result<(), E>,
) -> Result<ReadProgress, E> {
    let mut failure = None;
    let progress = changelog.read(timeout, &mut |record| match each(ChangelogEntry::of(record.key, record.value)) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failure = Some(error);
            ControlFlow::Break(())
        }
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(progress?),
    }
}

/// Reads to the end. `timeout` is that of each portion.
///
/// # Errors
/// The error of `each`; or the broker's, so where nothing came for as long as its settings allow.
pub fn read_all<C: ChangelogReader, E: From<BrokerError>>(
    changelog: &mut C,
    timeout: Duration,
    mut each: impl FnMut(ChangelogEntry<'_>) -> Result<(), E>,
) -> Result<(), E> {
    while read_entries(changelog, timeout, &mut each)? != ReadProgress::Done {}
    Ok(())
}
