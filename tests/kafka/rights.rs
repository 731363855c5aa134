//! A broker that asks who is there: what a user may not do is named, by each command, before anything is done.

use std::process::{Command, Output};

use tideline::broker::kafka::GroupProtocol;

use testkit::application::{Application, Setup, await_that};
use testkit::kafka_cluster::Cluster;
use testkit::verdict::Events;

use super::cli::check;

const USERS: [&str; 10] =
    ["all", "writes", "describes", "configs", "reads", "locks", "ids", "letters", "creates", "later"];
const WHOM: &str = "the user that kafka.client's sasl.username names";

/// One application, and what each user may do with it.
struct World {
    cluster: Cluster,
    application: Application,
    id: String,
}

impl World {
    fn new() -> Self {
        let (cluster, guarded) = Cluster::start_guarded(&USERS);
        let setup = Setup::on(&cluster, GroupProtocol::Classic).through(&guarded);
        let application = Application::new(&setup);
        let id = application.config.application.id.clone();
        let world = Self { cluster, application, id };
        let of_all = |user: &str| {
            let resources = ["TOPIC", "GROUP", "TRANSACTIONAL_ID"];
            resources.map(|resource| format!("ALLOW User:{user} ALL {resource} *\n")).concat()
        };
        let id = &world.id;
        let denied = [
            ("writes", format!("WRITE TOPIC {id}.tier-changes")),
            ("describes", format!("DESCRIBE TOPIC {id}.changelog")),
            ("configs", format!("DESCRIBE_CONFIGS TOPIC {id}.app")),
            ("reads", format!("READ GROUP {id}")),
            ("locks", format!("READ GROUP {id}-a:lock")),
            ("ids", format!("WRITE TRANSACTIONAL_ID {id}-a-0")),
            ("letters", format!("READ TOPIC {id}.dead-letters")),
            ("letters", format!("WRITE TRANSACTIONAL_ID {id}-redrive")),
            ("creates", format!("CREATE TOPIC {id}.missing")),
        ];
        let denied = denied.map(|(user, what)| format!("DENY User:{user} {what}\n"));
        world.cluster.grant(&(USERS.map(of_all).concat() + &denied.concat()));
        world
    }

    fn client(user: &str) -> String {
        format!(
            "[kafka.client]\n\"security.protocol\" = \"sasl_plaintext\"\n\"sasl.mechanisms\" = \"PLAIN\"\n\
             \"sasl.username\" = \"{user}\"\n\"sasl.password\" = \"pw\"\n"
        )
    }

    fn run(&self, user: &str, args: &[&str], with: &str) -> Output {
        let file = self.application.config_file("a", &format!("{with}\n{}", Self::client(user)));
        let mut command = Command::new(env!("CARGO_BIN_EXE_tideline"));
        command.args(args).arg("--config").arg(file).output().expect("tideline runs")
    }

    /// Each of the commands fails, and names that right and whose it is.
    fn refused(&self, user: &str, right: &str, commands: &[&[&str]]) {
        for args in commands {
            let output = self.run(user, args, "");
            println!("{user}, {args:?}");
            check(&output, 1, &[&format!(": {right}; grant it"), WHOM]);
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            for wrong in ["PurgeQueue", "same application.instance", "another process"] {
                assert!(!text.contains(wrong), "{text}");
            }
        }
    }
}

const RUN: &[&str] = &["run", "--until-end"];
const CHECK: &[&str] = &["check", "--online"];
const TOPICS: &[&str] = &["topics"];
const RESET: &[&str] = &["reset"];
const REDRIVE: &[&str] = &["redrive"];

#[test]
fn a_missing_right_is_named_with_what_it_is_on_and_for_whom_by_each_command() {
    let world = World::new();
    let id = &world.id;
    for args in [TOPICS, CHECK, RESET, REDRIVE, RUN] {
        check(&world.run("all", args, ""), 0, &[]);
    }
    world.refused("writes", &format!("Write on topic {id}.tier-changes"), &[RUN, CHECK, RESET]);
    check(&world.run("writes", REDRIVE, ""), 0, &[]);
    let all = [RUN, CHECK, TOPICS, RESET, REDRIVE];
    world.refused("configs", &format!("DescribeConfigs on topic {id}.app"), &all);
    for args in all {
        let output = world.run("describes", args, "");
        check(
            &output,
            1,
            &[&format!("Describe on topic {id}.changelog, DescribeConfigs on topic {id}.changelog"), WHOM],
        );
    }
    world.refused("reads", &format!("Read on group {id}"), &[RUN, CHECK, RESET]);
    world.refused("locks", &format!("Read on group {id}-a:lock"), &[RUN, CHECK]);
    world.refused("ids", &format!("Write on transactional id {id}-a-0"), &[RUN]);
    world.refused("letters", &format!("Read on topic {id}.dead-letters"), &[REDRIVE]);

    let missing = format!("topics.changelog = \"{id}.missing\"");
    let output = world.run("creates", &["topics", "--create"], &missing);
    check(
        &output,
        1,
        &[&format!("create topic {id}.missing: a right is missing"), &format!("Create on topic {id}.missing")],
    );
}

#[test]
fn a_right_that_is_taken_away_while_lanes_run_is_named() {
    let world = World::new();
    let mut process = world.application.start_with("a", &World::client("later"));
    await_that("it serves", || process.serving() > 0);
    world.cluster.grant(&format!("DENY User:later WRITE TOPIC {}.tier-changes\n", world.id));
    Events::Journey.feed(&world.application);
    await_that("it ends", || process.ended().is_some());
    let log = process.log();
    assert!(log.contains(&format!("Write on topic {}.tier-changes", world.id)) && log.contains(WHOM), "{log}");
    assert!(!log.contains("PurgeQueue") && !log.contains("same application.instance"), "{log}");
}
