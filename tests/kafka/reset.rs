//! Offsets that somebody moved or deleted, and input that is gone: a run refuses, `tideline reset` finds the way on.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::{Value, json};
use tideline::broker::Committed;
use tideline::broker::Isolation;
use tideline::broker::kafka::admin::Admin;
use tideline::broker::kafka::{KafkaBroker, PlainProducer, read_partition};
use tideline::domain::PartitionId;
use tideline::record::{Message, Outgoing};

use super::cli::{Application, by_user, check, replayed, written};

/// So many that each partition has some: else it depends on which is restored first what is refused.
const USERS: usize = 40;
const UNTIL: &str = "2026-06-01T00:00:00Z";
/// 2026-01-05T00:00:00Z.
const START_MS: i64 = 1_767_571_200_000;
const DAY_MS: i64 = 86_400_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// What users paid on some days, in order.
fn payments(days: std::ops::Range<i64>) -> Vec<(String, Value)> {
    let of_day = |day: i64| {
        (0..USERS).map(move |n| {
            let user = format!("u{n}");
            let (id, time) = (format!("{user}-{day}"), START_MS + day * DAY_MS + n as i64);
            let data = json!({"amount": 100});
            (user.clone(), json!({"id": id, "user_id": user, "type": "payment.completed", "time": time, "data": data}))
        })
    };
    days.step_by(2).flat_map(of_day).collect()
}

fn feed(application: &Application, days: std::ops::Range<i64>) {
    let config = application.config();
    let producer = PlainProducer::new(config.kafka_settings()).unwrap();
    for (user, event) in payments(days) {
        let record = Outgoing {
            topic: config.inputs[0].topic.as_str().into(),
            partition: None,
            key: Some(user.into_bytes()),
            value: Some(event.to_string().into_bytes()),
            headers: Vec::new(),
            timestamp: None,
        };
        producer.send(&record).unwrap();
    }
    producer.flush().unwrap();
}

/// What all events give, from files.
fn expected(days: std::ops::Range<i64>) -> BTreeMap<String, Vec<Value>> {
    let folder = tempfile::tempdir().unwrap();
    for source in ["app", "sms", "branch", "merchant"] {
        let mut file = std::fs::File::create(folder.path().join(format!("{source}.jsonl"))).unwrap();
        let events = if source == "app" { payments(days.clone()) } else { Vec::new() };
        events.iter().for_each(|(_, event)| writeln!(file, "{event}").unwrap());
    }
    by_user(replayed(folder.path(), UNTIL).into_iter())
}

/// An application that has folded the first days.
fn folded() -> Application {
    let application = Application::new();
    check(&application.run(&["topics", "--create"]), 0, &[]);
    feed(&application, 0..20);
    check(&application.run(&["run", "--until-end"]), 0, &[]);
    application
}

fn client(application: &Application) -> ClientConfig {
    let config = application.config();
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", config.kafka.bootstrap).set("group.id", config.application.id);
    client
}

/// As an operator's tool does it, without transactions.
fn move_offsets(application: &Application, offset: i64) {
    let config = application.config();
    let consumer: BaseConsumer = client(application).create().unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..config.topics.partitions {
        list.add_partition_offset(&config.inputs[0].topic, partition, Offset::Offset(offset)).unwrap();
    }
    consumer.commit(&list, CommitMode::Sync).unwrap();
    drop(list);
}

fn administer<F: Future>(
    application: &Application,
    task: impl FnOnce(AdminClient<DefaultClientContext>) -> F,
) -> F::Output {
    let admin = client(application).create().unwrap();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(task(admin))
}

fn forget_offsets(application: &Application) {
    let id = application.config().application.id;
    let deleted =
        administer(application, |admin| async move { admin.delete_groups(&[&id], &AdminOptions::new()).await });
    assert!(deleted.unwrap().iter().all(Result::is_ok));
}

/// Deletes all that the first input holds.
fn truncate(application: &Application) {
    let config = application.config();
    let deleted = administer(application, |admin| async move {
        let mut list = TopicPartitionList::new();
        for partition in 0..config.topics.partitions {
            list.add_partition_offset(&config.inputs[0].topic, partition, Offset::End).unwrap();
        }
        admin.delete_records(&list, &AdminOptions::new()).await.map(drop)
    });
    deleted.unwrap();
}

/// All that a reset may change.
fn state(application: &Application) -> (Vec<Vec<Committed>>, Vec<usize>) {
    let config = application.config();
    let (settings, topics) = (config.kafka_settings(), config.topic_names());
    let broker = KafkaBroker::new(settings.clone(), topics.clone()).unwrap();
    let partitions = || (0..config.topics.partitions).map(PartitionId);
    let committed = partitions().map(|partition| broker.last_committed(partition).unwrap()).collect();
    let length = |partition| {
        let records = read_partition(
            &settings,
            &topics.changelog,
            partition,
            Isolation::ReadCommitted,
            Isolation::ReadUncommitted,
        );
        records.unwrap().last().map_or(0, |record| record.offset() as usize)
    };
    (committed, partitions().map(length).collect())
}

/// Refused with that; shown without a change; then done.
fn refuse_then_reset(application: &Application, named: &str, flags: &[&str]) {
    check(&application.run(&["run", "--until-end"]), 1, &["is refused", named, "tideline reset --offsets-only"]);
    let before = state(application);
    let reset = [&["reset"], flags].concat();
    check(&application.run(&reset), 0, &["no members are known", "nothing was changed; --execute does it"]);
    assert_eq!(state(application), before);
    check(&application.run(&[&reset[..], &["--execute"]].concat()), 0, &["partition 3: ", "done"]);
}

/// The rest of the days gives what it gives without all this.
fn goes_on_as_expected(application: &Application) {
    feed(application, 20..60);
    check(&application.run(&["run", "--until-end", "--until", UNTIL]), 0, &[]);
    let mut written = by_user(written(&application.config()).into_iter());
    // Told again by a reset: the same.
    written.values_mut().for_each(Vec::dedup);
    assert_eq!(written, expected(0..60));
}

#[test]
fn a_group_that_was_reset_is_refused_and_brought_back_to_what_is_recorded() {
    let application = folded();
    let count = written(&application.config()).len();
    move_offsets(&application, 0);
    refuse_then_reset(&application, "behind the partition record's", &["--offsets-only"]);
    check(&application.run(&["run", "--until-end"]), 0, &[]);
    assert_eq!(written(&application.config()).len(), count, "nothing is told twice");
    goes_on_as_expected(&application);
}

#[test]
fn offsets_that_are_gone_are_set_again_from_the_record() {
    let application = folded();
    forget_offsets(&application);
    check(&application.run(&["run", "--until-end"]), 0, &[]);
    goes_on_as_expected(&application);
}

#[test]
fn a_partition_starts_anew_and_tells_the_same_again() {
    let application = folded();
    move_offsets(&application, 1_000);
    refuse_then_reset(&application, "ahead of the partition record's", &[]);
    goes_on_as_expected(&application);
}

#[test]
fn input_that_was_lost_is_passed_over_only_when_that_is_accepted() {
    let application = folded();
    feed(&application, 20..30);
    truncate(&application);
    let refused = application.run(&["reset", "--offsets-only"]);
    check(
        &refused,
        1,
        &["can't be reset so", "the next to be read; --accept-loss goes on without", "nothing was changed"],
    );
    refuse_then_reset(&application, "took what lay between before it was read", &["--offsets-only", "--accept-loss"]);
    feed(&application, 30..40);
    check(&application.run(&["run", "--until-end"]), 0, &[]);
}

#[test]
fn a_reset_to_a_time_reads_from_the_records_of_that_time_on() {
    let application = folded();
    check(&application.run(&["reset", "--to", "2100-01-01T00:00:00Z", "--execute"]), 0, &["users forgotten", "done"]);
    feed(&application, 20..30);
    check(&application.run(&["run", "--until-end"]), 0, &[]);
    let first = |output: &Value| output["sequence"] == 1;
    let count = written(&application.config()).into_iter().filter(first).count();
    assert_eq!(count, 2 * USERS, "of everyone a first output once more: what came before the time counts no more");
}

#[test]
fn partitions_that_are_not_there_and_flags_that_make_no_sense_are_refused() {
    let application = Application::new();
    for (args, part) in [
        (&["reset", "--partition", "4"][..], "there is no partition 4: there are 4 of them"),
        (&["reset", "--accept-loss"], "--offsets-only"),
        (&["reset", "--to", "soon"], "not an RFC 3339 time"),
        (&["reset", "--to", "2026-01-01T00:00:00Z", "--offsets-only"], "cannot be used with"),
    ] {
        check(&application.run(args), 2, &[part]);
    }
}

fn check_refused_beside_a_member(application: &Application) {
    let mut child = application.command(&["run"]).spawn().unwrap();
    let broker = KafkaBroker::new(application.config().kafka_settings(), application.config().topic_names()).unwrap();
    let deadline = Instant::now() + PATIENCE;
    feed(application, 20..22);
    let is_served = || {
        let committed = |partition| broker.last_committed(PartitionId(partition)).unwrap();
        (0..4).flat_map(committed).map(|committed| committed.offset).sum::<i64>() >= 11 * USERS as i64
    };
    while !is_served() {
        assert!(Instant::now() < deadline, "the member serves nothing");
    }
    let refused = application.run(&["reset", "--execute"]);
    child.kill().unwrap();
    child.wait().unwrap();
    check(&refused, 1, &["stop them first"]);
}

#[test]
fn beside_a_member_nothing_is_reset() {
    let application = folded();
    check_refused_beside_a_member(&application);
    let admin = Admin::new(application.config().kafka_settings()).unwrap();
    assert_eq!(admin.members("nobody's").unwrap(), Vec::<String>::new());
}

#[test]
fn beside_a_member_under_kip_848_nothing_is_reset() {
    let application =
        folded().with("[kafka]\n", "[kafka]\ngroup_protocol = \"consumer\"\nno_progress_bound = \"3s\"\n");
    check_refused_beside_a_member(&application);
}
