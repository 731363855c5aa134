//! What a record costs a lane's thread in the client: by the safe calls that the program makes, and by native calls for
//! whole batches. On the client's own mock cluster; what its other threads do is not counted, and nothing else is in
//! the cache's way.

#![allow(unsafe_code, reason = "the batch calls have no safe wrapper; nothing but the benchmark makes them")]

use std::ffi::CString;
use std::hint::black_box;
use std::ptr::null_mut;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use rdkafka_sys as native;

const PARTITIONS: usize = 8;
const BATCH: usize = 1_000;
const TOPIC: &str = "changelog";
/// A key and a changed state, about as long as they are.
const KEY: &[u8] = b"user-0123456";
const VALUE: &[u8] = &[7; 130];
/// The cluster keeps no more than 5 MB of a partition.
const RECORDS: usize = 12 * PARTITIONS * BATCH;
const PATIENCE: Duration = Duration::from_secs(30);

pub fn run() -> bool {
    let cluster = MockCluster::new(1).expect("a cluster");
    cluster.create_topic(TOPIC, PARTITIONS as i32, 1).expect("a topic");
    println!("| a record of {} bytes | safe call, ns | native batch, ns |", KEY.len() + VALUE.len());
    println!("|---|---|---|");
    let (safe, batch) = write(&cluster.bootstrap_servers());
    println!("| written | {safe:.0} | {batch:.0} |");
    let (safe, batch) = read(&cluster.bootstrap_servers());
    println!("| read and copied | {safe:.0} | {batch:.0} |");
    true
}

/// Nanoseconds that this thread has run.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells");
    text.split(' ').next().and_then(|first| first.parse().ok()).expect("nanoseconds")
}

/// CPU nanoseconds for each record.
fn each(work: impl FnOnce()) -> f64 {
    let before = cpu();
    work();
    (cpu() - before) / RECORDS as f64
}

fn write(servers: &str) -> (f64, f64) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers).set("enable.idempotence", "true").set("linger.ms", "1000");
    config.set("queue.buffering.max.messages", "10000000").set("queue.buffering.max.kbytes", "2000000");
    config.set("batch.num.messages", "1000000").set("delivery.report.only.error", "true");
    let producer: BaseProducer = config.create().expect("a producer");
    let send = |partition: usize| {
        let record = BaseRecord::<[u8], [u8]>::to(TOPIC).partition(partition as i32).key(KEY).payload(VALUE);
        producer.send(record).map_err(|(error, _)| error).expect("room");
    };
    // The topic is known after that, and what is first written has been paid for.
    (0..PARTITIONS).for_each(send);
    settle(&producer);

    let safe = each(|| (0..RECORDS).for_each(|number| send(number / BATCH % PARTITIONS)));
    settle(&producer);
    let topic = CString::new(TOPIC).expect("no zero within");
    // SAFETY: the producer lives on; keys and values are copied before the call returns.
    let batch = each(|| unsafe {
        let topic = native::rd_kafka_topic_new(producer.client().native_ptr(), topic.as_ptr(), null_mut());
        for number in 0..RECORDS / BATCH {
            let mut batch = [message((number % PARTITIONS) as i32); BATCH];
            let flags = native::RD_KAFKA_MSG_F_COPY | native::RD_KAFKA_MSG_F_PARTITION;
            let taken = native::rd_kafka_produce_batch(topic, -1, flags, batch.as_mut_ptr(), BATCH as i32);
            assert_eq!(taken, BATCH as i32, "the queue is full");
        }
        native::rd_kafka_topic_destroy(topic);
    });
    settle(&producer);
    (safe, batch)
}

/// Until all is acknowledged. (A flush of the wrapper asks for it only while it looks.)
fn settle(producer: &BaseProducer) {
    let started = Instant::now();
    while producer.in_flight_count() > 0 {
        assert!(started.elapsed() < PATIENCE, "{} records are still unwritten", producer.in_flight_count());
        producer.poll(Duration::from_millis(10));
    }
}

fn message(partition: i32) -> native::rd_kafka_message_t {
    native::rd_kafka_message_t {
        err: native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
        rkt: null_mut(),
        partition,
        payload: VALUE.as_ptr() as *mut _,
        len: VALUE.len(),
        key: KEY.as_ptr() as *mut _,
        key_len: KEY.len(),
        offset: 0,
        _private: null_mut(),
    }
}

fn read(servers: &str) -> (f64, f64) {
    let consumer = || -> BaseConsumer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", servers).set("group.id", "readers").set("enable.auto.commit", "false");
        config.set("queued.min.messages", "1000000").set("queued.max.messages.kbytes", "1000000");
        config.create().expect("a consumer")
    };
    let copy = |key: &[u8], value: &[u8]| _ = black_box(Box::<[u8]>::from([key, value].concat()));

    let safe = Arc::new(consumer());
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS as i32 {
        all.add_partition_offset(TOPIC, partition, Offset::Beginning).expect("an offset");
    }
    safe.assign(&all).expect("assigned");
    let queues: Vec<_> =
        (0..PARTITIONS as i32).map(|it| safe.split_partition_queue(TOPIC, it).expect("a queue")).collect();
    // What is waited for is not counted, but what is polled for nothing would be.
    sleep(Duration::from_secs(3));
    let each_queue = RECORDS / PARTITIONS;
    let by_calls = each(|| {
        for queue in &queues {
            for _ in 0..each_queue {
                let message = queue.poll(PATIENCE).expect("a record").expect("no error");
                copy(message.key().unwrap_or_default(), message.payload().unwrap_or_default());
            }
        }
    });
    drop(queues);
    drop(safe);

    let batched = consumer();
    let topic = CString::new(TOPIC).expect("no zero within");
    // SAFETY: queue and topic go before their consumer; each message is destroyed once, after its bytes were copied.
    let by_batches = unsafe {
        let client = batched.client().native_ptr();
        let queue = native::rd_kafka_queue_new(client);
        let topic = native::rd_kafka_topic_new(client, topic.as_ptr(), null_mut());
        for partition in 0..PARTITIONS as i32 {
            let from = i64::from(native::RD_KAFKA_OFFSET_BEGINNING);
            assert_eq!(native::rd_kafka_consume_start_queue(topic, partition, from, queue), 0, "cannot read");
        }
        sleep(Duration::from_secs(3));
        let mut batch = [null_mut(); BATCH];
        let by_batches = each(|| {
            let mut read = 0;
            while read < RECORDS {
                let count = native::rd_kafka_consume_batch_queue(queue, 1_000, batch.as_mut_ptr(), BATCH);
                for &message in &batch[..usize::try_from(count).expect("a queue is read")] {
                    let it = &*message;
                    let bytes = |from: *mut std::ffi::c_void, len| std::slice::from_raw_parts(from.cast(), len);
                    copy(bytes(it.key, it.key_len), bytes(it.payload, it.len));
                    native::rd_kafka_message_destroy(message);
                    read += 1;
                }
            }
        });
        for partition in 0..PARTITIONS as i32 {
            native::rd_kafka_consume_stop(topic, partition);
        }
        native::rd_kafka_topic_destroy(topic);
        native::rd_kafka_queue_destroy(queue);
        by_batches
    };
    (by_calls, by_batches)
}
