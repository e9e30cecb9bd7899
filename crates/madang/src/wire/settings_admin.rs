//! From reloads to the readers of `/v1/events`: what was applied, and what was refused for which reason.

use madang_admin::{Events, Level};
use madang_settings::{Problem, Problems, Severity};

use crate::reload::Outcome;
use crate::up::short_list;

/// Tells `events` what came of looking at the settings.
pub(crate) fn tell(events: &Events, outcome: &Outcome) {
    let (level, text) = match outcome {
        Outcome::Unchanged => return,
        Outcome::Gone => (Level::Warn, "the settings file is gone; the settings it held keep serving".to_owned()),
        Outcome::Applied { keys, .. } => (Level::Info, format!("applied: {}", short_list(keys))),
        Outcome::Refused(problems) => (Level::Error, refused(problems)),
    };
    events.publish("settings", level, "settings", &text);
    if let Outcome::Applied { .. } = outcome {
        events.changed("routes");
        events.changed("processes");
    }
}

fn refused(problems: &Problems) -> String {
    let mut errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    let first = errors.next().map(reason).unwrap_or_default();
    let more = match errors.count() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("refused as a whole, the old ones keep serving: {first}{more}")
}

fn reason(problem: &Problem) -> String {
    let place = problem.origin.as_ref().map(|origin| format!(" ({origin})")).unwrap_or_default();
    format!("{}{place}", problem.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use madang_settings::Origin;

    #[test]
    fn a_refusal_names_its_first_reason_and_counts_the_others() {
        let code = &madang_settings::codes::UNKNOWN_KEY;
        let mut problems = Problems::new();
        problems.warning(code, "a", "`a` is odd");
        problems.error(code, "b", "`b` is not a setting").at(&Origin::Flag("b=1".to_owned()));
        let first = "refused as a whole, the old ones keep serving: `b` is not a setting (--set b=1)";
        assert_eq!(refused(&problems), first);
        problems.error(code, "c", "`c` is not a setting");
        assert_eq!(refused(&problems), format!("{first}, and 1 more"));
    }
}
