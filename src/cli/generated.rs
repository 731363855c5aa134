//! A generated event as a record that can be written to an input.

use std::sync::Arc;

use crate::generate::Record;
use crate::record::Outgoing;

/// The record, keyed by its user, to whatever partition its key falls.
pub(super) fn outgoing(record: Record, topic: Arc<str>) -> Outgoing {
    Outgoing {
        topic,
        partition: None,
        key: Some(record.user.to_string().into_bytes()),
        value: Some(record.value),
        headers: Vec::new(),
        // That of sending: by the event's own, a topic's retention would take old ones at once.
        timestamp: None,
    }
}
