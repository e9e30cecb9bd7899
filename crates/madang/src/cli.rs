//! The command line: what may be typed, and who does it.
//!
//! Noun, then verb. Data goes to stdout and everything else to stderr. Exit codes: 0 done, 1 could not, 2 wrong usage
//! or settings, 130 after a second interrupt.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::output::Show;
use crate::{breaker, check, explain, init, logs, ps, reference, registry, route, scale, serve, sim, up};

/// The heading of the options that work with every command.
const EVERYWHERE: &str = "With every command";

/// One program for a team's services: starts them, keeps them alive, balances and proxies them
#[derive(Debug, Parser)]
#[command(name = "madang", version, before_help = "Example: madang up examples/shop", arg_required_else_help = true)]
#[command(disable_help_subcommand = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    house: Which,
    #[command(subcommand)]
    command: Command,
}

/// Which Madang a command is about. Both options work with every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Which {
    /// Where the admin API listens, and where commands ask a running Madang [default: 127.0.0.1:7070]
    #[arg(long, global = true, value_name = "ADDR", help_heading = EVERYWHERE)]
    pub(crate) admin: Option<SocketAddr>,
    /// Moves every listener's port up by N, so that two Madangs fit on one machine
    #[arg(long, global = true, value_name = "N", default_value_t = 0, hide_default_value = true)]
    #[arg(help_heading = EVERYWHERE)]
    pub(crate) port_offset: u16,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Looks at a folder and writes a commented madang.toml for what it finds there
    #[command(before_help = "Example: madang init my-project")]
    Init {
        /// The folder to look at
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Starts everything a settings file names, shows its logs, and stops all of it on Ctrl-C
    #[command(before_help = "Example: madang up examples/shop --set services.orders.instances=3")]
    Up(up::Options),
    /// The same as `up` without the screen, for systemd and containers; services outlive a crash of Madang
    #[command(before_help = "Example: madang serve /etc/madang/madang.toml --data /var/lib/madang")]
    Serve(serve::Options),
    /// Reads a settings file and reports every problem in it at once, without starting anything
    #[command(before_help = "Example: madang check examples/shop")]
    Check {
        /// A settings file, or the folder that holds madang.toml
        #[arg(default_value = ".", value_name = "FILE|DIR")]
        place: PathBuf,
        #[command(flatten)]
        sets: Sets,
        #[command(flatten)]
        show: Show,
    },
    /// Lists every instance: its process, port, state and restarts
    #[command(before_help = "Example: madang ps --json")]
    Ps {
        #[command(flatten)]
        show: Show,
    },
    /// Prints what services wrote: the last lines, and with -f each new one as it comes
    #[command(before_help = "Example: madang logs -f orders -n 20")]
    Logs(logs::Options),
    /// Sets how many instances of a service run, until the settings file says otherwise
    #[command(before_help = "Example: madang scale orders 4")]
    Scale {
        /// The service
        service: String,
        /// How many instances
        instances: u32,
        #[command(flatten)]
        show: Show,
    },
    /// Routes of the gateway
    #[command(before_help = "Example: madang route ls", subcommand)]
    Route(route::Command),
    /// Services and their instances: those Madang runs, and those that registered themselves
    #[command(before_help = "Example: madang registry ls", subcommand)]
    Registry(registry::Command),
    /// Circuit breakers: what one would have done with recorded calls
    #[command(before_help = "Example: madang breaker simulate calls.jsonl --profile pybreaker", subcommand)]
    Breaker(breaker::Command),
    /// Tries balancing policies on servers that exist on paper
    #[command(before_help = "Example: madang sim run examples/sim/slow-server.toml", subcommand)]
    Sim(sim::Command),
    /// Says what a code or a setting means, or what became of a request that failed or was slow
    #[command(before_help = "Example: madang explain MD0104")]
    Explain {
        /// A code as printed with a problem, a key of the settings, or a request's id from `X-Request-Id`; all codes are
        /// listed without one
        #[arg(value_name = "CODE|KEY|REQUEST-ID")]
        what: Option<String>,
        #[command(flatten)]
        show: Show,
    },
    /// Prints a page of the reference as Markdown
    #[command(before_help = "Example: madang reference settings", hide = true)]
    Reference {
        #[arg(value_enum)]
        page: reference::Page,
    },
}

/// Settings given on the command line; they win over variables and the file.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Sets {
    /// Overrides one setting, as in `services.orders.instances=3`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) sets: Vec<String>,
}

/// Reads the command line, does what it says, and turns the result into an exit code.
pub(crate) fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    // The parent of all services is this program, started by Madang itself: a word nobody else should type.
    if words.next_if(|word| word == "keeper").is_some() {
        return madang_supervise::keeper::main(words);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap prints help and version to stdout, mistakes to stderr; a closed pipe is nobody's mistake.
            let _ = error.print();
            return if error.use_stderr() { Exit::Wrong.into() } else { Exit::Done.into() };
        }
    };
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.print();
            failure.exit().into()
        }
    }
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    let Cli { house, command } = cli;
    let client = || Client::new(&house);
    match command {
        Command::Init { dir } => init::run(&dir),
        Command::Up(options) => up::run(&house, &options),
        Command::Serve(options) => serve::run(&house, &options),
        Command::Check { place, sets, show } => check::run(&house, &place, &sets, &show),
        Command::Ps { show } => ps::run(&client()?, &show),
        Command::Logs(options) => logs::run(&client()?, &options),
        Command::Scale { service, instances, show } => scale::run(&client()?, &service, instances, &show),
        Command::Route(command) => route::run(&client()?, &command),
        Command::Registry(command) => registry::run(&client()?, &command),
        Command::Breaker(command) => breaker::run(&command),
        Command::Sim(command) => sim::run(&command),
        Command::Reference { page } => reference::run(page, Cli::command()),
        Command::Explain { what, show } => explain::run(what.as_deref(), &show, client),
    }
}
