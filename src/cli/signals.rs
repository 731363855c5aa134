//! SIGTERM and SIGINT: the first asks for a clean stop, the second ends the process.

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

use crate::runtime::Stop;

/// The exit code after a second signal, as shells have it for SIGINT.
const INTERRUPTED: i32 = 130;

/// Listens on a thread of its own until the process ends. Once this returns, no signal is missed.
pub(super) fn stop_on_signals(stop: Stop) -> Result<()> {
    let what = "cannot listen for signals";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context(what)?;
    let listen = || -> std::io::Result<_> {
        let _inside = runtime.enter();
        Ok((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
    };
    let (mut terminate, mut interrupt) = listen().context(what)?;
    let wait = move || {
        runtime.block_on(async move {
            for is_first in [true, false] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if is_first {
                    tracing::info!("stopping: what is in hand is committed; a second signal ends at once");
                    stop.stop();
                }
            }
            std::process::exit(INTERRUPTED);
        });
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait).context(what)?;
    Ok(())
}
