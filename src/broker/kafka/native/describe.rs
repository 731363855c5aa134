//! Topics as the cluster tells them: the wrapper has no call for a topic's id (KIP-516).
#![expect(unsafe_code, reason = "the client's edge: see each block")]

use std::time::Duration;

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka_sys as sys;

use super::request::{Answer, Failure, Guard, Question, ask, c_texts, code_of, each, of_kind, text};

/// A topic as the cluster tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    pub name: String,
    /// All zero where it isn't told.
    pub id: [u8; 16],
    pub partitions: i32,
    /// `NoError`, or why the topic isn't told.
    pub error: RDKafkaErrorCode,
}

/// Asks about topics, each named once; the answer is in the same order, without those that the broker passed over.
/// Waits for little longer than `timeout`.
pub fn describe_topics<C: ClientContext>(
    client: &Client<C>,
    names: &[&str],
    timeout: Duration,
) -> Result<Vec<Described>, KafkaError> {
    let answer = ask_of_topics(client, names, timeout, false)?;
    Ok(topics_of(&answer, described)?)
}

/// Asks about topics; with what this client may do with them where that is wanted.
pub fn ask_of_topics<C: ClientContext>(
    client: &Client<C>,
    names: &[&str],
    timeout: Duration,
    with_rights: bool,
) -> Result<Answer, Failure> {
    let named = c_texts(names)?;
    let mut pointers: Vec<_> = named.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: the pointers are those of `named`, which lives to the end of this function; the call copies the names.
    let topics = unsafe { sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()) };
    let topics = Guard::new(topics, sys::rd_kafka_TopicCollection_destroy)?;
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    ask(client, Question { operation, timeout, with_rights }, |handle, options, queue| {
        // SAFETY: all four are valid; the call copies the topics and options, and holds the queue by a count of its
        // own.
        unsafe { sys::rd_kafka_DescribeTopics(handle, topics.as_ptr(), options, queue) }
    })
}

/// What `of` makes of each topic of an answer.
pub fn topics_of<R>(
    answer: &Answer,
    of: impl Fn(*const sys::rd_kafka_TopicDescription_t) -> R,
) -> Result<Vec<R>, Failure> {
    // SAFETY: the answer is valid as long as its guard; null where it is of another kind.
    let result = of_kind(unsafe { sys::rd_kafka_event_DescribeTopics_result(answer.as_ptr()) })?;
    let mut count = 0;
    // SAFETY: the result, and its array, live as long as the answer. The first call only writes the count.
    Ok(unsafe {
        let found = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        each(found, count, of)
    })
}

/// Of a topic of an answer that lives.
fn described(topic: *const sys::rd_kafka_TopicDescription_t) -> Described {
    let mut partitions = 0;
    // SAFETY: `topic` is one of an answer that lives for all of this call, and so do its name, error and id: they are
    // only read here. The call for the partitions only writes their count.
    let (name, error, id) = unsafe {
        sys::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
        let name = text(sys::rd_kafka_TopicDescription_name(topic));
        let error = code_of(sys::rd_kafka_TopicDescription_error(topic));
        (name, error, sys::rd_kafka_TopicDescription_topic_id(topic))
    };
    let mut bytes = [0; 16];
    if !id.is_null() {
        // SAFETY: as above.
        let (most, least) =
            unsafe { (sys::rd_kafka_Uuid_most_significant_bits(id), sys::rd_kafka_Uuid_least_significant_bits(id)) };
        bytes[..8].copy_from_slice(&most.to_be_bytes());
        bytes[8..].copy_from_slice(&least.to_be_bytes());
    }
    Described { name, id: bytes, partitions: i32::try_from(partitions).unwrap_or(i32::MAX), error }
}
