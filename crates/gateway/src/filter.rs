//! Filters: what a route does to a request before the service sees it, and to the answer before the client does.
//!
//! Request sides run in the written order, response sides in reverse. Most filters decide at once; one that needs
//! the body or has to wait says so by its [`Flow`] and costs the others nothing.

mod body;
mod fault;
mod headers;
mod path;
mod read;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::exchange::{Direction, Exchange};
use crate::reply::Reply;

pub(crate) use read::read;

/// The filter of that name, for routes the gateway makes itself.
pub(crate) fn strip_prefix(segments: usize) -> Arc<dyn Filter> {
    Arc::new(path::StripPrefix { segments })
}

/// One step of a route.
pub(crate) trait Filter: Send + Sync {
    /// Sees and edits the request.
    fn request(&self, _exchange: &mut Exchange) -> Flow {
        Flow::Next
    }

    /// It answers every request itself, so that its route needs no service.
    fn answers(&self) -> bool {
        false
    }

    /// Sees and edits the answer's head.
    fn response(&self, _exchange: &mut Exchange) {}

    /// What the body goes through in that direction, piece by piece. The length becomes unknown by it.
    fn body(&self, _direction: Direction) -> Option<Box<dyn Transform>> {
        None
    }
}

/// How a request goes on after a filter saw it.
pub(crate) enum Flow {
    /// To the next filter.
    Next,
    /// Not at all: this is the answer.
    Respond(Reply),
    /// The filter wants the whole body, up to that many bytes (413 beyond), and is asked again then.
    NeedBody(usize),
    /// After something that takes time; what comes out of it decides.
    Wait(Waiting),
}

/// Something a filter waits for. Dropped when the request's deadline passes or its client leaves.
pub(crate) type Waiting = Pin<Box<dyn Future<Output = Resume>>>;

/// What a filter does with the request once it has what it waited for.
pub(crate) type Resume = Box<dyn FnOnce(&mut Exchange) -> Flow>;

/// Changes a body on its way.
pub(crate) trait Transform {
    /// Takes `input` and appends what goes on to `out`. With [`Part::Last`] nothing follows, and `out` takes what
    /// was kept back.
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>, part: Part);
}

/// Where in a body a piece stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// More follows.
    Middle,
    /// Nothing follows.
    Last,
}

/// The transforms of one direction of one exchange, in the order bytes pass them.
#[derive(Default)]
pub(crate) struct Transforms {
    steps: Vec<Box<dyn Transform>>,
}

impl Transforms {
    pub(crate) fn collect<'a>(filters: impl Iterator<Item = &'a dyn Filter>, direction: Direction) -> Self {
        Self { steps: filters.filter_map(|filter| filter.body(direction)).collect() }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Passes `input` through all steps and hands the result to `sink`; without steps that is `input` itself.
    pub(crate) fn push(&mut self, input: &[u8], part: Part, sink: &mut dyn FnMut(&[u8])) {
        let Some((first, rest)) = self.steps.split_first_mut() else {
            return sink(input);
        };
        let mut passed = Vec::new();
        first.push(input, &mut passed, part);
        for step in rest {
            let mut out = Vec::new();
            step.push(&passed, &mut out, part);
            passed = out;
        }
        sink(&passed);
    }
}
