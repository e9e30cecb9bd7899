//! What a person reads about text that is not TOML.

use crate::parse;

/// The problems of a text, without their codes.
fn problems_of(text: &str) -> String {
    let problems = parse(text, "madang.toml".as_ref()).expect_err(text).to_string();
    let kept = problems.lines().filter(|line| !line.starts_with("code: "));
    kept.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_mistake_is_shown_with_its_line_and_a_way_out() {
    let cases = [
        (
            "a = node x.js # run",
            "error: not valid TOML: a text must be in quotes\n  --> madang.toml:1:5\nhint: put it in quotes: `\"node x.js\"`",
        ),
        (
            "a = [one, two]",
            "error: not valid TOML: a text must be in quotes\n  --> madang.toml:1:6\nhint: put it in quotes",
        ),
        (
            "a = off",
            "error: not valid TOML: a text must be in quotes\n  --> madang.toml:1:5\n\
             hint: write `false`, or `\"off\"` if the setting wants the word",
        ),
        (
            "a =\n",
            "error: not valid TOML: the value is missing\n  --> madang.toml:1:4\n\
             hint: write it behind the `=`, or remove the line",
        ),
        (
            "a = \"one\nb = 1",
            "error: not valid TOML: this text is never closed\n  --> madang.toml:1:5\n\
             hint: end it with `\"` on the same line",
        ),
        (
            "b = 1\na = \"\"\"one\nb = 1",
            "error: not valid TOML: this text is never closed\n  --> madang.toml:2:5\nhint: end it with `\"\"\"`",
        ),
        (
            "a: 1",
            "error: not valid TOML: a setting is written with `=`, not with `:`\n  --> madang.toml:1:2\n\
             hint: write `name = value`",
        ),
        (
            "a 1",
            "error: not valid TOML: `=` and a value are missing\n  --> madang.toml:1:3\nhint: write `name = value`",
        ),
        (
            "a = 1 b = 2",
            "error: not valid TOML: there is more on the line than one setting\n  --> madang.toml:1:9\n\
             hint: give each setting its own line, and put texts in quotes",
        ),
        (
            "a = \"C:\\path\"",
            "error: not valid TOML: `\\` begins an escape that does not exist\n  --> madang.toml:1:9\n\
             hint: write `\\\\`, or use single quotes: `'C:\\path'`",
        ),
        (
            "a = 2024-01-01",
            "error: `2024-01-01` is a date, and no setting is one\n  --> madang.toml:1:1, a\n\
             hint: if it is a text, put it in quotes: `\"2024-01-01\"`",
        ),
        (
            "a = 99999999999999999999",
            "error: `99999999999999999999` does not fit into 64 bits\n  --> madang.toml:1:1, a\nhint: use a smaller number",
        ),
        ("a = 1e999", "error: `1e999` is too large\n  --> madang.toml:1:1, a\nhint: use a smaller number"),
        (
            "[a\nb = 1",
            "error: not valid TOML: this header is never closed\n  --> madang.toml:1:3\nhint: end it with `]`",
        ),
        (
            "a = [1,\n  2\n",
            "error: not valid TOML: `[` is never closed\n  --> madang.toml:1:5\nhint: put a `]` behind the last value",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(problems_of(text), expected, "{text}");
    }
}

#[test]
fn every_broken_line_is_listed() {
    let text = "a = x y z = ] (\nb = 1\nc = [1 2]\nd = 08\n[e\nf = 1.\n";
    let problems = parse(text, "m.toml".as_ref()).expect_err("broken");
    let lines: Vec<String> = problems.iter().map(|p| p.origin.as_ref().expect("a place").to_string()).collect();
    assert_eq!(lines, ["m.toml:1:11", "m.toml:3:6", "m.toml:4:5", "m.toml:5:3", "m.toml:6:7"], "{problems}");
}

#[test]
fn an_unclosed_bracket_is_shown_itself_and_the_lines_behind_it_are_read() {
    assert_eq!(
        problems_of("[a]\nb = [1,\n  { c = 2 },\nd = 3\n[e]\nf = g\nh = { i = 1\n[j]\nk = 1\n"),
        "error: not valid TOML: `[` is never closed\n  --> madang.toml:2:5\n  --> madang.toml:4:1, the next setting begins here\n\
         hint: put a `]` before the next setting begins\n\n\
         error: not valid TOML: a text must be in quotes\n  --> madang.toml:6:5\nhint: put it in quotes: `\"g\"`\n\n\
         error: not valid TOML: `{` is never closed\n  --> madang.toml:7:5\n  --> madang.toml:8:1, the next setting begins here\n\
         hint: put a `}` before the next setting begins"
    );
}

#[test]
fn values_behind_an_unclosed_bracket_are_not_judged() {
    let problems = problems_of("a = [1\nb = 2024-01-01\nc = [2024-01-01,\n2\nd = 1\n[e\nf = 2024-01-01");
    assert_eq!(problems.matches("is a date").count(), 0, "{problems}");
    assert_eq!(problems.matches("is never closed").count(), 3, "{problems}");
}

#[test]
fn a_colon_inside_of_an_unclosed_text_is_not_blamed() {
    let problems = problems_of("a = \"\"\"\nnote: this\n");
    assert!(
        problems.starts_with("error: not valid TOML: this text is never closed\n  --> madang.toml:1:5\n"),
        "{problems}"
    );
}

#[test]
fn a_key_written_twice_is_shown_with_both_places() {
    for (text, expected) in [
        (
            "[a]\nb = 1\nc = 2\nb = 3",
            "error: `a.b` is written twice\n  --> madang.toml:4:1, a.b\n  --> madang.toml:2:1, first written here\n\
             hint: remove one of the two",
        ),
        (
            "[[a]]\n[a]",
            "error: `a` is written twice\n  --> madang.toml:2:2, a\n  --> madang.toml:1:3, first written here\n\
             hint: bring the two together; entries of a list have double brackets: `[[a]]`",
        ),
        (
            "a = { b = 1,\n b = 2 }",
            "error: `a.b` is written twice\n  --> madang.toml:2:2, a.b\n  --> madang.toml:1:7, first written here\n\
             hint: remove one of the two",
        ),
    ] {
        assert_eq!(problems_of(text), expected, "{text}");
    }
}

#[test]
fn a_file_that_is_something_else_does_not_flood_the_screen() {
    let problems = parse(&"<p>not settings</p>\n".repeat(5_000), "page.html".as_ref()).expect_err("broken");
    assert_eq!(problems.len(), super::MAX_LISTED + 1);
    let total = problems.iter().next().expect("the first").to_string();
    assert!(total.starts_with("error: 4900 more lines are not valid TOML\n  --> page.html\n"), "{total}");
}
