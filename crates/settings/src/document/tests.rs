//! The tree that comes out of good text, and the limits.

use crate::{Node, Value, parse};

fn tree(text: &str) -> Node {
    parse(text, "m.toml".as_ref()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Every node in written order: its dotted key and its place.
fn places(node: &Node, key: &str, out: &mut Vec<String>) {
    match &node.value {
        Value::Table(entries) => entries.iter().for_each(|(name, node)| {
            let key = crate::dotted(key, name);
            out.push(format!("{key} {}", node.origin));
            places(node, &key, out);
        }),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, node)| {
            let key = crate::dotted(key, &index.to_string());
            out.push(format!("{key} {}", node.origin));
            places(node, &key, out);
        }),
        _ => {}
    }
}

#[test]
fn every_value_knows_its_place_and_the_written_order_is_kept() {
    let text = "name = \"shop\"\n[services.b]\n  z = [1, 2]\na = { x = 1,\n \"y z\" = 2 }\n[services.a]\n[[routes]]\n[[routes]]\nid.\"é\" = 1\nid.x = 2";
    let mut found = Vec::new();
    places(&tree(text), "", &mut found);
    assert_eq!(
        found,
        [
            "name m.toml:1:1",
            "services m.toml:2:2",
            "services.b m.toml:2:11",
            "services.b.z m.toml:3:3",
            "services.b.z.0 m.toml:3:8",
            "services.b.z.1 m.toml:3:11",
            "services.b.a m.toml:4:1",
            "services.b.a.x m.toml:4:7",
            "services.b.a.\"y z\" m.toml:5:2",
            "services.a m.toml:6:11",
            "routes m.toml:7:3",
            "routes.0 m.toml:7:1",
            "routes.1 m.toml:8:1",
            "routes.1.id m.toml:9:1",
            "routes.1.id.\"é\" m.toml:9:4",
            "routes.1.id.x m.toml:10:4",
        ]
    );
}

#[test]
fn columns_count_characters_and_lines_end_with_or_without_a_carriage_return() {
    let mut found = Vec::new();
    places(&tree("a = { \"마당\" = 1, b = 2 }\r\nc = 1\r\n"), "", &mut found);
    assert_eq!(found, ["a m.toml:1:1", "a.\"마당\" m.toml:1:7", "a.b m.toml:1:17", "c m.toml:2:1"]);
}

#[test]
fn values_come_out_as_written() {
    let root = tree("a = 0x1F\nb = -1_000\nc = 1e3\nd = inf\ne = '''\n\\n'''\nf = true\n");
    for (key, expected) in [
        ("a", "Integer(31)"),
        ("b", "Integer(-1000)"),
        ("c", "Float(1000.0)"),
        ("d", "Float(inf)"),
        ("e", "String(\"\\\\n\")"),
        ("f", "Bool(true)"),
    ] {
        assert_eq!(format!("{:?}", root.get(key).expect(key).value), expected, "{key}");
    }
}

#[test]
fn nesting_is_allowed_to_the_limit_and_not_beyond() {
    let nested = |levels: usize| format!("a = {}{}", "[".repeat(levels), "]".repeat(levels));
    tree(&nested(64));
    let problems = parse(&format!("\n{}", nested(65)), "m.toml".as_ref()).expect_err("too deep").to_string();
    assert_eq!(
        problems,
        "error: values nest deeper than 64 levels\n  --> m.toml:2:69\n\
         hint: look for a bracket that is never closed, or for a key with far too many dots\ncode: MD0009 (madang explain MD0009)"
    );
    // A million levels would overflow the stack when dropped.
    for bomb in [format!("a{} = 1", ".a".repeat(1_000_000)), format!("[a{}]", ".a".repeat(1_000_000))] {
        assert!(parse(&bomb, "m.toml".as_ref()).is_err());
    }
}

#[test]
fn the_deepest_text_that_is_let_through_is_read_on_a_small_stack() {
    let part = |letter: &str| vec![letter; 64].join(".");
    let text = format!("[[{}]]\n[{}.b]\n{} = 1", part("a"), part("a").trim_end_matches(".a"), part("c"));
    let read = move || {
        let _ = parse(&text, "m.toml".as_ref());
    };
    let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(read).expect("a thread");
    thread.join().expect("no overflow");
}
