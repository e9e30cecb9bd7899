//! `madang reference`: what the pages in `docs/reference` are made of, so that they cannot lie.
//!
//! Hidden, because people have `--help` and `madang explain`. A test holds the pages against what this prints.

mod api;
mod schema;

use std::fmt::Write;

use clap::{Command, ValueEnum};
use madang_base::Code;
use madang_settings::{Applies, Key};
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

use crate::failure::{Exit, Failure};
use crate::house::DOCUMENTS;
use crate::output::print;
use crate::{codes, settings};

/// One page.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Page {
    /// Every key of `madang.toml`
    Settings,
    /// Every error code, in one table
    Codes,
    /// The pages that explain them, one after the other
    Errors,
    /// Every key of a scenario for `madang sim run`
    Scenario,
    /// Every command with its help
    Cli,
    /// Every operation of the admin API
    Api,
    /// The same as JSON: what `/openapi.json` answers
    Openapi,
}

/// Prints `page` as Markdown.
pub(crate) fn run(page: Page, cli: Command) -> Result<Exit, Failure> {
    let text = match page {
        Page::Settings => settings_page(),
        Page::Codes => codes_page(),
        Page::Errors => error_pages(),
        Page::Scenario => scenario_page(),
        Page::Cli => cli_page(cli),
        Page::Api => api::page(&document()),
        // Texts, numbers and lists always fit into JSON.
        Page::Openapi => serde_json::to_string_pretty(&document()).unwrap_or_default(),
    };
    print(&text)?;
    Ok(Exit::Done)
}

fn document() -> OpenApi {
    madang_admin::openapi::whole(env!("CARGO_PKG_VERSION"), DOCUMENTS)
}

const MADE: &str =
    "<!-- made by the program itself: UPDATE_REFERENCE=1 cargo test -p madang --test cli reference -->\n";

fn settings_page() -> String {
    let mut out = format!(
        "# Settings\n{MADE}\nEvery key of `madang.toml`. `NAME` is a name of yours, `[]` one of a list. A *live* key applies when the file is saved; a\n\
         *restart* key at the next start, and a reload that changes one is refused. The variable `MADANG_<SECTION>__<KEY>` and the\n\
         option `--set section.key=value` win over the file. `madang explain KEY` shows a row of this page.\n"
    );
    let mut section = "";
    for key in settings::keys() {
        let (own, _) = key.key.split_once(['.', '[']).unwrap_or(("", key.key));
        if own != section || key.key == "name" {
            section = own;
            let _ = match section {
                "" => write!(out, "\n## At the top\n"),
                "routes" => write!(out, "\n## [[routes]]\n"),
                "services" => write!(out, "\n## [services.NAME]\n"),
                section => write!(out, "\n## [{section}]\n"),
            };
            out.push_str("\n| key | value | default | applies | meaning |\n|---|---|---|---|---|\n");
        }
        let _ =
            writeln!(out, "| `{}` | {} | {} | {} | {} |", key.key, key.kind, default(key), applies(key), key.meaning);
    }
    out
}

fn scenario_page() -> String {
    let mut out = format!(
        "# Scenarios\n{MADE}\nEvery key of a scenario for `madang sim run`. `NAME` is a name of yours, `[]` one of a list; `--set key=value` wins over the\n\
         file. How they play together is told in [simulate.md](../simulate.md).\n\n| key | value | default | meaning |\n|---|---|---|---|\n"
    );
    for key in madang_sim::KEYS {
        let _ = writeln!(out, "| `{}` | {} | {} | {} |", key.key, key.kind, default(key), key.meaning);
    }
    out
}

/// TOML looks like TOML, words like words.
fn default(key: &Key) -> String {
    let is_toml = key.default.starts_with(['"', '[', '{', 't']) || key.default.parse::<f64>().is_ok();
    if is_toml && !key.default.starts_with("the ") { format!("`{}`", key.default) } else { key.default.to_owned() }
}

/// The place that a link to a heading names.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

const fn applies(key: &Key) -> &'static str {
    match key.applies {
        Applies::Live => "live",
        Applies::Restart => "restart",
    }
}

/// The pages of error codes: how their codes begin, the name of the file, what they are about.
const ERROR_PAGES: &[(&str, &str, &str)] = &[
    ("MD00", "settings", "The settings file"),
    ("MD01", "listeners", "Listeners"),
    ("MD02", "services", "Services"),
    ("MD03", "gateway", "The gateway"),
    ("MD04", "admin", "The admin API"),
    ("MD05", "program", "The program"),
    ("MD06", "registry", "The registry"),
    ("MD07", "store", "The store"),
    ("MD08", "breakers", "Circuit breakers"),
    ("MD09", "simulator", "The simulator"),
];

fn codes_page() -> String {
    let mut out = format!(
        "# Error codes\n{MADE}\nEvery problem Madang reports has one, and so has every answer of the gateway's own. `madang explain CODE` says what is\n\
         on the page behind the code.\n"
    );
    for (start, _, about) in ERROR_PAGES {
        let _ = write!(out, "\n## {about}\n\n| code | means |\n|---|---|\n");
        for code in codes::all().filter(|code| code.id.starts_with(start)) {
            let _ = writeln!(out, "| [{}]({}) | {} |", code.id, link(code), code.title);
        }
    }
    out
}

/// One page behind the other; the line before each names its file.
fn error_pages() -> String {
    let mut out = String::new();
    for (start, file, about) in ERROR_PAGES {
        let _ = write!(out, "{ERROR_PAGE}{file}\n# {about}: error codes\n{MADE}");
        for code in codes::all().filter(|code| code.id.starts_with(start)) {
            let _ = write!(out, "\n## {}: {}\n\n{}\n", code.id, code.title, code.explanation.trim());
        }
    }
    out
}

/// Begins the line before a page of [`error_pages`].
const ERROR_PAGE: &str = "==> docs/errors/";

/// Where `code` is explained, from a page in `docs/reference`.
fn link(code: &Code) -> String {
    let page = ERROR_PAGES.iter().find(|(start, ..)| code.id.starts_with(start));
    format!("../errors/{}.md#{}", page.map_or("", |(_, file, _)| file), slug(&format!("{}: {}", code.id, code.title)))
}

fn cli_page(mut cli: Command) -> String {
    let mut out = format!("# Commands\n{MADE}");
    cli.build();
    add(&mut out, &mut cli.clone());
    let mut open: Vec<Command> = cli.get_subcommands().cloned().collect();
    open.reverse();
    while let Some(mut command) = open.pop() {
        if command.is_hide_set() {
            continue;
        }
        add(&mut out, &mut command);
        let inner: Vec<Command> = command.get_subcommands().cloned().collect();
        open.extend(inner.into_iter().rev());
    }
    out
}

fn add(out: &mut String, command: &mut Command) {
    let name = command.get_bin_name().unwrap_or("madang").to_owned();
    // Lines of options end in blanks where clap fills a column.
    let help = command.render_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(out, "\n## {name}\n\n```text\n{}\n```\n", lines.join("\n"));
}

/// The same as [`key_page`] for programs.
pub(crate) fn key_as_json(key: &Key) -> Value {
    json!({ "key": key.key, "value": key.kind, "default": key.default, "applies": applies(key), "meaning": key.meaning })
}

/// What `madang explain KEY` says about a setting.
pub(crate) fn key_page(key: &Key) -> String {
    let when = match key.applies {
        Applies::Live => "when the file is saved",
        Applies::Restart => "at the next start of Madang",
    };
    let default = if key.default.is_empty() { "none" } else { key.default };
    let mut out = format!("{}: {}\n\n", key.key, key.meaning);
    for (name, text) in [("value", key.kind), ("default", default), ("applies", when)] {
        let _ = writeln!(out, "  {name:<8} {text}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_on_one_page() {
        for code in codes::all() {
            let pages = ERROR_PAGES.iter().filter(|(start, ..)| code.id.starts_with(start));
            assert_eq!(pages.count(), 1, "{}", code.id);
        }
    }

    #[test]
    fn a_link_leads_to_its_heading() {
        let code = Code { id: "MD0318", title: "field_lookalike: a name with `_`, or so", explanation: "" };
        assert_eq!(link(&code), "../errors/gateway.md#md0318-field_lookalike-a-name-with-_-or-so");
    }

    #[test]
    fn a_key_is_explained_in_four_lines() {
        let key = settings::keys().find(|key| key.key == "registry.threshold").unwrap();
        insta::assert_snapshot!(key_page(key), @r"
        registry.threshold: the share of a service that must not be lost at once

          value    number, 0.0 to 1.0
          default  0.85
          applies  at the next start of Madang
        ");
    }
}
