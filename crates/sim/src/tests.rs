//! Runs held against queueing theory, and against what must hold of every run.

mod rules;
mod theory;

use super::*;
use madang_settings::{Problems, parse};

/// A scenario that is right.
pub(crate) fn scenario(text: &str) -> Scenario {
    let mut problems = Problems::new();
    let node = parse(text, "scenario.toml".as_ref()).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    Scenario::read(&node, "scenario", &mut problems).unwrap_or_else(|| panic!("{problems}\n{text}"))
}

fn report(text: &str) -> Report {
    run(&scenario(text)).unwrap_or_else(|overload| panic!("{overload}"))
}
