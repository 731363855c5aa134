//! Nothing but the bench of this package: a package must have a target of its own.
