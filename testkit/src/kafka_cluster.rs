//! A real Kafka broker of the test's own: on free loopback ports, data in a temporary folder, ended by its process id.
//!
//! [`Cluster::shared`] is one broker for a whole test binary; it ends with the process, however that ends (the script
//! watches a pipe). A test takes fresh names for its topics and group from [`unique`]. Without Java or the jars it
//! panics with what to install: a test of the real broker is never skipped in silence.

use std::fs;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::places::root;

/// How long a broker may take until its port answers. It takes 4 s on a quiet machine.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// Some brokers that form one cluster.
pub struct Cluster {
    nodes: Vec<Node>,
    /// Of every broker, one a line; they win over those of the script.
    properties: String,
    /// `PORT:ADVERTISED` of the listener that is meant for a proxy, if there is one.
    proxied: String,
    /// After the nodes: they write into it until they end.
    data: tempfile::TempDir,
}

struct Node {
    number: usize,
    port: u16,
    controller_port: u16,
    /// The script; its standard input is the pipe whose end ends the broker.
    script: Option<Child>,
}

impl Cluster {
    /// The one broker of this test binary.
    pub fn shared() -> &'static Cluster {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Cluster::start(1))
    }

    /// Starts `count` brokers and waits until each answers.
    pub fn start(count: usize) -> Cluster {
        Self::start_with(count, "")
    }

    /// The same, with more properties of the brokers, one a line.
    pub fn start_with(count: usize, properties: &str) -> Cluster {
        Self::launch_all(count, properties, "")
    }

    fn launch_all(count: usize, properties: &str, proxied: &str) -> Cluster {
        let data = tempfile::Builder::new().prefix("tideline-kafka-").tempdir().expect("a temporary folder");
        let ports = free_ports(2 * count);
        let nodes = (0..count).map(|i| Node {
            number: i + 1,
            port: ports[2 * i],
            controller_port: ports[2 * i + 1],
            script: None,
        });
        let mut cluster =
            Cluster { nodes: nodes.collect(), properties: properties.to_owned(), proxied: proxied.to_owned(), data };
        for number in 1..=count {
            cluster.launch(number);
        }
        for number in 1..=count {
            cluster.await_port(number);
        }
        cluster
    }

    pub fn bootstrap_servers(&self) -> String {
        let servers: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        servers.join(",")
    }

    /// The folder with a broker's logs.
    pub fn data(&self, number: usize) -> PathBuf {
        self.data.path().join(format!("data-{number}"))
    }

    /// `kill -9`, now.
    pub fn kill(&mut self, number: usize) {
        self.signal(number, "KILL");
        self.reap(number);
    }

    /// A clean stop; returns when the process has ended.
    pub fn stop(&mut self, number: usize) {
        self.signal(number, "TERM");
        self.reap(number);
    }

    /// One broker with a listener more: at the port returned, telling clients to connect to `advertised` (a proxy's).
    pub fn start_behind(advertised: u16) -> (Cluster, u16) {
        let port = free_ports(1)[0];
        (Self::launch_all(1, "", &format!("{port}:{advertised}")), port)
    }

    /// One broker that asks who is there, at the address returned, and has these users with the password `pw`; what
    /// they may do [`Self::grant`] says. At its other address everything is allowed.
    pub fn start_guarded(users: &[&str]) -> (Cluster, String) {
        let port = free_ports(1)[0];
        let passwords: String = users.iter().map(|user| format!(" user_{user}=\"pw\"")).collect();
        let properties = format!(
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:SASL_PLAINTEXT\n\
             sasl.enabled.mechanisms=PLAIN\n\
             listener.name.proxied.plain.sasl.jaas.config=\
             org.apache.kafka.common.security.plain.PlainLoginModule required{passwords};\n\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             super.users=User:ANONYMOUS\n"
        );
        (Self::launch_all(1, &properties, &format!("{port}:{port}")), format!("127.0.0.1:{port}"))
    }

    /// ACLs, one a line: `ALLOW User:a WRITE TOPIC t`.
    pub fn grant(&self, acls: &str) {
        let mut java = Command::new("java")
            .args(["-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp"])
            .arg(libs().join("*"))
            .arg(root().join("tests/broker/Acls.java"))
            .arg(self.bootstrap_servers())
            .stdin(Stdio::piped())
            .spawn()
            .expect("java runs");
        java.stdin.take().expect("it is piped").write_all(acls.as_bytes()).expect("it reads");
        assert!(java.wait().expect("our child").success(), "the ACLs were not made");
    }

    /// Starts a stopped or killed broker on its old data and waits until it answers.
    pub fn restart(&mut self, number: usize) {
        self.launch(number);
        self.await_port(number);
    }

    fn launch(&mut self, number: usize) {
        let voters: Vec<_> =
            self.nodes.iter().map(|node| format!("{}@127.0.0.1:{}", node.number, node.controller_port)).collect();
        let node = &mut self.nodes[number - 1];
        assert!(node.script.is_none(), "broker {number} runs already");
        let script = Command::new("bash")
            .arg(root().join("tests/broker/run.sh"))
            .arg("--with-stdin")
            .args([libs(), self.data.path()])
            .args([node.port.to_string(), node.controller_port.to_string(), number.to_string(), voters.join(",")])
            .env("TIDELINE_BROKER_PROPERTIES", &self.properties)
            .env("TIDELINE_BROKER_PROXIED", &self.proxied)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("bash runs");
        node.script = Some(script);
    }

    fn await_port(&mut self, number: usize) {
        let started = Instant::now();
        let address = SocketAddr::from(([127, 0, 0, 1], self.nodes[number - 1].port));
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            let script = self.nodes[number - 1].script.as_mut().expect("it was launched");
            if let Some(status) = script.try_wait().expect("the script is our child") {
                panic!("broker {number} ended with {status}:\n{}", self.log(number));
            }
            assert!(
                started.elapsed() < START_PATIENCE,
                "broker {number} gave no answer in {START_PATIENCE:?}:\n{}",
                self.log(number)
            );
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    fn log(&self, number: usize) -> String {
        ["format", "broker"]
            .map(|kind| fs::read_to_string(self.data.path().join(format!("{kind}-{number}.log"))).unwrap_or_default())
            .concat()
    }

    fn signal(&self, number: usize, signal: &str) {
        let pid = fs::read_to_string(self.data.path().join(format!("pid-{number}"))).expect("the script wrote it");
        let sent = Command::new("kill").args(["-s", signal, pid.trim()]).status().expect("kill runs");
        assert!(sent.success(), "no process {pid} to signal");
    }

    fn reap(&mut self, number: usize) {
        let mut script = self.nodes[number - 1].script.take().expect("it was launched");
        // Dropping the pipe first would kill a broker that is just stopping cleanly.
        let pipe = script.stdin.take();
        script.wait().expect("the script is our child");
        drop(pipe);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for script in self.nodes.iter_mut().filter_map(|node| node.script.as_mut()) {
            drop(script.stdin.take());
            // Nothing can be done about a failure here; the script ends all the same.
            let _ = script.wait();
        }
    }
}

/// A name that no other test of this process has: for topics, groups and transactional ids.
pub fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The folder of the broker's jars, fetched on first use.
pub fn libs() -> &'static Path {
    static LIBS: OnceLock<PathBuf> = OnceLock::new();
    LIBS.get_or_init(|| {
        let found = Command::new("bash").arg(root().join("tests/broker/libs.sh")).output().expect("bash runs");
        assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
        PathBuf::from(String::from_utf8_lossy(&found.stdout).trim())
    })
}

/// Held all at once, so that they differ; let go, so that the broker can take them.
pub fn free_ports(count: usize) -> Vec<u16> {
    let held: io::Result<Vec<_>> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect();
    let held = held.expect("loopback has free ports");
    held.iter().map(|listener| listener.local_addr().expect("it is bound").port()).collect()
}
