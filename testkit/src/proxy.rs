//! A TCP proxy between the program and a broker, which reads the frames: so a fault can be aimed at one kind of
//! request.
//!
//! The broker must advertise the proxy's port on the listener that it forwards to (`Cluster::start_behind`), or clients
//! would go round it. A request is a length, the kind of call, its version and a correlation id; a response a length
//! and the id. Threads end with their connections.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The largest frame that is passed on.
const MAX_FRAME: usize = 128 << 20;

/// A kind of call, as the protocol numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    Produce = 0,
    AddPartitionsToTxn = 24,
    AddOffsetsToTxn = 25,
    EndTxn = 26,
    TxnOffsetCommit = 28,
}

/// What befalls one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The request never arrives; the connection is cut.
    LoseRequest,
    /// The broker does it, but its answer never arrives; the connection is cut.
    LoseResponse,
    /// The connection is cut; the request arrives that much later, when its sender has long gone on.
    DelayRequest(Duration),
}

/// What befalls everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// How long each frame is held, either way.
    pub latency: Duration,
    /// Every so many frames a connection is cut, on average; 0: never.
    pub cut_every: u64,
}

#[derive(Debug, Default)]
struct State {
    weather: Weather,
    aimed: BTreeMap<i16, (Fault, usize)>,
    /// Calls that a fault befell; of delayed ones those that arrived in the end.
    hits: usize,
    cuts: usize,
    dice: u64,
}

/// Dropped, it takes no more connections.
pub struct Proxy {
    pub address: SocketAddr,
    upstream: Arc<Mutex<Option<SocketAddr>>>,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// Bound, but nobody stands behind it yet.
    pub fn bind() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let upstream = Arc::new(Mutex::new(None));
        let state = Arc::new(Mutex::new(State { dice: 1, ..State::default() }));
        let (upstream_, state_) = (Arc::clone(&upstream), Arc::clone(&state));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // The proxy has been dropped, or there is no broker: the client sees a connection that ends at once.
                let Some(upstream) = *lock(&upstream_) else { continue };
                let Ok(server) = TcpStream::connect(upstream) else { continue };
                Connection::run(client, server, &state_);
            }
        });
        Self { address, upstream, state }
    }

    pub fn forward_to(&self, port: u16) {
        *lock(&self.upstream) = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }

    /// The next `times` calls of that kind meet this.
    pub fn aim(&self, call: Call, fault: Fault, times: usize) {
        let mut state = lock(&self.state);
        state.hits = 0;
        state.aimed.insert(call as i16, (fault, times));
    }

    /// How many calls met what was aimed last.
    pub fn hits(&self) -> usize {
        lock(&self.state).hits
    }

    pub fn set_weather(&self, weather: Weather) {
        lock(&self.state).weather = weather;
    }

    /// Connections that the weather has cut.
    pub fn cuts(&self) -> usize {
        lock(&self.state).cuts
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        *lock(&self.upstream) = None;
    }
}

/// One client's connection, both ways.
struct Connection {
    client: TcpStream,
    server: TcpStream,
    state: Arc<Mutex<State>>,
    /// By correlation id: the kind of what is being asked, and what shall become of the answer.
    asked: Mutex<HashMap<i32, Asked>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Plain,
    Lose,
    /// It was sent late; nobody waits for the answer.
    Late,
}

impl Connection {
    fn run(client: TcpStream, server: TcpStream, state: &Arc<Mutex<State>>) {
        for stream in [&client, &server] {
            // Without it small frames would wait for each other; a socket that refuses is about to fail anyhow.
            let _ = stream.set_nodelay(true);
        }
        let connection = Arc::new(Self { client, server, state: Arc::clone(state), asked: Mutex::default() });
        let requests = Arc::clone(&connection);
        // How a connection ends is its peers' affair: an error here is one of them gone.
        thread::spawn(move || {
            if requests.pass_requests().is_err() {
                requests.cut();
            }
        });
        thread::spawn(move || {
            if connection.pass_responses().is_err() {
                connection.cut();
            }
        });
    }

    fn cut(&self) {
        for stream in [&self.client, &self.server] {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn pass_requests(&self) -> io::Result<()> {
        loop {
            let frame = read_frame(&self.client)?;
            self.weather()?;
            let (call, id) = (i16::from_be_bytes([frame[4], frame[5]]), correlation(&frame[8..]));
            let fault = self.meets(call);
            let asked = match fault {
                None => Asked::Plain,
                Some(Fault::LoseRequest) => {
                    lock(&self.state).hits += 1;
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                Some(Fault::LoseResponse) => Asked::Lose,
                Some(Fault::DelayRequest(_)) => Asked::Late,
            };
            lock(&self.asked).insert(id, asked);
            if let Some(Fault::DelayRequest(delay)) = fault {
                self.client.shutdown(Shutdown::Both)?;
                thread::park_timeout(delay);
                // The answer ends the connection.
                return (&self.server).write_all(&frame);
            }
            (&self.server).write_all(&frame)?;
        }
    }

    fn pass_responses(&self) -> io::Result<()> {
        loop {
            let frame = read_frame(&self.server)?;
            let asked = lock(&self.asked).remove(&correlation(&frame[4..])).unwrap_or(Asked::Plain);
            if asked != Asked::Plain {
                lock(&self.state).hits += 1;
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            let waits_for_late = || lock(&self.asked).values().any(|asked| *asked == Asked::Late);
            if !waits_for_late() {
                self.weather()?;
                if (&self.client).write_all(&frame).is_err() && !waits_for_late() {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
            }
        }
    }

    fn meets(&self, call: i16) -> Option<Fault> {
        let mut state = lock(&self.state);
        let (fault, left) = state.aimed.get_mut(&call)?;
        let fault = *fault;
        *left -= 1;
        if *left == 0 {
            state.aimed.remove(&call);
        }
        Some(fault)
    }

    /// Holds a frame up; an error cuts the connection.
    fn weather(&self) -> io::Result<()> {
        let (latency, is_cut) = {
            let mut state = lock(&self.state);
            // xorshift: the same dice for every run.
            state.dice ^= state.dice << 13;
            state.dice ^= state.dice >> 7;
            state.dice ^= state.dice << 17;
            let every = state.weather.cut_every;
            let is_cut = every > 0 && state.dice.is_multiple_of(every);
            state.cuts += usize::from(is_cut);
            (state.weather.latency, is_cut)
        };
        if is_cut {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if !latency.is_zero() {
            thread::park_timeout(latency);
        }
        Ok(())
    }
}

/// With its length in front.
fn read_frame(mut stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let size = u32::from_be_bytes(length) as usize;
    if !(4..=MAX_FRAME).contains(&size) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; 4 + size];
    frame[..4].copy_from_slice(&length);
    stream.read_exact(&mut frame[4..])?;
    Ok(frame)
}

fn correlation(bytes: &[u8]) -> i32 {
    i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
