//! The exact text of problems: this is what people read at 3 a.m.

use std::path::Path;

use super::{Problem, Problems, Style};
use crate::{Origin, codes};

fn place(line: u32, column: u32) -> Origin {
    Origin::File { path: Path::new("madang.toml").into(), line, column }
}

fn unknown() -> Problem {
    let message = "`instnces` is not a setting of `services.orders`";
    let mut problem = Problem::error(&codes::UNKNOWN_KEY, "services.orders.instnces", message);
    problem.at(&place(14, 1)).hint("did you mean `instances`?");
    problem
}

fn shadowed() -> Problem {
    let mut problem = Problem::warning(&codes::BAD_VALUE, "routes.2", "route `all` is never reached");
    problem.at(&place(9, 1)).related("route `any` takes everything", &place(4, 1)).hint("swap them");
    problem
}

#[test]
fn an_error_reads_in_house_style() {
    assert_eq!(
        unknown().to_string(),
        "error: `instnces` is not a setting of `services.orders`\n\
         \x20 --> madang.toml:14:1, services.orders.instnces\n\
         hint: did you mean `instances`?\n\
         code: MD0003 (madang explain MD0003)"
    );
}

#[test]
fn a_warning_shows_the_other_places_it_is_about() {
    assert_eq!(
        shadowed().to_string(),
        "warning: route `all` is never reached\n\
         \x20 --> madang.toml:9:1, routes.2\n\
         \x20 --> madang.toml:4:1, route `any` takes everything\n\
         hint: swap them\n\
         code: MD0006 (madang explain MD0006)"
    );
}

#[test]
fn what_is_not_known_is_left_out() {
    let mut bare = Problem::error(&codes::BAD_VALUE, "", "no");
    assert_eq!(bare.to_string(), "error: no\ncode: MD0006 (madang explain MD0006)");
    bare.key = "a.b".to_owned();
    assert_eq!(bare.to_string(), "error: no\n  --> a.b\ncode: MD0006 (madang explain MD0006)");
}

#[test]
fn colors_come_only_when_asked_for() {
    assert_eq!(
        unknown().render(Style::Colored),
        "\x1b[1;31merror\x1b[0m\x1b[1m: `instnces` is not a setting of `services.orders`\x1b[0m\n\
         \x20 --> madang.toml:14:1, services.orders.instnces\n\
         \x1b[1mhint\x1b[0m: did you mean `instances`?\n\
         \x1b[1mcode\x1b[0m: MD0003 (madang explain MD0003)"
    );
    assert!(shadowed().render(Style::Colored).starts_with("\x1b[1;33mwarning\x1b[0m"));
    assert!(!unknown().render(Style::Plain).contains('\x1b'));
}

#[test]
fn values_cannot_move_the_cursor_and_lines_of_a_message_stay_lines() {
    let mut problem = Problem::error(&codes::BAD_VALUE, "a\nb", "first \x1b[2J\nsecond");
    problem.at(&Origin::Flag("x=\x07".to_owned())).hint("one\ntwo\r");
    assert_eq!(
        problem.to_string(),
        "error: first \\u{1b}[2J\n\
         \x20      second\n\
         \x20 --> --set x=\\u{7}, a\\nb\n\
         hint: one\n\
         \x20     two\\r\n\
         code: MD0006 (madang explain MD0006)"
    );
}

#[test]
fn all_are_shown_in_the_order_of_the_file_whatever_order_they_were_found_in() {
    let mut problems = Problems::new();
    problems.error(&codes::BAD_VALUE, "", "no place");
    problems.error(&codes::BAD_VALUE, "", "flag").at(&Origin::Flag("a.b=1".to_owned()));
    problems.error(&codes::BAD_VALUE, "", "variable").at(&Origin::Variable("MADANG_A__B".to_owned()));
    problems.error(&codes::BAD_VALUE, "", "line 10").at(&place(10, 1));
    problems.warning(&codes::BAD_VALUE, "", "line 9, right").at(&place(9, 7));
    problems.error(&codes::BAD_VALUE, "", "line 9, left").at(&place(9, 1));
    let shown: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(shown, ["line 9, left", "line 9, right", "line 10", "variable", "flag", "no place"]);
    assert_eq!(problems.to_string().matches("\n\n").count(), 5);
    assert!(!problems.to_string().ends_with('\n'));
}

#[test]
fn warnings_alone_are_no_errors() {
    let mut problems = Problems::new();
    assert!(problems.is_empty() && !problems.has_errors());
    problems.push(shadowed());
    assert!(!problems.is_empty() && !problems.has_errors());
    problems.extend(Problems::from(unknown()));
    assert!(problems.has_errors());
    assert_eq!(problems.len(), 2);
}
