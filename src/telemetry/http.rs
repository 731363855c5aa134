//! `/metrics`, `/livez` and `/readyz`, on a thread of their own: a busy or stuck lane doesn't keep them from answering.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{Names, reasons_not_ready, render};
use crate::runtime::{Board, Clock};

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot listen on {address} (telemetry.listen)")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("cannot start the thread of the telemetry pages")]
    Thread(#[source] io::Error),
}

/// The running server; dropped, it stops.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Pages {
    board: Board,
    names: Names,
    clock: Clock,
}

impl Server {
    /// Port 0 takes a free one: see [`Self::address`].
    pub fn start(address: SocketAddr, board: Board, names: Names, clock: Clock) -> Result<Self, ServerError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServerError::Thread)?;
        let listen = |source| ServerError::Listen { address, source };
        let listener = runtime.block_on(TcpListener::bind(address)).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let pages = Arc::new(Pages { board, names, clock });
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async move {
                let server = axum::serve(listener, router(pages));
                // Connections that are kept alive don't keep the process from ending.
                tokio::select! {
                    served = server => if let Err(error) = served {
                        tracing::error!("the telemetry pages stopped: {error}");
                    },
                    _ = stopped => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("telemetry".to_owned()).spawn(serve);
        let thread = thread.map_err(ServerError::Thread)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It panicked: there is nothing left to stop.
            let _ = thread.join();
        }
    }
}

fn router(pages: Arc<Pages>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .with_state(pages)
}

async fn metrics(State(pages): State<Arc<Pages>>) -> impl IntoResponse {
    // Copied, so that lanes don't wait for the text.
    let status = pages.board.read(Clone::clone);
    let text = render(&status, &pages.names, pages.clock.wall());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

async fn readyz(State(pages): State<Arc<Pages>>) -> impl IntoResponse {
    let reasons = pages.board.read(reasons_not_ready);
    if reasons.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n")
    }
}
