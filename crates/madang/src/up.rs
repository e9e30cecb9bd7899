//! `madang up`: starts everything, shows one screen, then the services' logs; Ctrl-C stops all in order.

use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use madang_supervise::{Filter, Handle, InstanceView, OnLoss, State};
use madang_telemetry::{LogSettings, init_logs};

use crate::cli::{Sets, Which};
use crate::codes;
use crate::failure::{Exit, Failure, Report};
use crate::house::{House, Plan};
use crate::listeners::Unwritten;
use crate::log_lines::LogLines;
use crate::news::News;
use crate::output::{self, Color};
use crate::printer::Printer;
use crate::reload::Outcome;
use crate::runtime;
use crate::screen::{Screen, first_route};
use crate::settings::Settings;
use crate::signals::{Signals, Wish};
use crate::source::{Loaded, Source};
use crate::trickle::{self, Call};

/// Log lines from before the screen that are shown after it, in all.
const PAST_LINES: usize = 500;
/// What is logged beside the screen, to stderr: what is wrong with Madang, and that an earlier run has to end first.
/// Instances are told about by [`News`].
const FILTER: &str = "warn,madang_supervise=error,madang_supervise::link=info";
/// How often the wait is told about.
const PROGRESS: Duration = Duration::from_secs(1);
/// An instance that ended this often does not keep the screen waiting.
const GIVEN_UP_RESTARTS: u32 = 2;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A settings file, or the folder that holds madang.toml
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    place: PathBuf,
    /// Sends a little steady traffic to the gateway, so that the console lives: `trickle` of the settings, in turn
    #[arg(long)]
    trickle: bool,
    #[command(flatten)]
    sets: Sets,
}

/// Runs until it is asked to stop.
pub(crate) fn run(house: &Which, options: &Options) -> Result<Exit, Failure> {
    let source = Source::find(&options.place, &options.sets, house)?;
    let loaded = source.load()?;
    let calls = if options.trickle { to_trickle(&loaded)? } else { Vec::new() };
    output::warnings(&loaded.warnings);
    let filter = std::env::var(LogSettings::VARIABLE).unwrap_or_else(|_| FILTER.to_owned());
    init_logs(&LogSettings { filter, ..LogSettings::default() })
        .map_err(|error| Report::wrong(error.to_string()).hint("for example `MADANG_LOG=info`"))?;
    let plan = Plan {
        data: source.data_folder(),
        on_loss: OnLoss::Stop,
        unwritten: Unwritten::LeaveClosed,
        command: source.command("up", &options.place),
    };
    runtime::block_on(keep_up(source, loaded, plan, calls))
}

fn to_trickle(loaded: &Loaded) -> Result<Vec<Call>, Report> {
    let Settings { trickle, listen, .. } = &loaded.settings;
    if trickle.is_empty() || listen.gateway.is_none() {
        let what = if trickle.is_empty() { "the settings have no `trickle`" } else { "`listen.gateway` is off" };
        return Err(Report::wrong(format!("there is nothing to trickle: {what}"))
            .hint("for example `trickle = [\"GET /\"]` at the top of the settings file")
            .code(&codes::TRICKLE));
    }
    Ok(trickle.clone())
}

async fn keep_up(source: Source, loaded: Loaded, plan: Plan, calls: Vec<Call>) -> Result<Exit, Failure> {
    let mut signals = Signals::listen(Wish::Stop).map_err(|error| Report::could_not(error.to_string()))?;
    let (printer, thread) = Printer::start(std::io::stdout())?;
    let house = tokio::select! {
        house = House::start(&source, &loaded, plan) => house?,
        () = signals.stop() => return Ok(Exit::Done),
    };
    let notices = printer.clone();
    house.follow_settings(source.clone(), loaded.clone(), move |outcome| tell(&outcome, &notices));
    let exit = until_stopped(&house, &source, &loaded, &calls, &mut signals, &printer).await;
    printer.line("Everything has stopped.");
    drop((house, printer));
    thread.join();
    Ok(exit)
}

/// The screen, then logs, until it is asked to stop; then the stop, with logs still.
async fn until_stopped(
    house: &House,
    source: &Source,
    loaded: &Loaded,
    calls: &[Call],
    signals: &mut Signals,
    printer: &Printer,
) -> Exit {
    let screen = async {
        let instances = wait_for_instances(house.supervisor(), printer).await;
        show(house, source, loaded, &instances, printer);
    };
    let is_asked = tokio::select! {
        () = screen => false,
        () = asked_to_stop(signals, printer) => true,
    };
    let mut lines = pin!(follow(house.supervisor(), printer));
    if !is_asked {
        tokio::select! {
            never = &mut lines => match never {},
            never = trickle(house, calls) => match never {},
            () = asked_to_stop(signals, printer) => {}
        }
    }
    printer.line(format!("\nStopping {}. Ctrl-C again stops everything at once.", loaded.settings.name));
    let exit = tokio::select! {
        () = house.stop() => Exit::Done,
        () = signals.stop() => Exit::Interrupted,
        never = &mut lines => match never {},
    };
    if exit == Exit::Interrupted {
        house.kill().await;
    }
    // What was said last and is on its way.
    let _ = tokio::time::timeout(Duration::ZERO, lines).await;
    exit
}

fn show(house: &House, source: &Source, loaded: &Loaded, instances: &[InstanceView], printer: &Printer) {
    for trouble in instances.iter().filter(|instance| is_in_trouble(instance)) {
        printer.line(trouble_text(trouble));
    }
    let screen = Screen {
        settings: &loaded.settings,
        listen: house.listen(),
        port_offset: source.port_offset(),
        instances,
        route: first_route(&loaded.node),
        color: Color::of_stdout(),
    };
    printer.line(screen.text());
}

async fn trickle(house: &House, calls: &[Call]) -> Infallible {
    match house.listen().gateway {
        Some(gateway) => trickle::run(gateway, calls).await,
        None => std::future::pending().await,
    }
}

/// A signal, or nobody who reads what is printed: `madang up | head`.
async fn asked_to_stop(signals: &mut Signals, printer: &Printer) {
    tokio::select! {
        () = signals.stop() => {}
        () = printer.reader_left() => {}
    }
}

/// Log lines, and what becomes of instances; never ends by itself.
async fn follow(supervisor: &Handle, printer: &Printer) -> Infallible {
    let mut lines = LogLines::new(Color::of_stdout());
    let mut views = supervisor.watch();
    let now = Arc::clone(&views.borrow_and_update());
    now.iter().for_each(|instance| lines.expect(&instance.instance));
    let mut news = News::since(&now);
    let mut stream = supervisor.subscribe_logs(Filter::default(), PAST_LINES);
    loop {
        tokio::select! {
            // The last words of an instance before the news that it ended.
            biased;
            Some(line) = stream.next() => printer.line(lines.format(&line)),
            Ok(()) = views.changed() => {
                let now = Arc::clone(&views.borrow_and_update());
                news.turns(&now).into_iter().for_each(|turn| printer.line(lines.format(&turn.into_line())));
            }
            else => return std::future::pending().await,
        }
    }
}

/// Until every instance is healthy, or one is in trouble that waiting will not end.
async fn wait_for_instances(supervisor: &Handle, printer: &Printer) -> Arc<Vec<InstanceView>> {
    let mut views = supervisor.watch();
    let mut ticks = tokio::time::interval(PROGRESS);
    ticks.reset();
    let mut told = String::new();
    loop {
        let now = Arc::clone(&views.borrow_and_update());
        let waits = now.iter().any(|instance| instance.state != State::Healthy && !is_in_trouble(instance));
        if !waits {
            return now;
        }
        tokio::select! {
            changed = views.changed() => if changed.is_err() { return now },
            _ = ticks.tick() => {
                let waiting = waiting_text(&now);
                if waiting != told {
                    printer.line(&*waiting);
                    told = waiting;
                }
            }
        }
    }
}

fn is_in_trouble(instance: &InstanceView) -> bool {
    match instance.state {
        State::Unhealthy => true,
        State::Backoff | State::Starting => instance.restarts >= GIVEN_UP_RESTARTS,
        State::Healthy | State::Stopping | State::Stopped => false,
    }
}

/// `waiting for orders-1: /health answers 503`, one line for each.
fn waiting_text(instances: &[InstanceView]) -> String {
    let waiting = instances.iter().filter(|instance| instance.state != State::Healthy);
    let lines: Vec<String> = waiting
        .map(|instance| match instance.reason.as_deref().and_then(|reason| reason.lines().next()) {
            Some(reason) => format!("waiting for {}: {reason}", instance.instance),
            None => format!("waiting for {}", instance.instance),
        })
        .collect();
    lines.join("\n")
}

fn trouble_text(instance: &InstanceView) -> String {
    let reason = instance.reason.as_deref().unwrap_or("no reason is known");
    let report = Report::could_not(format!("{} is not healthy", instance.instance)).detail(reason);
    report.hint(format!("Madang keeps trying; `madang logs {}` shows more", instance.service)).to_string()
}

/// What came of a changed settings file.
fn tell(outcome: &Outcome, printer: &Printer) {
    match outcome {
        Outcome::Unchanged => {}
        Outcome::Gone => printer.line("madang | the settings file is gone; the settings it held keep serving"),
        Outcome::Applied { keys, warnings } => {
            if !warnings.is_empty() {
                printer.line(warnings.to_string());
            }
            printer.line(format!("madang | settings applied: {}", short_list(keys)));
        }
        Outcome::Refused(problems) => {
            printer.line(format!("{problems}\nmadang | settings refused as a whole; the old ones keep serving"));
        }
    }
}

/// The first few keys.
pub(crate) fn short_list(keys: &[String]) -> String {
    const SHOWN: usize = 6;
    let mut text = keys.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if keys.len() > SHOWN {
        text.push_str(&format!(" and {} more", keys.len() - SHOWN));
    }
    text
}
