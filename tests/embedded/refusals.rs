//! What a lane does not go on from: offsets that somebody has moved or deleted, and input that went before it was read.

use std::time::Duration;

use tideline::broker::memory::{Memory, MemorySettings};
use tideline::broker::{Broker, CommitMetadata, ForwardProgress, OffsetCommit, Producer, Source, Transaction};
use tideline::domain::Input;
use tideline::record::Offset;
use tideline::runtime::Lane;

use testkit::lane_world::*;

/// One partition, some payments of one user on two inputs, all of it folded.
pub fn folded(broker: Memory) -> World {
    let world = World::on(broker, Options { partitions: 1, ..Options::default() }, 1);
    for day in 0..4 {
        let input = if day == 1 { MERCHANT } else { APP };
        world.feed(input, &payment("u1", &format!("e{day}"), day * DAY_MS));
    }
    world.drain(&mut world.lane(0));
    world
}

pub fn log() -> Memory {
    Memory::new(topics(1), MemorySettings::default())
}

/// A plain commit of the group's, as an operator's tool makes it.
pub fn move_offset(world: &World, input: Input, offset: Offset) {
    let (mut source, mut producer) =
        (world.broker.source("somebody").unwrap(), world.broker.producer("somebody").unwrap());
    source.poll(Duration::ZERO, &mut Vec::new()).unwrap();
    let generation = source.generation().unwrap();
    let note = CommitMetadata { transactional_id: "somebody".into(), number: 1 };
    let mut transaction = producer.begin().unwrap();
    transaction
        .send_offsets(
            &[OffsetCommit { input, partition: P0, offset, note, front: ForwardProgress::default() }],
            &generation,
        )
        .unwrap();
    transaction.commit().unwrap();
}

/// Steps a lane until it says why it doesn't go on.
pub fn refusal(world: &World) -> String {
    let mut lane: Lane<_> = world.lane(0);
    for _ in 0..1_000 {
        world.time.advance_ms(1);
        if let Err(error) = lane.step() {
            return error.to_string();
        }
    }
    panic!("nothing is refused; {:?}", world.context.board);
}

fn check(tamper: impl FnOnce(&World), named: &[&str]) {
    let world = folded(log());
    let outputs = world.outputs();
    tamper(&world);
    let refused = refusal(&world.again(1, |_| {}));
    for part in named.iter().chain(&["partition 0 is refused", "tideline reset --offsets-only"]) {
        assert!(refused.contains(part), "{part:?} is not in {refused}");
    }
    assert_eq!(world.outputs(), outputs, "nothing is said of what is refused");
}

#[test]
fn a_group_that_was_reset_under_a_living_changelog_is_refused() {
    check(
        |world| move_offset(world, APP, 0),
        &["offset of app is 0, behind the partition record's 3", "moved it back"],
    );
    check(|world| move_offset(world, MERCHANT, 7), &["offset of merchant is 7, ahead of the partition record's 1"]);
}

#[test]
fn input_that_went_before_it_was_read_is_refused_not_passed_over() {
    let world = folded(Memory::new(topics(1), MemorySettings { partition_bytes: 2_000, ..MemorySettings::default() }));
    for n in 0..100 {
        world.feed(APP, &payment("u1", &format!("later{n}"), 5 * DAY_MS + n));
    }
    assert!(world.broker.dropped().unread > 0);
    let refused = refusal(&world.again(1, |_| {}));
    for part in ["app begins at offset ", "behind 3, the next to be read", "--accept-loss"] {
        assert!(refused.contains(part), "{part:?} is not in {refused}");
    }
}
