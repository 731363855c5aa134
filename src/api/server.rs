//! The HTTP server: takes connections, lets `connections` decide who stays and for how long, and answers the table of
//! routes.
//!
//! Must not know: what is answered.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};

use super::connections::{ConnectionPhase, Connections};
use super::routes::{ApiState, Route, router};
use super::settings::ServerSettings;

/// Why the server can't be started.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address} (telemetry.listen)")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The system gives no thread, or no event queue for it.
    #[error("cannot start the thread that answers HTTP")]
    Thread(#[source] io::Error),
}

/// The running server; dropped, it stops.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers `routes` on `address`; port 0 takes a free one: see [`Self::address`].
    ///
    /// # Errors
    ///
    /// [`ServerError::Listen`] where the address can't be had, [`ServerError::Thread`] where the thread or its runtime
    /// can't.
    pub fn start(settings: ServerSettings, state: ApiState, routes: &[Route]) -> Result<Self, ServerError> {
        let address = settings.listen;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServerError::Thread)?;
        let listen = |source| ServerError::Listen { address, source };
        let listener = runtime.block_on(TcpListener::bind(address)).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let router = router(routes, Arc::new(state));
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async move {
                let connections = OpenConnections(Arc::new(Mutex::new(Connections::new(settings))));
                // Connections that are kept alive don't keep the process from ending.
                tokio::select! {
                    () = accept(&listener, &connections, &router) => {}
                    () = connections.sweep() => {}
                    _ = stopped => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("http".to_owned()).spawn(serve);
        let thread = thread.map_err(ServerError::Thread)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens: with a port that was free where 0 was asked for.
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

/// No descriptor is left, or the like: it passes, and meanwhile nothing is gained by trying all the time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A request's headers, at most. Ours are read by nobody.
const MAX_HEADER_BYTES: usize = 16 << 10;

/// Accepts connections, without end.
async fn accept(listener: &TcpListener, connections: &OpenConnections, router: &Router) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (number, ended) = connections.lock().admit(Instant::now());
                if let Some(ended) = ended {
                    // That it was cancelled is expected.
                    let _ = ended.await;
                }
                let task = tokio::spawn(serve(stream, number, connections.clone(), router.clone()));
                connections.lock().runs_as(number, task);
            }
            Err(error) => {
                tracing::warn!("an HTTP connection was not taken: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One connection, until it ends or is ended.
async fn serve(stream: TcpStream, number: u64, connections: OpenConnections, router: Router) {
    let router = TowerToHyperService::new(router);
    let answer = service_fn(|request: hyper::Request<Incoming>| {
        connections.lock().enter(number, ConnectionPhase::Answering, Instant::now());
        let answer = router.call(request);
        async {
            let answer = answer.await;
            connections.lock().enter(number, ConnectionPhase::Idle, Instant::now());
            answer
        }
    });
    let stream = TokioIo::new(ReadNotifier { stream, number, connections: connections.clone() });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        // What times out, and when, is decided with the cap in one place.
        .header_read_timeout(None)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(stream, answer)
        .await;
    if let Err(error) = served {
        tracing::debug!("an HTTP connection ended: {error}");
    }
    connections.lock().closed(number);
}

/// All open connections, shared by the tasks that serve them.
#[derive(Debug, Clone)]
struct OpenConnections(Arc<Mutex<Connections>>);

impl OpenConnections {
    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sweep(&self) {
        loop {
            let next = self.lock().sweep(Instant::now());
            sleep_until(next).await;
        }
    }
}

/// A stream that notes when bytes come.
struct ReadNotifier {
    stream: TcpStream,
    number: u64,
    connections: OpenConnections,
}

impl AsyncRead for ReadNotifier {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        if into.filled().len() > before {
            self.connections.lock().received(self.number, Instant::now());
        }
        read
    }
}

impl AsyncWrite for ReadNotifier {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
