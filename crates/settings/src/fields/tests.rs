//! Every getter with good and bad values, and the exact words about the bad ones.

use std::time::Duration;

use crate::{Fields, Node, Origin, Problems, Value, parse};

fn tree(text: &str) -> Node {
    parse(text, "m.toml".as_ref()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What a getter makes of `v = <value>` in table `a`: the value, or the message and the hint.
fn got<T: std::fmt::Debug>(value: &str, get: impl Fn(&mut Fields<'_>, &mut Problems) -> Option<T>) -> String {
    reading(&tree(&format!("[a]\nv = {value}")), get)
}

/// The same for a variable whose value is the text `value`.
fn got_from_variable<T: std::fmt::Debug>(
    value: Value,
    get: impl Fn(&mut Fields<'_>, &mut Problems) -> Option<T>,
) -> String {
    let origin = Origin::Variable("MADANG_A__V".to_owned());
    let v = Node { value, origin: origin.clone() };
    let a = Node { value: Value::Table(vec![("v".to_owned(), v)]), origin: origin.clone() };
    reading(&Node { value: Value::Table(vec![("a".to_owned(), a)]), origin }, get)
}

fn reading<T: std::fmt::Debug>(root: &Node, get: impl Fn(&mut Fields<'_>, &mut Problems) -> Option<T>) -> String {
    let mut problems = Problems::new();
    let mut top = Fields::new(root, "", &mut problems).expect("a table");
    let mut fields = top.table("a", &mut problems).expect("a table");
    let found = get(&mut fields, &mut problems);
    fields.finish(&mut problems);
    top.finish(&mut problems);
    let problems: Vec<String> = problems
        .iter()
        .map(|problem| {
            format!("{}; {}; {}", problem.code, problem.message, problem.hint.as_deref().unwrap_or_default())
        })
        .collect();
    match found {
        Some(found) if problems.is_empty() => format!("{found:?}"),
        Some(_) => panic!("a value and problems: {problems:?}"),
        None => problems.join("\n"),
    }
}

#[test]
fn string_reads_texts() {
    for (value, expected) in [
        ("\"x\"", "\"x\""),
        ("''", "\"\""),
        ("3", "MD0004; `a.v` must be a text, found the number `3`; for example `v = \"3\"`"),
        ("0.5", "MD0004; `a.v` must be a text, found the number `0.5`; for example `v = \"0.5\"`"),
        ("true", "MD0004; `a.v` must be a text, found `true`; for example `v = \"true\"`"),
        ("[]", "MD0004; `a.v` must be a text, found a list; for example `v = \"text\"`"),
        ("{}", "MD0004; `a.v` must be a text, found a table; for example `v = \"text\"`"),
    ] {
        assert_eq!(got(value, |fields, problems| fields.string("v", problems)), expected, "{value}");
    }
}

#[test]
fn boolean_reads_true_and_false() {
    for (value, expected) in [
        ("true", "true"),
        ("false", "false"),
        ("\"true\"", "MD0004; `a.v` must be `true` or `false`, found the text `true`; for example `v = true`"),
        ("1", "MD0004; `a.v` must be `true` or `false`, found the number `1`; for example `v = true`"),
    ] {
        assert_eq!(got(value, |fields, problems| fields.boolean("v", problems)), expected, "{value}");
    }
}

#[test]
fn integer_reads_whole_numbers_of_its_range() {
    for (value, expected) in [
        ("2", "2"),
        ("64", "64"),
        ("0x10", "16"),
        ("1", "MD0005; `a.v` must be from 2 to 64, found `1`; for example `v = 2`"),
        ("65", "MD0005; `a.v` must be from 2 to 64, found `65`; for example `v = 64`"),
        ("300", "MD0005; `a.v` must be from 2 to 64, found `300`; for example `v = 64`"),
        ("-1", "MD0005; `a.v` must be from 2 to 64, found `-1`; for example `v = 2`"),
        ("2.0", "MD0004; `a.v` must be a whole number, found the number `2.0`; for example `v = 2`"),
        ("\"3\"", "MD0004; `a.v` must be a whole number, found the text `3`; for example `v = 2`"),
    ] {
        assert_eq!(got(value, |fields, problems| fields.integer("v", 2..=64_u8, problems)), expected, "{value}");
    }
    assert_eq!(got("70000", |fields, problems| fields.integer("v", 0..=u64::MAX, problems)), "70000");
    assert_eq!(got("-5", |fields, problems| fields.integer("v", i64::MIN..=i64::MAX, problems)), "-5");
}

#[test]
fn float_reads_numbers_of_its_range() {
    for (value, expected) in [
        ("0.5", "0.5"),
        ("1", "1.0"),
        ("1.5", "MD0005; `a.v` must be from 0 to 1, found `1.5`; for example `v = 1`"),
        ("nan", "MD0005; `a.v` must be from 0 to 1, found `NaN`; for example `v = 0`"),
        ("\"x\"", "MD0004; `a.v` must be a number, found the text `x`; for example `v = 0`"),
    ] {
        assert_eq!(got(value, |fields, problems| fields.float("v", 0.0..=1.0, problems)), expected, "{value}");
    }
}

#[test]
fn duration_reads_texts_with_a_unit() {
    for (value, expected) in [
        ("\"10s\"", "10s"),
        ("\"1m30s\"", "90s"),
        ("10", "MD0004; `a.v` must be a duration, found the number `10`; for example `v = \"10s\"`"),
        (
            "\"10\"",
            "MD0006; `a.v` must be a duration: `10` has no unit; use one of ns, us, ms, s, m, h, d; for example `v = \"10s\"`",
        ),
        (
            "\"7 sec\"",
            "MD0006; `a.v` must be a duration: `sec` is not a unit; use one of ns, us, ms, s, m, h, d; for example `v = \"10s\"`",
        ),
        (
            "\"soon\"",
            "MD0006; `a.v` must be a duration: `soon` does not start with a number; for example `v = \"10s\"`",
        ),
    ] {
        assert_eq!(got(value, |fields, problems| fields.duration("v", problems)), expected, "{value}");
    }
    let range = || Duration::from_millis(10)..=Duration::from_secs(3600);
    for (value, expected) in [
        ("\"1s\"", "1s"),
        ("\"1ms\"", "MD0005; `a.v` must be from 10ms to 1h, found `1ms`; for example `v = \"10ms\"`"),
        ("\"2h\"", "MD0005; `a.v` must be from 10ms to 1h, found `2h`; for example `v = \"1h\"`"),
    ] {
        assert_eq!(got(value, |fields, problems| fields.duration_in("v", range(), problems)), expected, "{value}");
    }
}

#[test]
fn size_reads_texts_with_a_unit() {
    for (value, expected) in [
        ("\"64KiB\"", "65536"),
        ("512", "MD0004; `a.v` must be a size, found the number `512`; for example `v = \"512B\"`"),
        (
            "\"1kb\"",
            "MD0006; `a.v` must be a size: `kb` is not a unit; use one of B, kB, MB, GB, KiB, MiB, GiB; for example `v = \"64MiB\"`",
        ),
    ] {
        assert_eq!(got(value, |fields, problems| fields.size("v", problems)), expected, "{value}");
    }
    assert_eq!(
        got("\"2GiB\"", |fields, problems| fields.size_in("v", 1024..=1024 * 1024, problems)),
        "MD0005; `a.v` must be from 1KiB to 1MiB, found `2GiB`; for example `v = \"1MiB\"`"
    );
}

#[test]
fn name_reads_names_and_folds_them() {
    for (value, expected) in [
        ("\"Orders\"", "\"orders\""),
        (
            "\"a b\"",
            "MD0006; `a.v` must be a name: name `a b` has ` `; letters, digits, `-`, `_` and `.` are allowed; for example `v = \"orders\"`",
        ),
        ("\"\"", "MD0006; `a.v` must be a name: a name is empty; for example `v = \"orders\"`"),
    ] {
        assert_eq!(got(value, |fields, problems| fields.name("v", problems)), expected, "{value}");
    }
}

#[test]
fn address_reads_an_ip_address_and_a_port() {
    let wrong = |text: &str, why: &str, example: &str| {
        format!("MD0006; `a.v` must be an address: `{text}` {why}; for example `v = \"{example}\"`")
    };
    for (value, expected) in [
        ("\"127.0.0.1:8080\"", "127.0.0.1:8080".to_owned()),
        ("\"[::1]:80\"", "[::1]:80".to_owned()),
        ("\"localhost:80\"", wrong("localhost:80", "is not an IP address and a port", "127.0.0.1:80")),
        ("\":80\"", wrong(":80", "is not an IP address and a port", "127.0.0.1:80")),
        ("\"127.0.0.1\"", wrong("127.0.0.1", "is not an IP address and a port", "127.0.0.1:8080")),
        ("\"127.0.0.1:99999\"", wrong("127.0.0.1:99999", "is not an IP address and a port", "127.0.0.1:8080")),
        (
            "8080",
            "MD0004; `a.v` must be an address, found the number `8080`; for example `v = \"127.0.0.1:8080\"`"
                .to_owned(),
        ),
        (
            "80",
            "MD0004; `a.v` must be an address, found the number `80`; for example `v = \"127.0.0.1:80\"`".to_owned(),
        ),
    ] {
        assert_eq!(got(value, |fields, problems| fields.address("v", problems)), expected, "{value}");
    }
}

#[test]
fn address_or_off_takes_the_word_too() {
    for (value, expected) in [
        ("\"off\"", "None"),
        ("\"127.0.0.1:80\"", "Some(127.0.0.1:80)"),
        ("false", "MD0004; `a.v` must be an address or `off`, found `false`; for example `v = \"off\"`"),
    ] {
        assert_eq!(got(value, |fields, problems| fields.address_or_off("v", problems)), expected, "{value}");
    }
}

#[test]
fn strings_reads_one_text_or_a_list() {
    for (value, expected) in [
        ("\"a\"", "[\"a\"]"),
        ("[\"a\", \"b\"]", "[\"a\", \"b\"]"),
        ("[]", "[]"),
        (
            "3",
            "MD0004; `a.v` must be a text or a list of texts, found the number `3`; for example `v = [\"one\", \"two\"]`",
        ),
        (
            "[\"a\", 1, true]",
            "MD0004; `a.v.1` must be a text, found the number `1`; for example `v = [\"one\", \"two\"]`\n\
             MD0004; `a.v.2` must be a text, found `true`; for example `v = [\"one\", \"two\"]`",
        ),
    ] {
        assert_eq!(got(value, |fields, problems| fields.strings("v", problems)), expected, "{value}");
    }
}

#[test]
fn choice_reads_one_of_its_words() {
    for (value, expected) in [
        ("\"round_robin\"", "2"),
        (
            "\"round_robbin\"",
            "MD0006; `a.v` must be one of `peak_ewma`, `round_robin`, found the text `round_robbin`; did you mean `round_robin`?",
        ),
        (
            "\"best\"",
            "MD0006; `a.v` must be one of `peak_ewma`, `round_robin`, found the text `best`; for example `v = \"peak_ewma\"`",
        ),
        (
            "1",
            "MD0004; `a.v` must be one of `peak_ewma`, `round_robin`, found the number `1`; for example `v = \"peak_ewma\"`",
        ),
    ] {
        let choices = [("peak_ewma", 1), ("round_robin", 2)];
        assert_eq!(got(value, |fields, problems| fields.choice("v", &choices, problems)), expected, "{value}");
    }
}

#[test]
fn variables_and_flags_need_no_quotes() {
    let text = |text: &str| Value::String(text.to_owned());
    for (value, expected) in [
        (Value::Integer(3), "\"3\""),
        (Value::Float(0.5), "\"0.5\""),
        (Value::Bool(true), "\"true\""),
        (Value::Array(Vec::new()), "MD0004; `a.v` must be a text, found a list; for example `MADANG_A__V=text`"),
    ] {
        assert_eq!(got_from_variable(value, |fields, problems| fields.string("v", problems)), expected);
    }
    for (value, expected) in [
        (text(" 3 "), "3"),
        (text("0x10"), "16"),
        (text("007"), "7"),
        (text("1_0"), "10"),
        (text("three"), "MD0004; `a.v` must be a whole number, found the text `three`; for example `MADANG_A__V=1`"),
    ] {
        assert_eq!(got_from_variable(value, |fields, problems| fields.integer("v", 1..=99, problems)), expected);
    }
    assert_eq!(got_from_variable(text("1.50"), |fields, problems| fields.float("v", 0.0..=2.0, problems)), "1.5");
    assert_eq!(got_from_variable(text("TRUE"), |fields, problems| fields.boolean("v", problems)), "true");
    assert_eq!(
        got_from_variable(text("soon"), |fields, problems| fields.duration("v", problems)),
        "MD0006; `a.v` must be a duration: `soon` does not start with a number; for example `MADANG_A__V=10s`"
    );
}

#[test]
fn secrets_are_not_shown() {
    let root = tree("[a]\ntoken = 123456\napi_key = \"hunter 2\"");
    let mut problems = Problems::new();
    let mut top = Fields::new(&root, "", &mut problems).expect("a table");
    let mut fields = top.table("a", &mut problems).expect("a table");
    fields.string("token", &mut problems);
    fields.name("api_key", &mut problems);
    fields.choice("api_key", &[("none", ())], &mut problems);
    let text = problems.to_string();
    assert_eq!(problems.len(), 3);
    assert!(!text.contains("123456") && !text.contains("hunter"), "{text}");
}

#[test]
fn a_misspelt_key_is_reported_with_the_nearest_spelling_and_its_place() {
    let root = tree("[services.orders]\ncommand = \"x\"\ninstnces = 3");
    let mut problems = Problems::new();
    let services = root.get("services").expect("services");
    let orders = services.get("orders").expect("orders");
    let mut fields = Fields::new(orders, "services.orders", &mut problems).expect("a table");
    assert_eq!(fields.string("command", &mut problems).as_deref(), Some("x"));
    assert_eq!(fields.integer("instances", 1..=64_u32, &mut problems), None);
    fields.finish(&mut problems);
    assert_eq!(
        problems.to_string(),
        "error: `instnces` is not a setting of `services.orders`\n\
         \x20 --> m.toml:3:1, services.orders.instnces\n\
         hint: did you mean `instances`?\n\
         code: MD0003 (madang explain MD0003)"
    );
}

#[test]
fn a_key_near_to_nothing_is_reported_with_all_that_can_be_set() {
    let unknown = |fields: &mut Fields<'_>, _: &mut Problems| {
        fields.node("min");
        fields.node("max");
        None::<()>
    };
    assert_eq!(got("1", unknown), "MD0003; `v` is not a setting of `a`; settings here are `min`, `max`");
    assert_eq!(got("1", |_, _| None::<()>), "MD0003; `v` is not a setting of `a`; nothing can be set here");
    let root = tree("servces = 1");
    let mut problems = Problems::new();
    let mut top = Fields::new(&root, "", &mut problems).expect("a table");
    top.node("services");
    top.finish(&mut problems);
    assert!(
        problems.to_string().starts_with(
            "error: `servces` is not a setting\n  --> m.toml:1:1, servces\nhint: did you mean `services`?"
        )
    );
}

#[test]
fn a_table_full_of_unknown_keys_is_not_listed_to_its_end() {
    use std::fmt::Write as _;
    let text = (0..500).fold(String::new(), |mut text, index| {
        let _ = writeln!(text, "k{index} = 1");
        text
    });
    let root = tree(&text);
    let mut problems = Problems::new();
    Fields::new(&root, "", &mut problems).expect("a table").finish(&mut problems);
    assert_eq!(problems.len(), super::MAX_UNKNOWN + 1);
    assert!(problems.to_string().contains("error: 400 more keys are not settings\n  --> m.toml:101:1\n"), "{problems}");
}

#[test]
fn free_keys_are_all_read_in_written_order() {
    let root = tree("z = 1\na = 2\n\"m n\" = 3");
    let mut problems = Problems::new();
    let mut fields = Fields::new(&root, "", &mut problems).expect("a table");
    let keys: Vec<String> = fields.entries().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(keys, ["z", "a", "m n"]);
    assert_eq!(fields.key("m n"), "\"m n\"");
    fields.finish(&mut problems);
    assert!(problems.is_empty());
}

#[test]
fn a_value_where_a_table_is_needed_is_reported() {
    let root = tree("a = 1");
    let mut problems = Problems::new();
    let mut top = Fields::new(&root, "", &mut problems).expect("a table");
    assert!(top.table("a", &mut problems).is_none());
    assert_eq!(
        problems.to_string(),
        "error: `a` must be a table, found the number `1`\n  --> m.toml:1:1, a\n\
         hint: write `{ ... }` with settings inside\ncode: MD0004 (madang explain MD0004)"
    );
}

#[test]
fn items_are_the_entries_of_a_list_or_the_one_value_itself() {
    let root = tree("one = { a = 1 }\n[[many]]\na = 1\n[[many]]\na = 2");
    let mut problems = Problems::new();
    let mut top = Fields::new(&root, "", &mut problems).expect("a table");
    for (name, expected) in [("one", vec!["one"]), ("many", vec!["many.0", "many.1"]), ("none", vec![])] {
        let keys: Vec<String> = top.items(name).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, expected);
    }
}

#[test]
fn a_missing_setting_is_reported_at_its_table() {
    let root = tree("\n[services.orders]\n");
    let mut problems = Problems::new();
    let orders = root.get("services").and_then(|services| services.get("orders")).expect("orders");
    let fields = Fields::new(orders, "services.orders", &mut problems).expect("a table");
    fields.missing("command", "\"node app.js\"", &mut problems);
    assert_eq!(
        problems.to_string(),
        "error: `services.orders` has no `command`\n  --> m.toml:2:11, services.orders.command\n\
         hint: for example `command = \"node app.js\"`\ncode: MD0007 (madang explain MD0007)"
    );
}

#[test]
fn all_problems_of_a_table_are_found_at_once() {
    let root = tree("a = 1\nb = \"x\"\nc = \"5\"\nd = 1");
    let mut problems = Problems::new();
    let mut fields = Fields::new(&root, "", &mut problems).expect("a table");
    fields.string("a", &mut problems);
    fields.boolean("b", &mut problems);
    fields.duration("c", &mut problems);
    fields.finish(&mut problems);
    let lines: Vec<String> =
        problems.iter().map(|problem| problem.origin.as_ref().expect("a place").to_string()).collect();
    assert_eq!(lines, ["m.toml:1:1", "m.toml:2:1", "m.toml:3:1", "m.toml:4:1"]);
}
