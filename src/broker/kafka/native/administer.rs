//! What rdkafka 0.39 has no call for, or only one that does harm: properties of a topic, one by one; times in a
//! partition.
#![expect(unsafe_code, reason = "the client's edge: see each block")]

use std::time::Duration;

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka_sys as sys;

use super::request::{Failure, Guard, Question, ask, c_text, each, of_kind, raised, text};

/// Sets properties of a topic, and leaves the others as they are. (The wrapper's `alter_configs` puts every one that
/// isn't named back to its default, `cleanup.policy` too.)
pub fn alter_topic<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    properties: &[(&str, &str)],
    timeout: Duration,
) -> Result<(), Failure> {
    let kind = sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC;
    let name = c_text(topic)?;
    // SAFETY: the call copies the name.
    let resource = unsafe { sys::rd_kafka_ConfigResource_new(kind, name.as_ptr()) };
    let resource = Guard::new(resource, sys::rd_kafka_ConfigResource_destroy)?;
    for (name, value) in properties {
        let (name, value) = (c_text(name)?, c_text(value)?);
        let set = sys::rd_kafka_AlterConfigOpType_t::RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET;
        // SAFETY: the resource is valid, and the call copies name and value. An error is ours to free.
        raised(unsafe {
            sys::rd_kafka_ConfigResource_add_incremental_config(resource.as_ptr(), name.as_ptr(), set, value.as_ptr())
        })?;
    }
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS;
    let answer = ask(client, Question { operation, timeout, with_rights: false }, |handle, options, queue| {
        let mut resources = [resource.as_ptr()];
        // SAFETY: all of these are valid; the client copies the one resource before it returns.
        unsafe { sys::rd_kafka_IncrementalAlterConfigs(handle, resources.as_mut_ptr(), 1, options, queue) };
    })?;
    // SAFETY: the answer is valid as long as its guard; null where it is of another kind.
    let result = of_kind(unsafe { sys::rd_kafka_event_IncrementalAlterConfigs_result(answer.as_ptr()) })?;
    let mut count = 0;
    // The answer says Success; the error stands in the resource.
    // SAFETY: the result, its array, and the resources with their texts live as long as the answer. The first call only
    // writes the count.
    let outcomes = unsafe {
        let found = sys::rd_kafka_IncrementalAlterConfigs_result_resources(result, &raw mut count);
        each(found, count, |resource| {
            let code = RDKafkaErrorCode::from(sys::rd_kafka_ConfigResource_error(resource));
            (code, text(sys::rd_kafka_ConfigResource_error_string(resource)))
        })
    };
    match outcomes.into_iter().find(|(code, _)| *code != RDKafkaErrorCode::NoError) {
        Some((code, reason)) => Err(Failure::new(code, reason)),
        None => Ok(()),
    }
}

/// The record, or marker, with the latest time in a partition: its offset and time, in epoch milliseconds.
pub fn latest_time<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    partition: i32,
    timeout: Duration,
) -> Result<(i64, i64), Failure> {
    const LATEST: i64 = sys::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_MAX_TIMESTAMP as i64;
    let name = c_text(topic)?;
    // SAFETY: a new list is ours to free.
    let list =
        Guard::new(unsafe { sys::rd_kafka_topic_partition_list_new(1) }, sys::rd_kafka_topic_partition_list_destroy)?;
    // SAFETY: the list is valid; the name is copied into it, and the element that the call gives out is the list's.
    unsafe { (*sys::rd_kafka_topic_partition_list_add(list.as_ptr(), name.as_ptr(), partition)).offset = LATEST };
    let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS;
    let answer = ask(client, Question { operation, timeout, with_rights: false }, |handle, options, queue| {
        // SAFETY: all of these are valid; the client copies the list before it returns.
        unsafe { sys::rd_kafka_ListOffsets(handle, list.as_ptr(), options, queue) };
    })?;
    // SAFETY: the answer is valid as long as its guard; null where it is of another kind.
    let result = of_kind(unsafe { sys::rd_kafka_event_ListOffsets_result(answer.as_ptr()) })?;
    let mut count = 0;
    // SAFETY: the result, its array, and what stands in it live as long as the answer. The first call only writes the
    // count.
    let told = unsafe {
        let found = sys::rd_kafka_ListOffsets_result_infos(result, &raw mut count);
        each(found, count, |info| {
            let at = &*sys::rd_kafka_ListOffsetsResultInfo_topic_partition(info);
            (RDKafkaErrorCode::from(at.err), at.offset, sys::rd_kafka_ListOffsetsResultInfo_timestamp(info))
        })
    };
    match told.first() {
        Some(&(RDKafkaErrorCode::NoError, offset, time)) => Ok((offset, time)),
        Some(&(code, ..)) => Err(Failure::of(code)),
        None => Err(Failure::new(RDKafkaErrorCode::Fail, "an empty answer".to_owned())),
    }
}
