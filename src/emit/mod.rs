//! An effect to a record: key, value, headers.
