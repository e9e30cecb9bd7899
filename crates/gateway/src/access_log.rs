//! The access log: one JSON object a line, written by a thread of its own.
//!
//! A worker renders the line and hands it over without waiting. When the disk cannot follow and the queue is full,
//! lines are dropped and counted; requests never wait for their log.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::exchange::Exchange;
use crate::life::End;
use crate::settings::AccessLog;

/// Lines that wait to be written at most.
const QUEUE: usize = 16_384;

/// The handle every worker has.
pub(crate) struct Writer {
    lines: SyncSender<Vec<u8>>,
}

/// What is known about a request at its end.
pub(crate) struct Line<'a> {
    pub(crate) exchange: &'a Exchange,
    pub(crate) end: &'a End,
    pub(crate) route: Option<&'a str>,
    pub(crate) duration: Duration,
}

impl Writer {
    /// Opens the log and starts its thread; it ends when the last handle is dropped.
    pub(crate) fn open(to: &AccessLog) -> io::Result<Option<Self>> {
        let output: Box<dyn Write + Send> = match to {
            AccessLog::Off => return Ok(None),
            AccessLog::Stdout => Box::new(io::stdout()),
            AccessLog::File(path) => Box::new(OpenOptions::new().create(true).append(true).open(path)?),
        };
        let (lines, queue) = sync_channel(QUEUE);
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || write(output, &queue))?;
        Ok(Some(Self { lines }))
    }

    /// Hands a line over. Says whether it was taken.
    pub(crate) fn write(&self, line: Line<'_>) -> bool {
        self.lines.try_send(line.render()).is_ok()
    }
}

fn write(output: Box<dyn Write + Send>, queue: &Receiver<Vec<u8>>) {
    let mut output = BufWriter::new(output);
    while let Ok(line) = queue.recv() {
        let mut result = output.write_all(&line);
        // Everything that came in the meantime goes out in one write.
        while let Ok(line) = queue.try_recv() {
            result = result.and_then(|()| output.write_all(&line));
        }
        if let Err(error) = result.and_then(|()| output.flush()) {
            tracing::warn!(%error, "access log lines were lost");
        }
    }
}

impl Line<'_> {
    fn render(&self) -> Vec<u8> {
        let Self { exchange, end, route, duration } = self;
        let request = &exchange.request;
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // The query stays out: it is where tokens and personal data hide.
        let line = json!({
            "time": time.as_millis() as u64,
            "id": exchange.id.as_str(),
            "client": exchange.client.address,
            "method": request.method(),
            "host": request.authority(),
            "path": request.original_path(),
            "status": end.status,
            "bytes": end.bytes,
            "duration_us": duration.as_micros() as u64,
            "route": route,
            "upstream": end.upstream.map(|address| address.to_string()),
            "attempts": end.attempts,
            "reason": end.reason,
        });
        let mut text = line.to_string().into_bytes();
        text.push(b'\n');
        text
    }
}
