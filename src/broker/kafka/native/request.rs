//! One request to the cluster, and its answer: what every call of the client's admin API shares.
#![expect(unsafe_code, reason = "the client's edge: see each block")]

use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::ptr::{self, NonNull};
use std::slice;
use std::time::Duration;

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka_sys as sys;

/// The client answers by itself at the request's time-out. This much later it never will.
const GRACE: Duration = Duration::from_secs(1);

/// Why there is no answer: the client's code, and its words or the broker's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    code: RDKafkaErrorCode,
    reason: String,
}

impl Failure {
    pub fn of(code: RDKafkaErrorCode) -> Self {
        Self { code, reason: code.to_string() }
    }

    pub fn new(code: RDKafkaErrorCode, reason: String) -> Self {
        Self { code, reason }
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl From<Failure> for KafkaError {
    fn from(failure: Failure) -> Self {
        Self::AdminOp(failure.code)
    }
}

/// What must be freed, and by what.
pub struct Guard<T>(NonNull<T>, unsafe extern "C" fn(*mut T));

impl<T> Guard<T> {
    /// # Errors
    /// Where the client made nothing.
    pub fn new(made: *mut T, free: unsafe extern "C" fn(*mut T)) -> Result<Self, Failure> {
        NonNull::new(made).map(|made| Self(made, free)).ok_or_else(|| Failure::of(RDKafkaErrorCode::Fail))
    }

    pub fn as_ptr(&self) -> *mut T {
        self.0.as_ptr()
    }
}

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        // SAFETY: made by the client's own constructor of what this function frees, and freed nowhere else.
        unsafe { (self.1)(self.0.as_ptr()) }
    }
}

/// The answer, which owns all that is read of it.
pub type Answer = Guard<sys::rd_kafka_event_t>;

/// What is asked, and how.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    pub operation: sys::rd_kafka_admin_op_t,
    pub timeout: Duration,
    /// Whether the answer tells what this client may do (KIP-430).
    pub with_rights: bool,
}

/// Asks, and waits for little longer than the time-out. The answer has no error as a whole; its parts may have.
pub fn ask<C: ClientContext>(
    client: &Client<C>,
    question: Question,
    send: impl FnOnce(*mut sys::rd_kafka_t, *const sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
) -> Result<Answer, Failure> {
    let handle = client.native_ptr();
    // SAFETY: the handle is `client`'s, which is borrowed for all of this function, here and below.
    let options = unsafe { sys::rd_kafka_AdminOptions_new(handle, question.operation) };
    let options = Guard::new(options, sys::rd_kafka_AdminOptions_destroy)?;
    let timeout_ms = millis(question.timeout);
    // SAFETY: the options are valid; without room for it no text of an error is written.
    let set =
        unsafe { sys::rd_kafka_AdminOptions_set_request_timeout(options.as_ptr(), timeout_ms, ptr::null_mut(), 0) };
    if RDKafkaErrorCode::from(set) != RDKafkaErrorCode::NoError {
        return Err(Failure::of(set.into()));
    }
    if question.with_rights {
        // SAFETY: the options are valid. An error, if any, is ours to free.
        raised(unsafe { sys::rd_kafka_AdminOptions_set_include_authorized_operations(options.as_ptr(), 1) })?;
    }
    // SAFETY: as for the options. The queue is ours alone, so what comes out of it is the answer.
    let queue = Guard::new(unsafe { sys::rd_kafka_queue_new(handle) }, sys::rd_kafka_queue_destroy)?;
    send(handle, options.as_ptr(), queue.as_ptr());
    // SAFETY: the queue is valid. The event that it gives out is ours to free.
    let event = unsafe { sys::rd_kafka_queue_poll(queue.as_ptr(), millis(question.timeout + GRACE)) };
    let Ok(answer) = Guard::new(event, sys::rd_kafka_event_destroy) else {
        let reason = format!("no answer in {:?}", question.timeout + GRACE);
        return Err(Failure::new(RDKafkaErrorCode::OperationTimedOut, reason));
    };
    // SAFETY: the answer is valid as long as its guard.
    match RDKafkaErrorCode::from(unsafe { sys::rd_kafka_event_error(answer.as_ptr()) }) {
        RDKafkaErrorCode::NoError => Ok(answer),
        // SAFETY: as above, and it owns the text.
        code => Err(Failure::new(code, unsafe { text(sys::rd_kafka_event_error_string(answer.as_ptr())) })),
    }
}

/// What an answer holds of the kind that was asked for.
pub fn of_kind<T>(result: *const T) -> Result<*const T, Failure> {
    let reason = || "another answer than was asked for".to_owned();
    if result.is_null() { Err(Failure::new(RDKafkaErrorCode::Fail, reason())) } else { Ok(result) }
}

/// An error that the client gave out to be freed; null is none.
pub fn raised(error: *mut sys::rd_kafka_error_t) -> Result<(), Failure> {
    let Ok(error) = Guard::new(error, sys::rd_kafka_error_destroy) else { return Ok(()) };
    // SAFETY: it is valid as long as its guard, and owns the text.
    let (code, reason) =
        unsafe { (sys::rd_kafka_error_code(error.as_ptr()), text(sys::rd_kafka_error_string(error.as_ptr()))) };
    Err(Failure::new(code.into(), reason))
}

/// Of an array of an answer, without the places that are null. Must be given an array of `count`, or null, that lives
/// through the call.
pub unsafe fn each<T, R>(found: *mut *const T, count: usize, of: impl Fn(*const T) -> R) -> Vec<R> {
    if found.is_null() || count == 0 {
        return Vec::new();
    }
    // SAFETY: it isn't null, and the rest is the caller's.
    let found = unsafe { slice::from_raw_parts(found, count) };
    found.iter().filter(|one| !one.is_null()).map(|&one| of(one)).collect()
}

/// The code of a part of an answer. Must be given an error that lives, or null.
pub unsafe fn code_of(error: *const sys::rd_kafka_error_t) -> RDKafkaErrorCode {
    if error.is_null() {
        return RDKafkaErrorCode::NoError;
    }
    // SAFETY: it isn't null, and the rest is the caller's.
    unsafe { sys::rd_kafka_error_code(error) }.into()
}

/// Must be given a text that ends with a NUL, or null, and lives.
pub unsafe fn text(chars: *const c_char) -> String {
    if chars.is_null() {
        return "no reason given".to_owned();
    }
    // SAFETY: it isn't null, and the rest is the caller's.
    unsafe { CStr::from_ptr(chars) }.to_string_lossy().into_owned()
}

/// As the client takes texts.
pub fn c_text(text: &str) -> Result<CString, Failure> {
    CString::new(text).map_err(|error| Failure::new(RDKafkaErrorCode::InvalidArgument, error.to_string()))
}

/// The same of many.
pub fn c_texts(texts: &[&str]) -> Result<Vec<CString>, Failure> {
    texts.iter().map(|text| c_text(text)).collect()
}

/// As the client counts time.
fn millis(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}
