//! Keys and headers count: for what waits, for what is read, and for what is written of a record that is too large.

use tideline::domain::OutputTopic;

use tideline::broker::Broker;
use tideline::broker::Isolation;
use tideline::emit::header;
use tideline::record::{Message, Outgoing, text_header};
use tideline::runtime::Lane;
use tideline::settings::Size;

use super::spy::Spy;
use testkit::lane_world::*;

fn produce(world: &World, key: Vec<u8>, header_bytes: usize, value: Vec<u8>) {
    let record = Outgoing {
        topic: world.broker.topics().input(APP).clone(),
        partition: Some(P0),
        key: Some(key),
        value: Some(value),
        headers: vec![text_header("trace", vec![b'x'; header_bytes])],
        timestamp: None,
    };
    world.broker.produce(record).unwrap();
}

/// Six hundred records with headers of 1 MB each had taken a gigabyte.
#[test]
fn headers_fill_the_buffer_of_an_input() {
    let world = World::new(|options| {
        options.partitions = 1;
        options.poll_records = 1;
        options.settings.buffer_bytes = Size::of_bytes(100_000);
    });
    for n in 0..50 {
        let event = payment("u1", &format!("e{n}"), n).json().to_string();
        produce(&world, b"u1".to_vec(), 20_000, event.into_bytes());
    }
    // The other input has no end, so the merge waits for it.
    let spy = Spy::new(world.broker.clone());
    spy.mute(MERCHANT);
    let mut lane = Lane::new(spy, world.job.clone(), world.context.clone(), 0).unwrap();
    let mut most = 0;
    for _ in 0..2_000 {
        world.time.advance_ms(1);
        lane.step().unwrap();
        most = most.max(
            world
                .context
                .board
                .read(|status| status.partitions.get(&P0).and_then(|it| it.inputs.first()).map_or(0, |it| it.waiting)),
        );
    }
    assert!((5..=6).contains(&most), "{most} records of 20 KB each wait in a buffer of 100 KB");
}

#[test]
fn a_record_with_a_key_of_megabytes_is_a_dead_letter_within_its_limit_and_what_follows_goes_on() {
    let world = World::new(|options| {
        options.partitions = 1;
        options.settings.dead_letter_limit = Size::of_bytes(1_200_000);
    });
    for (key, header_bytes) in [(3 << 20, 0), (10, 3 << 20), (3 << 20, 3 << 20)] {
        produce(&world, vec![b'k'; key], header_bytes, b"{}".to_vec());
    }
    world.feed(APP, &payment("u1", "good", 0));
    let mut lane = world.lane(0);
    world.drain(&mut lane);
    let topic = world.broker.topics().outputs[OutputTopic::DeadLetters].clone();
    let letters = world.broker.read(&topic, P0, 0, Isolation::ReadCommitted, usize::MAX).unwrap();
    assert_eq!(letters.len(), 3);
    for letter in &letters {
        assert_eq!(letter.header(header::REASON), Some(&b"too_large"[..]));
        assert!(letter.size() < 1_200_000, "{} bytes", letter.size());
    }
    assert_eq!(world.users_in_memory(), 1);
}
