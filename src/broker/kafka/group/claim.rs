//! One process a name: who starts second learns of the first before it takes anything from it, and the first is not
//! disturbed.
//!
//! The process joins a group of the name's own, on the classic protocol, and reads nothing there. Such a group settles
//! once every member that lives has joined anew; one that was killed does not, until its session has ended. So whoever
//! is still there when the group has settled for the first time is alive, and was there before. Nobody that was told of
//! as a member joins anew for half a session: then it is taken for dead, and may be succeeded.
//!
//! Invariants: a claim stands before a transactional id is taken, or a group joined, if anybody has been heard of under
//! the name; who has settled once is never the second. May break it: a poll that comes too seldom (the group takes us
//! for dead).

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::groups::{GroupInfo, GroupMemberInfo};

use crate::broker::rights::{Operation, Right};
use crate::broker::{BrokerError, ErrorClass, Topics};
use crate::chain::Chain;

use crate::broker::kafka::client::context::{MemberContext, RebalanceKind};
use crate::broker::kafka::client::retry::retry;
use crate::broker::kafka::native;
use crate::broker::kafka::settings::KafkaSettings;
use crate::broker::kafka::triage::{self, Denied};

/// How long one poll waits: the claim is given up that soon.
const POLL: Duration = Duration::from_millis(100);

/// The name, as long as this process has it. Dropped, it is given up at once.
pub struct Claim {
    is_over: Arc<AtomicBool>,
    outcome: Receiver<ClaimOutcome>,
    thread: Option<JoinHandle<()>>,
}

/// Whether the name is ours: told once, when the group has settled for the first time, and again should it be lost.
type ClaimOutcome = Result<(), BrokerError>;

impl Claim {
    /// Claims `name`. Returns at once if nobody has been heard of under it; `lost` is then called should somebody show
    /// up who was there before, and [`Self::end`] says who. Else it waits until that is known.
    ///
    /// # Errors
    ///
    /// [`BrokerError::NameTaken`] where somebody lives who was there before, or what the client says.
    pub fn take(
        settings: &KafkaSettings,
        topics: &Topics,
        name: &str,
        lost: impl Fn() + Send + 'static,
    ) -> Result<Self, BrokerError> {
        let group = Self::group(name);
        let own = format!("{name}:{}:{:08x}", std::process::id(), RandomState::new().build_hasher().finish() as u32);
        let failed = |error: KafkaError| settings.creation_error(format_args!("join group {group}"), &error);
        let config = settings.claimant(&group, &own);
        let consumer = BaseConsumer::from_config_and_context(&config, MemberContext::of(settings)).map_err(failed)?;
        let keeper = ClaimMember {
            consumer,
            settings: settings.clone(),
            name: name.to_owned(),
            group: group.clone(),
            own,
            is_settled: false,
        };
        let known = keeper.others()?;
        keeper.consumer.subscribe(&[&topics.changelog]).map_err(failed)?;
        let (is_over, (tell, outcome)) = (Arc::new(AtomicBool::new(false)), mpsc::sync_channel(1));
        let over = is_over.clone();
        let thread = std::thread::Builder::new().name("claim".to_owned());
        let thread = thread.spawn(move || keeper.keep(&over, &tell, &lost)).map_err(|error| {
            BrokerError::client(format_args!("start a thread that keeps the name {name}"), ErrorClass::Fatal, error)
        })?;
        let claim = Self { is_over, outcome, thread: Some(thread) };
        if !known.is_empty() {
            claim.wait(name, &known, settings.session_timeout.duration() / 2)?;
        }
        Ok(claim)
    }

    /// The group that stands for a name.
    pub fn group(name: &str) -> String {
        format!("{name}:lock")
    }

    fn wait(&self, name: &str, known: &[OtherMember], patience: Duration) -> Result<(), BrokerError> {
        let known = told(known);
        tracing::info!(name, ?patience, known, "a process of the same name was there; waiting to see whether it lives");
        match self.outcome.recv_timeout(patience) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => {
                tracing::info!(name, known, "it gave no sign of life: this one takes its place");
                Ok(())
            }
            Err(RecvTimeoutError::Disconnected) => Err(thread_died(name)),
        }
    }

    /// Gives the name up. An error if it was another's, or became another's.
    ///
    /// # Errors
    ///
    /// [`BrokerError::NameTaken`] if the name was another's, or became another's.
    pub fn end(mut self) -> Result<(), BrokerError> {
        self.give_up();
        self.outcome.try_iter().collect()
    }

    fn give_up(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("the thread that kept the name panicked");
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.give_up();
    }
}

fn thread_died(name: &str) -> BrokerError {
    BrokerError::client(format_args!("keep the name {name}"), ErrorClass::Fatal, "its thread ended")
}

/// Somebody else in the group.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OtherMember {
    client: String,
    host: String,
}

fn told(members: &[OtherMember]) -> String {
    let each = members.iter().map(|member| format!("client {} at {}", member.client, member.host));
    each.collect::<Vec<_>>().join(", ")
}

/// Of those in a group that has settled: those to whom we must give way. In a group that settles for the first time all
/// have come at once, and who was given the first partition stays, which is one of them; who is told of beside it may
/// have come since. Later on whoever is there was there before.
fn before(generation: i32, has_first: bool, others: Vec<OtherMember>) -> Vec<OtherMember> {
    if generation == 1 && has_first { Vec::new() } else { others }
}

/// The member of the name's group, on a thread of its own.
struct ClaimMember {
    consumer: BaseConsumer<MemberContext>,
    settings: KafkaSettings,
    name: String,
    group: String,
    /// Its client id, which nobody else has.
    own: String,
    /// Whether the name is known to be ours.
    is_settled: bool,
}

impl ClaimMember {
    fn keep(mut self, is_over: &AtomicBool, tell: &SyncSender<ClaimOutcome>, lost: &dyn Fn()) {
        while !is_over.load(Ordering::Relaxed) {
            match self.turn() {
                Ok(None) => {}
                // Nobody may be waiting for it.
                Ok(Some(())) => _ = tell.try_send(Ok(())),
                Err(error) if self.is_settled => {
                    tracing::warn!(error = %Chain(&error), name = self.name, "keeping the name");
                }
                Err(error) => {
                    tracing::error!(error = %Chain(&error), name = self.name, "the name is not ours");
                    let _ = tell.try_send(Err(error));
                    lost();
                    break;
                }
            }
        }
        self.consumer.context().close();
    }

    /// One poll, and what follows from it. Says when the name has become ours.
    fn turn(&mut self) -> Result<Option<()>, BrokerError> {
        let failed = |error: KafkaError| triage::client_error(format_args!("be in group {}", self.group), &error);
        if let Some(Err(error)) = self.consumer.poll(POLL) {
            if triage::denied(&error) == Some(Denied::Group) {
                let lacking = self.settings.lacking(vec![Right::on_group(Operation::Read, &self.group)]);
                return Err(BrokerError::Denied { what: format!("claim the name {}", self.name), lacking });
            }
            if triage::of_client(&error) == ErrorClass::Fatal {
                return Err(failed(error));
            }
        }
        let (mut is_assigned, mut has_first) = (false, false);
        while let Some(rebalance) = self.consumer.context().next_rebalance() {
            match rebalance.kind {
                // Nothing is read here.
                RebalanceKind::Assign => self.consumer.assign(&TopicPartitionList::new()).map_err(failed)?,
                RebalanceKind::Revoke { .. } => self.consumer.unassign().map_err(failed)?,
            }
            // Out of the group for longer than a session, another may have come.
            self.is_settled &= rebalance.kind != RebalanceKind::Revoke { lost: true };
            is_assigned = rebalance.kind == RebalanceKind::Assign;
            has_first = rebalance.partitions.iter().any(|(_, partition)| *partition == 0);
        }
        if !is_assigned || self.is_settled {
            return Ok(None);
        }
        let generation = native::generation(&self.consumer);
        let holders = before(generation, has_first, self.others()?);
        if !holders.is_empty() {
            return Err(BrokerError::NameTaken { name: self.name.clone(), holder: told(&holders) });
        }
        self.is_settled = true;
        Ok(Some(()))
    }

    /// Who else is in the group, alive or not yet known to be dead.
    fn others(&self) -> Result<Vec<OtherMember>, BrokerError> {
        retry(&self.settings, format_args!("describe group {}", self.group), || {
            let list = self.consumer.fetch_group_list(Some(&self.group), self.settings.call_timeout)?;
            let named = |it: &GroupMemberInfo| OtherMember {
                client: it.client_id().to_owned(),
                host: it.client_host().trim_start_matches('/').to_owned(),
            };
            let members = list.groups().iter().flat_map(GroupInfo::members).map(named);
            Ok(members.filter(|member| member.client != self.own).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_later_gives_way_and_of_those_that_come_at_once_all_but_the_one_with_the_first_partition() {
        let member = |client: &str| OtherMember { client: client.to_owned(), host: "h".to_owned() };
        for (generation, has_first, others, expected) in [
            (1, true, vec![], 0),
            (2, true, vec![], 0),
            (1, true, vec!["a"], 0),
            (1, false, vec!["a"], 1),
            (1, false, vec!["c", "a"], 2),
            // The one that it gave way to has left already.
            (1, false, vec![], 0),
            (2, true, vec!["c"], 1),
            (7, false, vec!["a"], 1),
        ] {
            let others: Vec<_> = others.into_iter().map(member).collect();
            assert_eq!(
                before(generation, has_first, others.clone()).len(),
                expected,
                "{generation} {has_first} {others:?}"
            );
        }
    }
}
