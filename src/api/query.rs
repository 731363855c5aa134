//! Read-only questions about committed users, for HTTP handlers and whatever else asks from another thread.
//!
//! An answer shows what this process has committed, whole batches at a time. It is refused for a partition that this
//! process doesn't serve; that another member has taken it over, this one learns at its next poll, so an answer may be
//! as old as that. A walk holds neither a lock nor the table between two slices: see `engine/table_slice.rs` for what
//! it sees.
//!
//! Must not know: HTTP, lanes.

use std::sync::{Arc, Weak};

use serde::Serialize;

use super::registry::Registry;
use crate::domain::{PartitionId, Timestamp, UserId};
use crate::engine::{TableCursor, TableSlice, Users};
use crate::rules::Ruleset;
use crate::state::codec::{Header, Kind, decode_user};
use crate::state::{StateError, User};

/// What can be asked. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Query {
    registry: Arc<Registry>,
    rules: Ruleset,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Another member may serve it.
    #[error("partition {0} is not served by this process")]
    NotServed(PartitionId),
    /// The table holds what this program can't read.
    #[error("cannot read a user of partition {partition}")]
    State {
        /// Where the user is.
        partition: PartitionId,
        /// What is wrong with its bytes.
        #[source]
        source: StateError,
    },
}

/// A user as an answer shows it. Times are RFC 3339 in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserView {
    /// As events have it.
    pub user_id: String,
    /// The tier that was last announced, by its name under the present rules.
    pub tier: String,
    /// The dormancy stage that was last announced.
    pub stage: &'static str,
    /// Outputs made so far.
    pub sequence: u64,
    /// The earliest registration.
    pub registered: Option<Timestamp>,
    /// The newest event's time.
    pub newest_event: Option<Timestamp>,
    /// When tier or stage change next if nothing happens.
    pub next_deadline: Option<Timestamp>,
}

impl Query {
    /// Of the tables in `registry`, whose lanes run with `rules`.
    pub fn new(registry: Arc<Registry>, rules: Ruleset) -> Self {
        Self { registry, rules }
    }

    /// The partitions that can be asked about, in order.
    pub fn partitions(&self) -> Vec<PartitionId> {
        self.registry.partitions()
    }

    /// A user as committed; None where it is not known, or erased.
    ///
    /// # Errors
    ///
    /// [`QueryError::NotServed`]; [`QueryError::State`] where the user's bytes can't be read.
    pub fn user(&self, partition: PartitionId, id: &UserId) -> Result<Option<UserView>, QueryError> {
        let table = self.registry.table(partition).ok_or(QueryError::NotServed(partition))?;
        let user = table.user(id).map_err(|source| QueryError::State { partition, source })?;
        Ok(user.map(|user| self.view(id.as_str(), &user)))
    }

    /// A walk over all users of a partition.
    ///
    /// # Errors
    ///
    /// [`QueryError::NotServed`].
    pub fn users(&self, partition: PartitionId) -> Result<UserWalk, QueryError> {
        let table = self.registry.table(partition).ok_or(QueryError::NotServed(partition))?;
        Ok(UserWalk {
            query: self.clone(),
            partition,
            table: Arc::downgrade(&table),
            cursor: Some(TableCursor::default()),
            slice: TableSlice::default(),
        })
    }

    fn view(&self, id: &str, user: &User) -> UserView {
        UserView {
            user_id: id.to_owned(),
            tier: self.rules.tier_name(user.announced_tier()).to_owned(),
            stage: user.stage.as_str(),
            sequence: user.sequence,
            registered: user.facts.registered.at(),
            newest_event: user.newest,
            next_deadline: user.deadlines.next(),
        }
    }
}

/// A walk over a partition's users, a slice at a time; between two slices it holds nothing that a lane waits for.
#[derive(Debug)]
pub struct UserWalk {
    query: Query,
    partition: PartitionId,
    /// Which table it walks: one that is read anew has other places. Weak, so that a slow reader keeps no state in
    /// memory of a partition that has gone.
    table: Weak<Users>,
    cursor: Option<TableCursor>,
    slice: TableSlice,
}

impl UserWalk {
    /// The next users, at most [`TableSlice::MAX_PLACES`], in no order; None after the last. May be empty in between.
    ///
    /// # Errors
    ///
    /// [`QueryError::NotServed`] once the partition is no longer served, or was restored since the walk began: the walk
    /// has ended without being whole. [`QueryError::State`] as for [`Query::user`].
    pub fn next_slice(&mut self) -> Result<Option<Vec<UserView>>, QueryError> {
        let Some(cursor) = self.cursor else { return Ok(None) };
        let partition = self.partition;
        let table = self.query.registry.table(partition).filter(|table| self.table.as_ptr() == Arc::as_ptr(table));
        let table = table.ok_or(QueryError::NotServed(partition))?;
        self.cursor = table.read_slice(cursor, &mut self.slice);
        drop(table);
        let views = self.slice.iter().filter_map(|(key, value)| self.decode(key, value).transpose());
        let views = views.collect::<Result<_, _>>();
        views.map(Some).map_err(|source| QueryError::State { partition, source })
    }

    /// None: not a user, but an erasure that is remembered under a hash.
    fn decode(&self, key: &[u8], value: &[u8]) -> Result<Option<UserView>, StateError> {
        if Header::read(value)?.kind != Kind::User {
            return Ok(None);
        }
        let id = std::str::from_utf8(key).map_err(|_| StateError::Damaged("a user's id is not UTF-8"))?;
        let mut user = User::default();
        decode_user(value, &mut user)?;
        Ok(Some(self.query.view(id, &user)))
    }
}
