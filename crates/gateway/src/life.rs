//! The life of a request, from its head to the last byte of its answer.
//!
//! [`live`] is the whole story; everything it calls is one step of it. A request's task is its connection's task:
//! nothing is spawned, and dropping the future ends the exchange.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use madang_balance::EndpointId;
use madang_base::Moment;
use madang_runtime::Timer;
use madang_upstream::{AcquireError, Freshness, Missed, Watch};

use crate::breaker::{self, Breaker, Fallback};
use crate::call::{Call, CallFault};
use crate::downstream::{After, Downstream};
use crate::exchange::{Body, Exchange};
use crate::filter::Flow;
use crate::forward;
use crate::journal::{Answer, Outcome};
use crate::kept::Why;
use crate::pump::{Fault, Pump};
use crate::reply::{self, Reply};
use crate::settings::Policy;
use crate::snapshot::{Route, Side, View};
use crate::worker::Worker;

/// How a request ended.
pub(crate) struct End {
    /// Whether the connection may carry another one.
    pub(crate) after: After,
    /// Which listener it came to.
    side: Side,
    /// Position of its route among the routes of that side.
    pub(crate) route: Option<usize>,
    /// What the client got; 499 when it left before (nginx's number for it).
    pub(crate) status: u16,
    /// A stable token when the answer is the gateway's own or was cut short.
    pub(crate) reason: Option<&'static str>,
    /// The endpoint that answered, or was called last.
    pub(crate) upstream: Option<std::net::SocketAddr>,
    /// Calls made.
    pub(crate) attempts: u32,
    /// Body bytes handed to the client.
    pub(crate) bytes: u64,
    /// When the answer was out, if that was noted anyway.
    pub(crate) at: Option<Moment>,
    /// It is known to be nothing to keep: a good answer, in time.
    pub(crate) is_plain: bool,
}

impl End {
    /// Nothing happened yet.
    pub(crate) const fn new(side: Side) -> Self {
        let after = After::Close;
        let (route, reason, upstream, at) = (None, None, None, None);
        Self { after, side, route, status: 0, reason, upstream, attempts: 0, bytes: 0, at, is_plain: false }
    }

    /// Why a request that ended like this is kept, if it is.
    pub(crate) fn why(&self, view: &View, duration: Duration) -> Option<Why> {
        let slow = view.settings().requests.slow;
        match self.reason {
            // How long an upgraded connection lasts, and who ends it, says nothing.
            _ if self.status == 101 => None,
            Some(reason) if !reply::is_good(reason) => Some(Why::Failed),
            _ if self.status >= 500 => Some(Why::Failed),
            _ => (duration >= slow).then_some(Why::Slow(slow)),
        }
    }
}

/// Why a request gets no answer from a service.
enum Stop {
    /// It gets this one.
    Reply(Reply),
    /// Nobody is there to get one.
    ClientGone,
}

/// Takes the request whose head is in `exchange` to its end.
pub(crate) async fn live(
    worker: &Worker,
    view: &View,
    side: Side,
    downstream: &mut Downstream,
    exchange: &mut Exchange,
    timer: &mut Timer,
) -> End {
    exchange.begin(worker.next_id(), madang_runtime::now());
    let mut end = End::new(side);
    if side == Side::Egress
        && let Some(name) = exchange.request.take_caller()
    {
        exchange.caller = view.caller(&name);
    }

    // 1. Which route?
    let index = match find(view, side, exchange) {
        Ok(index) => index,
        Err(reply) => return respond(worker, view, downstream, exchange, timer, &reply, end).await,
    };
    let route = view.route(side, index);
    end.route = Some(index);
    let deadline = exchange.started + route.policy.timeout;

    // 2. What do its filters say?
    let mut pump = Pump::new(&route.filters, view.settings().limits.body_bytes, exchange.started);
    if let Err(stop) = filter_request(route, downstream, exchange, &mut pump, timer, deadline).await {
        exchange.taken = pump.taken;
        return stopped(worker, view, downstream, exchange, timer, stop, end).await;
    }

    // 3. Call the service, elsewhere again as long as that is safe, until there is an answer to give.
    let aim = Aim { target: route.target.as_ref(), name: route.target_name(), policy: &route.policy, deadline };
    let called = match &route.breaker {
        None => call(worker, view, &aim, downstream, exchange, &mut pump, timer, &mut end).await,
        Some(breaker) => {
            guarded(worker, view, route, breaker, &aim, downstream, exchange, &mut pump, timer, &mut end).await
        }
    };
    let mut call = match called {
        Ok(call) => call,
        Err(stop) => {
            exchange.taken = pump.taken;
            return stopped(worker, view, downstream, exchange, timer, stop, end).await;
        }
    };
    let answered = madang_runtime::now();

    // 4. Answer: the filters in reverse, then the bytes as they come.
    for filter in route.filters.iter().rev() {
        filter.response(exchange);
    }
    let tunnel = exchange.response.body == Body::Tunnel;
    if tunnel {
        pump.open_tunnel();
    } else if pump.changes_response() && !matches!(exchange.response.body, Body::Empty) {
        exchange.response.body = Body::Chunked;
    }
    forward::finish_response(exchange, &worker.date(answered));
    let keep = if worker.is_draining() || !pump.is_sent() { After::Close } else { After::KeepAlive };
    downstream.begin(exchange, keep);
    end.status = exchange.response.head.status;
    let timeouts = &view.settings().timeouts;
    let idle = if tunnel { timeouts.tunnel_idle } else { timeouts.body_idle };
    pump.moved = answered;
    let rest = poll_fn(|cx| {
        if let Poll::Ready(result) = pump.poll_rest(cx, downstream, &mut call, exchange) {
            return Poll::Ready(Some(result));
        }
        timer.poll(cx, pump.moved + idle).map(|()| None)
    })
    .await;

    // 5. Tell the balancer, and whether the connection is good for more.
    exchange.taken = pump.taken;
    end.bytes = pump.returned;
    let answer = Some(Answer { status: end.status, at: answered });
    match rest {
        Some(Ok(())) => {
            let now = madang_runtime::now();
            end.at = Some(now);
            end.is_plain = end.why(view, now.since(exchange.started)).is_none();
            if !(end.is_plain && exchange.journal.is_empty()) {
                exchange.journal.called(call.attempt(), now, Outcome::Answered, answer);
            }
            call.succeed(exchange, answered, now, pump.is_sent());
            end.after = downstream.after();
        }
        Some(Err(Fault::Call(fault))) => {
            // The head is out: the client gets what came, and must see a cut, never a clean end.
            exchange.journal.called(call.attempt(), madang_runtime::now(), Outcome::Cut, answer).because(fault);
            call.fail();
            end.reason = Some("upstream_cut");
            flush(downstream, timer, madang_runtime::now() + timeouts.body_idle).await;
            end.after = After::Cut;
        }
        Some(Err(Fault::ClientGone | Fault::ClientBody(_) | Fault::BodyTooLarge(_))) => {
            exchange.journal.called(call.attempt(), madang_runtime::now(), Outcome::Abandoned, answer);
            end.reason = Some("client_gone");
        }
        None => {
            let error = format!("no byte moved for {}", madang_base::format_duration(idle));
            exchange.journal.called(call.attempt(), madang_runtime::now(), Outcome::Timeout, answer).because(error);
            end.reason = Some(if tunnel { "tunnel_idle" } else { "body_idle" });
            end.after = After::Cut;
        }
    }
    end
}

fn find(view: &View, side: Side, exchange: &mut Exchange) -> Result<usize, Reply> {
    let request = &exchange.request;
    if forward::is_circling(request) {
        return Err(Reply::new(
            508,
            "loop",
            "the request came through this gateway again and again; a route leads back to the gateway itself",
        ));
    }
    if let Body::Length(length) = request.body
        && length > view.settings().limits.body_bytes
    {
        return Err(too_large(view.settings().limits.body_bytes));
    }
    if request.method_bytes() == b"OPTIONS"
        && let Some(reply) = forward::count_down(&mut exchange.request)
    {
        return Err(reply);
    }
    let request = &exchange.request;
    match view.find(side, request) {
        Ok(Some(index)) => Ok(index),
        // RFC 9110 §9.3.7: about the server as a whole; without a route that wants it, that is us.
        Ok(None) if request.path() == "*" => Err(Reply::quiet(200, "options").header("Allow", forward::ALLOWED)),
        Ok(None) => Err(Reply::new(
            404,
            "no_route",
            format!(
                "no route matches {} {}; `madang route explain {} {}` says why",
                request.method(),
                request.path(),
                request.method(),
                request.path()
            ),
        )),
        Err(error) => Err(Reply::new(400, "bad_path", error.to_string())),
    }
}

async fn filter_request(
    route: &Route,
    downstream: &mut Downstream,
    exchange: &mut Exchange,
    pump: &mut Pump,
    timer: &mut Timer,
    deadline: Moment,
) -> Result<(), Stop> {
    for filter in &route.filters {
        let mut flow = filter.request(exchange);
        loop {
            match flow {
                Flow::Next => break,
                Flow::Respond(reply) => return Err(Stop::Reply(reply)),
                Flow::NeedBody(most) => {
                    if exchange.request.expects_continue() {
                        downstream.proceed();
                    }
                    let mut body = Vec::new();
                    let collected = poll_fn(|cx| {
                        if let Poll::Ready(result) = pump.poll_collect(cx, downstream, &mut body, most) {
                            return Poll::Ready(Some(result));
                        }
                        timer.poll(cx, deadline).map(|()| None)
                    })
                    .await;
                    match collected {
                        Some(Ok(())) => exchange.request.body = Body::Buffered(body),
                        Some(Err(fault)) => return Err(stop(fault, route.target_name())),
                        None => return Err(Stop::Reply(slow_client())),
                    }
                    flow = filter.request(exchange);
                    if matches!(flow, Flow::NeedBody(_)) {
                        return Err(Stop::Reply(Reply::new(500, "filter_failed", "a filter asked for the body twice")));
                    }
                }
                Flow::Wait(mut waiting) => {
                    let resume = poll_fn(|cx| {
                        if let Poll::Ready(resume) = waiting.as_mut().poll(cx) {
                            return Poll::Ready(Ok(resume));
                        }
                        if downstream.poll_gone(cx).is_ready() {
                            return Poll::Ready(Err(Stop::ClientGone));
                        }
                        timer
                            .poll(cx, deadline)
                            .map(|()| Err(Stop::Reply(timed_out(route.target_name(), route.policy.timeout))))
                    })
                    .await?;
                    flow = resume(exchange);
                }
            }
        }
    }
    if pump.changes_request() && !matches!(exchange.request.body, Body::Empty | Body::Buffered(_)) {
        exchange.request.body = Body::Chunked;
    }
    Ok(())
}

/// What is called, and how.
struct Aim<'a> {
    /// `None` when nobody is there to be called.
    target: Option<&'a Watch>,
    /// Whom that is, for messages.
    name: &'a str,
    policy: &'a Policy,
    deadline: Moment,
}

/// [`call`], if the route's breaker lets it; what it refuses and what failed goes to the fallback.
///
/// Cancel-safe: dropped, it gives the breaker's place back.
#[allow(clippy::too_many_arguments)] // the steps of one function, split to be read
async fn guarded(
    worker: &Worker,
    view: &View,
    route: &Route,
    breaker: &Breaker,
    aim: &Aim<'_>,
    downstream: &mut Downstream,
    exchange: &mut Exchange,
    pump: &mut Pump,
    timer: &mut Timer,
    end: &mut End,
) -> Result<Call, Stop> {
    let failed = match breaker.acquire() {
        Err(rejected) => breaker::refused(&route.id, rejected),
        Ok(permit) => match call(worker, view, aim, downstream, exchange, pump, timer, end).await {
            Ok(call) => {
                let status = exchange.response.head.status;
                if !breaker.fails(status) {
                    permit.succeed(madang_runtime::now());
                    return Ok(call);
                }
                permit.fail(madang_runtime::now());
                match &breaker.fallback {
                    None => return Ok(call),
                    // The request cannot be sent again: its own answer is the best there is.
                    Some(Fallback::Target { .. }) if pump.held().is_none() => return Ok(call),
                    Some(_) => {}
                }
                let answer = Some(Answer { status, at: madang_runtime::now() });
                exchange.journal.called(call.attempt(), madang_runtime::now(), Outcome::Replaced, answer);
                call.fail();
                Reply::new(status, "upstream_failed", format!("`{}` answered {status}", aim.name))
            }
            Err(Stop::ClientGone) => return Err(Stop::ClientGone),
            Err(Stop::Reply(reply)) => {
                breaker::judge(permit, reply.status);
                if reply.status < 500 {
                    return Err(Stop::Reply(reply));
                }
                reply
            }
        },
    };
    match &breaker.fallback {
        None => Err(Stop::Reply(failed)),
        Some(Fallback::Target { .. }) if pump.held().is_none() => Err(Stop::Reply(failed)),
        Some(fallback) => {
            breaker.falls_back();
            exchange.journal.told(failed.detail());
            match fallback {
                Fallback::Answer(answer) => Err(Stop::Reply(answer.reply())),
                Fallback::Target { watch, to } => {
                    end.reason = Some("fallback");
                    let deadline = madang_runtime::now() + aim.policy.timeout;
                    let aim = Aim { target: Some(watch), name: to, policy: aim.policy, deadline };
                    call(worker, view, &aim, downstream, exchange, pump, timer, end).await
                }
            }
        }
    }
}

/// Calls until an answer's head is in the exchange.
///
/// *Replay* is automatic: a call of which no byte was taken goes to another endpoint whatever its method; one that
/// failed later goes once more if it is idempotent. *Retry* is the route's policy: statuses that are tried again.
/// Both need the body, if there is one, still held.
#[allow(clippy::too_many_arguments)] // the steps of one function, split to be read
async fn call(
    worker: &Worker,
    view: &View,
    aim: &Aim<'_>,
    downstream: &mut Downstream,
    exchange: &mut Exchange,
    pump: &mut Pump,
    timer: &mut Timer,
    end: &mut End,
) -> Result<Call, Stop> {
    let &Aim { policy, deadline, .. } = aim;
    let Some(target) = aim.target else {
        return Err(Stop::Reply(Reply::new(
            500,
            "no_target",
            "the route leads nowhere and none of its filters answered",
        )));
    };
    let mut tried: Vec<EndpointId> = Vec::new();
    let mut replays_left = 1;
    let mut retries_left = policy.retry.attempts;
    loop {
        // A connection that its peer closed a moment ago would swallow a request that must not be sent twice.
        let freshness = if exchange.request.is_idempotent() { Freshness::Known } else { Freshness::Asked };
        let journal = &mut exchange.journal;
        let missed = |missed: Missed<'_>| {
            journal.missed(missed.endpoint, missed.started, missed.ended, missed.error.failure.to_string());
        };
        let attempt = worker.upstream.acquire(target, &policy.balance, freshness, &mut tried, deadline, missed);
        let attempt = match attempt.await {
            Ok(attempt) => attempt,
            Err(error) => return Err(Stop::Reply(unreachable(&error))),
        };
        end.upstream = Some(attempt.endpoint().address);
        end.attempts += 1;
        let reused = attempt.is_reused();
        let id = attempt.endpoint().id;

        let held = pump.held().unwrap_or_default();
        let mut call = Call::new(attempt, exchange, held, &view.settings().limits.head);
        pump.restart();
        let outcome = poll_fn(|cx| {
            if let Poll::Ready(result) = pump.poll_head(cx, downstream, &mut call, exchange) {
                return Poll::Ready(Some(result));
            }
            timer.poll(cx, deadline).map(|()| None)
        })
        .await;

        let replayable = pump.held().is_some();
        match outcome {
            Some(Ok(())) => {
                let retry = &policy.retry;
                let wanted = retries_left > 0
                    && replayable
                    && retry.covers(exchange.request.method(), exchange.response.head.status);
                if !wanted {
                    return Ok(call);
                }
                retries_left -= 1;
                let now = madang_runtime::now();
                let answer = Answer { status: exchange.response.head.status, at: now };
                exchange.journal.called(call.attempt(), now, Outcome::Retried, Some(answer));
                call.fail();
                if tried.len() >= target.endpoints().ready() {
                    // Everybody had a turn; a service of one instance is asked again.
                    tried.clear();
                }
            }
            Some(Err(Fault::Call(fault))) => {
                let untouched = call.written == 0;
                let outcome = match fault {
                    _ if untouched && reused => Outcome::Stale,
                    CallFault::Closed | CallFault::Broken(_) => Outcome::NoAnswer,
                    CallFault::Invalid(_) | CallFault::Unasked | CallFault::Endless | CallFault::Body(_) => {
                        Outcome::Invalid
                    }
                };
                exchange.journal.called(call.attempt(), madang_runtime::now(), outcome, None).because(&fault);
                let safe = untouched || (exchange.request.is_idempotent() && !call.answering);
                if !(safe && replayable && (untouched || replays_left > 0)) {
                    call.fail();
                    return Err(Stop::Reply(bad_gateway(aim.name, &fault)));
                }
                if untouched && reused {
                    // The connection was stale: that says nothing about its endpoint.
                    drop(call);
                    tried.retain(|tried| *tried != id);
                } else {
                    call.fail();
                }
                if !untouched {
                    replays_left -= 1;
                }
            }
            Some(Err(fault)) => {
                exchange.journal.called(call.attempt(), madang_runtime::now(), Outcome::Abandoned, None);
                return Err(stop(fault, aim.name));
            }
            None => {
                exchange.journal.called(call.attempt(), madang_runtime::now(), Outcome::Timeout, None);
                call.fail();
                return Err(Stop::Reply(timed_out(aim.name, policy.timeout)));
            }
        }
    }
}

async fn stopped(
    worker: &Worker,
    view: &View,
    downstream: &mut Downstream,
    exchange: &mut Exchange,
    timer: &mut Timer,
    stop: Stop,
    mut end: End,
) -> End {
    match stop {
        Stop::Reply(reply) => respond(worker, view, downstream, exchange, timer, &reply, end).await,
        Stop::ClientGone => {
            end.status = 499;
            end.reason = Some("client_gone");
            end
        }
    }
}

/// Gives an answer of the gateway's own.
pub(crate) async fn respond(
    worker: &Worker,
    view: &View,
    downstream: &mut Downstream,
    exchange: &mut Exchange,
    timer: &mut Timer,
    reply: &Reply,
    mut end: End,
) -> End {
    let now = madang_runtime::now();
    let hint = (view.settings().requests.keep > 0).then(|| format!("madang explain {}", exchange.id.as_str()));
    reply.apply(exchange, end.route.map(|index| view.route(end.side, index).id.as_str()), hint.as_deref());
    if !reply.detail().is_empty() {
        exchange.journal.told(reply.detail());
    }
    if let Body::Buffered(body) = &exchange.response.body
        && exchange.request.method_bytes() != b"HEAD"
    {
        end.bytes = body.len() as u64;
    }
    forward::finish_response(exchange, &worker.date(now));
    let whole = downstream.is_body_done() && !worker.is_draining();
    downstream.begin(exchange, if whole { After::KeepAlive } else { After::Close });
    let limit = now + view.settings().timeouts.body_idle;
    end.status = reply.status;
    end.reason = Some(reply.reason);
    if flush(downstream, timer, limit).await {
        end.after = downstream.after();
    }
    end
}

/// Sends what waits for the client. Says whether it went out before `limit`.
async fn flush(downstream: &mut Downstream, timer: &mut Timer, limit: Moment) -> bool {
    poll_fn(|cx| match downstream.poll_flush(cx) {
        Poll::Ready(result) => Poll::Ready(result.is_ok()),
        Poll::Pending => timer.poll(cx, limit).map(|()| false),
    })
    .await
}

fn stop(fault: Fault, target: &str) -> Stop {
    match fault {
        Fault::ClientGone => Stop::ClientGone,
        Fault::ClientBody(fault) => Stop::Reply(Reply::new(fault.status(), fault.reason(), fault.to_string())),
        Fault::BodyTooLarge(most) => Stop::Reply(too_large(most)),
        Fault::Call(fault) => Stop::Reply(bad_gateway(target, &fault)),
    }
}

fn too_large(most: u64) -> Reply {
    Reply::new(413, "body_too_large", format!("the request body is longer than the {most} bytes allowed here"))
}

fn slow_client() -> Reply {
    Reply::new(408, "request_timeout", "the request body did not arrive in time")
}

fn timed_out(target: &str, limit: Duration) -> Reply {
    Reply::new(
        504,
        "upstream_timeout",
        format!("no answer from `{target}` within {}", madang_base::format_duration(limit)),
    )
}

fn bad_gateway(target: &str, fault: &CallFault) -> Reply {
    let reason = match fault {
        CallFault::Closed | CallFault::Broken(_) => "upstream_closed",
        CallFault::Invalid(_) | CallFault::Unasked | CallFault::Endless | CallFault::Body(_) => "upstream_invalid",
    };
    Reply::new(502, reason, format!("`{target}` gave no usable answer: {fault}"))
}

fn unreachable(error: &AcquireError) -> Reply {
    match error {
        AcquireError::NoneReady { .. } => Reply::new(503, "no_instance", error.to_string()).header("Retry-After", "1"),
        AcquireError::Unreachable { .. } => Reply::new(502, "connect_failed", error.to_string()),
        AcquireError::Deadline { .. } => Reply::new(504, "upstream_timeout", error.to_string()),
    }
}

#[cfg(test)]
mod tests;
