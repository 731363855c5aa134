//! What a running process answers to others: a registry of committed tables, read-only queries over them, HTTP.
//!
//! One thread with one tokio runtime carries all of it, so that a busy or stuck lane doesn't keep it from answering.
//! `registry` knows which tables may be read, `query` reads them, `routes` is the table of HTTP routes, `server`
//! carries connections, `connections` bounds what they take from what lanes need.
//!
//! Must not know: how a lane works, the broker. May break a lane only by holding the board or a table for long: nothing
//! here holds either while it writes to a connection.

mod connections;
mod query;
mod registry;
mod routes;
mod server;
mod settings;

pub use query::{Query, QueryError, UserView, UserWalk};
pub use registry::Registry;
pub use routes::{ApiState, Json, ROUTES, Route};
pub use server::{Server, ServerError};
pub use settings::ServerSettings;
