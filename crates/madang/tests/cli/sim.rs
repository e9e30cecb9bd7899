//! `madang sim run`: what it prints, and what it says about scenarios that are wrong.

use std::path::Path;

use crate::{Run, folder, madang};

const GOOD: &str =
    "requests = 2_000\narrivals = { load = 0.5 }\n[servers.a]\ncount = 3\nservice = { mean = \"10ms\" }\n";

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Runs `scenario` in a folder of its own.
fn sim(scenario: &str, more: &[&str]) -> Run {
    let dir = folder(&[("s.toml", scenario)]);
    madang(dir.path(), &[&["sim", "run", "s.toml"], more].concat())
}

#[test]
fn a_scenario_and_its_seed_print_the_same_bytes_each_time() {
    let first = sim(GOOD, &["--json", "--seed", "7"]);
    assert_eq!((first.code, first.err.as_str()), (0, ""));
    let report: serde_json::Value = serde_json::from_str(&first.out).unwrap();
    assert_eq!((&report["seed"], &report["policy"]), (&7.into(), &"peak_ewma".into()));
    assert_eq!(first.out, sim(GOOD, &["--json", "--seed", "7"]).out);
    assert_ne!(first.out, sim(GOOD, &["--json", "--seed", "8"]).out);
}

#[test]
fn a_comparison_prints_the_runs_in_the_order_they_were_asked_for() {
    let run = sim(GOOD, &["--json", "--compare", "policy=round_robin,peak_ewma"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let told: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(told["compare"], "policy");
    let policies: Vec<_> = told["runs"].as_array().unwrap().iter().map(|run| &run["report"]["policy"]).collect();
    assert_eq!(policies, ["round_robin", "peak_ewma"]);
    let alone = sim(GOOD, &["--json", "--set", "policy=round_robin"]);
    let alone: serde_json::Value = serde_json::from_str(&alone.out).unwrap();
    assert_eq!(told["runs"][0]["report"], alone);
}

#[test]
fn what_is_wrong_is_said_at_once_with_its_line_and_exit_code_2() {
    let run =
        sim("polcy = \"peak_ewma\"\n[arrivals]\nrate = \"0/s\"\n[servers.a]\ncount = 0\nservice = { mean = 5 }\n", &[]);
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    insta::assert_snapshot!(run.err, @r#"
    error: `polcy` is not a setting
      --> s.toml:1:1, polcy
    hint: did you mean `policy`?
    code: MD0003 (madang explain MD0003)

    error: `arrivals.rate` must be a rate: `0/s` is not above 0
      --> s.toml:3:1, arrivals.rate
    hint: for example `rate = "900/s"`
    code: MD0902 (madang explain MD0902)

    error: `servers.a.count` must be from 1 to 100000, found `0`
      --> s.toml:5:1, servers.a.count
    hint: for example `count = 1`
    code: MD0005 (madang explain MD0005)

    error: `servers.a.service.mean` must be a duration, found the number `5`
      --> s.toml:6:13, servers.a.service.mean
    hint: for example `mean = "5s"`
    code: MD0004 (madang explain MD0004)
    "#);
}

#[test]
fn more_than_the_servers_can_work_on_is_refused_and_not_simulated_for_ever() {
    let run = sim(&GOOD.replace("0.5", "1.5"), &[]);
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    insta::assert_snapshot!(run.err, @r"
    error: load exceeds capacity: 450 requests a second arrive and all servers together can work on 300, so the queues would grow without end
      --> s.toml:2:1, arrivals
    hint: lower the rate, add servers, or give every group a `queue` limit to see what is refused
    code: MD0901 (madang explain MD0901)
    ");
    let run = sim(
        "requests = 50_000_000\npolicy = \"round_robin\"\narrivals = { load = 0.9 }\n\
        servers.a = { service = { mean = \"1ms\" } }\nservers.b = { slow = 1000, service = { mean = \"1ms\" } }",
        &[],
    );
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert!(run.err.starts_with("error: load exceeds capacity: 4000000 requests are under way "), "{}", run.err);
}

#[test]
fn a_misspelt_policy_on_the_command_line_gets_the_nearest() {
    let run = sim(GOOD, &["--compare", "policy=peak_ewma,round_robbin"]);
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    assert!(
        run.err.contains("--> --set policy=round_robbin, policy\nhint: did you mean `round_robin`?"),
        "{}",
        run.err
    );
    let run = sim(GOOD, &["--compare", "policy"]);
    assert_eq!(run.code, 2);
    let run = madang(folder(&[]).path(), &["sim", "run", "none.toml"]);
    assert_eq!(run.code, 2);
    assert!(run.err.starts_with("error: there is no scenario `none.toml`\nhint: "), "{}", run.err);
}

/// What a line looks like without its figures and bars: those differ where another `exp` rounds another way.
fn shape(text: &str) -> Vec<String> {
    let words = |line: &str| {
        let bare = |word: &&str| word.chars().all(|c| c.is_ascii_alphabetic() || ",./:;-".contains(c));
        line.split_whitespace().filter(bare).collect::<Vec<_>>().join(" ")
    };
    text.lines().map(words).filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_page_about_it_shows_what_its_commands_print() {
    let page = root().join("docs/simulate.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let mut said = String::new();
    let mut parts = text.split("```console\n");
    said.push_str(parts.next().unwrap_or_default());
    let mut shown = 0;
    for part in parts {
        let (block, after) = part.split_once("```\n").expect("a block ends");
        let command =
            block.lines().next().and_then(|line| line.strip_prefix("$ madang ")).expect("a block is a command");
        let run = madang(root(), &command.split_whitespace().collect::<Vec<_>>());
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{command}");
        said.push_str(&format!("```console\n$ madang {command}\n{}```\n{after}", run.out));
        shown += 1;
    }
    assert!(shown > 3, "the page has lost its commands");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&page, &said).unwrap();
    }
    let text = std::fs::read_to_string(&page).unwrap();
    let first = shape(&text).into_iter().zip(shape(&said)).find(|(stands, says)| stands != says);
    assert_eq!(
        shape(&text),
        shape(&said),
        "UPDATE_REFERENCE=1 cargo test -p madang --test cli sim writes it: {first:?}"
    );
    let scenario = std::fs::read_to_string(root().join("examples/sim/slow-server.toml")).unwrap();
    let shown = text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
    assert!(scenario.ends_with(shown), "the page shows another scenario than examples/sim/slow-server.toml");
}
