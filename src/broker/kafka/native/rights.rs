//! What the broker lets this client do with topics and groups (KIP-430). The wrapper asks for none of it.
#![expect(unsafe_code, reason = "the client's edge: see each block")]

use std::ffi::{CStr, CString, c_char};
use std::ptr::{self, NonNull};
use std::slice;
use std::time::Duration;

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka_sys as sys;

use crate::broker::rights::Operation;

/// What the broker allows: none where it doesn't tell (brokers before 2.3).
pub type Allowed = Option<Vec<Operation>>;
/// By name: what is allowed, or why that isn't told.
pub type Answers = Vec<(String, Result<Allowed, RDKafkaErrorCode>)>;

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

/// Of topics.
pub fn of_topics<C: ClientContext>(
    client: &Client<C>,
    names: &[&str],
    timeout: Duration,
) -> Result<Answers, KafkaError> {
    let named = c_strings(names)?;
    let mut pointers: Vec<_> = named.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: the pointers are those of `named`, which lives to the end of this function; the call copies the names.
    let topics = unsafe { sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()) };
    let topics = Guard::new(topics, sys::rd_kafka_TopicCollection_destroy)?;
    let describe = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    let event = ask(client, describe, timeout, |options, queue| {
        // SAFETY: all four are valid; the call copies the topics and options, and holds the queue by a count of its own.
        unsafe { sys::rd_kafka_DescribeTopics(client.native_ptr(), topics.as_ptr(), options, queue) }
    })?;
    // SAFETY: the event is valid; null where it is of another kind.
    let result = unsafe { sys::rd_kafka_event_DescribeTopics_result(event.as_ptr()) };
    if result.is_null() {
        return Err(failed(RDKafkaErrorCode::Fail));
    }
    let mut count = 0;
    // SAFETY: the result lives as long as its event; the call only writes the count.
    let found = unsafe { sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count) };
    Ok(each(found, count, |topic| {
        let mut count = 0;
        // SAFETY: `topic` is one of the event's, which lives for all of this call. The last call only writes the count.
        unsafe {
            let name = text(sys::rd_kafka_TopicDescription_name(topic));
            let error = sys::rd_kafka_TopicDescription_error(topic);
            let allowed = sys::rd_kafka_TopicDescription_authorized_operations(topic, &raw mut count);
            (name, answer(error, allowed, count))
        }
    }))
}

/// Of groups, whether they exist or not.
pub fn of_groups<C: ClientContext>(
    client: &Client<C>,
    names: &[&str],
    timeout: Duration,
) -> Result<Answers, KafkaError> {
    let named = c_strings(names)?;
    let mut pointers: Vec<_> = named.iter().map(|name| name.as_ptr()).collect();
    let describe = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
    let (groups, count) = (pointers.as_mut_ptr(), pointers.len());
    let event = ask(client, describe, timeout, |options, queue| {
        // SAFETY: as for topics; the names live to the end of the outer function, and are copied.
        unsafe { sys::rd_kafka_DescribeConsumerGroups(client.native_ptr(), groups, count, options, queue) }
    })?;
    // SAFETY: the event is valid; null where it is of another kind.
    let result = unsafe { sys::rd_kafka_event_DescribeConsumerGroups_result(event.as_ptr()) };
    if result.is_null() {
        return Err(failed(RDKafkaErrorCode::Fail));
    }
    let mut count = 0;
    // SAFETY: the result lives as long as its event; the call only writes the count.
    let found = unsafe { sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count) };
    Ok(each(found, count, |group| {
        let mut count = 0;
        // SAFETY: `group` is one of the event's, which lives for all of this call. The last call only writes the count.
        unsafe {
            let name = text(sys::rd_kafka_ConsumerGroupDescription_group_id(group));
            let error = sys::rd_kafka_ConsumerGroupDescription_error(group);
            let allowed = sys::rd_kafka_ConsumerGroupDescription_authorized_operations(group, &raw mut count);
            (name, answer(error, allowed, count))
        }
    }))
}

fn c_strings(names: &[&str]) -> Result<Vec<CString>, KafkaError> {
    let named = names.iter().map(|name| CString::new(*name)).collect::<Result<_, _>>();
    named.map_err(|_| failed(RDKafkaErrorCode::InvalidArgument))
}

/// Asks, with what is allowed, and waits for little longer than `timeout`. The event is the answer, without an error of its own.
fn ask<C: ClientContext>(
    client: &Client<C>,
    what: sys::rd_kafka_admin_op_t,
    timeout: Duration,
    request: impl FnOnce(*const sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
) -> Result<Guard<sys::rd_kafka_event_t>, KafkaError> {
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let handle = client.native_ptr();
    // SAFETY: the handle is `client`'s, which is borrowed for all of this function, here and below.
    let options = unsafe { sys::rd_kafka_AdminOptions_new(handle, what) };
    let options = Guard::new(options, sys::rd_kafka_AdminOptions_destroy)?;
    // SAFETY: the options are valid; without room for it no text of an error is written.
    let set =
        unsafe { sys::rd_kafka_AdminOptions_set_request_timeout(options.as_ptr(), timeout_ms, ptr::null_mut(), 0) };
    if RDKafkaErrorCode::from(set) != RDKafkaErrorCode::NoError {
        return Err(failed(set.into()));
    }
    // SAFETY: the options are valid. An error, if any, is ours to free.
    let error = unsafe { sys::rd_kafka_AdminOptions_set_include_authorized_operations(options.as_ptr(), 1) };
    if let Ok(error) = Guard::new(error, sys::rd_kafka_error_destroy) {
        // SAFETY: it is valid as long as its guard.
        return Err(failed(unsafe { sys::rd_kafka_error_code(error.as_ptr()) }.into()));
    }
    // SAFETY: as for the options. The queue is ours alone, so what comes out of it is the answer.
    let queue = Guard::new(unsafe { sys::rd_kafka_queue_new(handle) }, sys::rd_kafka_queue_destroy)?;
    request(options.as_ptr(), queue.as_ptr());
    // The client itself answers at the request's time-out; a little later means that it never will.
    // SAFETY: the queue is valid. The event that it gives out is ours to free.
    let event = unsafe { sys::rd_kafka_queue_poll(queue.as_ptr(), timeout_ms.saturating_add(1_000)) };
    let Ok(event) = Guard::new(event, sys::rd_kafka_event_destroy) else {
        return Err(failed(RDKafkaErrorCode::OperationTimedOut));
    };
    // SAFETY: the event is valid as long as its guard.
    match RDKafkaErrorCode::from(unsafe { sys::rd_kafka_event_error(event.as_ptr()) }) {
        RDKafkaErrorCode::NoError => Ok(event),
        error => Err(failed(error)),
    }
}

/// Of an array that the client gave out.
fn each<T, R>(found: *mut *const T, count: usize, of: impl Fn(*const T) -> R) -> Vec<R> {
    if found.is_null() || count == 0 {
        return Vec::new();
    }
    // SAFETY: it is an array of `count`, isn't null, and lives as long as the event, which the caller holds.
    let found = unsafe { slice::from_raw_parts(found, count) };
    found.iter().filter(|one| !one.is_null()).map(|&one| of(one)).collect()
}

/// Must be given a text that ends with a NUL, and lives.
unsafe fn text(chars: *const c_char) -> String {
    // SAFETY: the caller's.
    unsafe { CStr::from_ptr(chars) }.to_string_lossy().into_owned()
}

/// Must be given an error, or null, and an array of `count` operations, or null, which live.
unsafe fn answer(
    error: *const sys::rd_kafka_error_t,
    allowed: *const sys::rd_kafka_AclOperation_t,
    count: usize,
) -> Result<Allowed, RDKafkaErrorCode> {
    if !error.is_null() {
        // SAFETY: it isn't null, and the caller's to keep.
        match RDKafkaErrorCode::from(unsafe { sys::rd_kafka_error_code(error) }) {
            RDKafkaErrorCode::NoError => {}
            code => return Err(code),
        }
    }
    if allowed.is_null() || count == 0 {
        return Ok(None);
    }
    // An operation that this binding doesn't know must not become a value of its type: they are read as numbers.
    // SAFETY: an array of `count` of the client's enumeration, which is a C `int`.
    let allowed = unsafe { slice::from_raw_parts(allowed.cast::<i32>(), count) };
    Ok(Some(allowed.iter().filter_map(|&number| operation(number)).collect()))
}

fn operation(number: i32) -> Option<Operation> {
    use sys::rd_kafka_AclOperation_t as Acl;
    [
        (Acl::RD_KAFKA_ACL_OPERATION_READ, Operation::Read),
        (Acl::RD_KAFKA_ACL_OPERATION_WRITE, Operation::Write),
        (Acl::RD_KAFKA_ACL_OPERATION_CREATE, Operation::Create),
        (Acl::RD_KAFKA_ACL_OPERATION_DESCRIBE, Operation::Describe),
        (Acl::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS, Operation::DescribeConfigs),
        (Acl::RD_KAFKA_ACL_OPERATION_ALTER_CONFIGS, Operation::AlterConfigs),
        (Acl::RD_KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE, Operation::IdempotentWrite),
    ]
    .into_iter()
    .find_map(|(acl, operation)| (acl as i32 == number).then_some(operation))
}
