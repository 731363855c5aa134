//! The client's own calls, for what its safe wrapper can't do: the one file with `unsafe`. A section for each need.
//!
//! Invariants: each `unsafe` block states why it is sound; what is borrowed from the client leaves a function only with the
//! lifetime of its owner; what must be freed is held by a guard that frees it.
#![expect(unsafe_code, reason = "the client's edge: see each block")]

pub(super) mod rights;

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr::NonNull;
use std::time::Duration;
use std::{ptr, slice};

use rdkafka::client::{Client, ClientContext};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, OwnedHeaders};
use rdkafka_sys as sys;

use crate::record::Header;

// ---- headers of records: rdkafka 0.39 panics on a name that is not UTF-8, which a broker accepts ----

/// The headers of a record, in order. A name is told up to its first NUL byte: the client gives out no more of it.
///
/// An error says that the client can't read them: it refuses more than 100,000, and bytes that are no headers.
pub(super) fn headers<'m>(message: &'m BorrowedMessage<'_>) -> Result<Vec<Header<'m>>, RDKafkaErrorCode> {
    let mut list = ptr::null_mut();
    // SAFETY: the message is valid as long as `message` is borrowed. The call only writes `list`, and parses the headers
    // into the message, which no other thread has: it is read where it was polled.
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

// ---- `DescribeTopics`: the wrapper has no call for a topic's id (KIP-516) ----

/// A topic as the cluster tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    pub name: String,
    /// All zero where it isn't told.
    pub id: [u8; 16],
    pub partitions: i32,
    /// `NoError`, or why the topic isn't told.
    pub error: RDKafkaErrorCode,
}

/// What must be freed, and by what.
struct Guard<T>(NonNull<T>, unsafe extern "C" fn(*mut T));

impl<T> Guard<T> {
    fn new(made: *mut T, free: unsafe extern "C" fn(*mut T)) -> Result<Self, KafkaError> {
        NonNull::new(made).map(|made| Self(made, free)).ok_or(failed(RDKafkaErrorCode::Fail))
    }

    fn as_ptr(&self) -> *mut T {
        self.0.as_ptr()
    }
}

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        // SAFETY: made by the client's own constructor of what this function frees, and freed nowhere else.
        unsafe { (self.1)(self.0.as_ptr()) }
    }
}

fn failed(code: RDKafkaErrorCode) -> KafkaError {
    KafkaError::AdminOp(code)
}

/// Asks about topics, each named once; the answer is in the same order, without those that the broker passed over. Waits for
/// little longer than `timeout`.
pub(super) fn describe_topics<C: ClientContext>(
    client: &Client<C>,
    names: &[&str],
    timeout: Duration,
) -> Result<Vec<Described>, KafkaError> {
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let named: Vec<CString> = names
        .iter()
        .map(|name| CString::new(*name))
        .collect::<Result<_, _>>()
        .map_err(|_| failed(RDKafkaErrorCode::InvalidArgument))?;
    let mut pointers: Vec<_> = named.iter().map(|name| name.as_ptr()).collect();
    let handle = client.native_ptr();
    // SAFETY: the pointers are those of `named`, which lives to the end of this function; the call copies the names.
    let topics = unsafe { sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()) };
    let topics = Guard::new(topics, sys::rd_kafka_TopicCollection_destroy)?;
    let describe = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    // SAFETY: the handle is `client`'s, which is borrowed for all of this function, here and below.
    let options =
        Guard::new(unsafe { sys::rd_kafka_AdminOptions_new(handle, describe) }, sys::rd_kafka_AdminOptions_destroy)?;
    // SAFETY: the options are valid; without room for it no text of an error is written.
    let set =
        unsafe { sys::rd_kafka_AdminOptions_set_request_timeout(options.as_ptr(), timeout_ms, ptr::null_mut(), 0) };
    if RDKafkaErrorCode::from(set) != RDKafkaErrorCode::NoError {
        return Err(failed(set.into()));
    }
    // SAFETY: as for the options. The queue is ours alone, so what comes out of it is the answer.
    let queue = Guard::new(unsafe { sys::rd_kafka_queue_new(handle) }, sys::rd_kafka_queue_destroy)?;
    // SAFETY: all four are valid; the call copies the topics and options, and holds the queue by a count of its own.
    unsafe { sys::rd_kafka_DescribeTopics(handle, topics.as_ptr(), options.as_ptr(), queue.as_ptr()) };
    // The client itself answers at the request's time-out; a little later means that it never will.
    // SAFETY: the queue is valid. The event that it gives out is ours to free.
    let event = unsafe { sys::rd_kafka_queue_poll(queue.as_ptr(), timeout_ms.saturating_add(1_000)) };
    let Some(event) = NonNull::new(event) else { return Err(failed(RDKafkaErrorCode::OperationTimedOut)) };
    let event = Guard(event, sys::rd_kafka_event_destroy);
    answer(&event)
}

fn answer(event: &Guard<sys::rd_kafka_event_t>) -> Result<Vec<Described>, KafkaError> {
    // SAFETY: the event is valid as long as its guard.
    let error: RDKafkaErrorCode = unsafe { sys::rd_kafka_event_error(event.as_ptr()) }.into();
    if error != RDKafkaErrorCode::NoError {
        return Err(failed(error));
    }
    // SAFETY: as above; null where the event is of another kind.
    let result = unsafe { sys::rd_kafka_event_DescribeTopics_result(event.as_ptr()) };
    if result.is_null() {
        return Err(failed(RDKafkaErrorCode::Fail));
    }
    let mut count = 0;
    // SAFETY: the result lives as long as its event; the call only writes the count.
    let topics = unsafe { sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count) };
    if topics.is_null() || count == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: `topics` is an array of `count`, which isn't null, and lives as long as the event.
    let topics = unsafe { slice::from_raw_parts(topics, count) };
    // One that the broker passed over is null.
    Ok(topics.iter().filter(|topic| !topic.is_null()).map(|&topic| described(topic)).collect())
}

/// Of a topic of an event that lives.
fn described(topic: *const sys::rd_kafka_TopicDescription_t) -> Described {
    let mut partitions = 0;
    // SAFETY: `topic` is one of an event's result, which lives for all of this call, and so do its name (which ends with a NUL),
    // error and id: they are only read here. The call for the partitions only writes their count.
    let (name, error, id) = unsafe {
        sys::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
        let name = CStr::from_ptr(sys::rd_kafka_TopicDescription_name(topic)).to_string_lossy().into_owned();
        (name, sys::rd_kafka_TopicDescription_error(topic), sys::rd_kafka_TopicDescription_topic_id(topic))
    };
    let error = match error.is_null() {
        true => RDKafkaErrorCode::NoError,
        // SAFETY: it isn't null, and lives as long as the topic.
        false => unsafe { sys::rd_kafka_error_code(error) }.into(),
    };
    let mut bytes = [0; 16];
    if !id.is_null() {
        // SAFETY: as for the error.
        let (most, least) =
            unsafe { (sys::rd_kafka_Uuid_most_significant_bits(id), sys::rd_kafka_Uuid_least_significant_bits(id)) };
        bytes[..8].copy_from_slice(&most.to_be_bytes());
        bytes[8..].copy_from_slice(&least.to_be_bytes());
    }
    Described { name, id: bytes, partitions: i32::try_from(partitions).unwrap_or(i32::MAX), error }
}

// ---- the length of a queue: what the client has read ahead of a partition, which it counts without keys and headers ----

/// How many records, and other events, wait in the queue of a partition of a topic.
pub(super) fn queue_length<C: ClientContext>(client: &Client<C>, topic: &str, partition: i32) -> usize {
    let Ok(topic) = CString::new(topic) else { return 0 };
    // SAFETY: the client lives as long as `client` is borrowed. The name is copied. What is given out is a reference of ours.
    let queue = unsafe { sys::rd_kafka_queue_get_partition(client.native_ptr(), topic.as_ptr(), partition) };
    let Ok(queue) = Guard::new(queue, sys::rd_kafka_queue_destroy) else { return 0 };
    // SAFETY: the queue is ours until it is dropped, at the end of this function, before its client can be.
    unsafe { sys::rd_kafka_queue_length(queue.as_ptr()) }
}

// ---- administration: what rdkafka 0.39 has no call for, or only one that does harm ----

/// What must be given back to the client, each by its own call.
struct Freed<T>(*mut T, unsafe extern "C" fn(*mut T));

impl<T> Drop for Freed<T> {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the pointer came from the call that the release belongs to, and nobody else releases it.
            unsafe { self.1(self.0) };
        }
    }
}

/// A time-out in whole milliseconds, as the client counts them.
fn timeout_ms(timeout: Duration) -> c_int {
    c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX)
}

/// The text of the client's, for as long as that lives.
fn text(text: *const c_char) -> String {
    if text.is_null() {
        return "no reason given".to_owned();
    }
    // SAFETY: the client's texts end with a NUL, and this one's owner is held by the caller.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Asks, waits for the answer, and hands it to `read`. An error's text is the client's or the broker's.
fn ask<C: ClientContext, T>(
    client: &Client<C>,
    operation: sys::rd_kafka_admin_op_t,
    timeout: Duration,
    make: impl FnOnce(*mut sys::rd_kafka_t, *const sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
    read: impl FnOnce(*mut sys::rd_kafka_event_t) -> Result<T, String>,
) -> Result<T, String> {
    let handle = client.native_ptr();
    // SAFETY: `client` owns the handle and outlives this function, and so queue and options, which are released in it.
    let (queue, options) = unsafe {
        (
            Freed(sys::rd_kafka_queue_new(handle), sys::rd_kafka_queue_destroy),
            Freed(sys::rd_kafka_AdminOptions_new(handle, operation), sys::rd_kafka_AdminOptions_destroy),
        )
    };
    // SAFETY: the options are live; no text of an error is asked for.
    unsafe { sys::rd_kafka_AdminOptions_set_request_timeout(options.0, timeout_ms(timeout), ptr::null_mut(), 0) };
    make(handle, options.0, queue.0);
    // SAFETY: the queue is live. The event that comes out is the caller's to destroy.
    let event =
        Freed(unsafe { sys::rd_kafka_queue_poll(queue.0, timeout_ms(2 * timeout)) }, sys::rd_kafka_event_destroy);
    if event.0.is_null() {
        return Err(format!("no answer in {:?}", 2 * timeout));
    }
    // SAFETY: the event is live, and owns the text.
    let error = RDKafkaErrorCode::from(unsafe { sys::rd_kafka_event_error(event.0) });
    if error != RDKafkaErrorCode::NoError {
        // SAFETY: as above.
        return Err(text(unsafe { sys::rd_kafka_event_error_string(event.0) }));
    }
    read(event.0)
}

/// Sets properties of a topic, and leaves the others as they are. (The wrapper's `alter_configs` puts every one that isn't
/// named back to its default, `cleanup.policy` too.)
pub(super) fn alter_topic<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    properties: &[(&str, &str)],
    timeout: Duration,
) -> Result<(), String> {
    let c_text = |text: &str| CString::new(text).map_err(|error| error.to_string());
    let kind = sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC;
    let name = c_text(topic)?;
    // SAFETY: the call copies the name.
    let resource = unsafe { sys::rd_kafka_ConfigResource_new(kind, name.as_ptr()) };
    let mut resource = Freed(resource, sys::rd_kafka_ConfigResource_destroy);
    if resource.0.is_null() {
        return Err("the client takes this for no topic".to_owned());
    }
    for (name, value) in properties {
        let (name, value) = (c_text(name)?, c_text(value)?);
        let set = sys::rd_kafka_AlterConfigOpType_t::RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET;
        // SAFETY: the resource is live, and the call copies name and value. An error is the caller's to destroy.
        let error = unsafe {
            sys::rd_kafka_ConfigResource_add_incremental_config(resource.0, name.as_ptr(), set, value.as_ptr())
        };
        let error = Freed(error, sys::rd_kafka_error_destroy);
        if !error.0.is_null() {
            // SAFETY: the error is live, and owns the text.
            return Err(text(unsafe { sys::rd_kafka_error_string(error.0) }));
        }
    }
    let make = |handle, options, queue| {
        // SAFETY: all of these are live; the client copies the one resource before it returns.
        unsafe { sys::rd_kafka_IncrementalAlterConfigs(handle, &raw mut resource.0, 1, options, queue) };
    };
    // The event says Success; the error stands in the resource.
    ask(client, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS, timeout, make, |event| {
        let mut count = 0;
        // SAFETY: the event is live and owns what is read here; `count` tells how many there are.
        let resources = unsafe {
            let result = sys::rd_kafka_event_IncrementalAlterConfigs_result(event);
            if result.is_null() {
                return Err("another answer than was asked for".to_owned());
            }
            let first = sys::rd_kafka_IncrementalAlterConfigs_result_resources(result, &raw mut count);
            if first.is_null() { &[][..] } else { slice::from_raw_parts(first, count) }
        };
        for &resource in resources {
            // SAFETY: as above; the resource owns the text.
            let (error, reason) = unsafe {
                (sys::rd_kafka_ConfigResource_error(resource), sys::rd_kafka_ConfigResource_error_string(resource))
            };
            if RDKafkaErrorCode::from(error) != RDKafkaErrorCode::NoError {
                return Err(text(reason));
            }
        }
        Ok(())
    })
}

/// The record, or marker, with the latest time in a partition: its offset and time, in epoch milliseconds.
pub(super) fn latest_time<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    partition: i32,
    timeout: Duration,
) -> Result<(i64, i64), String> {
    const LATEST: i64 = sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_MAX_TIMESTAMP as i64;
    let name = CString::new(topic).map_err(|error| error.to_string())?;
    // SAFETY: a list of one that this function owns; the name is copied into it, and the element is the list's.
    let list = unsafe {
        let list = sys::rd_kafka_topic_partition_list_new(1);
        (*sys::rd_kafka_topic_partition_list_add(list, name.as_ptr(), partition)).offset = LATEST;
        Freed(list, sys::rd_kafka_topic_partition_list_destroy)
    };
    let make = |handle, options, queue| {
        // SAFETY: all of these are live; the client copies the list before it returns.
        unsafe { sys::rd_kafka_ListOffsets(handle, list.0, options, queue) };
    };
    ask(client, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS, timeout, make, |event| {
        let mut count = 0;
        // SAFETY: the event is live and owns what is read here; `count` tells how many there are.
        let infos = unsafe {
            let result = sys::rd_kafka_event_ListOffsets_result(event);
            if result.is_null() {
                return Err("another answer than was asked for".to_owned());
            }
            let first = sys::rd_kafka_ListOffsets_result_infos(result, &raw mut count);
            if first.is_null() { &[][..] } else { slice::from_raw_parts(first, count) }
        };
        let Some(&info) = infos.first() else { return Err("an empty answer".to_owned()) };
        // SAFETY: as above; the partition is the info's.
        let (at, time) = unsafe {
            (
                &*sys::rd_kafka_ListOffsetsResultInfo_topic_partition(info),
                sys::rd_kafka_ListOffsetsResultInfo_timestamp(info),
            )
        };
        let error = RDKafkaErrorCode::from(at.err);
        if error == RDKafkaErrorCode::NoError { Ok((at.offset, time)) } else { Err(error.to_string()) }
    })
}
