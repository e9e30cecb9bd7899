//! What the operating system asks of Madang.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Stop,
    Reload,
}

/// The signals Madang listens to: SIGINT and SIGTERM stop it, SIGHUP means what the command says.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
    hangup_means: Wish,
}

impl Signals {
    /// Listens from now on. A terminal that closes sends SIGHUP: `up` stops then, for `serve` it means reload.
    ///
    /// # Errors
    /// When the system gives no handler.
    pub(crate) fn listen(hangup_means: Wish) -> io::Result<Self> {
        // Under `nohup` the signal is ignored, and stays so.
        let hangup =
            if hangup_means == Wish::Stop && hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, hangup, hangup_means })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Wish {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.terminate.recv() => Wish::Stop,
            _ = hangup => self.hangup_means,
        }
    }

    /// Waits until somebody wants it to stop.
    pub(crate) async fn stop(&mut self) {
        while self.next().await != Wish::Stop {}
    }
}

/// proc(5): `SigIgn` in `/proc/self/status` is a mask in hexadecimal, signal 1 its lowest bit.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
