//! A record as the client sends it.

use rdkafka::message::OwnedHeaders;
use rdkafka::producer::BaseRecord;

use crate::broker::kafka::native;
use crate::record::{Header, Lent};

/// The record, borrowed, with `added` as its last header.
pub(in crate::broker::kafka) fn base_record<'a>(
    record: Lent<'a>,
    added: Option<Header<'_>>,
) -> BaseRecord<'a, [u8], [u8]> {
    BaseRecord {
        topic: record.topic,
        partition: record.partition.map(|partition| partition.0),
        payload: record.value,
        key: record.key,
        timestamp: record.timestamp,
        headers: headers_of(record, added),
        delivery_opaque: (),
    }
}

fn headers_of(record: Lent<'_>, added: Option<Header<'_>>) -> Option<OwnedHeaders> {
    if record.headers.is_empty() && added.is_none() {
        return None;
    }
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len() + 1);
    for (name, value) in record.headers.iter().copied().chain(added) {
        native::add_header(&mut headers, name, value);
    }
    Some(headers)
}
