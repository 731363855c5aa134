//! Which rights the broker says a client of ours lacks: asked for before anything is done, and when something is
//! refused.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::KafkaError;

use crate::broker::rights::{Lacking, Resource, Right};

use crate::broker::kafka::native::rights::{Answers, of_groups, of_topics};
use crate::broker::kafka::settings::KafkaSettings;
use crate::broker::kafka::triage;

/// Asks about these topics, or groups.
type Ask<C> = fn(&Client<C>, &[&str], Duration) -> Result<Answers, KafkaError>;

/// Of these rights on topics and groups; of a topic that isn't there nothing is said.
pub(in crate::broker::kafka) fn lacking<C: ClientContext>(
    client: &Client<C>,
    settings: &KafkaSettings,
    needed: &[Right],
) -> Result<Option<Lacking>, KafkaError> {
    let (mut topics, mut groups) = (BTreeSet::new(), BTreeSet::new());
    for right in needed {
        match &right.resource {
            Resource::Topic(name) => _ = topics.insert(&**name),
            Resource::Group(name) => _ = groups.insert(&**name),
            Resource::TransactionalId(_) | Resource::Cluster => {}
        }
    }
    let ask = |names: BTreeSet<&str>, of: Ask<C>| {
        let names: Vec<_> = names.into_iter().collect();
        match names.is_empty() {
            true => Ok(BTreeMap::new()),
            false => of(client, &names, settings.call_timeout.duration()).map(BTreeMap::from_iter),
        }
    };
    let (topics, groups) = (ask(topics, of_topics)?, ask(groups, of_groups)?);
    let is_lacking = |right: &&Right| {
        let answer = match &right.resource {
            Resource::Topic(name) => topics.get(&**name),
            Resource::Group(name) => groups.get(&**name),
            Resource::TransactionalId(_) | Resource::Cluster => None,
        };
        match answer {
            Some(Ok(Some(allowed))) => !allowed.contains(&right.operation),
            Some(Err(code)) => triage::denied_by(*code).is_some(),
            _ => false,
        }
    };
    let rights: Vec<_> = needed.iter().filter(is_lacking).cloned().collect();
    Ok((!rights.is_empty()).then(|| settings.lacking(rights)))
}
