//! Which rules a lane goes on with: by generation, and by digest where digests can be compared.

use tideline::broker::Broker as _;
use tideline::record::Outgoing;
use tideline::rules::Ruleset;
use tideline::state::PartitionRecord;

use testkit::lane_world::{APP, P0, World, payment};

fn one_event(world: &World) {
    world.feed(APP, &payment("u1", "e1", 0));
    world.drain(&mut world.lane(0));
}

#[test]
fn a_record_of_an_earlier_scheme_is_gone_on_from_and_written_anew_without_any_input() {
    let world = World::new(|options| options.partitions = 1);
    one_event(&world);
    let (written, outputs) = (world.record(P0).unwrap(), world.outputs());
    // As the program before wrote it.
    let before = PartitionRecord { rules_digest: "0badcafe".to_owned(), digest_scheme: 0, ..written.clone() };
    let record = Outgoing {
        topic: world.broker.topics().changelog.clone(),
        partition: Some(P0),
        key: Some(PartitionRecord::KEY.to_vec()),
        value: Some(before.encode()),
        headers: Vec::new(),
        timestamp: None,
    };
    world.broker.produce(record).unwrap();

    let again = world.again(1, |_| {});
    let of_this_scheme = |world: &World| world.record(P0).unwrap().digest_scheme == Ruleset::DIGEST_SCHEME;
    again.step_until(&mut again.lane(0), "the record written anew", of_this_scheme);
    let record = again.record(P0).unwrap();
    assert_eq!((&record.rules_digest, &record.inputs), (&written.rules_digest, &written.inputs));
    assert_eq!(again.outputs(), outputs, "nothing new is said");

    // From now on it is compared.
    let other_rules = again.again(1, |options| options.rules.hold_days = 3);
    let mut lane = other_rules.lane(0);
    let refused = (0..20_000).find_map(|_| {
        other_rules.time.advance_ms(1);
        lane.step().err().map(|error| error.to_string())
    });
    let refused = refused.expect("refused");
    assert!(refused.contains("rules of generation 1") && refused.contains("raise rules.generation"), "{refused}");
}
