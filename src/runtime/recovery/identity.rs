//! Whether the topics are still those that a partition's state was made from: pure judgements over ids, counts and
//! bounds.
//!
//! Only a topic's id tells it from one that was created again under its name (KIP-516). A record of a program that knew
//! no ids has none: nothing is compared then, and the ids of now are taken over with the next commit.

use std::sync::Arc;

use crate::broker::{LogRange, TopicDescription, Topics};
use crate::domain::{Input, TopicId};
use crate::pipeline::{Identities, Identity};
use crate::record::Offset;
use crate::runtime::recovery::refusal::{Place, Refusal};

/// Whether a topic is the one that it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sameness {
    Same,
    /// What it was, and what bears its name now.
    Other(TopicId, TopicId),
    Unknown,
}

impl Identities {
    /// What the cluster says now; where it says nothing, what was known.
    pub fn updated(&self, found: &[TopicDescription]) -> Self {
        let Some((changelog, inputs)) = found.split_last() else { return self.clone() };
        let known = |index: usize| self.inputs.get(index).copied().unwrap_or_default();
        let update = |(index, topic): (usize, &TopicDescription)| Identity {
            id: topic.id.or(known(index).id),
            partitions: if topic.is_gone() { known(index).partitions } else { topic.partitions },
        };
        Self { inputs: inputs.iter().enumerate().map(update).collect(), changelog: changelog.id.or(self.changelog) }
    }

    /// Whether the topic of an input is the one that it was.
    pub fn sameness(&self, input: Input, found: &[TopicDescription]) -> Sameness {
        let known = self.inputs.get(input.index()).and_then(|identity| identity.id);
        sameness(known, found.get(input.index()))
    }
}

fn sameness(known: Option<TopicId>, found: Option<&TopicDescription>) -> Sameness {
    match (known, found.and_then(|topic| topic.id)) {
        (Some(known), Some(found)) if known == found => Sameness::Same,
        (Some(known), Some(found)) => Sameness::Other(known, found),
        _ => Sameness::Unknown,
    }
}

/// A topic that is gone, or has another number of partitions than the application is configured for.
pub fn unfit(found: &[TopicDescription]) -> Option<Refusal> {
    let gone =
        found.iter().find(|topic| topic.is_gone()).map(|topic| Refusal::TopicGone { topic: topic.topic.clone() });
    let other = || {
        let topic = found.iter().find(|topic| topic.partitions != topic.configured)?;
        let TopicDescription { topic, partitions, configured, .. } = topic;
        Some(Refusal::PartitionsChanged { topic: topic.clone(), configured: *configured, found: *partitions })
    };
    gone.or_else(other)
}

/// The first topic that was created again. `positions` and `bounds` by input: what is next to be read, where anything
/// is, and what the topics hold now.
pub fn recreated(
    known: &Identities,
    found: &[TopicDescription],
    positions: &[Option<Offset>],
    bounds: &[LogRange],
) -> Option<Refusal> {
    let (changelog, inputs) = found.split_last()?;
    for (index, topic) in inputs.iter().enumerate() {
        let Sameness::Other(recorded, now) = known.sameness(Input(index as u8), found) else { continue };
        let place =
            bounds.get(index).map(|&bounds| Place { position: positions.get(index).copied().flatten(), bounds });
        return Some(Refusal::TopicRecreated { topic: topic.topic.clone(), recorded, found: now, place });
    }
    let Sameness::Other(recorded, now) = sameness(known.changelog, Some(changelog)) else { return None };
    Some(Refusal::ChangelogRecreated { topic: changelog.topic.clone(), recorded, found: now })
}

/// The first input whose position its log doesn't hold.
pub fn out_of_bounds(positions: &[Option<Offset>], bounds: &[LogRange], topics: &Topics) -> Option<Refusal> {
    let inputs = (0u8..).map(Input).zip(positions.iter().zip(bounds));
    inputs.into_iter().find_map(|(input, (&position, &bounds))| {
        let (topic, recorded) = (topics.input(input).clone(), position?);
        outside(topic, recorded, bounds)
    })
}

/// What it means that a log doesn't hold a position.
pub fn outside(topic: Arc<str>, recorded: Offset, bounds: LogRange) -> Option<Refusal> {
    let LogRange { earliest, end } = bounds;
    if recorded < earliest {
        Some(Refusal::InputTruncated { topic, recorded, earliest, end })
    } else if recorded > end {
        Some(Refusal::BeyondTheEnd { topic, recorded, earliest, end })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> Option<TopicId> {
        TopicId::new(&[byte; 16])
    }

    /// Two inputs and the changelog, as described with these ids.
    fn described(ids: [Option<TopicId>; 3]) -> Vec<TopicDescription> {
        let topics = ["app", "rekey", "changelog"].into_iter().zip(ids);
        topics.map(|(topic, id)| TopicDescription { topic: topic.into(), id, partitions: 4, configured: 4 }).collect()
    }

    fn known(ids: [Option<TopicId>; 3]) -> Identities {
        Identities::default().updated(&described(ids))
    }

    #[test]
    fn only_two_ids_that_differ_tell_of_a_topic_that_was_made_anew() {
        let bounds = [LogRange { earliest: 0, end: 3 }; 2];
        for (case, before, now, named) in [
            ("the same", [id(1), id(2), id(3)], [id(1), id(2), id(3)], None),
            ("the first input", [id(1), id(2), id(3)], [id(9), id(2), id(3)], Some("app was deleted and made anew")),
            ("rekey", [id(1), id(2), id(3)], [id(1), id(9), id(3)], Some("rekey was deleted and made anew")),
            (
                "the changelog",
                [id(1), id(2), id(3)],
                [id(1), id(2), id(9)],
                Some("changelog was deleted and made anew"),
            ),
            ("of an older program", [None, None, None], [id(1), id(2), id(3)], None),
            ("of an older broker", [id(1), id(2), id(3)], [None, None, None], None),
        ] {
            let found =
                recreated(&known(before), &described(now), &[Some(5), Some(0)], &bounds).map(|it| it.to_string());
            match named {
                None => assert_eq!(found, None, "{case}"),
                Some(named) => assert!(found.as_ref().is_some_and(|it| it.contains(named)), "{case}: {found:?}"),
            }
        }
    }

    #[test]
    fn what_is_not_told_any_more_stays_known() {
        let before = known([id(1), None, id(3)]);
        let after = before.updated(&described([None, id(2), None]));
        assert_eq!(after, known([id(1), id(2), id(3)]));
    }

    #[test]
    fn a_position_is_held_from_the_first_offset_to_the_end() {
        let bounds = LogRange { earliest: 3, end: 5 };
        let outside = |position| outside("app".into(), position, bounds).map(|it| it.to_string()).unwrap_or_default();
        assert_eq!([outside(3), outside(5)], ["", ""]);
        assert!(outside(2).contains("app begins at offset 3, behind 2"), "{}", outside(2));
        assert!(outside(6).contains("app ends at offset 5, before 6"), "{}", outside(6));
    }

    #[test]
    fn a_topic_that_is_gone_or_has_more_partitions_is_no_use() {
        let mut topics = described([id(1); 3]);
        assert_eq!(unfit(&topics), None);
        topics[0].partitions = 5;
        assert!(unfit(&topics).unwrap().to_string().contains("app has 5 partitions, 4 are configured"));
        topics[1].partitions = 0;
        assert!(unfit(&topics).unwrap().to_string().contains("there is no topic rekey"));
    }
}
