//! One try at one endpoint.
//!
//! An attempt counts as in flight from the pick until [`Attempt::finish`]. Dropped without a verdict (the client
//! went away, the task was aborted) it ends as cancelled: the load is right either way.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use madang_balance::{Endpoint, EndpointId, Outcome, Pick, Policy};
use madang_base::{Moment, Name, Random};
use madang_dial::DialError;

use crate::directory::Watch;
use crate::pool::{Connection, Entry, Pool};

/// The longest wait for one connection to be made; the request's own deadline may cut it shorter.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// What a failed call counts as in the balancer at least, so that failing fast does not attract load.
const FAILURE_PENALTY: Duration = Duration::from_secs(1);

/// Calls services from one runtime: its pool of connections and its source of random picks.
///
/// Not `Sync`: each runtime owns one.
pub struct Upstream {
    pool: RefCell<Pool>,
    random: RefCell<Random>,
}

/// How sure a pooled connection must be alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Nothing was heard of its end. Costs nothing; for requests that can be repeated.
    Known,
    /// The kernel was asked just now. Costs a system call; for requests that must not be sent twice.
    Asked,
}

/// One endpoint, picked and connected. Ends by [`finish`](Self::finish), or as cancelled when dropped.
pub struct Attempt {
    /// `None` once the verdict was given.
    entry: Option<Rc<Entry>>,
    connection: Option<Connection>,
    started: Moment,
}

/// An endpoint that was picked and could not be connected to.
#[derive(Debug)]
pub struct Missed<'a> {
    /// Which.
    pub endpoint: &'a Endpoint,
    /// When it was picked.
    pub started: Moment,
    /// When that was given up.
    pub ended: Moment,
    /// Why.
    pub error: &'a DialError,
}

/// How an attempt went.
#[derive(Debug, Clone, Copy)]
pub struct Verdict {
    outcome: Outcome,
    answered: Moment,
    now: Moment,
    reusable: bool,
}

/// Why no endpoint could be reached.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// Nothing to try: no instance, or none that is ready and untried.
    #[error("service `{service}` has no ready instance ({known} known)")]
    NoneReady {
        /// Who was called.
        service: Name,
        /// Instances listed in any state.
        known: usize,
    },
    /// Every ready endpoint was tried and could not be connected to.
    #[error("no instance of `{service}` accepts connections: {last}")]
    Unreachable {
        /// Who was called.
        service: Name,
        /// The last failure.
        last: DialError,
    },
    /// The request's deadline passed while connecting.
    #[error("no connection to `{service}` could be made in time")]
    Deadline {
        /// Who was called.
        service: Name,
    },
}

impl Upstream {
    /// An upstream whose picks follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { pool: RefCell::default(), random: RefCell::new(Random::new(seed)) }
    }

    /// Picks an endpoint of `service` that is not in `tried` and gives a connection to it, pooled or new.
    ///
    /// An endpoint that cannot be connected to is added to `tried` and the next one is picked: nothing was sent,
    /// so any request may do that, and `missed` hears of it. The endpoint of the answer is added to `tried` too.
    ///
    /// Cancel-safe: dropping the future closes a half-made connection and releases the endpoint.
    ///
    /// # Errors
    /// [`AcquireError`] when nothing is left to try or `deadline` passed.
    pub async fn acquire(
        &self,
        service: &Watch,
        policy: &Policy,
        freshness: Freshness,
        tried: &mut Vec<EndpointId>,
        deadline: Moment,
        mut missed: impl FnMut(Missed<'_>),
    ) -> Result<Attempt, AcquireError> {
        let mut last = None;
        loop {
            let Some(mut attempt) = self.pick(service, policy, freshness, tried) else {
                let service_name = service.name().clone();
                return Err(match last {
                    Some(last) => AcquireError::Unreachable { service: service_name, last },
                    None => {
                        AcquireError::NoneReady { service: service_name, known: service.endpoints().endpoints().len() }
                    }
                });
            };
            tried.push(attempt.endpoint().id);
            if attempt.connection.is_some() {
                return Ok(attempt);
            }
            let left = deadline.since(attempt.started);
            if left.is_zero() {
                return Err(AcquireError::Deadline { service: service.name().clone() });
            }
            match madang_dial::connect(attempt.endpoint().address, left.min(CONNECT_LIMIT)).await {
                Ok(stream) => {
                    attempt.connection = Some(Connection { stream, reused: false });
                    return Ok(attempt);
                }
                Err(error) => {
                    let ended = madang_runtime::now();
                    missed(Missed { endpoint: attempt.endpoint(), started: attempt.started, ended, error: &error });
                    attempt.finish(Verdict::failure(ended));
                    last = Some(error);
                }
            }
        }
    }

    fn pick(&self, service: &Watch, policy: &Policy, freshness: Freshness, tried: &[EndpointId]) -> Option<Attempt> {
        let started = madang_runtime::now();
        let endpoints = service.endpoints();
        let random = &mut self.random.borrow_mut();
        let endpoint = endpoints.pick(Pick { policy, key: None, tried, now: started, random })?;
        endpoint.begin();
        let entry = self.pool.borrow_mut().entry(endpoint);
        let connection = entry.take(freshness);
        Some(Attempt { entry: Some(entry), connection, started })
    }

    /// Closes idle connections that are old or that their peer closed. Call it every few seconds.
    pub fn sweep(&self, now: Moment) {
        self.pool.borrow_mut().sweep(now);
    }

    /// Idle connections held right now.
    #[must_use]
    pub fn idle_connections(&self) -> usize {
        self.pool.borrow().idle()
    }
}

impl Attempt {
    /// Where the attempt goes.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.entry.as_ref().expect("`finish` consumes the attempt").endpoint
    }

    /// When the endpoint was picked.
    #[must_use]
    pub const fn started(&self) -> Moment {
        self.started
    }

    /// The connection carried a request before.
    #[must_use]
    pub fn is_reused(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.reused)
    }

    /// The connection.
    pub fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("`acquire` returns connected attempts only")
    }

    /// Ends the attempt: the balancer learns, and a reusable connection goes back to the pool.
    pub fn finish(mut self, verdict: Verdict) {
        let Some(entry) = self.entry.take() else { return };
        entry.endpoint.end(self.started, verdict.answered, verdict.outcome, FAILURE_PENALTY);
        if verdict.reusable
            && let Some(connection) = self.connection.take()
        {
            entry.put(connection, verdict.now);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            entry.endpoint.end(self.started, madang_runtime::now(), Outcome::Cancelled, FAILURE_PENALTY);
        }
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("connection", &self.connection).field("started", &self.started).finish()
    }
}

impl Verdict {
    /// It answered, its head was complete at `answered`.
    #[must_use]
    pub const fn success(answered: Moment) -> Self {
        Self { outcome: Outcome::Success, answered, now: answered, reusable: false }
    }

    /// It could not be reached, broke, answered nonsense or too late.
    #[must_use]
    pub const fn failure(now: Moment) -> Self {
        Self { outcome: Outcome::Failure, answered: now, now, reusable: false }
    }

    /// The exchange ended at `now` with nothing unread: the connection may carry another request.
    #[must_use]
    pub const fn reusable(mut self, now: Moment) -> Self {
        self.reusable = true;
        self.now = now;
        self
    }
}
