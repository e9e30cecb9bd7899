//! `madang check`: every problem of a settings file at once, without starting anything.

use std::path::Path;

use madang_settings::{Origin, Problem, Problems, Severity};
use serde_json::{Value, json};

use crate::cli::{Sets, Which};
use crate::failure::{Exit, Failure};
use crate::output::{self, Show};
use crate::settings::Settings;
use crate::source::Source;

/// Reads the settings and says what is wrong with them; exit code 2 when something is.
pub(crate) fn run(house: &Which, place: &Path, sets: &Sets, show: &Show) -> Result<Exit, Failure> {
    let source = Source::find(place, sets, house)?;
    let (settings, problems) = match source.load() {
        Ok(loaded) => {
            let mut problems = loaded.warnings;
            for problem in madang_supervise::check_commands(&loaded.settings.supervise.services).iter() {
                // A program may be missing here and be there where Madang will run.
                problems.push(Problem { severity: Severity::Warning, ..problem.clone() });
            }
            (Some(loaded.settings), problems)
        }
        Err(problems) => (None, problems),
    };
    if show.json {
        let all: Vec<Value> = problems.iter().map(as_json).collect();
        let report = json!({ "file": source.path(), "ok": settings.is_some(), "problems": all });
        show.print(&report, |_| String::new())?;
    } else if !problems.is_empty() {
        output::problems(&problems);
    }
    let Some(settings) = settings else { return Ok(Exit::Wrong) };
    if !show.json {
        output::print(&summary(source.path(), &settings, &problems))?;
    }
    Ok(Exit::Done)
}

fn summary(path: &Path, settings: &Settings, problems: &Problems) -> String {
    let count = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    let services = settings.supervise.services.len() + settings.fixed.len();
    let mut text = format!(
        "{}: {}, {}",
        path.display(),
        count(services, "service"),
        count(settings.gateway.routes.len(), "route")
    );
    if !problems.is_empty() {
        text.push_str(", ");
        text.push_str(&count(problems.len(), "warning"));
    }
    text.push_str(", no errors\n");
    text
}

fn as_json(problem: &Problem) -> Value {
    let (file, line, column) = match &problem.origin {
        Some(Origin::File { path, line, column }) => (Some(path.display().to_string()), Some(*line), Some(*column)),
        Some(Origin::Variable(_) | Origin::Flag(_)) | None => (None, None, None),
    };
    json!({
        "severity": match problem.severity { Severity::Error => "error", Severity::Warning => "warning" },
        "message": problem.message,
        "key": problem.key,
        "file": file,
        "line": line,
        "column": column,
        "place": problem.origin.as_ref().map(ToString::to_string),
        "hint": problem.hint,
        "code": problem.code.id,
    })
}
