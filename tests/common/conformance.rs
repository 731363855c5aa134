//! What every broker behind the seam must hold, one function a law. The embedded log and the real broker run the same
//! laws; each shows as a `#[test]` of its own by [`conformance_suite`].
//!
//! A law never sleeps: it polls until what it waits for is there, or fails at [`Harness::PATIENCE`]. It makes its own
//! topics and group, so laws may run side by side on one broker.
