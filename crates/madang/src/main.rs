//! `madang`: one program that starts a team's services, keeps them alive, balances and proxies them.
//!
//! Reading order: [`cli`] is the list of commands; [`house`] is where the parts are put together, which [`up`] and
//! [`serve`] share; [`reload`] changes what runs; [`wire`] joins two parts that do not know each other, one file per
//! pair. Each other command is one file named after it; `ps`, `logs`, `scale`, `route` and `registry`
//! are clients of the admin API; `sim` asks nobody.

mod breaker;
mod check;
mod cli;
mod client;
mod codes;
mod data_folder;
mod explain;
mod failure;
mod house;
mod init;
mod listeners;
mod log_lines;
mod logs;
mod news;
mod output;
mod printer;
mod ps;
mod reference;
mod registry;
mod reload;
mod route;
mod routes;
mod runtime;
mod scale;
mod screen;
mod serve;
mod settings;
mod signals;
mod sim;
mod source;
mod trickle;
mod up;
mod watch_file;
mod wire;

fn main() -> std::process::ExitCode {
    cli::main()
}
