//! Three brokers, of which one after the other dies. (A lone one breaks what it promised when it stops in the middle of
//! a transaction: `docs/reliability.md`, and `cargo bench --bench reliability -- lone`.)

use tideline::broker::kafka::GroupProtocol;

use testkit::brokers::World;

/// Each of three killed in its turn: so whoever leads a partition, coordinates the group and coordinates transactions
/// dies at least once.
fn check_three(protocol: GroupProtocol) {
    let mut world = World::new(protocol, 3);
    for number in 1..=3 {
        world.in_a_transaction(|cluster| cluster.kill(number));
        world.await_more();
        world.cluster.restart(number);
        world.await_more();
    }
    world.finish();
}

#[test]
fn each_of_three_brokers_killed_in_turn_on_the_classic_protocol_costs_neither_loss_nor_repeat() {
    check_three(GroupProtocol::Classic);
}

#[test]
fn each_of_three_brokers_killed_in_turn_on_the_consumer_protocol_costs_neither_loss_nor_repeat() {
    check_three(GroupProtocol::Consumer);
}
