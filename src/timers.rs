//! Who is due next.
