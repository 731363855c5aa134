//! Topics that change under an application, on the real broker: nothing is lost in silence. A run that serves leaves
//! the partition, says why and lives on; a start refuses; a reset leads nowhere that it isn't told to.

use std::process::Command;

use serde_json::json;
use tideline::broker::kafka::{GroupProtocol, PlainProducer};
use tideline::domain::{PartitionId, Source, partition_of};
use tideline::record::Outgoing;

use super::operator;
use testkit::application::{Application, Process, Setup, await_that};
use testkit::kafka_cluster::Cluster;

const PARTITIONS: i32 = 2;
const P0: PartitionId = PartitionId(0);

/// An application with one input of two partitions.
struct Stage {
    application: Application,
    topic: String,
    producer: PlainProducer,
}

impl Stage {
    fn new(protocol: GroupProtocol) -> Self {
        let mut setup = Setup::on(Cluster::shared(), protocol).with(&format!("topics.partitions = {PARTITIONS}"));
        setup.sources = vec![Source::App];
        let application = Application::new(&setup);
        let topic = application.config.inputs[0].topic.clone();
        let producer = PlainProducer::new(application.settings()).expect("a producer");
        Self { application, topic, producer }
    }

    /// Logins of a user of each partition, one after the other, `count` each.
    fn feed(&self, name: &str, count: usize) {
        for partition in (0..PARTITIONS).map(PartitionId) {
            let mut users = (0..).map(|n| format!("u{n}"));
            let user = users.find(|user| partition_of(user.as_bytes(), PARTITIONS) == partition).expect("one of many");
            for n in 0..count {
                let (id, time) = (format!("{name}{n}"), 1_767_571_200_000_i64);
                let event = json!({"id": id, "user_id": user, "type": "app.login", "time": time});
                let record = Outgoing {
                    topic: self.topic.as_str().into(),
                    partition: Some(partition),
                    key: Some(user.clone().into_bytes()),
                    value: Some(event.to_string().into_bytes()),
                    headers: Vec::new(),
                    timestamp: None,
                };
                // A topic that was just made may not be known yet.
                await_that("a record is written", || self.producer.write(&record).is_ok());
            }
        }
    }

    /// What the group has committed of the input, by partition.
    fn committed(&self) -> Vec<i64> {
        let broker = self.application.broker();
        let of = |partition| {
            let all = broker.last_committed(partition).expect("last committed offsets");
            all.iter().find(|it| it.input.index() == 0).map_or(-1, |it| it.offset)
        };
        self.application.partitions().map(of).collect()
    }

    /// A process that has read `count` records of each partition.
    fn served(&self, count: i64) -> Process {
        let process = self.application.start("a");
        await_that("both partitions are served", || process.serving() == PARTITIONS as usize);
        await_that("all is committed", || self.committed().iter().all(|&offset| offset >= count));
        process
    }

    /// The program with a command of its own: its exit code, and all that it said.
    fn run(&self, args: &[&str]) -> (i32, String) {
        let file = self.application.config_file("b", "");
        let command = Command::new(env!("CARGO_BIN_EXE_tideline")).args(args).arg("--config").arg(file).output();
        let output = command.expect("tideline runs");
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        (output.status.code().expect("a code"), said)
    }

    fn check(&self, args: &[&str], code: i32, named: &[&str]) {
        let (ended, said) = self.run(args);
        assert_eq!(ended, code, "{args:?}: {said}");
        for part in named {
            assert!(said.contains(part), "{args:?}: {part:?} is not in {said}");
        }
    }
}

/// The partitions are left, with the cause wherever an operator looks; the process lives, and commits nothing more.
fn check_left(stage: &Stage, process: &mut Process, partitions: usize, named: &[&str]) {
    let unserved = |process: &Process| process.metric("tideline_partition_phase", "phase=\"unserved\"") as usize;
    await_that("the partitions are left", || unserved(process) == partitions);
    let ready = process.get("/readyz").expect("it answers");
    for part in named.iter().chain(&["503", "not served"]) {
        assert!(ready.contains(part), "{part:?} is not in {ready}");
    }
    assert!(!ready.contains("assignor"), "{ready}");
    for part in named.iter().chain(&["left unserved, nothing more of it is committed"]) {
        await_that(&format!("the log says {part:?}"), || process.log().contains(part));
    }
    let committed = stage.committed();
    let unread = process.metric("tideline_input_unread_records", &stage.topic);
    stage.feed("later", 3);
    await_that("what comes is counted as unread", || {
        process.metric("tideline_input_unread_records", &stage.topic) >= unread + 3.0
    });
    let lag = process.metric("tideline_input_lag_records", &stage.topic);
    assert!(lag >= 3.0, "lag {lag} for what will never be read");
    let (after, left) = (stage.committed(), |p: usize| partitions == PARTITIONS as usize || p == 0);
    for (p, (before, after)) in committed.iter().zip(&after).enumerate().filter(|(p, _)| left(*p)) {
        assert_eq!(before, after, "partition {p} went on");
    }
    assert_eq!(unserved(process), partitions);
    assert!(process.ended().is_none(), "{}", process.log());
}

/// (a) Records are deleted before a living member has read them.
fn check_deleted_unread(protocol: GroupProtocol) {
    let stage = Stage::new(protocol);
    stage.feed("first", 2);
    let mut process = stage.served(2);
    // It can't read meanwhile; what a fetch that was under way brings is the first record at most.
    process.signal("STOP");
    stage.feed("unread", 4);
    operator::delete_before(&stage.application.settings(), &stage.topic, P0, 5);
    process.signal("CONT");
    check_left(&stage, &mut process, 1, &["begins at offset 5, behind", "--offsets-only --accept-loss"]);
    process.stop();
    stage.check(&["check", "--online"], 1, &["begins at offset 5, behind"]);
    stage.check(&["reset", "--offsets-only"], 1, &["begins at offset 5, behind"]);
    stage.check(
        &["reset", "--offsets-only", "--accept-loss", "--execute"],
        0,
        &["lost:", "deleted before they were read"],
    );
    stage.check(&["run", "--until-end"], 0, &[]);
}

#[test]
fn records_that_are_deleted_unread_are_not_passed_over() {
    check_deleted_unread(GroupProtocol::Classic);
}

#[test]
fn records_that_are_deleted_unread_are_not_passed_over_under_kip_848() {
    check_deleted_unread(GroupProtocol::Consumer);
}

/// (b) The topic is made anew under a living member, which the client doesn't notice.
fn check_made_anew_while_running(protocol: GroupProtocol) {
    let stage = Stage::new(protocol);
    stage.feed("first", 2);
    let mut process = stage.served(2);
    operator::recreate(&stage.application.settings(), &stage.topic, PARTITIONS);
    stage.feed("new", 5);
    let named = ["was deleted and made anew: its id is", "tideline reset"];
    check_left(&stage, &mut process, 2, &named);
    let (first, next) = (r#"bound="first""#, r#"bound="next""#);
    let doubtful = |bound| process.metric("tideline_input_doubtful_offset", bound);
    let log = process.log();
    println!("read in between: {} to {}; {}", doubtful(first), doubtful(next), log.contains("they may be of either"));
    assert_eq!(log.contains("they may be of either"), doubtful(first) < doubtful(next), "{log}");
    process.stop();
    stage.check(&["run", "--until-end"], 1, &["was deleted and made anew"]);
    stage.check(&["reset", "--offsets-only", "--accept-loss", "--execute"], 0, &["lost:", "read whole"]);
    stage.check(&["run", "--until-end"], 0, &[]);
    assert_eq!(stage.committed(), [8, 8], "all of the new topic");
}

#[test]
fn a_topic_that_is_made_anew_under_a_living_member_is_noticed() {
    check_made_anew_while_running(GroupProtocol::Classic);
}

#[test]
fn a_topic_that_is_made_anew_under_a_living_member_is_noticed_under_kip_848() {
    check_made_anew_while_running(GroupProtocol::Consumer);
}

/// (c) and (d): the topic was made anew while nobody ran, and ends before the position, or has grown past it.
#[test]
fn a_topic_that_was_made_anew_is_refused_at_the_start_by_run_reset_and_check() {
    for (records, named) in [(3, "ends at 3, before 5"), (9, "ends at 9")] {
        let stage = Stage::new(GroupProtocol::Classic);
        stage.feed("first", 5);
        stage.check(&["run", "--until-end"], 0, &[]);
        assert_eq!(stage.committed(), [5, 5]);
        operator::recreate(&stage.application.settings(), &stage.topic, PARTITIONS);
        stage.feed("new", records);
        let cause = "was deleted and made anew: its id is";
        for args in [&["run", "--until-end"][..], &["run"], &["check", "--online"]] {
            stage.check(args, 1, &[cause, named]);
        }
        stage.check(&["reset", "--offsets-only"], 1, &["was deleted and made anew", named]);
        stage.check(&["reset", "--offsets-only", "--execute"], 1, &["was deleted and made anew"]);
        stage.check(&["reset", "--offsets-only", "--accept-loss"], 0, &["would be lost:"]);
        stage.check(&["reset", "--offsets-only", "--accept-loss", "--execute"], 0, &["lost:"]);
        stage.check(&["check", "--online"], 0, &[]);
        stage.check(&["run", "--until-end"], 0, &[]);
        assert_eq!(stage.committed(), [records as i64; 2]);
    }
}

/// (e) Partitions are added while a member runs.
fn check_partitions_added(protocol: GroupProtocol) {
    let stage = Stage::new(protocol);
    stage.feed("first", 2);
    let mut process = stage.served(2);
    operator::add_partitions(&stage.application.settings(), &stage.topic, 3);
    check_left(&stage, &mut process, 2, &["has 3 partitions, 2 are configured"]);
    let second = stage.application.start("c");
    await_that("the second ends, and says why", || second.log().contains("the number of partitions is 3, should be 2"));
    assert!(process.ended().is_none(), "{}", process.log());
}

/// The broker shares the new partition out at the next heartbeat, and takes from one member a part of what it has.
#[test]
fn partitions_that_are_added_under_two_members_end_neither() {
    let mut stage = Stage::new(GroupProtocol::Consumer);
    stage.application.lay_over("kafka.no_progress_bound = \"3s\"");
    stage.feed("first", 2);
    let mut members = ["a", "c"].map(|name| stage.application.start(name));
    await_that("each serves one", || members.iter().all(|member| member.serving() == 1));
    operator::add_partitions(&stage.application.settings(), &stage.topic, 3);
    for member in &mut members {
        await_that("it says why", || {
            member.get("/readyz").is_some_and(|it| it.contains("has 3 partitions, 2 are configured"))
        });
    }
    await_that("an uneven share is told for what it is", || {
        members.iter().any(|it| it.log().contains("the group shares out partitions unevenly"))
    });
    for mut member in members {
        assert!(member.ended().is_none() && !member.log().contains("assignor"), "{}", member.log());
        let ready = member.get("/readyz").expect("it answers");
        assert!(ready.contains("503") && ready.contains("has 3 partitions, 2 are configured"), "{ready}");
    }
}

#[test]
fn partitions_that_are_added_leave_all_partitions() {
    check_partitions_added(GroupProtocol::Classic);
}

#[test]
fn partitions_that_are_added_leave_all_partitions_under_kip_848() {
    check_partitions_added(GroupProtocol::Consumer);
}

/// (g) Nothing was lost: nobody has read anything yet. The client warned of an "offset reset" all the same.
#[test]
fn a_run_on_a_log_that_begins_late_starts_without_a_warning() {
    let stage = Stage::new(GroupProtocol::Classic);
    stage.feed("gone", 3);
    for partition in (0..PARTITIONS).map(PartitionId) {
        operator::delete_before(&stage.application.settings(), &stage.topic, partition, 2);
    }
    let process = stage.served(3);
    process.stop();
    let process = stage.served(3);
    let warned: Vec<_> = process.log().lines().filter(|line| line.contains("WARN")).map(str::to_owned).collect();
    assert_eq!(warned, Vec::<String>::new());
    process.stop();
}
