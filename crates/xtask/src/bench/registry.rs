//! Ten thousand instances that renew every 30 s: what the registry costs, alone or beside the real Eureka server.
//!
//! What is equal and what is not stands in `bench/README.md`. Every count is of answers that were right: one that is
//! not ends the run.

mod client;
mod house;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow, ensure};
use clap::{Args, value_parser};
use serde::Serialize;

use self::{
    client::Connection,
    house::{INSTANCES, SERVICES, app, register, renew},
};
use super::{
    machine::{self, Machine},
    process::{self, Process},
    results,
    statistics::{MIN_ROUNDS, Summary},
};
use crate::{
    Verdict,
    programs::{self, TASKSET},
    workspace::{self, Packages},
};

/// The core of the server under load, and the one of the load.
const SERVER_CORE: usize = 0;
const OTHER_CORE: usize = 1;

/// Connections that register and read at once.
const BUSY: usize = 8;

/// How often each instance renews.
const RENEWAL: Duration = Duration::from_secs(30);

/// Time between two changes whose way is measured.
const CHANGE: Duration = Duration::from_millis(100);

/// How often a reader that waits for a change looks again.
const LOOK: Duration = Duration::from_millis(2);

/// How long a change may take before the run ends.
const LOST: Duration = Duration::from_secs(300);

/// How the benchmark is run.
#[derive(Args)]
#[command(before_help = "Example: cargo xtask bench registry --peer target/interop/eureka/java/server/server.jar")]
pub(crate) struct Options {
    /// The jar of the real Eureka server, measured in the same run
    #[arg(long, value_name = "JAR")]
    peer: Option<PathBuf>,
    /// How often all instances are registered, each a round
    #[arg(long, default_value_t = 7, value_parser = value_parser!(u32).range(MIN_ROUNDS as i64..=1000))]
    rounds: u32,
    /// How long instances renew in each measured phase, in seconds
    #[arg(long, default_value_t = 60, value_parser = value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Connections that heartbeats go over
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// The date in the name of the results [default: today]
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<String>,
}

/// A server that is measured.
struct Subject {
    name: &'static str,
    address: SocketAddr,
    process: Process,
    measured: Measured,
}

/// Everything one server showed.
#[derive(Debug, Default, Serialize)]
struct Measured {
    /// Each registers all instances; the first of them, on an empty server, is not one of these.
    registering: Vec<Registering>,
    /// With all registered, before anybody read.
    registered_rss_bytes: u64,
    renewing: Option<Renewing>,
    /// The same while changes are made and looked for.
    changing: Option<Renewing>,
    /// From before a registration is sent until `apps/delta` shows it, milliseconds.
    delta_ms: Option<Percentiles>,
    /// The same in `apps/{APP}`.
    app_ms: Option<Percentiles>,
    /// The same as `renewing` while each instance also reads `apps/delta` every 30 s, zipped JSON.
    fetching: Option<Renewing>,
    reading: Vec<Reading>,
}

#[derive(Debug, Serialize)]
struct Registering {
    seconds: f64,
    processor_seconds: f64,
}

impl Registering {
    fn per_second(&self) -> f64 {
        INSTANCES as f64 / self.seconds
    }

    fn per_processor_second(&self) -> f64 {
        INSTANCES as f64 / self.processor_seconds
    }
}

#[derive(Debug, Serialize)]
struct Renewing {
    heartbeats: u64,
    seconds: f64,
    /// Processor time by wall time, percent of one core.
    core_percent: f64,
    /// Resident memory of the server's process at the end, and of its children.
    rss_bytes: u64,
    children_rss_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Percentiles {
    samples: usize,
    p50: f64,
    p99: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
struct Reading {
    what: &'static str,
    bytes: usize,
    per_second: f64,
    per_processor_second: f64,
}

/// The file in `bench/results/`.
#[derive(Serialize)]
struct Report<'a> {
    question: &'static str,
    date: &'a str,
    commit: Option<String>,
    machine: Machine,
    instances: usize,
    services: usize,
    heartbeat_connections: u32,
    madang: &'a Measured,
    peer: Option<&'a Measured>,
    /// Registrations per second of processor time.
    madang_registrations: Summary,
    peer_registrations: Option<Summary>,
    /// Madang by the peer, round by round: above 1 is more than the peer.
    ratio: Option<Summary>,
}

pub(crate) fn run(options: &Options) -> Result<Verdict> {
    let missing = programs::missing(&[TASKSET]);
    ensure!(missing.is_empty(), "{}", programs::reason(&missing));
    ensure!(thread::available_parallelism()?.get() > OTHER_CORE, "two cores are needed, one for the server alone");
    let date = results::date(options.date.as_deref())?;

    println!("building madang with `--release` …");
    workspace::run(workspace::cargo().args(["build", "--quiet", "--release", "--package", "madang"]))?;
    let target = workspace::metadata(Packages::Ours)?.target_directory;
    let version = [("java", "-version")];
    // Before this process is put on one core, which is all it would count then.
    let machine = Machine::read(if options.peer.is_some() { &version } else { &[] })?;
    // Threads take the core of the thread that starts them.
    let own = std::process::id().to_string();
    let core = OTHER_CORE.to_string();
    workspace::output(Command::new("taskset").args(["--cpu-list", "--pid", &core, &own]))?;
    let mut subjects = vec![start_madang(&target)?];
    if let Some(jar) = &options.peer {
        subjects.push(start_peer(jar)?);
    }
    let ticks = process::ticks_per_second()?;
    for round in 0..=options.rounds {
        for subject in &mut subjects {
            let done = register_all(subject, ticks)?;
            println!(
                "round {round:>2}/{} {:<7} {:>7.0} registrations/s {:>8.0} per second of processor time",
                options.rounds,
                subject.name,
                done.per_second(),
                done.per_processor_second()
            );
            // The first fills an empty server, and an unwarmed virtual machine.
            if round > 0 {
                subject.measured.registering.push(done);
            } else {
                subject.measured.registered_rss_bytes = subject.process.memory()?.0;
            }
        }
    }
    for subject in &mut subjects {
        rest_of(subject, options, ticks)?;
    }
    let per_processor_second = |subject: &Subject| {
        subject.measured.registering.iter().map(Registering::per_processor_second).collect::<Vec<_>>()
    };
    let all: Vec<_> = subjects.iter().map(per_processor_second).collect();
    let ratio = |peer: &Vec<f64>| Summary::of(all[0].iter().zip(peer).map(|(our, their)| our / their));
    let report = Report {
        question: "a registry of 10,000 instances that renew every 30 s",
        date: &date,
        commit: machine::commit(),
        machine,
        instances: INSTANCES,
        services: SERVICES,
        heartbeat_connections: options.connections,
        madang: &subjects[0].measured,
        peer: subjects.get(1).map(|subject| &subject.measured),
        madang_registrations: Summary::of(all[0].iter().copied()).context("too few rounds")?,
        peer_registrations: all.get(1).and_then(|peer| Summary::of(peer.iter().copied())),
        ratio: all.get(1).and_then(ratio),
    };
    print(&report);
    let file = results::save("registry", &date, &report)?;
    println!("\nraw results: {}", file.display());
    Ok(Verdict::Good)
}

fn start_madang(target: &Path) -> Result<Subject> {
    let address = process::free_address()?;
    let folder = target.join("bench-registry");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let settings = folder.join("madang.toml");
    let admin = process::free_address()?;
    let text = format!(
        "name = \"bench\"\n\n[listen]\ngateway = \"off\"\negress = \"off\"\nadmin = \"{admin}\"\neureka = \"{address}\"\n"
    );
    fs::write(&settings, text)?;
    let mut command = Command::new(target.join("release/madang"));
    command.arg("serve").arg(settings).arg("--data").arg(folder.join("data"));
    let process = Process::start(process::pinned(SERVER_CORE, &command), address)?;
    Ok(Subject { name: "madang", address, process, measured: Measured::default() })
}

/// The real server with the settings that suit this load best: no second cache of answers, which would show a change
/// up to 30 s late, no peers to wait for, and connections that stay open.
fn start_peer(jar: &Path) -> Result<Subject> {
    let address = process::free_address()?;
    let mut command = Command::new("java");
    command.arg("-jar").arg(jar).arg(format!("--server.port={}", address.port()));
    command.args([
        "--server.address=127.0.0.1",
        "--eureka.client.register-with-eureka=false",
        "--eureka.client.fetch-registry=false",
        "--eureka.server.use-read-only-response-cache=false",
        "--server.tomcat.max-keep-alive-requests=-1",
        "--server.tomcat.keep-alive-timeout=120s",
        "--logging.level.root=warn",
    ]);
    let process = Process::start(process::pinned(SERVER_CORE, &command), address)?;
    let subject = Subject { name: "eureka", address, process, measured: Measured::default() };
    let started = Instant::now();
    // Tomcat listens before the registry is there.
    while Connection::open(address)?.ask("GET", "/eureka/apps", "", "").map_or(0, |answer| answer.status) != 200 {
        ensure!(started.elapsed() < LOST, "the peer does not answer");
        pause(CHANGE);
    }
    Ok(subject)
}

fn now_ms() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(unix.as_millis()).unwrap_or_default()
}

/// Registers every instance once over [`BUSY`] connections, as fast as they are taken.
fn register_all(subject: &Subject, ticks: f64) -> Result<Registering> {
    let (before, started, stamp) = (subject.process.ticks()?, Instant::now(), now_ms());
    on_threads(BUSY, |thread| {
        let mut connection = Connection::open(subject.address)?;
        (thread..INSTANCES).step_by(BUSY).try_for_each(|number| register(&mut connection, number, stamp))
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let processor_seconds = subject.process.ticks()?.saturating_sub(before) as f64 / ticks;
    Ok(Registering { seconds, processor_seconds })
}

/// Whether a phase goes on: for the time the options say.
struct Clock {
    end: Instant,
}

impl Clock {
    fn runs(&self) -> bool {
        Instant::now() < self.end
    }
}

/// Renews at the pace of the instances until `meanwhile` has ended.
fn renewing(
    subject: &Subject,
    options: &Options,
    ticks: f64,
    meanwhile: impl FnOnce(&Clock) -> Result<()> + Send,
) -> Result<Renewing> {
    let connections = options.connections as usize;
    let threads = connections.min(BUSY);
    let over = AtomicBool::new(false);
    let mut open = Vec::new();
    for thread in 0..threads {
        let share = (thread..connections).step_by(threads);
        open.push(std::sync::Mutex::new(share.map(|_| Connection::open(subject.address)).collect::<Result<Vec<_>>>()?));
    }
    let heartbeats = std::sync::atomic::AtomicU64::new(0);
    let (before, started) = (subject.process.ticks()?, Instant::now());
    let clock = Clock { end: started + Duration::from_secs(options.seconds.into()) };
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let done = meanwhile(&clock);
            over.store(true, Relaxed);
            done
        });
        let beaten = on_threads(threads, |thread| {
            let mut own = open[thread].lock().map_err(|_| anyhow!("a thread has failed"))?;
            let pace = RENEWAL / u32::try_from(INSTANCES / threads)?;
            for beat in 0_u32.. {
                pause((started + pace * beat).saturating_duration_since(Instant::now()));
                if over.load(Relaxed) {
                    break;
                }
                let at = beat as usize % own.len();
                let number = (thread + threads * (beat as usize)) % INSTANCES;
                renew(&mut own[at], number, 0)?;
                heartbeats.fetch_add(1, Relaxed);
            }
            Ok(())
        });
        other.join().map_err(|_| anyhow!("a thread has failed"))??;
        beaten
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let processor_seconds = subject.process.ticks()?.saturating_sub(before) as f64 / ticks;
    let (rss_bytes, children_rss_bytes) = subject.process.memory()?;
    let core_percent = processor_seconds / seconds * 100.0;
    Ok(Renewing { heartbeats: heartbeats.into_inner(), seconds, core_percent, rss_bytes, children_rss_bytes })
}

fn rest_of(subject: &mut Subject, options: &Options, ticks: f64) -> Result<()> {
    let name = subject.name;
    println!("{name}: renewing until the registrations have left the delta …");
    renewing(subject, options, ticks, |_| settle(subject.address))?;
    println!("{name}: renewing …");
    let rest = |clock: &Clock| {
        pause(clock.end.saturating_duration_since(Instant::now()));
        Ok(())
    };
    subject.measured.renewing = Some(renewing(subject, options, ticks, rest)?);
    println!("{name}: changing …");
    let (mut delta, mut app) = (Vec::new(), Vec::new());
    let changing = renewing(subject, options, ticks, |clock| changes(subject.address, clock, &mut delta, &mut app))?;
    subject.measured.changing = Some(changing);
    (subject.measured.delta_ms, subject.measured.app_ms) = (percentiles(delta), percentiles(app));
    println!("{name}: fetching deltas …");
    subject.measured.fetching = Some(renewing(subject, options, ticks, |clock| fetches(subject.address, clock))?);
    println!("{name}: reading …");
    for (what, target, headers) in [
        ("apps, JSON", "/eureka/apps/", "Accept: application/json\r\n"),
        ("apps, JSON, gzip", "/eureka/apps/", "Accept: application/json\r\nAccept-Encoding: gzip\r\n"),
        ("apps, XML", "/eureka/apps/", ""),
        ("apps/{APP}, JSON", "/eureka/apps/SERVICE-07", "Accept: application/json\r\n"),
    ] {
        let reading = read(subject, what, target, headers, ticks)?;
        subject.measured.reading.push(reading);
    }
    Ok(())
}

/// Waits until deltas are what they are on an ordinary day: small.
fn settle(address: SocketAddr) -> Result<()> {
    const SMALL: usize = 10_000;
    let (mut connection, started) = (Connection::open(address)?, Instant::now());
    let headers = "Accept: application/json\r\nAccept-Encoding: gzip\r\n";
    while connection.ask("GET", "/eureka/apps/delta", headers, "")?.body.len() > SMALL {
        ensure!(started.elapsed() < LOST, "the delta never gets small");
        pause(Duration::from_secs(2));
    }
    Ok(())
}

/// Registers one instance anew again and again, and takes the time until it is seen.
fn changes(address: SocketAddr, clock: &Clock, delta: &mut Vec<f64>, apps: &mut Vec<f64>) -> Result<()> {
    let (mut writer, mut reader) = (Connection::open(address)?, Connection::open(address)?);
    for change in (0..).take_while(|_| clock.runs()) {
        let number = change * 37 % INSTANCES;
        let (target, times) = match change % 2 {
            0 => ("/eureka/apps/delta".to_owned(), &mut *delta),
            _ => (format!("/eureka/apps/{}", app(number)), &mut *apps),
        };
        let stamp = now_ms();
        let mark = format!("\"lastDirtyTimestamp\":\"{stamp}\"");
        let started = Instant::now();
        register(&mut writer, number, stamp)?;
        loop {
            let answer = reader.ask("GET", &target, "Accept: application/json\r\n", "")?;
            ensure!(answer.status == 200, "{target} answered {}", answer.status);
            if std::str::from_utf8(&answer.body)?.contains(&mark) {
                break;
            }
            ensure!(started.elapsed() < LOST, "{target} never shows a change");
            pause(LOOK);
        }
        times.push(started.elapsed().as_secs_f64() * 1000.0);
        pause(CHANGE);
    }
    Ok(())
}

/// Reads deltas at the pace of all instances.
fn fetches(address: SocketAddr, clock: &Clock) -> Result<()> {
    let mut connection = Connection::open(address)?;
    let (started, pace) = (Instant::now(), RENEWAL / u32::try_from(INSTANCES)?);
    for fetch in (0_u32..).take_while(|_| clock.runs()) {
        pause((started + pace * fetch).saturating_duration_since(Instant::now()));
        let headers = "Accept: application/json\r\nAccept-Encoding: gzip\r\n";
        let answer = connection.ask("GET", "/eureka/apps/delta", headers, "")?;
        ensure!(answer.status == 200, "apps/delta answered {}", answer.status);
    }
    Ok(())
}

fn read(subject: &Subject, what: &'static str, target: &str, headers: &str, ticks: f64) -> Result<Reading> {
    const CONNECTIONS: usize = 2;
    const LENGTH: Duration = Duration::from_secs(5);
    let count = std::sync::atomic::AtomicUsize::new(0);
    let bytes = std::sync::atomic::AtomicUsize::new(0);
    let (before, started) = (subject.process.ticks()?, Instant::now());
    on_threads(CONNECTIONS, |_| {
        let mut connection = Connection::open(subject.address)?;
        while started.elapsed() < LENGTH {
            let answer = connection.ask("GET", target, headers, "")?;
            ensure!(answer.status == 200, "{target} answered {}", answer.status);
            bytes.store(answer.body.len(), Relaxed);
            count.fetch_add(1, Relaxed);
        }
        Ok(())
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let processor_seconds = (subject.process.ticks()?.saturating_sub(before) as f64 / ticks).max(1.0 / ticks);
    let count = count.into_inner() as f64;
    let (per_second, per_processor_second) = (count / seconds, count / processor_seconds);
    Ok(Reading { what, bytes: bytes.into_inner(), per_second, per_processor_second })
}

/// Runs `work` on some threads; the first error counts.
fn on_threads(count: usize, work: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|thread| {
                scope.spawn({
                    let work = &work;
                    move || work(thread)
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread has failed"))?)
    })
}

#[allow(clippy::disallowed_methods, reason = "load has a pace, and a foreign server tells nobody what it shows")]
fn pause(length: Duration) {
    thread::sleep(length);
}

fn percentiles(mut samples: Vec<f64>) -> Option<Percentiles> {
    samples.sort_by(f64::total_cmp);
    let at = |share: usize| samples.get((samples.len() * share / 100).min(samples.len().checked_sub(1)?)).copied();
    Some(Percentiles { samples: samples.len(), p50: at(50)?, p99: at(99)?, max: at(100)? })
}

fn print(report: &Report<'_>) {
    for (name, measured) in [("madang", Some(report.madang)), ("eureka", report.peer)] {
        let Some(measured) = measured else { continue };
        println!("\n{name}");
        println!("  registered            {:>8.1} MB", measured.registered_rss_bytes as f64 / 1e6);
        for (what, phase) in [
            ("renewing", &measured.renewing),
            ("with changes", &measured.changing),
            ("with deltas", &measured.fetching),
        ] {
            let Some(phase) = phase else { continue };
            println!(
                "  {what:<21} {:>8.2} % of a core {:>8.1} MB, children {:.1} MB",
                phase.core_percent,
                phase.rss_bytes as f64 / 1e6,
                phase.children_rss_bytes as f64 / 1e6
            );
        }
        for (what, times) in [("seen in apps/delta", &measured.delta_ms), ("seen in apps/{APP}", &measured.app_ms)] {
            let Some(times) = times else { continue };
            println!("  {what:<21} p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms", times.p50, times.p99, times.max);
        }
        for reading in &measured.reading {
            println!(
                "  {:<21} {:>8.1} /s {:>8.1} per second of processor time, {} bytes",
                reading.what, reading.per_second, reading.per_processor_second, reading.bytes
            );
        }
    }
    println!();
    for (what, summary) in [
        ("madang", Some(report.madang_registrations)),
        ("eureka", report.peer_registrations),
        ("madang / eureka", report.ratio),
    ] {
        let Some(summary) = summary else { continue };
        println!(
            "registrations per second of processor time, {what:<16} {:>9.1} ({:.1} to {:.1})",
            summary.median, summary.low, summary.high
        );
    }
    report.machine.print();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_samples() {
        let found = percentiles((0..200).rev().map(f64::from).collect()).unwrap();
        assert_eq!((found.samples, found.p50, found.p99, found.max), (200, 100.0, 198.0, 199.0));
        assert!(percentiles(Vec::new()).is_none());
    }
}
