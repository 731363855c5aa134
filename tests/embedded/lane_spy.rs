//! A generation proves membership at the moment in which records were handled.

use tideline::runtime::Lane;

use super::spy::Spy;
use testkit::lane_world::*;

/// One taken at the commit would prove membership of that moment, not of the one in which the records were handled: a
/// member commits offsets of partitions that it has lost in between, and nobody refuses.
#[test]
fn the_generation_of_a_batch_is_taken_when_its_first_record_is_handled() {
    let world = World::new(|options| options.partitions = 1);
    let user = &users_on(P0, 1, 1)[0];
    world.feed(APP, &payment(user, "a", 0));
    let spy = Spy::new(world.broker.clone());
    let mut lane = Lane::new(spy.clone(), world.job.clone(), world.context.clone(), 0).unwrap();
    for _ in 0..2_000 {
        world.time.advance_ms(1);
        lane.step().unwrap();
        if world.lag() == 0 {
            break;
        }
    }
    let uses = spy.uses.lock().unwrap().clone();
    let [(taken, used)] = uses[..] else { panic!("one batch, not {uses:?}") };
    assert!(used > taken + 10, "taken after {taken} polls, used after {used}: the batch was open for many polls");
}
