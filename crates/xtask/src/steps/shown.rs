//! What is worth reading of a step that failed.
//!
//! `cargo test` says for every package that it compiled it, and for every test program that all was well: hundreds of
//! lines around the three that matter.

/// What cargo does, in the column it writes it in; none of it is why something failed.
const PROGRESS: [&str; 11] = [
    "Adding",
    "Blocking",
    "Checking",
    "Compiling",
    "Dirty",
    "Documenting",
    "Downloaded",
    "Downloading",
    "Finished",
    "Locking",
    "Updating",
];

/// The lines without progress and without the part of each test program in which nothing failed.
pub(super) fn of_failure(lines: &[String]) -> Vec<&str> {
    let mut shown = Vec::new();
    let mut rest = lines;
    while !rest.is_empty() {
        let next = rest.iter().skip(1).position(|line| begins_part(line)).map_or(rest.len(), |index| index + 1);
        let (part, others) = rest.split_at(next);
        shown.extend(without_success(part).iter().map(String::as_str).filter(|line| !is_progress(line)));
        rest = others;
    }
    shown.dedup_by(|line, before| line.is_empty() && before.is_empty());
    let start = shown.iter().take_while(|line| line.is_empty()).count();
    shown.drain(..start);
    shown
}

/// A test program's part, up to the next one's: nothing before the end of its results when they are all good. After
/// them may stand cargo's list of what failed.
fn without_success(part: &[String]) -> &[String] {
    let begins = part.first().is_some_and(|line| begins_part(line));
    let good = |line: &String| line.starts_with("test result: ok.");
    match part.iter().rposition(good) {
        Some(last) if begins && !part.iter().any(|line| line.starts_with("test result: FAILED.")) => &part[last + 1..],
        _ => part,
    }
}

/// `     Running tests/edges.rs (target/…)`, `   Doc-tests madang_h1`
fn begins_part(line: &str) -> bool {
    line.starts_with("     Running ") || line.starts_with("   Doc-tests ")
}

fn is_progress(line: &str) -> bool {
    let word = line.split_whitespace().next().unwrap_or_default();
    line.starts_with("  ") && PROGRESS.contains(&word) || line.starts_with("all doctests ran in ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(said: &str) -> String {
        let lines: Vec<String> = said.lines().map(str::to_owned).collect();
        of_failure(&lines).join("\n")
    }

    #[test]
    fn only_the_test_program_with_a_failed_test_is_shown() {
        let said = "   Compiling madang-h1 v0.1.0
    Finished `test` profile
     Running unittests src/lib.rs (target/a)

running 2 tests
..
test result: ok. 2 passed; 0 failed; 0 ignored

     Running tests/edges.rs (target/b)

running 1 test
left is not right
test result: FAILED. 0 passed; 1 failed; 0 ignored

error: test failed, to rerun pass `-p madang-xtask --test edges`
   Doc-tests madang_h1

running 1 test
.
test result: ok. 1 passed; 0 failed; 0 ignored

error: 1 target failed:
    `-p madang-xtask --test edges`";
        let expected = "     Running tests/edges.rs (target/b)

running 1 test
left is not right
test result: FAILED. 0 passed; 1 failed; 0 ignored

error: test failed, to rerun pass `-p madang-xtask --test edges`

error: 1 target failed:
    `-p madang-xtask --test edges`";
        assert_eq!(shown(said), expected);
    }

    #[test]
    fn a_test_program_that_crashed_is_shown() {
        let said = "     Running tests/one.rs (target/a)\n\nrunning 2 tests\nprocess didn't exit successfully";
        assert_eq!(shown(said), said);
    }

    #[test]
    fn what_the_compiler_says_is_shown() {
        let said = "    Checking madang v0.1.0\nerror: unused import\n  --> src/main.rs:1\n   | Checking nothing";
        assert_eq!(shown(said), "error: unused import\n  --> src/main.rs:1\n   | Checking nothing");
    }
}
