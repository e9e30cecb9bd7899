//! Variables and flags: what they find, what they mean, and what is refused.

use std::fs;

use crate::{Node, Problems, Value, load};

const FILE: &str = "\
name = \"shop\"
[services.orders]
instances = 2
max-body = \"1MiB\"
[[routes]]
to = \"service://orders\"
";

fn laid_over(variables: &[(&str, &str)], sets: &[&str]) -> Result<Node, Problems> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("madang.toml");
    fs::write(&path, FILE).expect("written");
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    load(&path, variables, &sets)
}

/// The value at a dotted key in one line: `3 from --set a.b=3`.
fn at(root: &Node, key: &str) -> String {
    let mut node = root;
    for part in key.split('.') {
        node = match &node.value {
            Value::Array(items) => &items[part.parse::<usize>().expect("an index")],
            _ => node.get(part).unwrap_or_else(|| panic!("no `{part}` of `{key}` in {root:?}")),
        };
    }
    let value = match &node.value {
        Value::String(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Bool(value) => value.to_string(),
        Value::Array(items) => format!("{} items", items.len()),
        Value::Table(entries) => format!("{} entries", entries.len()),
    };
    format!("{value} from {}", node.origin)
}

#[test]
fn variables_find_existing_keys_whatever_their_case_and_dashes() {
    for (name, text, key, expected) in [
        ("MADANG_SERVICES__ORDERS__INSTANCES", "3", "services.orders.instances", "3"),
        ("MADANG_services__Orders__instances", "3", "services.orders.instances", "3"),
        ("MADANG_SERVICES__ORDERS__MAX_BODY", "2MiB", "services.orders.max-body", "\"2MiB\""),
        ("MADANG_ROUTES__0__TO", "service://web", "routes.0.to", "\"service://web\""),
        ("MADANG_SERVICES__WEB__COMMAND", "node web.js", "services.web.command", "\"node web.js\""),
    ] {
        let root = laid_over(&[(name, text)], &[]).expect(name);
        assert_eq!(at(&root, key), format!("{expected} from variable {name}"));
    }
}

#[test]
fn variables_without_two_underscores_are_left_alone() {
    let root =
        laid_over(&[("MADANG_SEED", "7"), ("MADANGX__A", "1"), ("PATH", "/bin"), ("A__B", "1")], &[]).expect("good");
    let Value::Table(entries) = &root.value else { panic!("a table") };
    assert_eq!(entries.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["name", "services", "routes"]);
}

#[test]
fn flags_name_keys_as_toml_does() {
    for (set, key, expected) in [
        ("services.orders.instances=3", "services.orders.instances", "3"),
        ("services.orders.max_body=2MiB", "services.orders.max-body", "\"2MiB\""),
        ("routes.0.to=service://web", "routes.0.to", "\"service://web\""),
        ("routes.1.to=http://a/?b=c", "routes.1.to", "\"http://a/?b=c\""),
        ("services.\"my shop\".x=1", "services.my shop.x", "1"),
        ("a . b = 1", "a.b", "\" 1\""),
        ("a.b=", "a.b", "\"\""),
    ] {
        let root = laid_over(&[], &[set]).expect(set);
        assert_eq!(at(&root, key), format!("{expected} from --set {set}"));
    }
}

#[test]
fn a_value_is_toml_when_it_reads_as_toml_and_else_a_text() {
    for (text, expected) in [
        ("3", "3"),
        ("-3", "-3"),
        ("0.5", "0.5"),
        ("true", "true"),
        ("[1, 2]", "2 items"),
        ("{ min = 1, max = 2 }", "2 entries"),
        ("\"3\"", "\"3\""),
        ("'3'", "\"3\""),
        ("node x.js", "\"node x.js\""),
        ("127.0.0.1:80", "\"127.0.0.1:80\""),
        ("10s", "\"10s\""),
        ("[a-z]+", "\"[a-z]+\""),
        ("2024-01-01", "\"2024-01-01\""),
        // Written unlike a plain number: a setting that wants a text gets it unchanged.
        ("1.10", "\"1.10\""),
        ("007", "\"007\""),
        ("0x10", "\"0x10\""),
        ("1_000", "\"1_000\""),
    ] {
        let set = format!("a.b={text}");
        let root = laid_over(&[("MADANG_A__B", text)], &[]).expect(text);
        assert_eq!(at(&root, "a.b"), format!("{expected} from variable MADANG_A__B"));
        let root = laid_over(&[], &[&set]).expect(text);
        assert_eq!(at(&root, "a.b"), format!("{expected} from --set {set}"));
    }
}

#[test]
fn flags_win_over_variables_and_later_flags_over_earlier_ones() {
    let variable = ("MADANG_SERVICES__ORDERS__INSTANCES", "3");
    let (first, last) = ("services.orders.instances=4", "services.orders.instances=5");
    let root = laid_over(&[variable], &[first, last]).expect("good");
    assert_eq!(at(&root, "services.orders.instances"), format!("5 from --set {last}"));
    assert!(at(&root, "services.orders.max-body").contains("madang.toml:4:1"), "what is not named keeps its origin");
}

#[test]
fn a_variable_for_a_section_comes_before_those_inside_of_it() {
    let inside = ("MADANG_SERVICES__WEB__INSTANCES", "3");
    let root = laid_over(&[inside, ("MADANG_SERVICES__WEB", "{ command = 'x' }")], &[]).expect("good");
    assert_eq!(at(&root, "services.web.command"), "\"x\" from variable MADANG_SERVICES__WEB");
    assert_eq!(at(&root, "services.web.instances"), "3 from variable MADANG_SERVICES__WEB__INSTANCES");
}

#[test]
fn what_names_no_place_is_refused() {
    for (set, expected) in [
        (
            "services.orders",
            "error: a flag `--set` is not of the form `section.key=value`\n  --> --set services.orders\n\
             hint: for example `--set services.orders.instances=3`",
        ),
        (
            "services..x=1",
            "error: a part of the name is empty\n  --> --set services..x=1\n\
             hint: parts are separated by two underscores in a variable and by one dot in a flag",
        ),
        (
            "routes.7.to=x",
            "error: `routes` has 1 entry, so there is no entry 7\n  --> --set routes.7.to=x, routes.7\n\
             hint: entries count from 0; `routes.1` would be a new one",
        ),
        (
            "routes.first.to=x",
            "error: `routes` is a list, and `first` is not the number of an entry\n  --> --set routes.first.to=x, routes.first\n\
             hint: entries count from 0; `routes.1` would be a new one",
        ),
    ] {
        let problems = laid_over(&[], &[set]).expect_err(set).to_string();
        assert_eq!(problems, format!("{expected}\ncode: MD0010 (madang explain MD0010)"));
    }
}

#[test]
fn nothing_can_be_set_inside_of_a_single_value() {
    let problems = laid_over(&[], &["services.orders.instances.min=1"]).expect_err("inside a number");
    let problem = problems.iter().next().expect("one");
    assert_eq!(problem.message, "`services.orders.instances` is the number `2` and has nothing inside");
    assert_eq!(problem.key, "services.orders.instances.min");
    assert_eq!(
        problem.hint.as_deref(),
        Some("set `services.orders.instances` itself, for example to a table: `{ min = ... }`")
    );
    let (label, place) = &problem.related[0];
    assert_eq!(label, "`services.orders.instances` is set here");
    assert!(place.to_string().ends_with("madang.toml:3:1"), "{place}");
}

#[test]
fn a_bomb_in_a_variable_is_refused() {
    for text in [format!("{{ a{} = 1 }}", ".a".repeat(500_000)), "[".repeat(500_000)] {
        let problems = laid_over(&[("MADANG_A__B", &text)], &[]).expect_err("too deep").to_string();
        assert!(
            problems.starts_with("error: values nest deeper than 64 levels\n  --> variable MADANG_A__B, a.b\n"),
            "{problems}"
        );
    }
    let problems = laid_over(&[], &[&format!("a{}=1", ".a".repeat(100))]).expect_err("too long").to_string();
    assert!(problems.starts_with("error: the name has more than 64 parts\n"), "{problems}");
}
