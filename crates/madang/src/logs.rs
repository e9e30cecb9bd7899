//! `madang logs`: what services wrote, and with `-f` what they write from now on.

use clap::Args;
use madang_supervise::LogLine;

use crate::client::{Client, encoded};
use crate::failure::{Exit, Failure};
use crate::log_lines::LogLines;
use crate::output::{Color, print};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A service or one of its instances, such as `orders` or `orders-1`; all of them when left out
    service: Option<String>,
    /// Goes on with each line as it comes, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// How many lines from the past
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    lines: u32,
    /// Prints one JSON object per line instead of text
    #[arg(long)]
    json: bool,
}

/// Prints the lines.
pub(crate) fn run(client: &Client, options: &Options) -> Result<Exit, Failure> {
    let instances = client.get("/v1/supervise/instances")?;
    let names: Vec<&str> =
        instances.as_array().into_iter().flatten().filter_map(|view| view["instance"].as_str()).collect();
    let mut lines = LogLines::new(Color::of_stdout());
    names.iter().for_each(|name| lines.expect(name));
    let asked = options.service.as_deref().map(|name| {
        let what = if names.iter().any(|known| known.eq_ignore_ascii_case(name)) { "instance" } else { "service" };
        format!("&{what}={}", encoded(name))
    });
    let asked = asked.unwrap_or_default();
    let path = format!("/v1/supervise/logs?lines={}&follow={}{asked}", options.lines, options.follow);
    client.lines(&path, |text| {
        // A line this program does not understand is shown as it came.
        match serde_json::from_str::<LogLine>(text) {
            Ok(line) if !options.json => print(&(lines.format(&line) + "\n")),
            Ok(_) | Err(_) => print(&format!("{text}\n")),
        }
    })?;
    Ok(Exit::Done)
}
