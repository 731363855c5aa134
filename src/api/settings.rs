//! Where the HTTP server listens, and how many may be connected for how long.

use std::net::{Ipv4Addr, SocketAddr};

use crate::settings::{Faults, Period, settings};

settings! {
    /// The HTTP server that operators and readers of users' states ask.
    #[derive(Copy, Eq)]
    pub struct ServerSettings {
        /// Where `/metrics`, `/livez` and `/readyz` answer (ready: every assigned partition is restored and being
        /// read); port 0 takes a free one and logs it.
        pub listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)),
        /// Connections at a time; one more takes the place of one that sends nothing.
        pub max_connections: usize = 64,
        /// How long a request's headers may take, from the connection's begin or from their first byte.
        pub header_timeout: Period = Period::of_secs(5),
        /// How long a connection may be kept without a request, or with an answer that nobody reads.
        pub idle_timeout: Period = Period::of_secs(60),
    }
}

impl ServerSettings {
    /// The faults of these settings by themselves.
    pub fn check(&self, faults: &mut Faults) {
        faults.unless(
            (2..=1_000).contains(&self.max_connections),
            "max_connections",
            format!("must be 2 to 1000, not {}", self.max_connections),
        );
        faults.unless_positive("header_timeout", self.header_timeout);
        faults.unless_positive("idle_timeout", self.idle_timeout);
    }
}
