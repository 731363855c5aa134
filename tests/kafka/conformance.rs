//! The conformance suite, on a real broker, under both group protocols.

mod classic {
    use crate::kafka::harness::Classic;
    testkit::conformance_suite!(Classic);
}

mod kip_848 {
    use crate::kafka::harness::Kip848;
    testkit::conformance_suite!(Kip848);
}
