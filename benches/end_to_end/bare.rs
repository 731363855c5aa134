//! The least that a program with these promises can cost: reads all inputs, writes a changelog record an event and an
//! output for every twentieth, in transactions with the offsets. No merge, no state, no rules, no errors survived.
//!
//! Native calls, as `docs/performance.md` says: all partitions feed one queue that is read in batches, records are
//! written in batches, nothing is told of deliveries. It runs as a process of its own until it is killed.

#![allow(unsafe_code, reason = "the batch calls have no safe wrapper; nothing but the benchmark runs them")]

use std::ffi::{CStr, CString};
use std::path::Path;
use std::ptr::null_mut;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::types::RDKafkaType;
use rdkafka_sys as native;
use tideline::config::Config;
use tideline::domain::OutputTopic;

const BATCH: usize = 1_000;
/// One output for so many events.
const EVENTS_AN_OUTPUT: u64 = 20;
const BATCH_WAIT_MS: i32 = 5;
const CALL_MS: i32 = 30_000;
/// About as long as an output; it counts as one where outputs are counted.
const OUTPUT: &[u8] = br#"{"id":"00000000000000000000000000000000","type":"tideline.tier_changed","time":"2025-01-01T00:00:00.000Z","user_id":"u","sequence":1,"reason":"none"}"#;

/// Its topics and group are those of a configuration.
pub fn run(config: &Path) -> ! {
    let config = Config::load(Some(config)).expect("a sound configuration");
    // SAFETY: handles live until the process is killed; each message is destroyed once, after its bytes were copied.
    unsafe { Loop::new(&config).run(config.stream.lanes.commit_interval.duration()) }
}

struct Loop {
    producer: *mut native::rd_kafka_t,
    group: *mut native::rd_kafka_consumer_group_metadata_t,
    queue: *mut native::rd_kafka_queue_t,
    changelog: *mut native::rd_kafka_topic_t,
    outputs: *mut native::rd_kafka_topic_t,
    inputs: Vec<*mut native::rd_kafka_topic_t>,
    names: Vec<CString>,
    /// By input and partition: the next offset, where something was read.
    next: Vec<Vec<Option<i64>>>,
    read: u64,
}

impl Loop {
    unsafe fn new(config: &Config) -> Self {
        let (partitions, topics) = (config.topics.partitions, &config.topics);
        let names: Vec<_> = config.inputs.iter().map(|input| text(&input.topic)).collect();
        let mut consumer = ClientConfig::new();
        consumer.set("bootstrap.servers", &config.kafka.bootstrap).set("group.id", &config.application.id);
        consumer.set("isolation.level", "read_committed").set("enable.auto.commit", "false");
        consumer.set("fetch.wait.max.ms", "20").set("fetch.queue.backoff.ms", "2");
        let mut producer = ClientConfig::new();
        producer.set("bootstrap.servers", &config.kafka.bootstrap).set("transactional.id", &config.application.id);
        producer.set("linger.ms", "5").set("compression.type", "lz4").set("retry.backoff.ms", "10");
        producer.set("queue.buffering.max.messages", "2000000").set("queue.buffering.max.kbytes", "1000000");
        // SAFETY: the handles are those that were just made.
        unsafe {
            let consumer = client(RDKafkaType::RD_KAFKA_CONSUMER, &consumer);
            let queue = native::rd_kafka_queue_new(consumer);
            let start = |name: &CString| {
                let topic = native::rd_kafka_topic_new(consumer, name.as_ptr(), null_mut());
                for partition in 0..partitions {
                    let from = i64::from(native::RD_KAFKA_OFFSET_BEGINNING);
                    let started = native::rd_kafka_consume_start_queue(topic, partition, from, queue);
                    assert_eq!(started, 0, "cannot read {name:?}");
                }
                topic
            };
            let inputs = names.iter().map(start).collect();
            let producer = client(RDKafkaType::RD_KAFKA_PRODUCER, &producer);
            succeed(native::rd_kafka_init_transactions(producer, CALL_MS));
            let output = |name: &str| native::rd_kafka_topic_new(producer, text(name).as_ptr(), null_mut());
            Self {
                producer,
                group: native::rd_kafka_consumer_group_metadata_new(text(&config.application.id).as_ptr()),
                queue,
                changelog: output(&topics.changelog),
                outputs: output(&topics.outputs[OutputTopic::TierChanges]),
                inputs,
                next: vec![vec![None; partitions as usize]; names.len()],
                names,
                read: 0,
            }
        }
    }

    unsafe fn run(&mut self, commit_interval: Duration) -> ! {
        let mut read = vec![null_mut(); BATCH];
        let (mut changes, mut outputs) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        let mut began: Option<Instant> = None;
        loop {
            // SAFETY: `read` has room for `BATCH`; all that came is destroyed below.
            let count =
                unsafe { native::rd_kafka_consume_batch_queue(self.queue, BATCH_WAIT_MS, read.as_mut_ptr(), BATCH) };
            for &message in &read[..usize::try_from(count).expect("a queue is read")] {
                // SAFETY: a message that came and was not destroyed yet.
                unsafe { self.take(&*message, &mut changes, &mut outputs) }
            }
            if !changes.is_empty() && began.is_none() {
                // SAFETY: no transaction is open.
                succeed(unsafe { native::rd_kafka_begin_transaction(self.producer) });
                began = Some(Instant::now());
            }
            // SAFETY: keys and values point into messages that are destroyed only afterwards; both are copied.
            unsafe {
                write(self.changelog, &mut changes);
                write(self.outputs, &mut outputs);
                read[..count as usize].iter().for_each(|&message| native::rd_kafka_message_destroy(message));
                native::rd_kafka_poll(self.producer, 0);
            }
            if began.take_if(|began| began.elapsed() >= commit_interval).is_some() {
                // SAFETY: a transaction is open.
                unsafe { self.commit() }
            }
        }
    }

    unsafe fn take(
        &mut self,
        message: &native::rd_kafka_message_t,
        changes: &mut Vec<native::rd_kafka_message_t>,
        outputs: &mut Vec<native::rd_kafka_message_t>,
    ) {
        assert_eq!(message.err, native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR, "an error was read");
        let input = self.inputs.iter().position(|&topic| topic == message.rkt).expect("an input");
        self.next[input][message.partition as usize] = Some(message.offset + 1);
        changes.push(record(message, message.payload, message.len));
        self.read += 1;
        if self.read.is_multiple_of(EVENTS_AN_OUTPUT) {
            outputs.push(record(message, OUTPUT.as_ptr() as *mut _, OUTPUT.len()));
        }
    }

    unsafe fn commit(&mut self) {
        // SAFETY: the list is destroyed here, and holds a copy of each name.
        unsafe {
            let offsets = native::rd_kafka_topic_partition_list_new(16);
            for (name, next) in self.names.iter().zip(&self.next) {
                for (partition, offset) in (0..).zip(next) {
                    if let Some(offset) = offset {
                        let added = native::rd_kafka_topic_partition_list_add(offsets, name.as_ptr(), partition);
                        (*added).offset = *offset;
                    }
                }
            }
            let (producer, group) = (self.producer, self.group);
            succeed(native::rd_kafka_send_offsets_to_transaction(producer, offsets, group, CALL_MS));
            native::rd_kafka_topic_partition_list_destroy(offsets);
            succeed(native::rd_kafka_commit_transaction(producer, CALL_MS));
        }
    }
}

unsafe fn client(kind: RDKafkaType, config: &ClientConfig) -> *mut native::rd_kafka_t {
    let config = config.create_native_config().expect("sound properties");
    let mut error = [0; 512];
    // SAFETY: the client owns the copy of the configuration.
    let client = unsafe {
        let copy = native::rd_kafka_conf_dup(config.ptr());
        native::rd_kafka_new(kind, copy, error.as_mut_ptr(), error.len())
    };
    assert!(!client.is_null(), "no client");
    client
}

/// To the partition and with the key of a message.
fn record(of: &native::rd_kafka_message_t, value: *mut std::ffi::c_void, length: usize) -> native::rd_kafka_message_t {
    native::rd_kafka_message_t {
        err: native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
        rkt: null_mut(),
        partition: of.partition,
        payload: value,
        len: length,
        key: of.key,
        key_len: of.key_len,
        offset: 0,
        _private: null_mut(),
    }
}

unsafe fn write(topic: *mut native::rd_kafka_topic_t, records: &mut Vec<native::rd_kafka_message_t>) {
    let (count, flags) = (records.len() as i32, native::RD_KAFKA_MSG_F_COPY | native::RD_KAFKA_MSG_F_PARTITION);
    // SAFETY: copied before the call returns.
    let taken = unsafe { native::rd_kafka_produce_batch(topic, -1, flags, records.as_mut_ptr(), count) };
    assert_eq!(taken, count, "the queue is full");
    records.clear();
}

fn succeed(error: *mut native::rd_kafka_error_t) {
    if !error.is_null() {
        // SAFETY: an error that a call has just returned.
        panic!("{:?}", unsafe { CStr::from_ptr(native::rd_kafka_error_string(error)) });
    }
}

fn text(name: &str) -> CString {
    CString::new(name).expect("no zero within")
}
