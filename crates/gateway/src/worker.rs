//! One thread of the gateway: its listeners, its connections, its pool.
//!
//! A worker shares nothing that is written per request. What changes, the snapshot, is compared by pointer at every
//! request and swapped between two of them.

use std::cell::{Cell, Ref, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime};

use madang_base::{Moment, Random};
use madang_runtime::Timer;
use madang_upstream::Upstream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tracing::{debug, warn};

use crate::access_log;
use crate::downstream::{After, Arrival, Downstream, H1};
use crate::exchange::{Exchange, RequestId};
use crate::forward::Client;
use crate::gateway::{Phase, Shared};
use crate::kept::{Record, Ring, Why};
use crate::life::{End, live, respond};
use crate::metrics::WorkerMeters;
use crate::reply::Reply;
use crate::snapshot::{Side, View};

/// How often idle connections to services are looked through.
const SWEEP: Duration = Duration::from_secs(5);

/// How long a connection that is to be closed may go on sending.
const LINGER: Duration = Duration::from_secs(1);

/// The pause after an accept failed, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The `Date` field is renewed when it is this old.
const DATE_AGE: Duration = Duration::from_millis(500);

pub(crate) struct Worker {
    shared: Arc<Shared>,
    pub(crate) meters: Arc<WorkerMeters>,
    kept: Arc<Ring>,
    view: RefCell<Rc<View>>,
    pub(crate) upstream: Upstream,
    random: RefCell<Random>,
    date: RefCell<(Moment, String)>,
    draining: Cell<bool>,
    connections: Cell<usize>,
    /// Woken when a connection ends.
    ended: Notify,
    /// Wakers of connections that wait for a request, by the connection's place.
    waiting: RefCell<Vec<Option<Waker>>>,
    free_places: RefCell<Vec<usize>>,
}

/// Serves until the gateway stops. Called on the worker's own thread.
pub(crate) fn run(
    shared: &Arc<Shared>,
    meters: &Arc<WorkerMeters>,
    kept: &Arc<Ring>,
    seed: u64,
    listeners: Vec<(Side, std::net::TcpListener)>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let worker = Rc::new(Worker::new(Arc::clone(shared), Arc::clone(meters), Arc::clone(kept), seed));
        let mut accepting = Vec::new();
        for (side, listener) in listeners {
            let listener = TcpListener::from_std(listener)?;
            accepting.push(tokio::task::spawn_local(accept(Rc::clone(&worker), side, listener)));
        }
        let sweeping = tokio::task::spawn_local(sweep(Rc::clone(&worker)));

        let mut phase = shared.phase.subscribe();
        // The sender lives in `shared`, so waiting cannot fail.
        let _ = phase.wait_for(|phase| *phase != Phase::Serving).await;
        worker.draining.set(true);
        for task in accepting {
            task.abort();
            let _ = task.await;
        }
        sweeping.abort();
        worker.waiting.borrow_mut().iter_mut().filter_map(Option::take).for_each(Waker::wake);
        while worker.connections.get() > 0 {
            tokio::select! {
                () = worker.ended.notified() => {}
                _ = phase.wait_for(|phase| *phase == Phase::Stopping) => break,
            }
        }
        if worker.connections.get() > 0 {
            warn!(connections = worker.connections.get(), "connections cut: they did not end in time");
        }
        Ok(())
    })
}

/// Takes connections in, as many as allowed at once; the rest wait in the kernel's queue.
async fn accept(worker: Rc<Worker>, side: Side, listener: TcpListener) {
    let port = listener.local_addr().map_or(0, |address| address.port());
    loop {
        while worker.connections.get() >= worker.shared.connections_per_worker {
            worker.ended.notified().await;
        }
        match listener.accept().await {
            Ok((stream, peer)) => {
                worker.connections.set(worker.connections.get() + 1);
                worker.meters.accepted.inc_alone();
                worker.meters.connections.set(i64::try_from(worker.connections.get()).unwrap_or(i64::MAX));
                tokio::task::spawn_local(connection(Rc::clone(&worker), side, stream, peer, port));
            }
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn sweep(worker: Rc<Worker>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        worker.upstream.sweep(madang_runtime::now());
        worker.meters.idle.set(i64::try_from(worker.upstream.idle_connections()).unwrap_or(i64::MAX));
    }
}

/// One client's connection, request after request.
async fn connection(worker: Rc<Worker>, side: Side, stream: TcpStream, peer: SocketAddr, port: u16) {
    let place = Place::take(&worker);
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%peer, %error, "connection lost before its first request");
        return;
    }
    let client = Client::new(peer, "http", port, &worker.view().settings().trusted);
    let client = match side {
        Side::Edge => client,
        Side::Egress => client.passing_ids_on(),
    };
    let mut exchange = Exchange::new(client);
    let mut downstream = Downstream::H1(H1::new(stream));
    let mut timer = Timer::new();
    if serve(&worker, side, &mut downstream, &mut exchange, &mut timer, place.index).await == After::Cut {
        return downstream.cut();
    }

    let limit = madang_runtime::now() + LINGER;
    poll_fn(|cx| match downstream.poll_linger(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => timer.poll(cx, limit),
    })
    .await;
}

/// Serves a client until it or we want no more; says how the connection is to end.
pub(crate) async fn serve(
    worker: &Worker,
    side: Side,
    downstream: &mut Downstream,
    exchange: &mut Exchange,
    timer: &mut Timer,
    place: usize,
) -> After {
    let mut waiting_since = madang_runtime::now();
    loop {
        let view = worker.view();
        let settings = view.settings();
        let mut begun = None;
        let arrival = poll_fn(|cx| {
            if let Poll::Ready(arrival) = downstream.poll_request(cx, exchange, &settings.limits.head) {
                return Poll::Ready(Some(arrival));
            }
            let deadline = if downstream.is_idle() {
                if worker.is_draining() {
                    return Poll::Ready(None);
                }
                worker.park(place, cx.waker());
                waiting_since + settings.timeouts.idle
            } else {
                *begun.get_or_insert_with(madang_runtime::now) + settings.timeouts.head
            };
            timer.poll(cx, deadline).map(|()| None)
        })
        .await;

        // The wait may have been long: judge by the settings of now.
        let view = worker.view();
        let end = match arrival {
            Some(Ok(Arrival::Request)) => live(worker, &view, side, downstream, exchange, timer).await,
            Some(Ok(Arrival::Refused(error))) => {
                refuse(worker, &view, side, downstream, exchange, timer, &Reply::refusal(error)).await
            }
            None if !downstream.is_idle() => {
                let reply = Reply::new(408, "request_timeout", "the request's head did not arrive in time");
                refuse(worker, &view, side, downstream, exchange, timer, &reply).await
            }
            None | Some(Ok(Arrival::Closed) | Err(_)) => return After::Close,
        };
        waiting_since = end.at.unwrap_or_else(madang_runtime::now);
        worker.record(&view, side, exchange, &end, waiting_since.since(exchange.started));
        if end.after != After::KeepAlive {
            return end.after;
        }
    }
}

/// Answers something that is not a request.
async fn refuse(
    worker: &Worker,
    view: &View,
    side: Side,
    downstream: &mut Downstream,
    exchange: &mut Exchange,
    timer: &mut Timer,
    reply: &Reply,
) -> End {
    exchange.request = crate::exchange::Request::default();
    exchange.begin(worker.next_id(), madang_runtime::now());
    let mut end = respond(worker, view, downstream, exchange, timer, reply, End::new(side)).await;
    end.after = After::Close;
    end
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, meters: Arc<WorkerMeters>, kept: Arc<Ring>, seed: u64) -> Self {
        let view = View::new(shared.current.load_full(), &meters);
        Self {
            shared,
            meters,
            kept,
            view: RefCell::new(Rc::new(view)),
            upstream: Upstream::new(seed),
            random: RefCell::new(Random::new(!seed)),
            date: RefCell::default(),
            draining: Cell::new(false),
            connections: Cell::new(0),
            ended: Notify::new(),
            waiting: RefCell::default(),
            free_places: RefCell::default(),
        }
    }

    /// The settings and routes of now.
    pub(crate) fn view(&self) -> Rc<View> {
        let current = self.shared.current.load();
        let mut view = self.view.borrow_mut();
        if !Arc::ptr_eq(&current, &view.snapshot) {
            *view = Rc::new(View::new(Arc::clone(&current), &self.meters));
        }
        Rc::clone(&view)
    }

    pub(crate) fn next_id(&self) -> RequestId {
        RequestId::from_random(self.random.borrow_mut().next())
    }

    /// The time as HTTP writes it (RFC 9110 §5.6.7), at most half a second old.
    pub(crate) fn date(&self, now: Moment) -> Ref<'_, str> {
        if self.date.borrow().1.is_empty() || now.since(self.date.borrow().0) > DATE_AGE {
            *self.date.borrow_mut() = (now, httpdate::fmt_http_date(SystemTime::now()));
        }
        Ref::map(self.date.borrow(), |(_, text)| text.as_str())
    }

    pub(crate) const fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Where a connection's waker is kept.
    pub(crate) fn take_place(&self) -> usize {
        let mut waiting = self.waiting.borrow_mut();
        self.free_places.borrow_mut().pop().unwrap_or_else(|| {
            waiting.push(None);
            waiting.len() - 1
        })
    }

    /// Remembers whom to wake when the gateway drains.
    fn park(&self, place: usize, waker: &Waker) {
        let slot = &mut self.waiting.borrow_mut()[place];
        if !slot.as_ref().is_some_and(|parked| parked.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }

    fn record(&self, view: &View, side: Side, exchange: &Exchange, end: &End, duration: Duration) {
        view.meters(side, end.route).record(end.status, end.attempts, duration);
        if side == Side::Egress {
            view.pair(&self.meters, exchange.caller, end.route).record(end.status, duration);
        }
        if !end.is_plain
            && let Some(why) = end.why(view, duration)
        {
            self.keep(view, side, exchange, end, why, duration);
        }
        if let Some(log) = &self.shared.access_log {
            let route = end.route.map(|index| view.route(side, index).id.as_str());
            if !log.write(access_log::Line { exchange, end, route, duration }) {
                self.meters.unlogged.inc_alone();
            }
        }
    }

    #[cold]
    fn keep(&self, view: &View, side: Side, exchange: &Exchange, end: &End, why: Why, duration: Duration) {
        if why != Why::Failed && exchange.response.is_event_stream() {
            return; // It lasts as long as somebody listens.
        }
        let most = view.settings().requests.keep.div_ceil(self.shared.workers);
        self.kept.push(Record::new(view, side, exchange, end, why, duration), most);
    }
}

/// A connection's place among those the worker counts; given back when dropped, also when the task panics.
struct Place {
    worker: Rc<Worker>,
    index: usize,
}

impl Place {
    fn take(worker: &Rc<Worker>) -> Self {
        Self { worker: Rc::clone(worker), index: worker.take_place() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let worker = &self.worker;
        worker.waiting.borrow_mut()[self.index] = None;
        worker.free_places.borrow_mut().push(self.index);
        worker.connections.set(worker.connections.get() - 1);
        worker.meters.connections.set(i64::try_from(worker.connections.get()).unwrap_or(i64::MAX));
        worker.ended.notify_waiters();
        worker.ended.notify_one();
    }
}
