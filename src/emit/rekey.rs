//! A record forwarded to its user's partition of `rekey`.

use std::sync::Arc;

use crate::domain::{Event, Origin, PartitionId};
use crate::ingest::{Shape, header};
use crate::record::{Coordinates, Message, Outgoing, is_named, owned, text_header};

/// The record to be written to `rekey`, from the parts of [`crate::ingest::Decoded::Rekey`]. Value and headers are
/// kept; headers of the same names, which mean nothing outside of `rekey`, are replaced.
///
/// Its timestamp is that of sending: with its own, an old record could be past the retention of `rekey` before it is
/// read.
pub fn rekey(
    message: &impl Message,
    event: &Event,
    to: PartitionId,
    shape: Shape,
    from: &Coordinates,
    topic: &Arc<str>,
) -> Outgoing {
    let kept = message.headers().filter(|(name, _)| !is_named(name, &header::ALL));
    let mut headers: Vec<_> = kept.map(|header| owned(&header)).collect();
    let mut add = |name: &str, value: String| headers.push(text_header(name, value));
    add(header::SOURCE, event.source.as_str().to_owned());
    add(header::FORMAT, shape.as_str().to_owned());
    add(header::ORIGIN, origin_name(event.origin).to_owned());
    add(header::TOPIC, from.topic.as_ref().to_owned());
    add(header::PARTITION, from.partition.to_string());
    add(header::OFFSET, from.offset.to_string());
    Outgoing {
        topic: Arc::clone(topic),
        partition: Some(to),
        key: Some(event.user.as_bytes().to_vec()),
        value: message.value().map(<[u8]>::to_vec),
        headers,
        timestamp: None,
    }
}

const fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Own => "own",
        Origin::Telecom => "telecom",
        Origin::Partner => "partner",
    }
}
