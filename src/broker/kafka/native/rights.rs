//! What the broker lets this client do with topics and groups (KIP-430). The wrapper asks for none of it.
#![expect(unsafe_code, reason = "the client's edge: see each block")]

use std::slice;
use std::time::Duration;

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka_sys as sys;

use super::describe::{ask_of_topics, topics_of};
use super::request::{Question, ask, c_texts, code_of, each, of_kind, text};
use crate::broker::rights::Operation;

/// What the broker allows: none where it doesn't tell (brokers before 2.3).
pub type Allowed = Option<Vec<Operation>>;
/// By name: what is allowed, or why that isn't told.
pub type Answers = Vec<(String, Result<Allowed, RDKafkaErrorCode>)>;

/// Of topics.
pub fn of_topics<C: ClientContext>(
    client: &Client<C>,
    names: &[&str],
    timeout: Duration,
) -> Result<Answers, KafkaError> {
    let answer = ask_of_topics(client, names, timeout, true)?;
    Ok(topics_of(&answer, |topic| {
        let mut count = 0;
        // SAFETY: `topic` is one of the answer's, which lives for all of this call. The last call only writes the
        // count.
        unsafe {
            let name = text(sys::rd_kafka_TopicDescription_name(topic));
            let error = sys::rd_kafka_TopicDescription_error(topic);
            let allowed = sys::rd_kafka_TopicDescription_authorized_operations(topic, &raw mut count);
            (name, told(error, allowed, count))
        }
    })?)
}

/// Of groups, whether they exist or not.
pub fn of_groups<C: ClientContext>(
    client: &Client<C>,
    names: &[&str],
    timeout: Duration,
) -> Result<Answers, KafkaError> {
    let named = c_texts(names)?;
    let mut pointers: Vec<_> = named.iter().map(|name| name.as_ptr()).collect();
    let (groups, count) = (pointers.as_mut_ptr(), pointers.len());
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
    let answer = ask(client, Question { operation, timeout, with_rights: true }, |handle, options, queue| {
        // SAFETY: all of these are valid; the names live to the end of the outer function, and are copied.
        unsafe { sys::rd_kafka_DescribeConsumerGroups(handle, groups, count, options, queue) }
    })?;
    // SAFETY: the answer is valid as long as its guard; null where it is of another kind.
    let result = of_kind(unsafe { sys::rd_kafka_event_DescribeConsumerGroups_result(answer.as_ptr()) })?;
    let mut count = 0;
    // SAFETY: the result, its array, and the groups in it live as long as the answer. The calls for a count only write
    // it.
    Ok(unsafe {
        let found = sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count);
        each(found, count, |group| {
            let mut count = 0;
            let name = text(sys::rd_kafka_ConsumerGroupDescription_group_id(group));
            let error = sys::rd_kafka_ConsumerGroupDescription_error(group);
            let allowed = sys::rd_kafka_ConsumerGroupDescription_authorized_operations(group, &raw mut count);
            (name, told(error, allowed, count))
        })
    })
}

/// Must be given an error, or null, and an array of `count` operations, or null, which live.
unsafe fn told(
    error: *const sys::rd_kafka_error_t,
    allowed: *const sys::rd_kafka_AclOperation_t,
    count: usize,
) -> Result<Allowed, RDKafkaErrorCode> {
    // SAFETY: the caller's.
    match unsafe { code_of(error) } {
        RDKafkaErrorCode::NoError => {}
        code => return Err(code),
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
