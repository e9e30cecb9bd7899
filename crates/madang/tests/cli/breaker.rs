//! `madang breaker simulate`: what it answers, and what it says about a trace or settings that are wrong.

use crate::{folder, madang};

const TRACE: &str = r#"{"t":0,"ev":"call","id":1}
{"t":12,"ev":"end","id":1,"outcome":"fail","duration":12}
{"t":2011,"ev":"call","id":2}

{"t":2012,"ev":"call","id":3}
{"t":2013,"ev":"end","id":2,"outcome":"ok","duration":2}
{"t":2013,"ev":"end","id":3,"outcome":"ok","duration":1}
"#;

#[test]
fn simulate_answers_every_call_and_tells_the_end() {
    let dir = folder(&[("calls.jsonl", TRACE), ("breaker.toml", "fail_max = 1\nreset_timeout = \"2s\"\n")]);
    let words = ["breaker", "simulate", "calls.jsonl", "--profile", "pybreaker", "--settings", "breaker.toml"];
    let run = madang(dir.path(), &[&words[..], &["--json"]].concat());
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    insta::assert_snapshot!(run.out, @r#"
    {"t":0,"id":1,"admitted":true,"state":"closed"}
    {"t":2011,"id":2,"admitted":false,"state":"open"}
    {"t":2012,"id":3,"admitted":true,"state":"half_open"}
    {"t":2013,"final":true,"state":"closed","counters":{"fail_counter":0,"success_counter":0}}
    "#);
    let run = madang(dir.path(), &words);
    assert!(
        run.out.starts_with("calls.jsonl: 3 calls in 2.01s. pybreaker opens once and rejects 1 of them.\n"),
        "{}",
        run.out
    );
}

/// The first block of this language on the page about breakers.
fn block(language: &str) -> &'static str {
    let page = include_str!("../../../../docs/breakers.md");
    let start = format!("```{language}\n");
    page.split_once(&start).and_then(|(_, rest)| rest.split_once("```")).expect("the page has this block").0
}

#[test]
fn the_example_of_the_page_is_what_happens() {
    let dir = folder(&[("calls.jsonl", block("jsonl")), ("breaker.toml", block("toml"))]);
    let mut expected = block("console").to_owned();
    for flags in [&[][..], &["--json"]] {
        let words = ["breaker", "simulate", "calls.jsonl", "--profile", "pybreaker", "--settings", "breaker.toml"];
        let words = [&words[..], flags].concat();
        let run = madang(dir.path(), &words);
        let shown = format!("$ madang {}\n", words.join(" "));
        let (before, after) = expected.split_once(&shown).expect("the page shows this command");
        let told = after.split("\n$ ").next().unwrap_or_default().trim();
        let is_told = |out: &str| match told.split_once("…\n") {
            Some((first, last)) => out.starts_with(first) && out.ends_with(last),
            None => out == told,
        };
        assert!(is_told(run.out.trim()), "the page says\n{told}\nand `madang {}`\n{}", words.join(" "), run.out);
        expected = format!("{before}{after}");
    }
}

#[test]
fn simulate_needs_no_settings() {
    let dir = folder(&[("calls.jsonl", TRACE)]);
    let run = madang(dir.path(), &["breaker", "simulate", "calls.jsonl", "--profile", "pybreaker"]);
    assert!(run.code == 0 && run.out.contains("never opens and admits every call"), "{}{}", run.out, run.err);
}

#[test]
fn what_cannot_be_simulated_is_said_with_its_place() {
    let trace = "{\"t\":0,\"ev\":\"call\",\"id\":1}\n{\"t\":5,\"ev\":\"ends\",\"id\":1,\"outcome\":\"ok\"}\n";
    let settings = "fail_mx = 1\nreset_timeout = 60\nexclude = [\"timeouts\"]\nlisteners = []\n";
    let dir = folder(&[("calls.jsonl", trace), ("breaker.toml", settings)]);
    let mut said = String::new();
    for words in [
        &["none.jsonl", "--profile", "pybreaker"][..],
        &["calls.jsonl", "--profile", "pybreaker"],
        &["calls.jsonl", "--profile", "pybreaker", "--settings", "none.toml"],
        &["calls.jsonl", "--profile", "pybreaker", "--settings", "breaker.toml"],
    ] {
        let run = madang(dir.path(), &[&["breaker", "simulate"], words].concat());
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{}", run.err);
        said += &format!("{}\n", run.err);
    }
    insta::assert_snapshot!(said, @r#"
    error: there is no `none.jsonl`
    code: MD0512 (madang explain MD0512)

    error: `ev` is one of `call`, `end`, found the text `ends`
      --> calls.jsonl:2
    hint: did you mean `end`?
    code: MD0802 (madang explain MD0802)

    error: there is no `none.toml`
    hint: leave `--settings` out for the product's defaults
    code: MD0512 (madang explain MD0512)

    error: `fail_mx` is not a setting
      --> breaker.toml:1:1, fail_mx
    hint: did you mean `fail_max`?
    code: MD0003 (madang explain MD0003)

    error: `reset_timeout` must be a duration, found the number `60`
      --> breaker.toml:2:1, reset_timeout
    hint: for example `reset_timeout = "60s"`
    code: MD0004 (madang explain MD0004)

    error: `timeouts` is not an error name; there are fail, timeout, ignored
      --> breaker.toml:3:1, exclude
    hint: did you mean `timeout`?
    code: MD0006 (madang explain MD0006)

    error: `listeners` is an object of a program: a settings file cannot hold one
      --> breaker.toml:4:1, listeners
    hint: remove it: what the product does without one is done here
    code: MD0803 (madang explain MD0803)
    "#);
}

#[test]
fn a_line_without_an_end_is_not_read_to_the_end() {
    let dir = folder(&[("calls.jsonl", &"{".repeat(70_000)), ("image.jsonl", "\u{0}\u{1}")]);
    let run = madang(dir.path(), &["breaker", "simulate", "calls.jsonl", "--profile", "pybreaker"]);
    assert!(
        run.code == 2 && run.err.starts_with("error: this line is longer than 64 KiB\n  --> calls.jsonl:1"),
        "{}",
        run.err
    );
    let run = madang(dir.path(), &["breaker", "simulate", "image.jsonl", "--profile", "pybreaker", "--json"]);
    assert!(run.code == 2 && run.err.starts_with("error: not JSON at column 1\n"), "{}", run.err);
}

#[test]
fn an_unknown_profile_gets_the_nearest_name() {
    let dir = folder(&[("calls.jsonl", TRACE)]);
    let run = madang(dir.path(), &["breaker", "simulate", "calls.jsonl", "--profile", "pybraker"]);
    assert_eq!(run.code, 2, "{}", run.err);
    assert!(run.err.starts_with("error: `pybraker` is not a profile; there are "), "{}", run.err);
    assert!(run.err.contains("hint: did you mean `pybreaker`?\ncode: MD0801"), "{}", run.err);
}
