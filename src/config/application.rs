//! The table `[application]`: who this process is.

use crate::settings::{Faults, settings};

settings! {
    /// Who this process is.
    #[derive(Eq)]
    pub struct Application {
        /// The consumer group, and the start of every transactional id.
        pub id: String = "tideline".to_owned(),
        /// Tells the processes of one application apart: it must differ between them and be the same after a restart,
        /// for it is part of the transactional ids. Empty: the host's name.
        ///
        /// `tideline check` prints it; a second process with a living one's ends.
        pub instance: String = String::new(),
        /// Threads that own partitions, each with a consumer and a transactional producer: one a core.
        pub lanes: u16 = 1,
    }
}

impl Application {
    /// Each lane has a consumer, a producer and their threads.
    const MAX_LANES: u16 = 256;

    /// The faults of these keys by themselves.
    pub fn check(&self, faults: &mut Faults) {
        // Without an instance it is the host's name.
        for (key, name) in [("id", &self.id), ("instance", &self.instance)] {
            let is_host = key == "instance" && name.is_empty();
            faults.unless(
                is_host || is_name(name),
                key,
                format!("{name:?} must be 1 to 100 of letters, digits, '.', '_' and '-'"),
            );
        }
        faults.unless(
            (1..=Self::MAX_LANES).contains(&self.lanes),
            "lanes",
            format!("must be 1 to {}, not {}", Self::MAX_LANES, self.lanes),
        );
    }
}

/// Whether ids of the broker may begin with it.
pub(super) fn is_name(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(is_name_byte)
}

/// Of what names of topics, too, may consist.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}
