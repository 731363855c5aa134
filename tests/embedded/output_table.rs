//! A walk with each row of the table of output topics through all that must follow from it; and that nothing else
//! lists them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tideline::broker::Isolation;
use tideline::broker::{Broker as _, Ending};
use tideline::config::Config;
use tideline::domain::{OutputTopic, PartitionId};
use tideline::runtime::Clock;
use tideline::runtime::operator::{Resetter, Target};
use tideline::runtime::takeover;

use super::refusals::{folded, log};
use testkit::lane_world::{P0, World};

/// A configuration that names only this topic, by its key.
fn naming(output: OutputTopic, name: &str) -> Result<Config, String> {
    let text = format!("[topics]\n{} = \"{name}\"\n", output.row().key);
    Config::parse("walk", &text).map_err(|error| format!("{error:?}"))
}

#[test]
fn the_configuration_names_each_topic_by_its_key_and_refuses_what_is_no_topic_or_not_its_own() {
    for output in OutputTopic::ALL {
        let config = naming(output, "walked").unwrap();
        let topics = config.topic_names();
        for (other, name) in topics.outputs.iter() {
            let expected = if other == output { "walked" } else { other.row().name };
            assert_eq!(&**name, expected, "{output:?}");
        }
        assert_eq!(config.output_settings().topics, topics.outputs, "{output:?}");
        for (name, fault) in [("no topic", "is no topic"), ("tideline.changelog", "is the topic of")] {
            let refused = naming(output, name).unwrap_err();
            assert!(refused.contains(&format!("topics.{}", output.row().key)) || refused.contains("topics.changelog"));
            assert!(refused.contains(fault), "{output:?}: {refused}");
        }
    }
    let mistyped = Config::parse("walk", "[topics]\ntier_chnges = \"t\"\n").unwrap_err();
    assert!(format!("{mistyped:?}").contains("unknown key; did you mean `tier_changes`?"), "{mistyped:?}");
}

#[cfg(feature = "kafka")]
#[test]
fn the_administration_creates_each_topic_as_its_row_says() {
    use tideline::broker::TopicSettings;
    use tideline::broker::kafka::admin::wishes;
    use tideline::broker::rights::{Operation, Right, to_serve, to_survey};
    use tideline::domain::CleanupPolicy;

    let topics = Config::default().topic_names();
    let wished = wishes(&topics, &TopicSettings::default());
    assert_eq!(wished.len(), topics.inputs.len() + 1 + OutputTopic::ALL.len());
    for (output, name) in topics.outputs.iter() {
        let wish = wished.iter().find(|wish| wish.name == **name).unwrap();
        let property =
            |key: &str| wish.config.iter().find(|(name, _)| ***name == *key).map(|(_, value)| value.as_str());
        let (policy, retention) = match output.row().cleanup {
            CleanupPolicy::Delete => ("delete", Some("604800000")),
            CleanupPolicy::DeleteAsDeadLetters => ("delete", Some("1209600000")),
            CleanupPolicy::Compact => ("compact", None),
        };
        assert_eq!((property("cleanup.policy"), property("retention.ms")), (Some(policy), retention), "{output:?}");
        assert_eq!(property("max.compaction.lag.ms").is_some(), output.is_compacted(), "{output:?}");
        assert_eq!(wish.required.contains(&"cleanup.policy"), output.is_compacted(), "{output:?}");
        assert_eq!(wish.partitions, None, "{output:?} may have any number");
        assert!(to_survey(&topics).contains(&Right::on_topic(Operation::Describe, name)), "{output:?}");
        assert!(to_serve(&topics, &[]).contains(&Right::on_topic(Operation::Write, name)), "{output:?}");
    }
}

#[test]
fn a_takeover_ends_what_hangs_in_each_topic_and_the_embedded_log_compacts_those_of_which_the_latest_counts() {
    for output in OutputTopic::ALL {
        let world = World::new(|options| options.output_partitions = Some(3));
        let topic = world.broker.topics().output(output).clone();
        assert_eq!(world.broker.partition_count(&topic).unwrap(), 3, "{output:?}");
        world.leave_open_in("lane-0", &topic, PartitionId(2));
        world.broker.inject(tideline::broker::memory::Fault::OutputsHang);
        takeover::fence(&world.broker, "lane-0").unwrap();
        assert_eq!(world.broker.open_partitions(&topic).unwrap(), [PartitionId(2)], "{output:?}");
        takeover::resolve_hanging(&world.broker, "lane-0", &[P0].into(), Ending::Abort).unwrap();
        assert_eq!(world.broker.open_partitions(&topic).unwrap(), [], "{output:?}");
        // A compacted log takes no record without a key, and is touched so that its segments close.
        let without_key = tideline::record::Outgoing {
            topic: topic.clone(),
            partition: Some(P0),
            key: None,
            value: Some(b"v".to_vec()),
            headers: vec![],
            timestamp: None,
        };
        let before = world.read(&topic, Isolation::ReadUncommitted).len();
        world.broker.touch(P0).unwrap();
        let touched = world.read(&topic, Isolation::ReadUncommitted).len() > before;
        let refused = world.broker.produce(without_key).is_err();
        assert_eq!((touched, refused), (output.is_compacted(), output.is_compacted()), "{output:?}");
    }
}

#[test]
fn a_reset_leaves_a_tombstone_of_each_user_that_it_forgets_in_each_topic_that_keeps_the_latest() {
    let world = folded(log());
    let users: Vec<_> = world.changelog(P0).into_keys().filter(|key| key.starts_with(b"u")).collect();
    assert!(!users.is_empty());
    let tombstones = |output: OutputTopic| -> Vec<Vec<u8>> {
        let records = world.read(world.broker.topics().output(output), Isolation::ReadCommitted);
        let empty = records.into_iter().filter(|(_, _, key, value)| value.is_empty() && key.is_some());
        empty.filter_map(|(_, _, key, _)| key).filter(|key| users.contains(key)).collect()
    };
    for target in [Target::Recorded { accept_loss: false }, Target::Earliest] {
        let wait = Duration::from_secs(20);
        let mut resetter = Resetter::join(&world.broker, &world.job, "reset", &Clock::system(), wait).unwrap();
        resetter.reset(P0, &target, true).unwrap();
        resetter.close();
        for output in OutputTopic::ALL {
            let expected = if output.is_compacted() && target.forgets_users() { users.clone() } else { vec![] };
            assert_eq!(tombstones(output), expected, "{output:?}");
        }
    }
}

/// All sources, without what is only compiled for tests.
fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
            found.push((path, code));
        }
    }
}

/// Its row, and the row of the type that it carries. Dead letters are also written and read by who judges records.
#[test]
fn an_output_topic_is_named_in_three_places_at_the_most() {
    let mut all = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    for output in OutputTopic::ALL {
        let row = output.row();
        let names = [format!("\"{}\"", row.name), format!("\"topics.{}\"", row.key), format!("topics.{}", row.key)];
        let variant = [format!("OutputTopic::{output:?}"), format!("topic: {output:?}")];
        let in_words = |code: &str| names.iter().any(|name| code.contains(name));
        let says_so: Vec<_> = all.iter().filter(|(_, code)| in_words(code)).map(|(path, _)| path).collect();
        assert_eq!(says_so.len(), 1, "{output:?} is called by its name or key in {says_so:?}, not in its row alone");
        let treats: Vec<_> =
            all.iter().filter(|(_, code)| variant.iter().any(|it| code.contains(it))).map(|(path, _)| path).collect();
        let most = if output == OutputTopic::DeadLetters { 6 } else { 2 };
        assert!(treats.len() <= most, "{output:?}: {treats:?}");
    }
}
