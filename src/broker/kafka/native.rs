//! The client's own calls, for what its safe wrapper can't do: the one place with `unsafe`. Here stands what reads
//! records and clients; what asks the cluster stands in a file a need, over one way of asking (`request.rs`).
//!
//! Invariants: each `unsafe` block states why it is sound; what is borrowed from the client leaves a function only with
//! the lifetime of its owner; what must be freed is held by a guard that frees it.
#![expect(unsafe_code, reason = "the client's edge: see each block")]

mod administer;
mod describe;
mod request;
pub(super) mod rights;

pub(super) use administer::{alter_topic, latest_time};
pub(super) use describe::describe_topics;
pub(super) use request::Failure;

use std::ffi::{CStr, CString};
use std::{ptr, slice};

use rdkafka::client::{Client, ClientContext};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{BorrowedMessage, OwnedHeaders};
use rdkafka_sys as sys;

use crate::record::Header;
use request::Guard;

// ---- headers of records: rdkafka 0.39 panics on a name that is not UTF-8, which a broker accepts ----

/// The headers of a record, in order. A name is told up to its first NUL byte: the client gives out no more of it.
///
/// An error says that the client can't read them: it refuses more than 100,000, and bytes that are no headers.
pub(super) fn headers<'m>(message: &'m BorrowedMessage<'_>) -> Result<Vec<Header<'m>>, RDKafkaErrorCode> {
    let mut list = ptr::null_mut();
    // SAFETY: the message is valid as long as `message` is borrowed. The call only writes `list`, and parses the
    // headers into the message, which no other thread has: it is read where it was polled.
    let error = unsafe { sys::rd_kafka_message_headers(message.ptr(), &raw mut list) };
    match error.into() {
        RDKafkaErrorCode::NoError => {}
        RDKafkaErrorCode::NoEnt => return Ok(Vec::new()),
        error => return Err(error),
    }
    // SAFETY: the list was given out for this message, which owns it.
    let count = unsafe { sys::rd_kafka_header_cnt(list) };
    let mut headers = Vec::with_capacity(count);
    for index in 0..count {
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: as above; the call only writes the three places.
        let error = unsafe { sys::rd_kafka_header_get_all(list, index, &raw mut name, &raw mut value, &raw mut size) };
        match error.into() {
            RDKafkaErrorCode::NoError if !name.is_null() => {}
            error => return Err(error),
        }
        // SAFETY: the client ends every name with a NUL. The list is not changed while the message lives.
        let name = unsafe { CStr::from_ptr(name) }.to_bytes();
        // SAFETY: a value that is not null has `size` bytes, which live and stay as they are as long as the list.
        let value = (!value.is_null()).then(|| unsafe { slice::from_raw_parts(value.cast::<u8>(), size) });
        headers.push((name, value));
    }
    Ok(headers)
}

/// Adds a header to those of a record that is to be written. The wrapper takes names as text only.
pub(super) fn add_header(headers: &mut OwnedHeaders, name: &[u8], value: Option<&[u8]>) {
    // The wrapper's borrowed headers are the client's list itself, under another type.
    let list = ptr::from_ref(headers.as_borrowed()).cast_mut().cast::<sys::rd_kafka_headers_t>();
    let (bytes, size) = value.map_or((ptr::null(), 0), |value| (value.as_ptr().cast(), value.len().cast_signed()));
    // SAFETY: `headers` owns the list and is borrowed mutably, so nobody reads it meanwhile. The call copies `name` and
    // `value`, each of the length that is given with it; no slice is longer than an `isize` can tell.
    let error = unsafe { sys::rd_kafka_header_add(list, name.as_ptr().cast(), name.len().cast_signed(), bytes, size) };
    // The call knows one error, of a list that must not be written to: this one is ours.
    debug_assert_eq!(RDKafkaErrorCode::from(error), RDKafkaErrorCode::NoError);
}

// ---- the generation of a group: the wrapper hands its proof over whole ----

/// How many times the group of a member has settled, as of its last assignment; −1 before that.
pub(super) fn generation<C: ConsumerContext>(member: &BaseConsumer<C>) -> i32 {
    // SAFETY: the handle is valid as long as `member` is borrowed. What is given out is a copy, ours to free.
    let metadata = unsafe { sys::rd_kafka_consumer_group_metadata(member.client().native_ptr()) };
    if metadata.is_null() {
        return -1;
    }
    // SAFETY: it isn't null, is read once, and freed once, after that.
    unsafe {
        let generation = sys::rd_kafka_consumer_group_metadata_generation_id(metadata);
        sys::rd_kafka_consumer_group_metadata_destroy(metadata);
        generation
    }
}

// ---- the length of a queue: what the client has read ahead of a partition, which it counts without keys and headers
// ----

/// How many records, and other events, wait in the queue of a partition of a topic.
pub(super) fn queue_length<C: ClientContext>(client: &Client<C>, topic: &str, partition: i32) -> usize {
    let Ok(topic) = CString::new(topic) else { return 0 };
    // SAFETY: the client lives as long as `client` is borrowed. The name is copied. What is given out is a reference of
    // ours.
    let queue = unsafe { sys::rd_kafka_queue_get_partition(client.native_ptr(), topic.as_ptr(), partition) };
    let Ok(queue) = Guard::new(queue, sys::rd_kafka_queue_destroy) else { return 0 };
    // SAFETY: the queue is ours until it is dropped, at the end of this function, before its client can be.
    unsafe { sys::rd_kafka_queue_length(queue.as_ptr()) }
}
