//! Failed and slow requests, kept for a while so that they can be explained.
//!
//! Each worker has a ring of its own and is the only one to write it: a good request never comes here, and one that is
//! kept meets a lock that only a reader of the API ever holds, for as long as it takes to copy pointers. Headers and
//! bodies are never kept, and of a query only the names.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use madang_base::{Moment, Name};
use madang_telemetry::Counter;

use crate::exchange::Exchange;
use crate::journal::{Note, capped};
use crate::life::End;
use crate::snapshot::{Side, View};

/// Bytes kept of a method.
const MOST_METHOD: usize = 32;

/// Bytes kept of a host.
const MOST_HOST: usize = 255;

/// Bytes kept of a path with the names of its query.
const MOST_PATH: usize = 1024;

/// Why a request is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It got a 5xx, an error of the gateway's own, or not all of its answer.
    Failed,
    /// It took this long or longer.
    Slow(Duration),
}

/// A request that ended.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) id: String,
    /// Milliseconds since 1970 at its start.
    pub(crate) at_ms: u64,
    pub(crate) started: Moment,
    pub(crate) duration: Duration,
    pub(crate) side: Side,
    pub(crate) caller: Option<Name>,
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) reason: Option<&'static str>,
    pub(crate) why: Why,
    pub(crate) route: Option<Name>,
    pub(crate) matched: String,
    pub(crate) to: String,
    pub(crate) attempts: u32,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    pub(crate) detail: Option<String>,
    pub(crate) calls: Vec<Note>,
}

/// The records of one worker, oldest first. The oldest makes room when it is full.
#[derive(Default)]
pub(crate) struct Ring {
    records: Mutex<VecDeque<Arc<Record>>>,
    /// Records ever put in.
    pub(crate) total: Counter,
}

impl Ring {
    /// Called by the one worker it belongs to.
    pub(crate) fn push(&self, record: Record, most: usize) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.push_back(Arc::new(record));
        // `most` may be less than it was: a reload.
        while records.len() > most {
            records.pop_front();
        }
        drop(records);
        self.total.inc_alone();
    }

    fn read(&self, each: impl FnMut(&Arc<Record>)) {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(each);
    }
}

/// The newest records of all rings, newest first.
pub(crate) fn newest(rings: &[Arc<Ring>], most: usize) -> Vec<Arc<Record>> {
    let mut all = Vec::new();
    rings.iter().for_each(|ring| ring.read(|record| all.push(Arc::clone(record))));
    all.sort_by_key(|record| std::cmp::Reverse(record.started + record.duration));
    all.truncate(most);
    all
}

/// The records with that id, oldest first.
pub(crate) fn of_id(rings: &[Arc<Ring>], id: &str) -> Vec<Arc<Record>> {
    let mut all = Vec::new();
    rings.iter().for_each(|ring| ring.read(|record| all.extend((record.id == id).then(|| Arc::clone(record)))));
    all.sort_by_key(|record| record.started);
    all
}

impl Record {
    pub(crate) fn new(view: &View, side: Side, exchange: &Exchange, end: &End, why: Why, duration: Duration) -> Self {
        let request = &exchange.request;
        let route = end.route.map(|index| view.route(side, index));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let calls = exchange.journal.calls();
        Self {
            id: exchange.id.as_str().to_owned(),
            at_ms: now.saturating_sub(duration).as_millis() as u64,
            started: exchange.started,
            duration,
            side,
            caller: exchange.caller.and_then(|index| view.service(index)).cloned(),
            method: capped(request.method().to_owned(), MOST_METHOD),
            host: capped(request.authority().to_owned(), MOST_HOST),
            path: capped(with_names(request.asked_path(), request.original_query()), MOST_PATH),
            status: end.status,
            reason: end.reason,
            why,
            route: route.map(|route| route.id.clone()),
            matched: match route {
                Some(route) => route.why(),
                None if end.reason == Some("no_route") => "no route matches it".to_owned(),
                None => "it was refused before a route was looked for".to_owned(),
            },
            to: route.map_or("-", |route| route.called()).to_owned(),
            attempts: end.attempts + exchange.journal.missed,
            request_bytes: exchange.taken,
            response_bytes: end.bytes,
            detail: exchange.journal.detail.clone(),
            calls: calls.to_vec(),
        }
    }
}

/// `/a?token=…&page=…`: values are where secrets are, and what has no name may be one.
fn with_names(path: &str, query: Option<&str>) -> String {
    let mut text = path.to_owned();
    // What is cut off later needs not be built.
    let pieces = query.into_iter().flat_map(|query| query.split('&')).take(MOST_PATH / 2);
    for (index, piece) in pieces.enumerate() {
        text.push(if index == 0 { '?' } else { '&' });
        if let Some((name, _)) = piece.split_once('=') {
            text.push_str(name);
            text.push('=');
        }
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request that ended at that second.
    fn record(id: &str, second: u64) -> Record {
        Record {
            id: id.to_owned(),
            at_ms: 0,
            started: Moment::default() + Duration::from_secs(second),
            duration: Duration::ZERO,
            side: Side::Edge,
            caller: None,
            method: String::new(),
            host: String::new(),
            path: String::new(),
            status: 500,
            reason: None,
            why: Why::Failed,
            route: None,
            matched: String::new(),
            to: String::new(),
            attempts: 0,
            request_bytes: 0,
            response_bytes: 0,
            detail: None,
            calls: Vec::new(),
        }
    }

    fn ids(records: &[Arc<Record>]) -> Vec<&str> {
        records.iter().map(|record| record.id.as_str()).collect()
    }

    #[test]
    fn a_full_ring_loses_its_oldest_and_follows_a_smaller_limit() {
        let ring = Arc::new(Ring::default());
        let held = || ids(&newest(std::slice::from_ref(&ring), usize::MAX)).join(" ");
        for (second, id) in (1..).zip(["a", "b", "c", "d"]) {
            ring.push(record(id, second), 3);
        }
        assert_eq!(held(), "d c b");
        ring.push(record("e", 5), 2);
        assert_eq!(held(), "e d");
        ring.push(record("f", 6), 0);
        assert_eq!((held().as_str(), ring.total.get()), ("", 6));
    }

    #[test]
    fn rings_are_read_as_one() {
        let rings = [Arc::new(Ring::default()), Arc::new(Ring::default())];
        for (second, id) in (1..).zip(["x", "a", "x", "b"]) {
            rings[second as usize % 2].push(record(id, second), 9);
        }
        assert_eq!(ids(&newest(&rings, 3)), ["b", "x", "a"]);
        assert_eq!(
            of_id(&rings, "x").iter().map(|record| record.started.nanos() / 1_000_000_000).collect::<Vec<_>>(),
            [1, 3]
        );
    }

    #[test]
    fn of_a_query_only_the_names_are_kept() {
        for (query, expected) in [
            (None, "/a"),
            (Some("token=secret&page=2"), "/a?token=…&page=…"),
            (Some("secret"), "/a?…"),
            (Some("a=b=secret&"), "/a?a=…&…"),
        ] {
            assert_eq!(with_names("/a", query), expected);
        }
    }

    #[test]
    fn what_is_long_is_cut_between_characters() {
        assert_eq!(capped("abc".into(), 3), "abc");
        assert_eq!(capped("abcdefgh".into(), 6), "abc…");
        assert_eq!(capped("éééé".into(), 6), "é…");
    }
}
