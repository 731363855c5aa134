//! Keeps a panic to the one record that it came over.
//!
//! Only its place is kept: what a panic says may quote the record, and no log may. Whoever guards throws away what the
//! work may have left half changed.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// Where the program panicked, such as `src/ingest/json.rs:12:5`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the program panicked at {0}")]
pub struct Panicked(pub String);

thread_local! {
    /// How many guards this thread works under.
    static GUARDS: Cell<u32> = const { Cell::new(0) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Does the work. A panic in it ends it alone, and is not printed.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    static HOOK: Once = Once::new();
    HOOK.call_once(note_places);
    GUARDS.set(GUARDS.get() + 1);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDS.set(GUARDS.get() - 1);
    outcome.map_err(|_| Panicked(PLACE.take().unwrap_or_else(|| "an unknown place".to_owned())))
}

/// Under a guard a panic leaves its place; elsewhere it is told as before.
fn note_places() {
    let elsewhere = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if GUARDS.get() == 0 {
            return elsewhere(panic);
        }
        let place = panic.location().map(ToString::to_string);
        PLACE.with(|it| *it.borrow_mut() = place);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_under_a_guard_is_its_place_and_nothing_of_what_it_says() {
        let outcome = guarded(|| -> u32 { panic!("user u1") });
        let Err(panicked) = outcome else { panic!("it went on") };
        assert!(panicked.to_string().starts_with("the program panicked at src/guard.rs:"), "{panicked}");
        assert!(!panicked.to_string().contains("u1"));
        assert_eq!(guarded(|| 7), Ok(7), "and the next goes on");
    }

    #[test]
    fn a_panic_is_kept_to_the_innermost_guard() {
        let outcome = guarded(|| guarded(|| panic!("inner")).is_err());
        assert_eq!(outcome, Ok(true));
        assert_eq!(GUARDS.get(), 0);
    }
}
