//! `madang serve`: the same house without the screen, for systemd and containers.
//!
//! When Madang itself is killed its services live on, and the next `madang serve` with the same data folder adopts them.

use std::path::PathBuf;

use clap::Args;
use madang_settings::Problems;
use madang_supervise::OnLoss;
use madang_telemetry::{Format, LogSettings, init_logs};

use crate::cli::{Sets, Which};
use crate::failure::{Exit, Failure, Report};
use crate::house::{House, Plan};
use crate::listeners::Unwritten;
use crate::output;
use crate::reload::Outcome;
use crate::runtime;
use crate::signals::{Signals, Wish};
use crate::source::{Loaded, Source};
use crate::up::short_list;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A settings file, or the folder that holds madang.toml
    #[arg(default_value = ".", value_name = "FILE|DIR")]
    place: PathBuf,
    /// Where Madang keeps its state and the services' logs [default: .madang beside the settings file]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Runs the gateway and the admin API alone; services with a command are not started
    #[arg(long)]
    no_services: bool,
    /// Logs as one JSON object per line instead of text; MADANG_LOG chooses what is logged
    #[arg(long)]
    log_json: bool,
    #[command(flatten)]
    sets: Sets,
}

/// Runs until SIGTERM or SIGINT; SIGHUP reads the settings again.
pub(crate) fn run(house: &Which, options: &Options) -> Result<Exit, Failure> {
    let source = Source::find(&options.place, &options.sets, house)?;
    let source = if options.no_services { source.without_services() } else { source };
    let loaded = source.load()?;
    output::warnings(&loaded.warnings);
    let format = if options.log_json { Format::Json } else { Format::Text };
    LogSettings::from_env()
        .and_then(|settings| init_logs(&LogSettings { format, ..settings }))
        .map_err(|error| Report::wrong(error.to_string()).hint("for example `MADANG_LOG=info`"))?;
    let data = options.data.clone().unwrap_or_else(|| source.data_folder());
    let plan = Plan {
        data,
        on_loss: OnLoss::Keep,
        unwritten: Unwritten::Refuse,
        command: source.command("serve", &options.place),
    };
    runtime::block_on(serve(source, loaded, plan))
}

async fn serve(source: Source, loaded: Loaded, plan: Plan) -> Result<Exit, Failure> {
    let mut signals = Signals::listen(Wish::Reload).map_err(|error| Report::could_not(error.to_string()))?;
    let house = tokio::select! {
        house = House::start(&source, &loaded, plan) => house?,
        () = signals.stop() => return Ok(Exit::Done),
    };
    let listen = house.listen();
    let shown =
        |address: Option<std::net::SocketAddr>| address.map_or_else(|| "off".to_owned(), |address| address.to_string());
    tracing::info!(
        name = %loaded.settings.name,
        gateway = shown(listen.gateway),
        admin = shown(listen.admin),
        egress = shown(listen.egress),
        eureka = shown(listen.eureka),
        "madang serves"
    );
    house.follow_settings(source, loaded, |outcome| tell(&outcome));
    while signals.next().await == Wish::Reload {
        house.reload();
    }
    tracing::info!("stopping; another signal stops everything at once");
    let exit = tokio::select! {
        () = house.stop() => Exit::Done,
        () = signals.stop() => Exit::Interrupted,
    };
    if exit == Exit::Interrupted {
        house.kill().await;
    }
    tracing::info!("everything has stopped");
    Ok(exit)
}

fn tell(outcome: &Outcome) {
    match outcome {
        Outcome::Unchanged => {}
        Outcome::Gone => tracing::warn!("the settings file is gone; the settings it held keep serving"),
        Outcome::Applied { keys, warnings } => {
            each(warnings);
            tracing::info!(changed = short_list(keys), "settings applied");
        }
        Outcome::Refused(problems) => {
            each(problems);
            tracing::error!(problems = problems.len(), "settings refused as a whole; the old ones keep serving");
        }
    }
}

fn each(problems: &Problems) {
    for problem in problems.iter() {
        let place = problem.origin.as_ref().map(ToString::to_string).unwrap_or_default();
        let hint = problem.hint.as_deref().unwrap_or_default();
        tracing::warn!(code = problem.code.id, place, key = problem.key, hint, "{}", problem.message);
    }
}
