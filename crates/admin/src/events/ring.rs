//! What can be told, and each reader's place in it. Pure: time comes in.

use std::collections::{BTreeMap, VecDeque};

use super::{Event, KEPT, Level, MAX_TEXT};

/// News a new reader gets first.
const FIRST: u64 = 100;

/// News in one batch.
const BATCH: usize = 100;

/// The last news and the latest signals, as they are written to readers.
pub(super) struct Ring {
    /// The number of the first news ever.
    first: u64,
    /// The number of the next.
    next: u64,
    /// Without gaps, up to `next`; at most [`KEPT`].
    kept: VecDeque<String>,
    /// The latest of each signal, with the count of signals when it came. As many as the program has words for.
    signals: BTreeMap<(&'static str, &'static str), (u64, String)>,
    signaled: u64,
}

/// What a reader has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The number of the last news.
    seen: u64,
    signaled: u64,
}

impl Ring {
    /// An empty one; `first` will be the number of the first news.
    pub(super) fn new(first: u64) -> Self {
        Self { first, next: first, kept: VecDeque::new(), signals: BTreeMap::new(), signaled: 0 }
    }

    pub(super) fn publish(&mut self, at_ms: u64, kind: &'static str, level: Level, subject: &str, text: &str) {
        let id = self.next;
        let event = Event { id, at_ms, kind: kind.to_owned(), level, subject: cut(subject), text: cut(text) };
        // Texts and numbers always fit into JSON, and JSON has no line ends.
        let json = serde_json::to_string(&event).unwrap_or_default();
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(format!("id: {id}\nevent: {kind}\ndata: {json}\n\n"));
        self.next += 1;
    }

    pub(super) fn signal(&mut self, kind: &'static str, what: &'static str, json: &str) {
        self.signaled += 1;
        self.signals.insert((kind, what), (self.signaled, format!("event: {kind}\ndata: {json}\n\n")));
    }

    /// Where a reader begins, with the number it had last if it comes back.
    pub(super) fn enter(&self, last: Option<u64>) -> Place {
        let newest = self.next - 1;
        let seen = match last {
            // It saw an earlier run: everything of this one is news.
            Some(last) if last < self.first => self.first - 1,
            Some(last) if last <= newest => last,
            // A number of the future is not ours; this reader is as good as new.
            Some(_) | None => newest.saturating_sub(FIRST).max(self.first - 1),
        };
        Place { seen, signaled: self.signaled }
    }

    /// What is new at `place`, which moves on; empty when nothing is. News come in batches: call until it is empty.
    pub(super) fn read(&self, place: &mut Place) -> String {
        let mut out = String::new();
        let oldest = self.next - self.kept.len() as u64;
        if place.seen + 1 < oldest {
            let lost = oldest - 1 - place.seen;
            out = format!("event: lost\ndata: {{\"count\":{lost}}}\n\n");
            place.seen = oldest - 1;
        }
        let known = usize::try_from(place.seen + 1 - oldest).unwrap_or(usize::MAX);
        for news in self.kept.iter().skip(known).take(BATCH) {
            out.push_str(news);
            place.seen += 1;
        }
        if place.signaled < self.signaled {
            let fresh = self.signals.values().filter(|(signaled, _)| *signaled > place.signaled);
            fresh.for_each(|(_, signal)| out.push_str(signal));
            place.signaled = self.signaled;
        }
        out
    }
}

/// At most [`MAX_TEXT`] bytes.
fn cut(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let kept = text.floor_char_boundary(MAX_TEXT - "…".len());
    format!("{}…", &text[..kept])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(news: u64) -> Ring {
        let mut ring = Ring::new(1000);
        (0..news)
            .for_each(|number| ring.publish(7, "process", Level::Info, "orders/orders-1", &format!("turn {number}")));
        ring
    }

    fn ids(text: &str) -> Vec<u64> {
        text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect()
    }

    /// Everything that is new.
    fn all(ring: &Ring, place: &mut Place) -> String {
        let mut all = String::new();
        loop {
            match ring.read(place) {
                batch if batch.is_empty() => return all,
                batch => all.push_str(&batch),
            }
        }
    }

    #[test]
    fn news_is_written_as_the_standard_says() {
        let ring = ring(1);
        assert_eq!(
            ring.read(&mut ring.enter(None)),
            "id: 1000\nevent: process\ndata: {\"id\":1000,\"at_ms\":7,\"kind\":\"process\",\"level\":\"info\",\
             \"subject\":\"orders/orders-1\",\"text\":\"turn 0\"}\n\n"
        );
    }

    #[test]
    fn a_reader_begins_where_it_should() {
        for (news, last, expected) in [
            (0, None, 1000..1000),
            (3, None, 1000..1003),
            (300, None, 1200..1300),
            (300, Some(1297), 1298..1300),
            (300, Some(1299), 1300..1300),
            // Of an earlier run, and of none.
            (300, Some(7), 1000..1300),
            (300, Some(5000), 1200..1300),
        ] {
            let ring = ring(news);
            let found = all(&ring, &mut ring.enter(last));
            assert_eq!(ids(&found), expected.collect::<Vec<_>>(), "{last:?} of {news}");
            assert!(!found.contains("event: lost"), "{last:?} of {news}");
        }
    }

    #[test]
    fn a_reader_that_falls_behind_loses_the_oldest_and_is_told_how_many() {
        let mut ring = ring(1);
        let mut place = ring.enter(None);
        assert_eq!(ids(&ring.read(&mut place)), [1000]);
        for number in 0..KEPT + 20 {
            ring.publish(7, "process", Level::Info, "orders", &number.to_string());
        }
        let found = all(&ring, &mut place);
        assert!(found.starts_with("event: lost\ndata: {\"count\":20}\n\nid: 1021\n"), "{}", &found[..200]);
        assert_eq!(ids(&found).len(), KEPT);
    }

    #[test]
    fn of_a_signal_only_the_latest_is_told() {
        let mut ring = ring(0);
        ring.signal("traffic", "", "0");
        let mut place = ring.enter(None);
        assert_eq!(ring.read(&mut place), "", "what was signaled before is no news");
        for number in 1..=3 {
            ring.signal("traffic", "", &number.to_string());
            ring.signal("changed", "registry", "{\"what\":\"registry\"}");
        }
        ring.signal("changed", "routes", "{\"what\":\"routes\"}");
        assert_eq!(
            ring.read(&mut place),
            "event: changed\ndata: {\"what\":\"registry\"}\n\nevent: changed\ndata: {\"what\":\"routes\"}\n\n\
             event: traffic\ndata: 3\n\n"
        );
        assert_eq!(ring.read(&mut place), "");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = cut(&"샘".repeat(MAX_TEXT));
        assert!(long.len() <= MAX_TEXT && long.len() > MAX_TEXT - 4 && long.ends_with("샘…"), "{}", long.len());
        assert_eq!(cut("short"), "short");
    }
}
