//! The run: time jumps from one event to the next.
//!
//! Only two kinds of events wait in the heap: a server finishes, a pause before another try ends. Arrivals, timeouts and
//! incidents each come from a list that is in order already, so the heap holds no more than the busy places. At one
//! moment an incident comes before what finishes, that before timeouts, and those before arrivals.

use madang_balance::{EndpointId, Outcome};
use madang_base::Random;
use std::time::Duration;

use crate::agenda::Agenda;
use crate::arrivals::Arrivals;
use crate::balancer::Balancer;
use crate::calls::{Calls, Place};
use crate::clients::Clients;
use crate::report::Report;
use crate::scenario::{Length, Scenario};
use crate::servers::{Server, condition, servers};
use crate::tally::{Ending, Tally};

/// The most requests under way at once, 300 MB of them; reached only when work comes faster than it is done.
pub const MOST_UNDER_WAY: usize = 4_000_000;

/// The run was given up: requests pile up without end.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "load exceeds capacity: {MOST_UNDER_WAY} requests are under way {at:.1} s into the run, with `{policy}` at a load of {load:.2}"
)]
pub struct Overload {
    /// Seconds into the run.
    pub at: f64,
    /// Name of the policy.
    pub policy: String,
    /// Arrivals as a share of what all servers can work on.
    pub load: f64,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Progress {
    /// From 0.0 to 1.0.
    Running(f64),
    /// All requests have ended.
    Done,
}

/// A run that can be stopped to look at it.
#[derive(Debug)]
pub struct Simulation<'a> {
    scenario: &'a Scenario,
    now: u64,
    next_arrival: u64,
    arrivals: Arrivals,
    agenda: Agenda,
    calls: Calls,
    servers: Vec<Server>,
    balancer: Balancer,
    clients: Clients,
    tally: Tally,
    milestones: Vec<Milestone>,
    /// Place in `milestones` of the next.
    milestone: usize,
    /// By group and number of the incident: whether it lasts.
    lasting: Vec<Vec<bool>>,
    timeout: u64,
    /// What each call has tried, `attempts` places for each slot; empty without retries.
    tried: Vec<EndpointId>,
    /// Service times of first tries, of others, and which answers fail: streams of their own, so that two policies see
    /// the same requests.
    work: Random,
    more_work: Random,
    luck: Random,
}

/// Something that is planned.
#[derive(Debug, Clone, Copy)]
struct Milestone {
    at: u64,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    WarmupEnds,
    ArrivalsEnd,
    Incident { group: usize, number: usize, lasts: bool },
}

/// Runs a scenario to its end.
///
/// # Errors
/// [`Overload`] when requests pile up without end.
pub fn run(scenario: &Scenario) -> Result<Report, Overload> {
    let mut simulation = Simulation::new(scenario);
    while simulation.advance(u32::MAX)? != Progress::Done {}
    Ok(simulation.report())
}

impl<'a> Simulation<'a> {
    /// At the beginning: servers are empty, the balancer knows nothing.
    #[must_use]
    pub fn new(scenario: &'a Scenario) -> Self {
        let stream = |number: u64| Random::new(scenario.seed ^ number << 56);
        let mut arrivals = Arrivals::new(scenario, stream(1));
        let next_arrival = arrivals.next().unwrap_or(u64::MAX);
        Self {
            scenario,
            now: 0,
            next_arrival,
            arrivals,
            agenda: Agenda::default(),
            calls: Calls::new(scenario.timeout.is_some()),
            servers: servers(scenario),
            balancer: Balancer::new(scenario, stream(2)),
            clients: Clients::new(scenario, stream(6)),
            tally: Tally::new(&scenario.groups, nanos(scenario.warmup), nanos(scenario.end())),
            milestones: milestones(scenario),
            milestone: 0,
            lasting: scenario.groups.iter().map(|group| vec![false; group.incidents.len()]).collect(),
            timeout: scenario.timeout.map_or(u64::MAX, nanos),
            tried: Vec::new(),
            work: stream(3),
            more_work: stream(4),
            luck: stream(5),
        }
    }

    /// Lets up to `events` events happen.
    ///
    /// # Errors
    /// [`Overload`] when requests pile up without end.
    pub fn advance(&mut self, events: u32) -> Result<Progress, Overload> {
        for _ in 0..events {
            if self.next_arrival == u64::MAX && self.calls.unanswered() == 0 {
                let end = match self.scenario.length {
                    Length::Duration(span) => self.now.max(nanos(span)),
                    Length::Requests(_) => self.now,
                };
                self.tally.close(end);
                return Ok(Progress::Done);
            }
            self.step();
            if self.calls.most() > MOST_UNDER_WAY {
                let (policy, load) = (self.scenario.policy.name().to_owned(), self.load());
                return Err(Overload { at: seconds(self.now), policy, load });
            }
        }
        Ok(Progress::Running(self.done()))
    }

    /// The result, best after [`Progress::Done`].
    #[must_use]
    pub fn report(mut self) -> Report {
        self.tally.close(self.now);
        Report {
            scenario: self.scenario.name.clone(),
            policy: self.scenario.policy.name().to_owned(),
            seed: self.scenario.seed,
            end_s: seconds(self.tally.end()),
            warmup_s: self.scenario.warmup.as_secs_f64(),
            servers: self.scenario.servers(),
            capacity_per_s: self.scenario.capacity(),
            load: self.load(),
            requests: self.tally.requests(),
            latency: self.tally.latency(),
            distribution: self.tally.distribution(),
            groups: self.tally.groups(&self.scenario.groups),
            timeline: self.tally.timeline(),
        }
    }

    /// Calls the balancers believe to be under way.
    #[cfg(test)]
    pub(crate) fn in_flight(&self) -> u64 {
        self.balancer.in_flight()
    }

    fn load(&self) -> f64 {
        self.scenario.rate() / self.scenario.capacity()
    }

    #[allow(clippy::cast_precision_loss)] // a share for people
    fn done(&self) -> f64 {
        let done = match self.scenario.length {
            Length::Requests(count) => self.arrivals.sent() as f64 / count as f64,
            Length::Duration(span) => seconds(self.now) / span.as_secs_f64(),
        };
        done.min(1.0)
    }

    /// The next thing that happens.
    fn step(&mut self) {
        let planned = self.milestones.get(self.milestone).map_or(u64::MAX, |one| one.at);
        let event = self.agenda.next();
        let (oldest, patience) = match self.calls.oldest() {
            Some((slot, arrived)) => (slot, arrived.saturating_add(self.timeout)),
            None => (0, u64::MAX),
        };
        let first = planned.min(event).min(patience).min(self.next_arrival);
        self.now = first;
        self.tally.clock(first);
        if planned == first {
            self.milestone();
        } else if event == first {
            if let Some(slot) = self.agenda.pop() {
                self.happens(slot);
            }
        } else if patience == first {
            self.times_out(oldest);
        } else {
            self.arrives();
        }
    }

    fn arrives(&mut self) {
        self.tally.arrived(self.now);
        let (balancer, client) = (self.balancer.any(), self.clients.any());
        let slot = self.calls.add(self.now, client, balancer);
        self.next_arrival = self.arrivals.next().unwrap_or(u64::MAX);
        if self.next_arrival == u64::MAX && matches!(self.scenario.length, Length::Requests(_)) {
            self.tally.close(self.now);
        }
        self.send(slot);
    }

    /// Sends a call to a server; when it is refused and may be tried again at once, to another, and so on.
    fn send(&mut self, slot: u32) {
        loop {
            let call = self.calls.get(slot);
            let (balancer, tries, key) = (call.balancer, call.tries, self.clients.key(call.client));
            let first = slot as usize * usize::from(self.scenario.retry.attempts);
            let tried = self.tried.get(first..first + usize::from(tries)).unwrap_or_default();
            let Some(id) = self.balancer.begin(balancer, key, tried, self.now) else {
                return self.end(slot, Ending::Unserved);
            };
            let server = &mut self.servers[id.slot as usize];
            let group = &self.scenario.groups[usize::from(server.group)];
            let random = if tries == 0 { &mut self.work } else { &mut self.more_work };
            let call = self.calls.get(slot);
            call.work = group.service.draw(random);
            call.server = id.slot;
            call.started = self.now;
            self.tally.tried(server.group);
            if !server.down && server.busy < group.concurrency {
                return self.begin(slot);
            }
            if !server.down && group.queue.is_none_or(|limit| server.waiting < limit) {
                call.place = Place::Queue;
                server.push(slot, &mut self.calls);
                self.tally.queued(server.group, self.now);
                return;
            }
            self.tally.refused(server.group);
            self.balancer.end(balancer, id.slot, self.now, self.now, Outcome::Failure);
            if self.tries_again(slot) != Again::Now {
                return self.ends_unless_it_pauses(slot, Ending::Refused);
            }
        }
    }

    /// Its server begins to work on a call.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // not negative, and saturates
    fn begin(&mut self, slot: u32) {
        let call = self.calls.get(slot);
        let server = &mut self.servers[call.server as usize];
        server.busy += 1;
        let fails = server.failing > 0.0 && self.luck.unit() < f64::from(server.failing);
        call.place = Place::Server { fails };
        let group = &self.scenario.groups[usize::from(server.group)];
        let span = match group.failing_time {
            Some(span) if fails => nanos(span),
            _ => (call.work * f64::from(server.slow)) as u64,
        };
        self.tally.begins(server.group, self.now);
        self.agenda.push(self.now.saturating_add(span), slot);
    }

    /// A server is done with a call, or a pause is over.
    fn happens(&mut self, slot: u32) {
        let call = self.calls.get(slot);
        let (place, abandoned, number) = (call.place, call.abandoned, call.server);
        match place {
            Place::Server { fails } => {
                let (balancer, started, client) = (call.balancer, call.started, call.client);
                let server = &mut self.servers[number as usize];
                server.busy -= 1;
                let group = server.group;
                self.tally.ends(group, self.now);
                if let Some(next) = server.pop(&mut self.calls) {
                    self.tally.dequeued(group, self.now);
                    self.begin(next);
                }
                if abandoned {
                    return self.calls.free(slot);
                }
                self.tally.answered(group, self.now - started, !fails);
                if fails {
                    self.balancer.end(balancer, number, started, self.now, Outcome::Failure);
                    self.fails(slot, Ending::Failed);
                } else {
                    self.balancer.end(balancer, number, started, self.now, Outcome::Success);
                    self.clients.answered(client, || self.balancer.key(number));
                    self.end(slot, Ending::Succeeded);
                }
            }
            Place::Pause if abandoned => self.calls.free(slot),
            Place::Pause => self.send(slot),
            // Events of calls that left their place are taken out of the agenda.
            Place::Nowhere | Place::Queue => {}
        }
    }

    /// A try failed.
    fn fails(&mut self, slot: u32, ending: Ending) {
        match self.tries_again(slot) {
            Again::Now => self.send(slot),
            Again::Later | Again::No => self.ends_unless_it_pauses(slot, ending),
        }
    }

    /// Takes one of the tries that are left.
    fn tries_again(&mut self, slot: u32) -> Again {
        let retry = self.scenario.retry;
        let call = self.calls.get(slot);
        if call.tries >= retry.attempts {
            call.place = Place::Nowhere;
            return Again::No;
        }
        let at = slot as usize * usize::from(retry.attempts) + usize::from(call.tries);
        if self.tried.len() <= at {
            let room = (slot as usize + 1) * usize::from(retry.attempts);
            self.tried.resize(room, EndpointId { slot: 0, generation: 0 });
        }
        self.tried[at] = EndpointId { slot: call.server, generation: 0 };
        call.tries += 1;
        call.place = Place::Pause;
        self.tally.retried(call.arrived);
        if retry.backoff.is_zero() {
            return Again::Now;
        }
        self.agenda.push(self.now.saturating_add(nanos(retry.backoff)), slot);
        Again::Later
    }

    fn ends_unless_it_pauses(&mut self, slot: u32, ending: Ending) {
        if self.calls.get(slot).place != Place::Pause {
            self.end(slot, ending);
        }
    }

    /// The caller has its answer.
    fn end(&mut self, slot: u32, ending: Ending) {
        self.tally.ended(self.calls.get(slot).arrived, self.now, ending);
        self.calls.answered(slot);
        self.calls.free(slot);
    }

    /// The caller waits no longer. Its server works on, and the slot is free when that is over.
    fn times_out(&mut self, slot: u32) {
        let call = self.calls.get(slot);
        call.abandoned = true;
        let (arrived, started, balancer, server) = (call.arrived, call.started, call.balancer, call.server);
        if call.place != Place::Pause {
            self.tally.answered(self.servers[server as usize].group, self.now - started, false);
            self.balancer.end(balancer, server, started, self.now, Outcome::Failure);
        }
        self.tally.ended(arrived, self.now, Ending::TimedOut);
        self.calls.answered(slot);
    }

    fn milestone(&mut self) {
        let what = self.milestones[self.milestone].what;
        self.milestone += 1;
        match what {
            What::WarmupEnds => self.tally.open(self.now),
            What::ArrivalsEnd => self.tally.close(self.now),
            What::Incident { group, number, lasts } => {
                self.lasting[group][number] = lasts;
                self.change(group);
            }
        }
    }

    /// Tells the servers of a group how they are now.
    fn change(&mut self, number: usize) {
        let group = &self.scenario.groups[number];
        let before: u32 = self.scenario.groups[..number].iter().map(|group| group.count).sum();
        let mut broke = false;
        for (place, server) in (0..).zip(&mut self.servers[before as usize..][..group.count as usize]) {
            let lasts = |incident: usize| self.lasting[number][incident] && place < group.incidents[incident].count;
            let now = condition(group, lasts);
            broke |= now.down && !server.down;
            server.down = now.down;
            (server.slow, server.failing) = now.into();
        }
        if broke {
            self.connections_break();
        }
    }

    /// Every call at a server that is down fails.
    fn connections_break(&mut self) {
        let servers = &self.servers;
        let is_there = |place: Place| matches!(place, Place::Queue | Place::Server { .. });
        let lost = self.calls.iter().filter(|(_, call)| is_there(call.place) && servers[call.server as usize].down);
        let lost: Vec<u32> = lost.map(|(slot, _)| slot).collect();
        // In order of their slots.
        self.agenda.retain(|slot| lost.binary_search(&slot).is_err());
        for &slot in &lost {
            let call = self.calls.get(slot);
            let group = self.servers[call.server as usize].group;
            match call.place {
                Place::Queue => self.tally.dequeued(group, self.now),
                Place::Server { .. } => self.tally.ends(group, self.now),
                Place::Nowhere | Place::Pause => {}
            }
        }
        self.servers.iter_mut().filter(|server| server.down).for_each(Server::clear);
        for slot in lost {
            let call = self.calls.get(slot);
            if call.abandoned {
                self.calls.free(slot);
                continue;
            }
            let (balancer, server, started) = (call.balancer, call.server, call.started);
            self.tally.answered(self.servers[server as usize].group, self.now - started, false);
            self.balancer.end(balancer, server, started, self.now, Outcome::Failure);
            self.fails(slot, Ending::Failed);
        }
    }
}

/// Whether a call is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    Now,
    Later,
    No,
}

/// What is planned, in order.
fn milestones(scenario: &Scenario) -> Vec<Milestone> {
    let mut all = vec![Milestone { at: nanos(scenario.warmup), what: What::WarmupEnds }];
    if let Length::Duration(span) = scenario.length {
        all.push(Milestone { at: nanos(span), what: What::ArrivalsEnd });
    }
    for (group, described) in scenario.groups.iter().enumerate() {
        for (number, incident) in described.incidents.iter().enumerate() {
            let begins = What::Incident { group, number, lasts: true };
            all.push(Milestone { at: nanos(incident.from), what: begins });
            if let Some(to) = incident.to {
                all.push(Milestone { at: nanos(to), what: What::Incident { group, number, lasts: false } });
            }
        }
    }
    all.sort_by_key(|milestone| milestone.at);
    all
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[allow(clippy::cast_precision_loss)] // shown with few digits
fn seconds(nanos: u64) -> f64 {
    nanos as f64 * 1e-9
}
