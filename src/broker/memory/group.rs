//! The consumer group: members, generations, and the `range` assignment of partitions.
//!
//! As the classic protocol does it, eagerly: any change of members revokes everything; once each member has let go (at
//! its next poll but one) a new generation begins, and partitions are handed out anew, whole: partition p of all
//! inputs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::PartitionId;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MemberId(u64);

/// Membership at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryGeneration {
    member: MemberId,
    number: u64,
}

/// What the group has to tell a member at its poll.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GroupEvent {
    Nothing,
    /// The group goes on without it; it must let go of everything and join again.
    Expelled,
    /// Let go of everything, then [`Group::rejoin`].
    LetGo,
    Assigned(Vec<PartitionId>, MemoryGeneration),
}

#[derive(Debug)]
struct GroupMember {
    name: Arc<str>,
    /// Has let go, and waits for the generation to come.
    is_ready: bool,
    /// Of the present generation, until it is told.
    untold: Option<Vec<PartitionId>>,
}

#[derive(Debug)]
pub(super) struct Group {
    partitions: i32,
    generation: u64,
    is_rebalancing: bool,
    members: BTreeMap<MemberId, GroupMember>,
    next_member: u64,
}

impl Group {
    pub fn new(partitions: i32) -> Self {
        Self { partitions, generation: 0, is_rebalancing: false, members: BTreeMap::new(), next_member: 0 }
    }

    pub fn join(&mut self, name: Arc<str>) -> MemberId {
        let id = MemberId(self.next_member);
        self.next_member += 1;
        self.rebalance();
        self.members.insert(id, GroupMember { name, is_ready: true, untold: None });
        self.complete();
        id
    }

    /// The member has let go of everything.
    pub fn rejoin(&mut self, id: MemberId) {
        if let Some(member) = self.members.get_mut(&id) {
            member.is_ready = true;
        }
        self.complete();
    }

    /// The member leaves, or is found dead. Unknown ones have left already.
    pub fn remove(&mut self, id: MemberId) {
        if self.members.remove(&id).is_some() {
            self.rebalance();
            self.complete();
        }
    }

    /// The members of that name, oldest first.
    pub fn named(&self, name: &str) -> Vec<MemberId> {
        self.members.iter().filter(|(_, member)| &*member.name == name).map(|(&id, _)| id).collect()
    }

    /// Everything is revoked and handed out anew.
    pub fn rebalance(&mut self) {
        self.is_rebalancing = true;
        for member in self.members.values_mut() {
            member.is_ready = false;
            member.untold = None;
        }
    }

    pub fn has_news(&self, id: MemberId) -> bool {
        match self.members.get(&id) {
            None => true,
            Some(member) => (self.is_rebalancing && !member.is_ready) || member.untold.is_some(),
        }
    }

    pub fn next_event(&mut self, id: MemberId) -> GroupEvent {
        let Some(member) = self.members.get_mut(&id) else { return GroupEvent::Expelled };
        if self.is_rebalancing && !member.is_ready {
            return GroupEvent::LetGo;
        }
        match member.untold.take() {
            Some(partitions) => {
                GroupEvent::Assigned(partitions, MemoryGeneration { member: id, number: self.generation })
            }
            None => GroupEvent::Nothing,
        }
    }

    /// Whether offsets may be committed with this proof. During a rebalance the outgoing generation still may: that is
    /// what lets a member commit what it has in hand before it lets go.
    pub fn accepts(&self, generation: MemoryGeneration) -> bool {
        generation.number == self.generation && self.members.contains_key(&generation.member)
    }

    /// Begins the next generation, if everyone is ready for it.
    fn complete(&mut self) {
        if !self.is_rebalancing || self.members.is_empty() || self.members.values().any(|member| !member.is_ready) {
            return;
        }
        self.is_rebalancing = false;
        self.generation += 1;
        let mut order: Vec<_> =
            self.members.iter_mut().map(|(&id, member)| (member.name.clone(), id, member)).collect();
        order.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        let count = order.len();
        for (index, (_, _, member)) in order.into_iter().enumerate() {
            member.untold = Some(range(self.partitions, count, index));
        }
    }
}

/// The share of the member at `index` of `count`: contiguous, the first members have one more where it doesn't divide.
fn range(partitions: i32, count: usize, index: usize) -> Vec<PartitionId> {
    let (partitions, count, index) = (i64::from(partitions), count as i64, index as i64);
    let (each, more) = (partitions / count, partitions % count);
    let first = index * each + index.min(more);
    let after = first + each + i64::from(index < more);
    (first..after).map(|partition| PartitionId(partition as i32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(news: GroupEvent) -> Vec<i32> {
        match news {
            GroupEvent::Assigned(partitions, _) => partitions.iter().map(|partition| partition.0).collect(),
            other => panic!("not an assignment: {other:?}"),
        }
    }

    #[test]
    fn ranges_are_contiguous_and_leave_nothing_out() {
        for (partitions, count, expected) in [
            (4, 1, vec![vec![0, 1, 2, 3]]),
            (5, 2, vec![vec![0, 1, 2], vec![3, 4]]),
            (8, 3, vec![vec![0, 1, 2], vec![3, 4, 5], vec![6, 7]]),
            (1, 2, vec![vec![0], vec![]]),
        ] {
            for (index, expected) in expected.into_iter().enumerate() {
                let share: Vec<_> = range(partitions, count, index).into_iter().map(|p| p.0).collect();
                assert_eq!(share, expected, "{index} of {count} over {partitions}");
            }
        }
    }

    #[test]
    fn a_generation_waits_until_everyone_has_let_go() {
        let mut group = Group::new(4);
        let a = group.join("a".into());
        assert_eq!(owned(group.next_event(a)), [0, 1, 2, 3]);
        let b = group.join("b".into());
        assert_eq!(group.next_event(b), GroupEvent::Nothing);
        assert_eq!(group.next_event(a), GroupEvent::LetGo);
        group.rejoin(a);
        assert_eq!(owned(group.next_event(a)), [0, 1]);
        assert_eq!(owned(group.next_event(b)), [2, 3]);
    }

    #[test]
    fn an_outgoing_generation_is_accepted_until_the_next_begins() {
        let mut group = Group::new(2);
        let a = group.join("a".into());
        let GroupEvent::Assigned(_, generation) = group.next_event(a) else { panic!("not assigned") };
        group.join("b".into());
        assert!(group.accepts(generation));
        group.rejoin(a);
        assert!(!group.accepts(generation));
    }

    #[test]
    fn an_expelled_member_is_refused_and_told() {
        let mut group = Group::new(2);
        let a = group.join("a".into());
        let GroupEvent::Assigned(_, generation) = group.next_event(a) else { panic!("not assigned") };
        group.remove(a);
        assert!(!group.accepts(generation));
        assert_eq!(group.next_event(a), GroupEvent::Expelled);
    }
}
