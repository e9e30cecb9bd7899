//! One reader's stream: a body that looks at the ring whenever the connection takes more.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, StatusCode};
use http_body::Frame;
use madang_serve::Problem;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::ring::Place;
use super::{Event, Events, READERS, Shared};
use crate::codes;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

const STREAM_TYPE: &str = "text/event-stream";

/// Whoever is in between must not take silence for an end.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The least time between two batches. The first comes at once.
const PACE: Duration = Duration::from_millis(200);

/// At the start of each stream: come back after two seconds when it breaks.
const HELLO: &str = "retry: 2000\n\n";

/// What happens, as it happens, as Server-Sent Events.
///
/// `data:` of each news is an object as described here; signals have other data, see `docs/events.md`.
#[utoipa::path(
    get,
    path = super::PATH,
    params(("Last-Event-ID" = Option<u64>, Header, description = "The number of the last news seen: it goes on there.")),
    responses(
        (status = 200, body = Event, content_type = STREAM_TYPE, description = "Until you leave."),
        (status = 503, description = Problem::titles(&[&codes::READERS]))
    )
)]
pub(crate) async fn events(State(events): State<Events>, headers: HeaderMap) -> Result<Response, Problem> {
    let slot = Slot::take(&events.0).ok_or_else(|| {
        let detail = format!("{READERS} readers follow the events, the most at once");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, &codes::READERS, detail)
            .hint("close consoles that nobody looks at, and try again")
    })?;
    let last = headers.get(LAST_EVENT_ID).and_then(|last| last.to_str().ok()?.trim().parse().ok());
    // Before the place is taken: what comes in between wakes the first wait.
    let wake = events.0.wake.subscribe();
    let place = events.0.ring().enter(last);
    let reader = Reader { slot, place, wake, rests_until: Instant::now() };
    let body = Stream { turn: Box::pin(async { Some((reader, Bytes::from_static(HELLO.as_bytes()))) }) };
    Ok(([(CONTENT_TYPE, STREAM_TYPE)], Body::new(body)).into_response())
}

/// One of the [`READERS`]; given back when it is dropped.
struct Slot(Arc<Shared>);

impl Slot {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let mut taken = false;
        shared.readers.send_if_modified(|readers| {
            taken = *readers < READERS;
            *readers += usize::from(taken);
            taken
        });
        taken.then(|| Self(Arc::clone(shared)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.readers.send_modify(|readers| *readers -= 1);
    }
}

struct Reader {
    slot: Slot,
    place: Place,
    wake: watch::Receiver<()>,
    rests_until: Instant,
}

type Turn = Pin<Box<dyn Future<Output = Option<(Reader, Bytes)>> + Send>>;

impl Reader {
    /// What to write next, as soon as there is something; none at the end of everything.
    async fn next(mut self) -> Option<(Self, Bytes)> {
        let scope = self.slot.0.scope.clone();
        let bytes = scope.until_cancelled(self.batch()).await?;
        Some((self, bytes))
    }

    async fn batch(&mut self) -> Bytes {
        sleep_until(self.rests_until).await;
        loop {
            self.wake.borrow_and_update();
            let batch = self.slot.0.ring().read(&mut self.place);
            if !batch.is_empty() {
                self.rests_until = Instant::now() + PACE;
                return batch.into();
            }
            if timeout(KEEP_ALIVE, self.wake.changed()).await.is_err() {
                return Bytes::from_static(b": still here\n\n");
            }
        }
    }
}

/// The body of an answer.
struct Stream {
    turn: Turn,
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some((reader, bytes)) = ready!(self.turn.as_mut().poll(context)) else {
            // Asked once more it would still be the end.
            self.turn = Box::pin(std::future::ready(None));
            return Poll::Ready(None);
        };
        self.turn = Box::pin(reader.next());
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}
