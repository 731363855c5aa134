//! A call that may never return, whatever time-out it was given: made on a thread of its own, and given up.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// How often what was given up is tended.
const TEND_EVERY: Duration = Duration::from_millis(100);

/// What `call` returned within `bound`; nothing if it didn't. It then goes on by itself, and `tend` is called again and
/// again until it returns. Fails if there is no thread to make it on.
pub(in crate::broker::kafka) fn call<T: Send + 'static>(
    bound: Duration,
    call: impl FnOnce() -> T + Send + 'static,
    tend: impl Fn() + Send + 'static,
) -> io::Result<Option<T>> {
    let (tell, told) = mpsc::sync_channel(1);
    let make = move || drop(tell.send(call()));
    thread::Builder::new().name("client-call".to_owned()).spawn(make)?;
    if let Ok(returned) = told.recv_timeout(bound) {
        return Ok(Some(returned));
    }
    let tend = move || {
        while matches!(told.recv_timeout(TEND_EVERY), Err(RecvTimeoutError::Timeout)) {
            tend();
        }
    };
    if let Err(error) = thread::Builder::new().name("client-given-up".to_owned()).spawn(tend) {
        tracing::warn!(%error, "nobody tends a client that was given up");
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_returns_in_time_is_handed_over() {
        assert_eq!(call(LONG, || 7, || panic!("nothing to tend")).expect("a thread"), Some(7));
    }

    #[test]
    fn what_was_given_up_is_tended_until_it_returns() {
        let (end, ended) = mpsc::channel::<()>();
        let (tended, tending) = mpsc::channel();
        let hang = move || ended.recv().is_err();
        let tend = move || tended.send(()).expect("the test waits");
        assert_eq!(call(Duration::ZERO, hang, tend).expect("a thread"), None);
        tending.recv_timeout(LONG).expect("it is tended while it hangs");
        drop(end);
        while tending.recv_timeout(LONG).is_ok() {}
        assert_eq!(tending.try_recv(), Err(mpsc::TryRecvError::Disconnected), "and no longer");
    }
}
