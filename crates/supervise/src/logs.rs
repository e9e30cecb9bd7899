//! Log lines of the services: the last ones of each instance, and a live stream.
//!
//! Nobody waits here. A ring keeps the last [`RING_LINES`] lines or [`RING_BYTES`] of each instance; a subscriber that
//! is more than [`LAG`] lines behind loses the oldest and is told how many. The whole history is in the files the
//! keeper writes.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use utoipa::ToSchema;

pub use crate::keeper::protocol::Stream;

/// Lines kept per instance.
pub(crate) const RING_LINES: usize = 1000;

/// Bytes kept per instance.
pub(crate) const RING_BYTES: usize = 256 << 10;

/// Lines a subscriber may be behind.
pub(crate) const LAG: usize = 4096;

/// Instances with lines; more than that write to their files only.
const MAX_RINGS: usize = 10_000;

/// One line of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = supervise::LogLine)]
pub struct LogLine {
    /// When it was read, in milliseconds since 1970.
    pub time_ms: u64,
    /// The service.
    pub service: String,
    /// The instance: `orders-1`.
    pub instance: String,
    /// Where it was written.
    pub stream: Stream,
    /// The line without its end, at most 16 KiB; bytes that are no UTF-8 are replaced.
    pub line: String,
}

/// All of them. Shared between the reader of the keeper's socket and whoever looks.
#[derive(Debug)]
pub(crate) struct Logs {
    inner: Mutex<Inner>,
    live: broadcast::Sender<Arc<LogLine>>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    rings: BTreeMap<String, Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    /// With a number that orders lines of different instances.
    lines: VecDeque<(u64, Arc<LogLine>)>,
    bytes: usize,
    /// Lines of the process that runs now.
    fresh: usize,
}

impl Logs {
    pub(crate) fn new() -> Self {
        Self { inner: Mutex::default(), live: broadcast::channel(LAG).0 }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // No code of others runs under this lock; a poisoned ring is still a ring.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, line: LogLine) {
        let line = Arc::new(line);
        let mut inner = self.inner();
        let number = inner.next;
        inner.next += 1;
        if inner.rings.len() < MAX_RINGS || inner.rings.contains_key(&line.instance) {
            let ring = inner.rings.entry(line.instance.clone()).or_default();
            ring.push(number, Arc::clone(&line));
        }
        // Under the lock, so that a subscriber gets each line either as past or as live.
        let _ = self.live.send(line);
    }

    /// A new process begins: lines so far are not its own.
    pub(crate) fn begin(&self, instance: &str) {
        if let Some(ring) = self.inner().rings.get_mut(instance) {
            ring.fresh = 0;
        }
    }

    /// The last lines of the process that runs now or ran last.
    pub(crate) fn last(&self, instance: &str, most: usize) -> Vec<String> {
        let inner = self.inner();
        let Some(ring) = inner.rings.get(instance) else { return Vec::new() };
        let skip = ring.lines.len() - most.min(ring.fresh);
        ring.lines.iter().skip(skip).map(|(_, line)| line.line.clone()).collect()
    }

    /// The instance is gone for good.
    pub(crate) fn forget(&self, instance: &str) {
        self.inner().rings.remove(instance);
    }

    pub(crate) fn subscribe(&self, filter: Filter, past: usize) -> LogStream {
        let inner = self.inner();
        let mut lines: Vec<(u64, Arc<LogLine>)> = inner
            .rings
            .values()
            .flat_map(|ring| ring.lines.iter().rev().filter(|(_, line)| filter.wants(line)).take(past))
            .cloned()
            .collect();
        let live = self.live.subscribe();
        drop(inner);
        lines.sort_unstable_by_key(|(number, _)| *number);
        let skip = lines.len().saturating_sub(past);
        let past = lines.into_iter().skip(skip).map(|(_, line)| line).collect();
        LogStream { filter, past, live }
    }
}

impl Ring {
    fn push(&mut self, number: u64, line: Arc<LogLine>) {
        self.bytes += line.line.len();
        self.fresh += 1;
        self.lines.push_back((number, line));
        while self.lines.len() > RING_LINES || (self.bytes > RING_BYTES && self.lines.len() > 1) {
            let Some((_, oldest)) = self.lines.pop_front() else { break };
            self.bytes -= oldest.line.len();
        }
        self.fresh = self.fresh.min(self.lines.len());
    }
}

/// Which lines are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only of this service.
    pub service: Option<String>,
    /// Only of this instance.
    pub instance: Option<String>,
}

impl Filter {
    fn wants(&self, line: &LogLine) -> bool {
        self.service.as_ref().is_none_or(|service| *service == line.service)
            && self.instance.as_ref().is_none_or(|instance| *instance == line.instance)
    }
}

/// Lines in order: the past first, then each as it comes.
#[derive(Debug)]
pub struct LogStream {
    filter: Filter,
    past: VecDeque<Arc<LogLine>>,
    live: broadcast::Receiver<Arc<LogLine>>,
}

impl LogStream {
    /// The next line; waits for one. None when Madang ends. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Arc<LogLine>> {
        if let Some(line) = self.past.pop_front() {
            return Some(line);
        }
        loop {
            match self.live.recv().await {
                Ok(line) if self.filter.wants(&line) => return Some(line),
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(count)) => return Some(Arc::new(left_out(count))),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// The next line of the past; none when all were given.
    pub fn next_past(&mut self) -> Option<Arc<LogLine>> {
        self.past.pop_front()
    }
}

/// Told to one subscriber in place of what it missed; from all instances, its filter comes after the loss.
fn left_out(count: u64) -> LogLine {
    LogLine {
        time_ms: crate::unix_millis(),
        service: String::new(),
        instance: String::new(),
        stream: Stream::Madang,
        line: format!("{count} lines were left out here; the log files have them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(instance: &str, text: &str) -> LogLine {
        let service = instance.split('-').next().unwrap_or_default().to_owned();
        LogLine { time_ms: 0, service, instance: instance.to_owned(), stream: Stream::Stdout, line: text.to_owned() }
    }

    fn past(stream: &mut LogStream) -> Vec<String> {
        std::iter::from_fn(|| stream.next_past()).map(|line| line.line.clone()).collect()
    }

    #[tokio::test]
    async fn a_subscriber_gets_the_past_of_its_service_in_order_and_then_each_line_once() {
        let logs = Logs::new();
        for (instance, text) in [("a-1", "1"), ("a-2", "2"), ("b-1", "3"), ("a-1", "4")] {
            logs.push(line(instance, text));
        }
        let only_a = Filter { service: Some("a".to_owned()), instance: None };
        let mut stream = logs.subscribe(only_a.clone(), 2);
        logs.push(line("b-1", "5"));
        logs.push(line("a-2", "6"));
        for expected in ["2", "4", "6"] {
            assert_eq!(stream.next().await.unwrap().line, expected);
        }
        assert_eq!(past(&mut logs.subscribe(Filter::default(), 0)), Vec::<String>::new());
        assert_eq!(
            past(&mut logs.subscribe(Filter { instance: Some("b-1".to_owned()), service: None }, 9)),
            ["3", "5"]
        );
    }

    #[tokio::test]
    async fn a_slow_subscriber_is_told_how_many_lines_it_missed() {
        let logs = Logs::new();
        let mut stream = logs.subscribe(Filter::default(), 0);
        for number in 0..LAG + 100 {
            logs.push(line("a-1", &number.to_string()));
        }
        let first = stream.next().await.unwrap();
        assert_eq!((first.stream, first.line.split(' ').next()), (Stream::Madang, Some("100")));
        assert_eq!(stream.next().await.unwrap().line, "100");
    }

    #[test]
    fn a_ring_is_bounded_in_lines_and_in_bytes_and_knows_whose_lines_are_whose() {
        let logs = Logs::new();
        for number in 0..RING_LINES + 5 {
            logs.push(line("a-1", &number.to_string()));
        }
        assert_eq!(past(&mut logs.subscribe(Filter::default(), usize::MAX)).len(), RING_LINES);
        for _ in 0..100 {
            logs.push(line("a-1", &"x".repeat(16 << 10)));
        }
        let bytes: usize = past(&mut logs.subscribe(Filter::default(), usize::MAX)).iter().map(String::len).sum();
        assert!(bytes <= RING_BYTES, "{bytes}");
        logs.begin("a-1");
        assert_eq!(logs.last("a-1", 5), Vec::<String>::new(), "the new process said nothing yet");
        logs.push(line("a-1", "new"));
        assert_eq!(logs.last("a-1", 5), ["new"]);
    }
}
