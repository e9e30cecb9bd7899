//! Which keys count as changed.

use crate::{Node, changed_keys, parse};

fn tree(text: &str) -> Node {
    parse(text, "m.toml".as_ref()).expect(text)
}

#[test]
fn only_leaves_that_differ_are_named() {
    for (old, new, expected) in [
        ("a = 1", "# moved\n\na = 1", vec![]),
        ("a = 1\nb = 2", "b = 2\na = 1", vec![]),
        ("a = { x = 1, y = 2 }", "[a]\ny = 2\nx = 1", vec![]),
        ("a = 1", "a = 2", vec!["a"]),
        ("a = 1", "a = 1.0", vec!["a"]),
        ("a = nan", "a = nan", vec![]),
        ("a = 1", "a = { b = 1 }", vec!["a"]),
        ("a = 1\nb = 1", "c = 1\na = 1", vec!["c", "b"]),
        ("", "[a.b]\nc = 1\nd = []", vec!["a.b.c", "a.b.d"]),
        ("", "[a]", vec!["a"]),
        ("[a]", "", vec!["a"]),
        ("r = [1, 2]", "r = [1, 3]", vec!["r.1"]),
        ("r = [1, 2, 3]", "r = [1]", vec!["r.1", "r.2"]),
        ("[[r]]\nto = 1\n[[r]]\nto = 2", "[[r]]\nto = 1\n[[r]]\nto = 3\nx = 1", vec!["r.1.to", "r.1.x"]),
        ("\"a.b\" = 1", "\"a.b\" = 2", vec!["\"a.b\""]),
    ] {
        assert_eq!(changed_keys(&tree(old), &tree(new)), expected, "{old:?} to {new:?}");
    }
}
