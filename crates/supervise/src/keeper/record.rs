//! From the pipes of a process to the three places its lines go: the log file, the tail for the next Madang, and Madang.

use std::time::Instant;

use super::{
    logfile::LogFile,
    outbox::Outbox,
    process::{Process, Tail},
    protocol::{Report, Stream},
};

/// Bytes read from one pipe before the others have their turn.
const TURN: usize = 256 << 10;

/// Bytes read from a pipe after its process ended: a pipe holds 64 KiB unless somebody made it larger.
const LAST: usize = 1 << 20;

/// Why a pipe is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// There is something.
    More,
    /// The process ended: a line without an end is a line now. Something it left behind may still write more.
    Last,
}

/// Reads the pipe `stream` of `process` until it is empty or has had its turn. `buffer` is space to read into.
pub(super) fn read(
    process: &mut Process,
    stream: Stream,
    words: Words,
    log: Option<&mut LogFile>,
    outbox: Option<&mut Outbox>,
    buffer: &mut [u8],
) {
    let Process { pipes, tail, service, instance, .. } = process;
    let Some(at) = pipes.iter().position(|pipe| pipe.stream == stream) else { return };
    let time_ms = crate::unix_millis();
    let mut recorder = Recorder { service, instance, stream, time_ms, tail, outbox, text: Vec::new(), lines: 0 };
    let mut budget = match words {
        Words::More => TURN,
        Words::Last => LAST,
    };
    let mut ended = false;
    while budget > 0 && !ended {
        match rustix::io::read(&pipes[at].fd, &mut *buffer) {
            Ok(0) => ended = true,
            Ok(count) => {
                budget = budget.saturating_sub(count);
                pipes[at].lines.push(&buffer[..count], |line| recorder.line(line));
            }
            Err(rustix::io::Errno::INTR) => {}
            // Nothing there now.
            Err(_) => break,
        }
    }
    if ended || words == Words::Last {
        pipes[at].lines.finish(|line| recorder.line(line));
    }
    if ended {
        pipes.remove(at);
    }
    recorder.write(log);
}

/// The lines of one read.
struct Recorder<'a> {
    service: &'a str,
    instance: &'a str,
    stream: Stream,
    time_ms: u64,
    tail: &'a mut Tail,
    outbox: Option<&'a mut Outbox>,
    text: Vec<u8>,
    lines: u64,
}

impl Recorder<'_> {
    fn line(&mut self, line: &[u8]) {
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
        self.lines += 1;
        let line = String::from_utf8_lossy(line);
        self.tail.push(self.stream, self.time_ms, &line);
        if let Some(outbox) = &mut self.outbox {
            outbox.push_log(&Report::Log {
                service: self.service.to_owned(),
                instance: self.instance.to_owned(),
                stream: self.stream,
                time_ms: self.time_ms,
                line: line.into_owned(),
            });
        }
    }

    /// One write for all lines of a read.
    fn write(self, log: Option<&mut LogFile>) {
        if let Some(log) = log
            && self.lines > 0
        {
            log.append(&self.text, self.lines, Instant::now());
        }
    }
}
