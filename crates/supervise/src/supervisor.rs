//! The supervisor: one task that owns every fleet and the way to the keeper.
//!
//! Each turn takes one event (an order, a report, a check's answer, a moment that came), lets the pure parts decide
//! (`fleet`, `instance`), does what they say, and publishes what changed. An exit is published in the turn that reads
//! it, so the gateway stops sending to a dead instance within milliseconds.
//!
//! Orders come through a bounded channel; whoever gives one waits while it is full. When its scope is cancelled, the
//! task leaves without stopping anything: the keeper sees the connection close and does what `on_loss` says.

mod environment;
mod keeping;

use std::{
    ffi::OsString,
    fs,
    hash::{BuildHasher as _, RandomState},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use madang_base::{Moment, Random};
use madang_runtime::{Scope, now, sleep_until};
use madang_store::Store;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, info, warn};

pub use self::environment::Environment;
use self::{
    environment::{Base, fingerprint},
    keeping::care,
};
use crate::{
    check,
    commands::program,
    fleet::{DRAIN, Fleet, Overlay, Unit},
    handle::{Handle, ScaleError, Shared},
    instance::{Action, End, REASON_LINES, State},
    keeper::protocol::{Command, OnLoss, Report, Start, millis},
    link::{Link, Place, StartError, kill_leftovers},
    logs::Logs,
    overlays::{self, Overlays},
    ports::{Ports, RANGE},
    settings::{Instances, Service},
    view::{InstanceView, ServiceView},
};

/// Orders that may wait.
const ORDERS: usize = 64;

/// Answers of checks that may wait; a check waits then, and asks later again.
const ANSWERS: usize = 1024;

/// Reports handled in one turn before what they changed is published.
const BATCH: usize = 256;

/// How to run.
pub struct Options {
    /// The data folder; made when it is missing. Logs are in `logs` below it.
    pub dir: PathBuf,
    /// The program that becomes the keeper, with its first arguments; it calls [`crate::keeper::main`].
    pub keeper_command: Vec<OsString>,
    /// What becomes of the services when Madang is killed.
    pub on_loss: OnLoss,
    /// Variables for the instances of a service beside its own.
    pub environment: Environment,
    /// Where run-time numbers of instances are kept; without one they end with this Madang.
    pub store: Option<Store>,
    /// For jitter and ports.
    pub seed: u64,
}

impl Options {
    /// With this program's own `keeper` command, no further variables, no store, and a random seed.
    #[must_use]
    pub fn new(dir: PathBuf, on_loss: OnLoss) -> Self {
        let own = std::env::current_exe().map_or_else(|_| "madang".into(), PathBuf::into_os_string);
        Self {
            dir,
            keeper_command: vec![own, "keeper".into()],
            on_loss,
            environment: Box::new(|_| Vec::new()),
            store: None,
            seed: RandomState::new().hash_one(std::process::id()),
        }
    }
}

/// Starts services and keeps them alive.
pub struct Supervisor;

impl Supervisor {
    /// Connects to the keeper of the folder or starts one, adopts what still fits, stops what does not, and starts the
    /// rest. Returns once the keeper is there; `watch` tells when instances are healthy.
    ///
    /// # Errors
    /// [`StartError`] when there is no keeper to be had.
    pub async fn start(options: Options, services: Vec<Service>, scope: &Scope) -> Result<Handle, StartError> {
        let folder = |source| StartError::Folder { path: options.dir.clone(), source };
        let dir = make_folder(&options.dir).map_err(folder)?;
        let scope = scope.child("supervise");
        let logs = Arc::new(Logs::new());
        let place = Place { dir, command: options.keeper_command, on_loss: options.on_loss };
        let (link, listed) = Link::establish(&place, &logs, &scope).await?;
        let mut random = Random::new(options.seed);
        let (orders, order_queue) = mpsc::channel(ORDERS);
        let (answers, answer_queue) = mpsc::channel(ANSWERS);
        let services: Vec<Arc<Service>> = services.into_iter().map(Arc::new).collect();
        let shared = Arc::new(Shared {
            orders,
            views: watch::Sender::new(Arc::default()),
            services: watch::Sender::new(Arc::default()),
            current: Mutex::new(services.clone()),
            logs: Arc::clone(&logs),
            meter: Arc::default(),
            scope: scope.clone(),
        });
        let mut fleets: Vec<Fleet> = services.into_iter().map(Fleet::new).collect();
        let overlays = Overlays::restore(options.store, &mut fleets, &scope).await;
        let mut core = Core {
            base: Base::of_this_process(place.dir.to_string_lossy().into_owned()),
            environment: options.environment,
            place,
            scope: scope.clone(),
            link: Some(link),
            relink_at: Moment::default(),
            fleets,
            overlays,
            ports: Ports::new(&mut random),
            random,
            next_generation: 1,
            answers,
            shared: Arc::clone(&shared),
            ending: None,
        };
        core.adopt(listed, now()).await;
        core.advance(now()).await;
        scope.spawn("supervisor", core.run(order_queue, answer_queue));
        Ok(Handle::new(shared))
    }
}

fn make_folder(dir: &PathBuf) -> io::Result<PathBuf> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(dir)?;
    builder.create(dir.join("logs"))?;
    fs::canonicalize(dir)
}

/// What a [`Handle`] asks for.
pub(crate) enum Order {
    Scale { service: String, overlay: Overlay, reply: oneshot::Sender<Result<(), ScaleError>> },
    Commit { services: Vec<Arc<Service>>, reply: oneshot::Sender<()> },
    StopAll { reply: oneshot::Sender<()> },
    KillAll { reply: oneshot::Sender<()> },
    HandOver { reply: oneshot::Sender<()> },
}

/// A check's answer, and whose.
pub(crate) struct Answer {
    generation: u64,
    said: Result<(), String>,
}

/// The way out.
struct Ending {
    replies: Vec<oneshot::Sender<()>>,
    /// The keeper was told to end; its silence is good news.
    keeper_told: bool,
}

enum Next {
    Go,
    Leave,
}

struct Core {
    base: Base,
    environment: Environment,
    place: Place,
    scope: Scope,
    link: Option<Link>,
    relink_at: Moment,
    /// In the order of the file; those that left it at the end until their instances have.
    fleets: Vec<Fleet>,
    overlays: Overlays,
    ports: Ports,
    random: Random,
    next_generation: u64,
    answers: mpsc::Sender<Answer>,
    shared: Arc<Shared>,
    ending: Option<Ending>,
}

enum Event {
    Order(Order),
    Report(Option<Report>),
    Answer(Answer),
    Time,
    Cancelled,
}

impl Core {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>, mut answers: mpsc::Receiver<Answer>) {
        let scope = self.scope.clone();
        loop {
            let due = self.due();
            let event = tokio::select! {
                biased;
                () = scope.cancelled() => Event::Cancelled,
                report = next_report(&mut self.link) => Event::Report(report),
                Some(order) = orders.recv() => Event::Order(order),
                Some(answer) = answers.recv() => Event::Answer(answer),
                () = sleep_until(due) => Event::Time,
            };
            let next = match event {
                Event::Cancelled => Next::Leave,
                Event::Order(order) => self.order(order).await,
                Event::Report(Some(report)) => {
                    self.report(report, now());
                    for _ in 0..BATCH {
                        let Some(report) = self.link.as_mut().and_then(Link::try_next) else { break };
                        self.report(report, now());
                    }
                    Next::Go
                }
                Event::Report(None) => self.lost(now()).await,
                Event::Answer(answer) => {
                    self.answered(answer, now());
                    Next::Go
                }
                Event::Time => Next::Go,
            };
            if let Next::Leave = next {
                break;
            }
            self.advance(now()).await;
        }
        // Orders still waiting are answered by their dropped replies.
        if let Some(link) = self.link.take() {
            link.close().await;
        }
        if let Some(ending) = self.ending.take() {
            kill_leftovers(&self.place.dir);
            self.fleets.clear();
            self.publish();
            for reply in ending.replies {
                let _ = reply.send(());
            }
        }
    }

    /// When something is to be done without an event.
    fn due(&self) -> Moment {
        if self.link.is_none() {
            return self.relink_at;
        }
        let units = self.fleets.iter().flat_map(|fleet| &fleet.units);
        units.filter_map(|unit| unit.life.due()).min().unwrap_or(Moment::MAX)
    }

    /// Brings what is closer to what should be, and publishes it.
    async fn advance(&mut self, now: Moment) {
        if self.link.is_none() && self.ending.is_none() && now >= self.relink_at {
            self.relink(now).await;
        }
        self.end_next();
        let drain = if self.ending.is_some() { Duration::ZERO } else { DRAIN };
        loop {
            let mut acted = false;
            for at in 0..self.fleets.len() {
                for name in self.fleets[at].reconcile(now, drain) {
                    self.shared.logs.forget(&name);
                }
                for place in 0..self.fleets[at].units.len() {
                    acted |= self.act(at, place, now).await;
                }
            }
            // What was done may itself have decided something: no port was left, say.
            if !acted {
                break;
            }
        }
        self.fleets.retain(|fleet| !(fleet.is_retired() && fleet.units.is_empty()));
        self.publish();
        if let Some(ending) = &mut self.ending
            && !ending.keeper_told
            && self.fleets.iter().all(|fleet| fleet.units.is_empty())
            && let Some(link) = &self.link
        {
            ending.keeper_told = true;
            link.send(&Command::Shutdown).await;
        }
    }

    /// Does what one instance wants done now; true when there was something.
    async fn act(&mut self, at: usize, place: usize, now: Moment) -> bool {
        let Some(link) = &self.link else { return false };
        let fleet = &mut self.fleets[at];
        let service = Arc::clone(&fleet.service);
        let unit = &mut fleet.units[place];
        let mut acted = false;
        while let Some(action) = unit.life.tick(now) {
            acted = true;
            match action {
                Action::Launch => {
                    let Some(port) = self.ports.take(now) else {
                        let end = End::NotStarted(format!("no free port from {} to {}", RANGE.start(), RANGE.end()));
                        unit.life.ended(now, &end, &[], &service, &mut self.random);
                        continue;
                    };
                    let generation = self.next_generation;
                    self.next_generation += 1;
                    unit.generation = Some(generation);
                    unit.port = Some(port);
                    self.shared.logs.begin(&unit.name);
                    let extras = (self.environment)(&service.name);
                    let start = Start {
                        generation,
                        service: service.name.as_str().to_owned(),
                        instance: unit.name.to_string(),
                        argv: argv(&service),
                        dir: service.dir.to_string_lossy().into_owned(),
                        env: self.base.of_instance(&service, &extras, &unit.name, port),
                        port,
                        fingerprint: fingerprint(&service, &extras),
                        restarts: unit.life.restarts(),
                        care: care(&service),
                    };
                    link.send(&Command::Start(Box::new(start))).await;
                }
                Action::Check => {
                    let (Some(generation), Some(port)) = (unit.generation, unit.port) else { continue };
                    let (service, answers, scope) = (Arc::clone(&service), self.answers.clone(), self.scope.clone());
                    self.scope.spawn("check", async move {
                        if let Some(said) = scope.until_cancelled(check::ask(&service.health, port)).await {
                            // Fails when the supervisor ended meanwhile.
                            let _ = answers.send(Answer { generation, said }).await;
                        }
                    });
                }
                Action::Stop => {
                    let Some(generation) = unit.generation else { continue };
                    let grace_ms = millis(service.stop.grace);
                    debug!(service = %service.name, instance = %unit.name, grace_ms, "stopping instance");
                    link.send(&Command::Stop { generation, grace_ms }).await;
                }
            }
        }
        acted
    }

    fn report(&mut self, report: Report, now: Moment) {
        match report {
            Report::Started { generation, pid } => {
                let Some((service, unit)) = find(&mut self.fleets, generation) else { return };
                unit.life.started(now, pid);
                info!(service = %service.name, instance = %unit.name, pid, port = unit.port, "instance started");
            }
            Report::StartFailed { generation, error } => self.ended(generation, &End::NotStarted(error), now),
            Report::Exited { generation, exit } => self.ended(generation, &End::Exited(exit), now),
            Report::Gone { generation } => {
                let Some((service, unit)) = find(&mut self.fleets, generation) else { return };
                unit.life.gone();
                debug!(service = %service.name, instance = %unit.name, "nothing is left of the instance");
            }
            // Greetings and lists are for the beginning; log frames never come here.
            Report::Hello { .. }
            | Report::Busy { .. }
            | Report::Waiting
            | Report::Failed { .. }
            | Report::Listed { .. }
            | Report::Log { .. }
            | Report::Dropped { .. }
            | Report::LogTrouble { .. } => {}
        }
    }

    fn ended(&mut self, generation: u64, end: &End, now: Moment) {
        let Some((service, unit)) = find(&mut self.fleets, generation) else { return };
        let lines = self.shared.logs.last(&unit.name, REASON_LINES);
        unit.life.ended(now, end, &lines, service, &mut self.random);
        if let Some(port) = unit.port.take() {
            self.ports.give_back(port, now);
        }
        if unit.life.is_leaving() {
            info!(service = %service.name, instance = %unit.name, "instance stopped");
        } else {
            // What it left in its group is the keeper's business.
            unit.generation = None;
            let reason = unit.life.reason().unwrap_or_default();
            warn!(service = %service.name, instance = %unit.name, code = %crate::codes::INSTANCE_ENDED, "{reason}");
        }
    }

    fn answered(&mut self, answer: Answer, now: Moment) {
        let Some((service, unit)) = find(&mut self.fleets, answer.generation) else { return };
        let (before, logs) = (unit.life.state(), &self.shared.logs);
        unit.life.checked(now, answer.said, || logs.last(&unit.name, REASON_LINES), service);
        let after = unit.life.state();
        match after {
            State::Healthy if before != after => {
                if let Some(port) = unit.port {
                    self.ports.settle(port);
                }
                info!(service = %service.name, instance = %unit.name, "instance healthy");
            }
            State::Unhealthy if before != after => {
                let reason = unit.life.reason().unwrap_or_default();
                warn!(service = %service.name, instance = %unit.name, code = %crate::codes::INSTANCE_UNHEALTHY, "{reason}");
            }
            _ => {}
        }
    }

    async fn order(&mut self, order: Order) -> Next {
        match order {
            Order::Scale { service, overlay, reply } => match self.scale(&service, &overlay) {
                Ok(in_file) => self.overlays.keep(service, in_file, overlay, reply).await,
                Err(error) => drop(reply.send(Err(error))),
            },
            Order::Commit { services, reply } => {
                // On the way out there is nothing to change any more.
                if self.ending.is_none() {
                    self.commit(services).await;
                }
                let _ = reply.send(());
            }
            Order::StopAll { reply } => {
                self.ending.get_or_insert(Ending { replies: Vec::new(), keeper_told: false }).replies.push(reply);
                if self.link.is_none() {
                    return Next::Leave;
                }
            }
            Order::KillAll { reply } => {
                let ending = self.ending.get_or_insert(Ending { replies: Vec::new(), keeper_told: false });
                ending.replies.push(reply);
                ending.keeper_told = true;
                let Some(link) = &self.link else { return Next::Leave };
                link.send(&Command::Kill).await;
            }
            Order::HandOver { reply } => {
                if let Some(link) = self.link.take() {
                    link.send(&Command::Release).await;
                    link.close().await;
                }
                info!("services keep running for the next Madang");
                let _ = reply.send(());
                return Next::Leave;
            }
        }
        Next::Go
    }

    /// The number in the file that is overlaid now.
    fn scale(&mut self, service: &str, overlay: &Overlay) -> Result<Instances, ScaleError> {
        if self.ending.is_some() {
            return Err(ScaleError::Ended);
        }
        let names: Vec<String> = self.fleets.iter().map(|fleet| fleet.service.name.as_str().to_owned()).collect();
        let fleet = self.fleets.iter_mut().find(|fleet| fleet.service.name.as_str() == service && !fleet.is_retired());
        let Some(fleet) = fleet else {
            let nearest = madang_base::nearest(service, names.iter().map(String::as_str)).map(str::to_owned);
            return Err(ScaleError::Unknown { service: service.to_owned(), nearest });
        };
        let max = fleet.service.instances.max;
        if overlay.instances > max {
            return Err(ScaleError::Range { service: service.to_owned(), asked: overlay.instances, max });
        }
        info!(service, from = fleet.wanted(), to = overlay.instances, author = overlay.author, "service scaled");
        fleet.overlay = Some(overlay.clone());
        Ok(fleet.service.instances)
    }

    /// New settings: what is new is started, what changed is replaced, what is gone is stopped.
    async fn commit(&mut self, services: Vec<Arc<Service>>) {
        let mut before = std::mem::take(&mut self.fleets);
        for service in services {
            let known = before.iter().position(|fleet| fleet.service.name == service.name);
            let fleet = match known {
                Some(at) => {
                    let mut fleet = before.remove(at);
                    self.update(&fleet, care(&service)).await;
                    if fleet.change(Arc::clone(&service)) {
                        info!(service = %service.name, "{}", overlays::FILE_WINS);
                        self.overlays.clear(service.name.as_str()).await;
                    }
                    fleet
                }
                None => Fleet::new(service),
            };
            self.fleets.push(fleet);
        }
        for fleet in &mut before {
            fleet.retire();
            if fleet.overlay.take().is_some() {
                self.overlays.clear(fleet.service.name.as_str()).await;
            }
        }
        self.fleets.append(&mut before);
    }

    /// On the way out: the last service that still has instances is the next to stop.
    fn end_next(&mut self) {
        if self.ending.is_none() {
            return;
        }
        for fleet in self.fleets.iter_mut().rev() {
            fleet.retire();
            if !fleet.units.is_empty() {
                break;
            }
        }
    }

    fn publish(&self) {
        let views: Vec<InstanceView> = self
            .fleets
            .iter()
            .flat_map(|fleet| fleet.units.iter().map(|unit| InstanceView::of(&fleet.service.name, unit)))
            .collect();
        let services = self.fleets.iter().filter(|fleet| !fleet.is_retired()).map(ServiceView::of).collect();
        // Services first: who waits for instances may look at their services next.
        self.shared.services.send_if_modified(|before| replace(before, services));
        self.shared.views.send_if_modified(|before| replace(before, views));
    }
}

fn replace<T: PartialEq>(before: &mut Arc<Vec<T>>, after: Vec<T>) -> bool {
    let changed = **before != after;
    if changed {
        *before = Arc::new(after);
    }
    changed
}

/// Without a keeper there are no reports.
async fn next_report(link: &mut Option<Link>) -> Option<Report> {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}

/// The unit whose process it is, and its service.
fn find(fleets: &mut [Fleet], generation: u64) -> Option<(&Service, &mut Unit)> {
    fleets.iter_mut().find_map(|fleet| {
        let unit = fleet.units.iter_mut().find(|unit| unit.generation == Some(generation))?;
        Some((&*fleet.service, unit))
    })
}

fn argv(service: &Service) -> Vec<String> {
    let program = program(service).map(|path| path.to_string_lossy().into_owned());
    program.into_iter().chain(service.command.iter().skip(1).cloned()).collect()
}
