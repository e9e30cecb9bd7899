//! Whether two rows of answers are the same, and which states they went through.

use anyhow::{Context, Result};
use serde_json::Value;

/// Answers before the first difference that are shown.
const CONTEXT: usize = 4;

/// The first difference, told; answers are the same when all their values are, whether written as 12 or as 12.0.
pub(super) fn difference(theirs: &[Value], ours: &[Value]) -> Result<Option<String>> {
    let lines = theirs.len().max(ours.len());
    let Some(at) = (0..lines).find(|line| !same(theirs.get(*line), ours.get(*line))) else { return Ok(None) };
    let mut told = format!("answer {} differs\n", at + 1);
    for answer in &theirs[at.saturating_sub(CONTEXT)..at.min(theirs.len())] {
        told += &format!("  both:  {answer}\n");
    }
    let shown = |row: &[Value]| row.get(at).map_or("nothing".to_owned(), Value::to_string);
    told += &format!("  theirs: {}\n  ours:   {}\n", shown(theirs), shown(ours));
    theirs.last().context("the library answered nothing")?;
    Ok(Some(told))
}

fn same(one: Option<&Value>, other: Option<&Value>) -> bool {
    match (one, other) {
        (Some(Value::Number(one)), Some(Value::Number(other))) => one.as_f64() == other.as_f64(),
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            one.len() == other.len() && one.iter().all(|(key, value)| same(Some(value), other.get(key)))
        }
        (one, other) => one == other,
    }
}

/// What a trace got to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reached {
    open: bool,
    half_open: bool,
    /// Open after half-open.
    open_again: bool,
    /// Closed after open or half-open.
    closed_again: bool,
}

impl Reached {
    pub(super) fn of(answers: &[Value]) -> Self {
        let mut reached = Self::default();
        let mut before = "closed";
        for state in answers.iter().filter_map(|answer| answer["state"].as_str()) {
            match state {
                "open" => {
                    reached.open = true;
                    reached.open_again |= before == "half_open";
                }
                "half_open" => reached.half_open = true,
                _ => reached.closed_again |= before != "closed",
            }
            before = state;
        }
        reached
    }
}

/// All traces of one library.
#[derive(Default)]
pub(super) struct Tally {
    traces: u64,
    answers: usize,
    open: u64,
    half_open: u64,
    open_again: u64,
    closed_again: u64,
}

impl Tally {
    pub(super) fn add(&mut self, answers: usize, reached: Reached) {
        self.traces += 1;
        self.answers += answers;
        self.open += u64::from(reached.open);
        self.half_open += u64::from(reached.half_open);
        self.open_again += u64::from(reached.open_again);
        self.closed_again += u64::from(reached.closed_again);
    }

    pub(super) fn sentence(&self) -> String {
        let Self { traces, answers, open, half_open, open_again, closed_again } = self;
        format!(
            "{traces} traces, {answers} answers, all the same; traces that saw it open {open}, half-open {half_open}, \
             open again {open_again}, closed again {closed_again}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_difference_is_told_and_numbers_are_the_same_however_written() {
        let call = |id: u64, state: &str| json!({ "t": 5, "id": id, "admitted": true, "state": state });
        let end = |mean: Value| json!({ "t": 9, "final": true, "state": "open", "counters": { "mean": mean } });
        let theirs = [call(1, "closed"), call(2, "open"), end(json!(12))];
        assert_eq!(difference(&theirs, &[call(1, "closed"), call(2, "open"), end(json!(12.0))]).unwrap(), None);
        for (ours, at) in [
            (vec![call(1, "closed"), call(2, "half_open"), end(json!(12))], "answer 2 differs"),
            (vec![call(1, "closed"), call(2, "open"), end(json!(12.5))], "answer 3 differs"),
            (vec![call(1, "closed"), call(2, "open")], "answer 3 differs"),
            (vec![call(1, "closed"), call(2, "open"), end(json!(12)), call(3, "open")], "answer 4 differs"),
        ] {
            let told = difference(&theirs, &ours).unwrap().unwrap();
            assert!(told.starts_with(at), "{told}");
        }
    }

    #[test]
    fn a_trace_is_known_by_the_states_it_saw() {
        let answers = |states: &[&str]| states.iter().map(|state| json!({ "state": state })).collect::<Vec<_>>();
        let reached = Reached::of(&answers(&["closed", "open", "half_open", "open", "half_open", "closed"]));
        assert_eq!(reached, Reached { open: true, half_open: true, open_again: true, closed_again: true });
        let reached = Reached::of(&answers(&["closed", "open", "open"]));
        assert_eq!(reached, Reached { open: true, ..Reached::default() });
    }
}
