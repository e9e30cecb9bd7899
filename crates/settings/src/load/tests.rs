//! Files that cannot be read, and text nobody would write.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::{ProptestConfig, Strategy, any, prop};
use proptest::test_runner::RngSeed;
use proptest::{prop_assert, prop_assert_eq, proptest};

use crate::{Origin, Problems, Value, changed_keys, load, parse};

fn none() -> impl Iterator<Item = (String, String)> {
    std::iter::empty()
}

/// A folder and the path of `madang.toml` in it.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("madang.toml");
    (folder, path)
}

#[test]
fn a_missing_file_is_named_together_with_the_command_that_writes_one() {
    let problems = load("no/such/madang.toml".as_ref(), none(), &[]).expect_err("missing");
    assert_eq!(
        problems.to_string(),
        "error: there is no `no/such/madang.toml`\n  --> no/such/madang.toml\n\
         hint: `madang init` writes one; or name another file\ncode: MD0001 (madang explain MD0001)"
    );
}

#[test]
fn a_folder_is_not_a_file() {
    let (folder, path) = folder();
    let problems = load(folder.path(), none(), &[]).expect_err("a folder").to_string();
    assert!(problems.starts_with(&format!("error: `{}` is a folder\n", folder.path().display())), "{problems}");
    assert!(problems.contains(&format!("hint: name the file in it: `{}`", path.display())), "{problems}");
}

#[test]
fn a_file_is_read_up_to_its_limit() {
    let (_folder, path) = folder();
    let filled = |length: usize| format!("a = 1\n{}", "#".repeat(length - 6));
    fs::write(&path, filled(4 * 1024 * 1024)).expect("written");
    assert!(load(&path, none(), &[]).is_ok());
    fs::write(&path, filled(4 * 1024 * 1024 + 1)).expect("written");
    let problems = load(&path, none(), &[]).expect_err("too large").to_string();
    assert!(problems.contains("is larger than 4 MiB\n") && problems.contains("code: MD0009"), "{problems}");
}

#[test]
fn bytes_that_are_not_text_are_shown_by_line_and_column() {
    let (_folder, path) = folder();
    fs::write(&path, b"a = 1\nb = \"caf\xe9\"\n").expect("written");
    let problems = load(&path, none(), &[]).expect_err("not UTF-8").to_string();
    assert!(problems.starts_with("error: not valid TOML: this byte is not UTF-8 text\n"), "{problems}");
    assert!(problems.contains("madang.toml:2:9\nhint: save the file as UTF-8\n"), "{problems}");
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let root = parse("\u{feff}a = 1", "m.toml".as_ref()).expect("good");
    assert_eq!(root.get("a").map(|node| node.origin.to_string()).as_deref(), Some("m.toml:1:1"));
}

#[test]
fn mistakes_of_flags_are_listed_beside_those_of_the_file() {
    let (_folder, path) = folder();
    fs::write(&path, "a = b\n").expect("written");
    let problems = load(&path, none(), &["x".to_owned(), "..=1".to_owned()]).expect_err("three mistakes");
    assert_eq!(problems.len(), 3, "{problems}");
}

fn check(problems: &Problems, text: &str) -> Result<(), proptest::test_runner::TestCaseError> {
    let lines = text.matches('\n').count() + 1;
    prop_assert!(problems.has_errors());
    for problem in problems.iter() {
        prop_assert!(problem.hint.is_some(), "{problem}");
        for origin in problem.related.iter().map(|(_, origin)| origin).chain(&problem.origin) {
            if let Origin::File { line, .. } = origin {
                prop_assert!(*line as usize <= lines, "{problem}");
            }
        }
        prop_assert!(problem.origin.is_some(), "{problem}");
        let shown = problem.to_string();
        prop_assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    }
    Ok(())
}

/// Pieces of TOML in any order: nearly right is where parsers fall.
fn nearly_toml() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "\n",
        "\n",
        "\n",
        "a",
        "b",
        "c",
        "\"a\"",
        "'b'",
        ".",
        ".",
        " = ",
        "=",
        "= 1\n",
        "= 1\n",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        ",",
        "1",
        "1.5",
        "0x",
        "08",
        "true",
        "yes",
        "2024-01-01",
        "\"",
        "'",
        "\"\"\"",
        "'''",
        "\\",
        "\\u",
        "#",
        "\r\n",
        "\r",
        "\t",
        " ",
        "é",
        "\u{0}",
        "\u{1b}",
        "[a]\n",
        "[a.b]\n",
        "[[a]]\n",
        "[[a.b]]\n",
        "[[r]]\n",
        "a.b = {",
        "= [\n",
        "= {\n",
        "1e999",
        "_",
    ]);
    prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat())
}

/// The same cases every time; `MADANG_SEED` and `PROPTEST_CASES` try others.
fn config() -> ProptestConfig {
    let seed = std::env::var("MADANG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    ProptestConfig { rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes_are_a_tree_or_problems_with_places(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (_folder, path) = folder();
        fs::write(&path, &bytes).expect("written");
        if let Err(problems) = load(&path, none(), &[]) {
            check(&problems, &String::from_utf8_lossy(&bytes))?;
        }
    }

    #[test]
    fn nearly_right_text_is_a_tree_or_problems_with_places(text in nearly_toml()) {
        match parse(&text, "m.toml".as_ref()) {
            Ok(root) => {
                prop_assert!(matches!(root.value, Value::Table(_)));
                prop_assert_eq!(changed_keys(&root, &root), Vec::<String>::new());
            }
            Err(problems) => check(&problems, &text)?,
        }
    }

    #[test]
    fn any_variable_and_flag_is_laid_over_or_is_a_problem(name in "[A-Za-z0-9_.-]{0,20}", text in nearly_toml(), flag in nearly_toml()) {
        let (_folder, path) = folder();
        fs::write(&path, "a = 1\nb = [1, { c = 2 }]\n").expect("written");
        let variables = [(format!("MADANG_{name}__a"), text.clone()), (format!("MADANG_B__1__{name}"), text)];
        let sets = [format!("b.1.{flag}"), flag];
        if let Err(problems) = load(&path, variables.into_iter(), &sets) {
            check(&problems, "\n\n")?;
        }
    }
}
