//! What a running process answers over HTTP.
//!
//! All of it is read: of the board, which lanes write. One thread and one tokio runtime carry it, so that a busy or stuck
//! lane doesn't keep it from answering, and `connections` bounds what it takes from what lanes need.
//!
//! Must not know: how a lane works, the broker.

mod connections;
mod server;

pub use connections::Limits;
pub use server::{Server, ServerError};
