//! Lines to stdout that never hold up the one who prints them.
//!
//! A terminal can be paused (Ctrl-S) and a pipe can be full; services, health checks and reloads must not wait for
//! either. One thread owns stdout and takes lines from a bounded channel. When that is full, lines are dropped and
//! counted, and the count is printed when there is room again.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use tokio::sync::watch;

/// Lines that may wait for the terminal.
const WAITING_LINES: usize = 4096;

/// Prints lines; clones print to the same place.
#[derive(Debug, Clone)]
pub(crate) struct Printer {
    lines: SyncSender<String>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    dropped: AtomicU64,
    gone: watch::Sender<bool>,
}

/// The thread behind a [`Printer`]: it ends when the last printer is dropped.
#[derive(Debug)]
pub(crate) struct Thread(JoinHandle<()>);

impl Printer {
    /// Starts the thread that writes to `out`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(out: impl Write + Send + 'static) -> io::Result<(Self, Thread)> {
        let (lines, waiting) = sync_channel(WAITING_LINES);
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("printer".into()).spawn(move || write(out, &waiting, &seen))?;
        Ok((Self { lines, shared }, Thread(thread)))
    }

    /// Prints `line` (or several) soon; never waits.
    pub(crate) fn line(&self, line: impl Into<String>) {
        match self.lines.try_send(line.into()) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => _ = self.shared.dropped.fetch_add(1, Ordering::Relaxed),
            Err(TrySendError::Disconnected(_)) => _ = self.shared.gone.send_replace(true),
        }
    }

    /// Waits until nobody reads any more; that is noticed by the first line that cannot be written.
    pub(crate) async fn reader_left(&self) {
        // Fails only when the sender is gone, and `self` holds it.
        let _ = self.shared.gone.subscribe().wait_for(|gone| *gone).await;
    }
}

impl Thread {
    /// Waits until everything is written.
    pub(crate) fn join(self) {
        let _ = self.0.join();
    }
}

fn write(mut out: impl Write, waiting: &Receiver<String>, shared: &Shared) {
    while let Ok(line) = waiting.recv() {
        let dropped = shared.dropped.swap(0, Ordering::Relaxed);
        let note = if dropped > 0 { format!("… {dropped} lines were not shown\n") } else { String::new() };
        let written = out.write_all(format!("{note}{line}\n").as_bytes()).and_then(|()| out.flush());
        if written.is_err() {
            shared.gone.send_replace(true);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Lets the test decide when a write goes through.
    struct Gate {
        open: mpsc::Receiver<()>,
        written: mpsc::Sender<String>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.open.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            let _ = self.written.send(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_terminal_drops_lines_and_says_how_many() {
        let (open, gate) = mpsc::channel();
        let (written, lines) = mpsc::channel();
        let (printer, thread) = Printer::start(Gate { open: gate, written }).unwrap();
        let sent = WAITING_LINES + 10;
        (0..sent).for_each(|number| printer.line(number.to_string()));
        (0..=sent).for_each(|_| open.send(()).unwrap());
        drop(printer);
        thread.join();
        let lines: Vec<String> = lines.try_iter().collect();
        let noted = lines.iter().find_map(|line| line.strip_prefix("… ")?.split(' ').next()?.parse::<usize>().ok());
        assert_eq!(lines.len() + noted.unwrap(), sent, "every line is shown or counted");
    }

    #[tokio::test]
    async fn a_reader_that_left_is_noticed() {
        let (open, gate) = mpsc::channel();
        let (written, _lines) = mpsc::channel();
        drop(open);
        let (printer, thread) = Printer::start(Gate { open: gate, written }).unwrap();
        printer.line("anybody?");
        printer.reader_left().await;
        thread.join();
    }
}
