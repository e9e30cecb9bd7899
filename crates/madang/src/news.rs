//! What is said about instances, on the screen of `madang up` and to readers of `/v1/events`: one line for each turn
//! their lives take.

use madang_supervise::{InstanceView, LogLine, State, Stream};

/// A turn in the life of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) service: String,
    pub(crate) instance: String,
    /// What it does now.
    pub(crate) state: State,
    pub(crate) text: String,
}

impl Turn {
    /// As a line among the logs.
    pub(crate) fn into_line(self) -> LogLine {
        let Self { service, instance, state: _, text } = self;
        LogLine { time_ms: 0, service, instance, stream: Stream::Madang, line: text }
    }
}

/// What was last said about an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    service: String,
    instance: String,
    generation: u64,
    state: State,
    restarts: u32,
    place: String,
    reason: Option<String>,
}

/// Remembers what was said, so that each turn is told once.
#[derive(Debug)]
pub(crate) struct News {
    known: Vec<Known>,
}

impl News {
    /// Nothing that is so already is news.
    pub(crate) fn since(views: &[InstanceView]) -> Self {
        Self { known: views.iter().map(Known::of).collect() }
    }

    /// What changed.
    pub(crate) fn turns(&mut self, views: &[InstanceView]) -> Vec<Turn> {
        self.compare(views.iter().map(Known::of).collect())
    }

    fn compare(&mut self, now: Vec<Known>) -> Vec<Turn> {
        let same = |one: &&Known, other: &Known| one.instance == other.instance && one.generation == other.generation;
        let before = std::mem::replace(&mut self.known, now);
        let turns = self.known.iter().filter_map(|new| {
            // A restart has a new generation: what it was before is told by the name.
            let old = before
                .iter()
                .find(|old| same(old, new))
                .or_else(|| before.iter().find(|old| old.instance == new.instance));
            Some(new.turn(new.state, turn(old, new)?))
        });
        let gone = before.iter().filter(|old| !self.known.iter().any(|new| new.instance == old.instance));
        turns.chain(gone.map(|old| old.turn(State::Stopped, "stopped".to_owned()))).collect()
    }
}

fn turn(old: Option<&Known>, new: &Known) -> Option<String> {
    let changed = old.is_none_or(|old| old.state != new.state);
    let restarted = old.is_some_and(|old| new.restarts > old.restarts && old.state != State::Backoff);
    match new.state {
        State::Healthy if changed => Some(format!("healthy, {}", new.place)),
        State::Unhealthy | State::Backoff if changed => new.reason.clone(),
        // It was started again before anybody looked.
        State::Starting if restarted => new.reason.clone(),
        State::Stopping if changed => Some("stopping".to_owned()),
        State::Healthy | State::Unhealthy | State::Backoff | State::Starting | State::Stopping | State::Stopped => None,
    }
}

impl Known {
    fn of(view: &InstanceView) -> Self {
        let port = view.port.map_or_else(|| "-".to_owned(), |port| port.to_string());
        let pid = view.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        Self {
            service: view.service.to_string(),
            instance: view.instance.to_string(),
            generation: view.generation,
            state: view.state,
            restarts: view.restarts,
            place: format!("pid {pid}, port {port}"),
            // The lines behind the first were shown as log lines when they came.
            reason: view.reason.as_deref().and_then(|reason| reason.lines().next()).map(str::to_owned),
        }
    }

    fn turn(&self, state: State, text: String) -> Turn {
        Turn { service: self.service.clone(), instance: self.instance.clone(), state, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(generation: u64, state: State, restarts: u32) -> Known {
        Known {
            service: "orders".into(),
            instance: "orders-1".into(),
            generation,
            state,
            restarts,
            place: "pid 7, port 20001".into(),
            reason: (state != State::Healthy).then(|| "ended by SIGKILL".to_owned()),
        }
    }

    #[test]
    fn every_turn_is_told_once() {
        let mut news = News { known: vec![known(1, State::Healthy, 0)] };
        for (now, expected) in [
            (vec![known(1, State::Healthy, 0)], vec![]),
            (vec![known(1, State::Backoff, 0)], vec!["ended by SIGKILL"]),
            (vec![known(2, State::Starting, 1)], vec![]),
            (vec![known(2, State::Healthy, 1)], vec!["healthy, pid 7, port 20001"]),
            // Nobody looked while it waited.
            (vec![known(3, State::Starting, 2)], vec!["ended by SIGKILL"]),
            (vec![known(3, State::Unhealthy, 2)], vec!["ended by SIGKILL"]),
            (vec![known(3, State::Stopping, 2)], vec!["stopping"]),
            (vec![], vec!["stopped"]),
            (vec![known(4, State::Healthy, 0)], vec!["healthy, pid 7, port 20001"]),
        ] {
            let told: Vec<_> = news.compare(now.clone()).into_iter().map(|turn| turn.text).collect();
            assert_eq!(told, expected, "{now:?}");
        }
    }

    #[test]
    fn an_instance_that_is_replaced_is_told_apart_from_its_successor() {
        let mut news = News { known: vec![known(1, State::Healthy, 0)] };
        assert_eq!(news.compare(vec![known(1, State::Healthy, 0), known(2, State::Starting, 0)]), []);
        let told = news.compare(vec![known(1, State::Stopping, 0), known(2, State::Healthy, 0)]);
        let told: Vec<_> = told.into_iter().map(|turn| turn.text).collect();
        assert_eq!(told, ["stopping", "healthy, pid 7, port 20001"]);
    }
}
