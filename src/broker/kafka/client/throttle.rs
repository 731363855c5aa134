//! Whether a broker throttles a client: quotas. It answers, and then reads nothing more of the connection for a while;
//! nothing but the client's statistics tells.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;

/// Statistics that tell of no throttling, until what was told before is old: the client tells it once, as it begins.
const STALE_AFTER: u64 = 12;

#[derive(Debug, Default)]
pub(in crate::broker::kafka) struct Throttle {
    last_ms: AtomicU64,
    told_since: AtomicU64,
}

/// What is of use in the client's statistics.
#[derive(Deserialize)]
struct Statistics {
    brokers: BTreeMap<String, Broker>,
}

#[derive(Deserialize)]
struct Broker {
    throttle: Option<Window>,
}

#[derive(Deserialize)]
struct Window {
    /// Milliseconds.
    max: i64,
}

impl Throttle {
    /// Takes in what the client tells now and then. What can't be read tells nothing.
    pub fn read(&self, statistics: &[u8]) {
        let Ok(Statistics { brokers }) = serde_json::from_slice(statistics) else { return };
        let most = brokers.values().filter_map(|broker| broker.throttle.as_ref()).map(|window| window.max).max();
        match most.and_then(|ms| u64::try_from(ms).ok()).filter(|&ms| ms > 0) {
            Some(ms) => {
                self.last_ms.store(ms, Ordering::Relaxed);
                self.told_since.store(0, Ordering::Relaxed);
            }
            None => _ = self.told_since.fetch_add(1, Ordering::Relaxed),
        }
    }

    pub fn lately(&self) -> Option<Duration> {
        let ms = self.last_ms.load(Ordering::Relaxed);
        let is_fresh = self.told_since.load(Ordering::Relaxed) <= STALE_AFTER;
        (ms > 0 && is_fresh).then_some(Duration::from_millis(ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_throttling_of_any_broker_is_told_until_it_is_old() {
        let throttle = Throttle::default();
        assert_eq!(throttle.lately(), None);
        let told = br#"{"name":"p","brokers":{"a/1":{"throttle":{"min":0,"max":0}},"b/2":{"throttle":{"max":25678}},"c/-1":{}}}"#;
        throttle.read(told);
        throttle.read(b"no statistics");
        let calm = br#"{"brokers":{"a/1":{"throttle":{"max":0}}}}"#;
        (0..STALE_AFTER).for_each(|_| throttle.read(calm));
        assert_eq!(throttle.lately(), Some(Duration::from_millis(25_678)));
        throttle.read(calm);
        assert_eq!(throttle.lately(), None);
    }
}
