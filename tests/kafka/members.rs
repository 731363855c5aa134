//! Members that come and go while the year is read: churn, scaling, rolling restarts, lasting names.

use tideline::broker::kafka::{GroupProtocol, KafkaBroker};

use testkit::application::{Application, Process, Setup, await_that};
use testkit::kafka_cluster::Cluster;
use testkit::verdict::Events;

const PARTITIONS: usize = 8;

struct Group {
    application: Application,
    broker: KafkaBroker,
}

impl Group {
    /// With transactions so small that the year takes longer than what is done to the group.
    fn new(protocol: GroupProtocol, with: &str) -> Self {
        let setup = Setup::on(Cluster::shared(), protocol).with("stream.batch_records = 30").with(with);
        let application = Application::new(&setup);
        Events::Journey.feed(&application);
        let broker = application.broker();
        Self { application, broker }
    }

    /// Each has a share, and together they serve everything.
    fn await_shared(&self, members: &[&Process]) {
        let is_shared = || {
            let shares: Vec<_> = members.iter().map(|member| member.serving()).collect();
            shares.iter().all(|&share| share > 0) && shares.iter().sum::<usize>() == PARTITIONS
        };
        let names: Vec<_> = members.iter().map(|member| &member.instance).collect();
        await_that(&format!("{names:?} share all partitions"), is_shared);
    }

    fn await_more(&self) {
        let before = self.application.progress(&self.broker);
        await_that("records are committed", || self.application.progress(&self.broker) > before);
    }

    /// What was done to the group was done while there was work, and nothing shows.
    fn finish(self, members: Vec<Process>) {
        let progress = self.application.progress(&self.broker);
        assert!(progress < Events::Journey.count(), "all was read before the group was left alone");
        println!("{progress} records while members came and went");
        let names: Vec<_> = members.iter().map(|member| member.instance.clone()).collect();
        members.into_iter().for_each(Process::stop);
        // One with a lasting name keeps its share until its session ends, and must finish that itself.
        Events::Journey.finish_by(&self.application, &names.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    }
}

/// A member joins and leaves every few seconds, cleanly and killed in turn.
fn check_churn(protocol: GroupProtocol) {
    const ROUNDS: usize = 6;
    let group = Group::new(protocol, "");
    let steady = group.application.start("a");
    group.await_shared(&[&steady]);
    for round in 0..ROUNDS {
        let guest = group.application.start("b");
        group.await_shared(&[&steady, &guest]);
        group.await_more();
        if round.is_multiple_of(2) { guest.stop() } else { guest.kill() }
        // The next guest comes while the steady one is still taking over.
    }
    group.await_shared(&[&steady]);
    group.finish(vec![steady]);
}

#[test]
fn a_member_that_comes_and_goes_on_the_classic_protocol_leaves_no_trace() {
    check_churn(GroupProtocol::Classic);
}

#[test]
fn a_member_that_comes_and_goes_on_the_consumer_protocol_leaves_no_trace() {
    check_churn(GroupProtocol::Consumer);
}

/// From one member to three, each restarted in turn, and back to one.
fn check_scale(protocol: GroupProtocol) {
    let group = Group::new(protocol, "");
    let mut members: Vec<Process> = Vec::new();
    for name in ["a", "b", "c"] {
        members.push(group.application.start(name));
        group.await_shared(&members.iter().collect::<Vec<_>>());
    }
    for name in ["a", "b", "c"] {
        // The first is always the one to go.
        members.remove(0).stop();
        members.push(group.application.start(name));
        group.await_shared(&members.iter().collect::<Vec<_>>());
    }
    group.await_more();
    while members.len() > 1 {
        members.remove(0).stop();
        group.await_shared(&members.iter().collect::<Vec<_>>());
    }
    // A planned hand-over fences nobody.
    assert_eq!(members[0].metric("tideline_predecessors_fenced_total", ""), 0.0);
    group.finish(members);
}

#[test]
fn scaling_to_three_and_back_with_a_rolling_restart_on_the_classic_protocol_leaves_no_trace() {
    check_scale(GroupProtocol::Classic);
}

#[test]
fn scaling_to_three_and_back_with_a_rolling_restart_on_the_consumer_protocol_leaves_no_trace() {
    check_scale(GroupProtocol::Consumer);
}

/// A member with a lasting name that is back within its session finds its partitions, and the other's never stop.
fn check_static(protocol: GroupProtocol, end: impl Fn(Process)) {
    let group = Group::new(protocol, "kafka = { static_membership = true, session_timeout = \"20s\" }");
    let (steady, guest) = (group.application.start("a"), group.application.start("b"));
    group.await_shared(&[&steady, &guest]);
    let told = || {
        let of = |name| steady.metric(name, "");
        (of("tideline_restores_total"), of("tideline_partition_returns_total"), steady.serving())
    };
    let before = told();
    end(guest);
    let guest = group.application.start("b");
    await_that("the guest serves again", || guest.serving() == PARTITIONS - before.2);
    group.await_more();
    assert_eq!(told(), before, "restores, returns and partitions of the one that stayed");
    group.finish(vec![steady, guest]);
}

#[test]
fn a_lasting_name_keeps_its_partitions_over_a_restart_on_the_classic_protocol() {
    check_static(GroupProtocol::Classic, Process::stop);
}

#[test]
fn a_lasting_name_keeps_its_partitions_over_a_kill_on_the_classic_protocol() {
    check_static(GroupProtocol::Classic, Process::kill);
}

#[test]
fn a_lasting_name_keeps_its_partitions_over_a_restart_on_the_consumer_protocol() {
    check_static(GroupProtocol::Consumer, Process::stop);
}

/// The broker of KIP-848 gives a lasting name to nobody else while its last holder may be alive. So a restart is
/// refused until that session has ended, as any supervisor sees by the exit; then nothing shows.
#[test]
fn a_lasting_name_is_refused_after_a_kill_on_the_consumer_protocol_until_its_session_has_ended() {
    let group = Group::new(GroupProtocol::Consumer, "kafka.static_membership = true");
    let (steady, guest) = (group.application.start("a"), group.application.start("b"));
    group.await_shared(&[&steady, &guest]);
    guest.kill();
    let mut guest = group.application.start("b");
    let mut refusals = 0;
    await_that("the guest serves again", || {
        if guest.ended().is_some() {
            assert!(guest.log().contains("lasting name whose last holder did not leave"), "{}", guest.log());
            refusals += 1;
            guest = group.application.start("b");
        }
        guest.serving() > 0 && guest.serving() + steady.serving() == PARTITIONS
    });
    assert!(refusals > 0, "the name was free at once");
    group.await_more();
    group.finish(vec![steady, guest]);
}
