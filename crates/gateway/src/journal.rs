//! The calls of one request, noted while they happen for the case that somebody asks later.
//!
//! Nearly every request is one good call, and nothing is noted of it: [`Journal`] stays empty and costs a comparison.
//! It belongs to the connection and is written once a second call is needed or the request turns out to be worth
//! keeping, each time before the balancer gets its verdict, because the instance is only known until then.

use std::net::SocketAddr;
use std::sync::Arc;

use madang_balance::Endpoint;
use madang_base::Moment;
use madang_upstream::Attempt;

/// Calls noted of one request at most. Of more the first ones and the last are kept.
pub(crate) const MOST_CALLS: usize = 16;

/// Bytes kept of what went wrong.
const MOST_ERROR: usize = 256;

/// Bytes kept of what the client was told.
const MOST_DETAIL: usize = 512;

/// Of one connection, for one request after the other.
#[derive(Default)]
pub(crate) struct Journal {
    calls: Vec<Note>,
    /// Calls that did not get as far as a connection.
    pub(crate) missed: u32,
    /// What the gateway told the client instead of a service's answer.
    pub(crate) detail: Option<String>,
}

/// One try at one endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(crate) instance: Arc<str>,
    pub(crate) address: SocketAddr,
    pub(crate) started: Moment,
    pub(crate) ended: Moment,
    /// When the head of its answer was there.
    pub(crate) answered: Option<Moment>,
    pub(crate) outcome: Outcome,
    pub(crate) status: Option<u16>,
    pub(crate) reused: bool,
    pub(crate) error: Option<String>,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its answer went to the client, to the end.
    Answered,
    /// Its answer has a status that the route tries again.
    Retried,
    /// Its answer has a status that counts as a failure, and the fallback answers instead.
    Replaced,
    /// No connection.
    ConnectFailed,
    /// A kept connection that the service had closed; nothing of the request was taken.
    Stale,
    /// It broke before the answer.
    NoAnswer,
    /// Its answer is not HTTP/1.1.
    Invalid,
    /// It broke off within its answer.
    Cut,
    /// Time ran out.
    Timeout,
    /// The client left, or sent something that ended it.
    Abandoned,
}

impl Outcome {
    /// A stable token.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Retried => "retried",
            Self::Replaced => "replaced",
            Self::ConnectFailed => "connect_failed",
            Self::Stale => "stale",
            Self::NoAnswer => "no_answer",
            Self::Invalid => "invalid",
            Self::Cut => "cut",
            Self::Timeout => "timeout",
            Self::Abandoned => "abandoned",
        }
    }
}

impl Journal {
    /// Ready for the next request.
    pub(crate) fn begin(&mut self) {
        if !self.calls.is_empty() || self.detail.is_some() {
            self.calls.clear();
            self.missed = 0;
            self.detail = None;
        }
    }

    /// Nothing was noted: so far it is one call, and a good one.
    pub(crate) const fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    pub(crate) fn calls(&self) -> &[Note] {
        &self.calls
    }

    /// `endpoint`, picked at `started`, cannot be connected to.
    #[cold]
    pub(crate) fn missed(&mut self, endpoint: &Endpoint, started: Moment, ended: Moment, error: String) {
        self.missed += 1;
        self.push(Note {
            instance: Arc::clone(&endpoint.instance),
            address: endpoint.address,
            started,
            ended,
            answered: None,
            outcome: Outcome::ConnectFailed,
            status: None,
            reused: false,
            error: Some(capped(error, MOST_ERROR)),
        });
    }

    /// What became of `attempt`, before its verdict.
    #[cold]
    pub(crate) fn called(
        &mut self,
        attempt: &Attempt,
        ended: Moment,
        outcome: Outcome,
        answer: Option<Answer>,
    ) -> &mut Note {
        let endpoint = attempt.endpoint();
        self.push(Note {
            instance: Arc::clone(&endpoint.instance),
            address: endpoint.address,
            started: attempt.started(),
            ended,
            answered: answer.map(|answer| answer.at),
            outcome,
            status: answer.map(|answer| answer.status),
            reused: attempt.is_reused(),
            error: None,
        })
    }

    /// The client was told this.
    #[cold]
    pub(crate) fn told(&mut self, detail: &str) {
        self.detail = Some(capped(detail.to_owned(), MOST_DETAIL));
    }

    fn push(&mut self, note: Note) -> &mut Note {
        if self.calls.len() == MOST_CALLS {
            self.calls.pop();
        }
        self.calls.push(note);
        let last = self.calls.len() - 1;
        &mut self.calls[last]
    }
}

impl Note {
    pub(crate) fn because(&mut self, error: impl ToString) {
        self.error = Some(capped(error.to_string(), MOST_ERROR));
    }
}

/// The head of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) at: Moment,
}

/// At most `most` bytes of `text`, and a mark where something is missing.
pub(crate) fn capped(mut text: String, most: usize) -> String {
    const MARK: char = '…';
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most - MARK.len_utf8()));
        text.push(MARK);
    }
    text
}
