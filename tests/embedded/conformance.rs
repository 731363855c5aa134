//! The conformance suite, on the embedded log.
