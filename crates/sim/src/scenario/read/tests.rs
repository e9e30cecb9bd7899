use super::*;
use madang_settings::parse;

fn problems(text: &str) -> String {
    let mut problems = Problems::new();
    let scenario = Scenario::read(&parse(text, "s.toml".as_ref()).unwrap(), "s", &mut problems);
    assert_eq!(scenario.is_none(), problems.has_errors(), "{text}: {problems}");
    problems.to_string()
}

/// What is wrong with a scenario in which these lines stand at the top and in the group.
fn with(top: &str, group: &str) -> String {
    problems(&format!("{top}\n[servers.a]\n{group}\n"))
}

const ARRIVALS: &str = "arrivals = { load = 0.5 }";
const SERVICE: &str = "service = { mean = \"10ms\" }";

#[test]
fn a_scenario_with_nothing_but_what_it_needs_is_complete() {
    let text = format!("{ARRIVALS}\n[servers.a]\ncount = 4\n{SERVICE}\n");
    let scenario = crate::tests::scenario(&text);
    assert_eq!((scenario.name.as_str(), scenario.seed, scenario.balancers), ("scenario", 1, 1));
    assert_eq!(scenario.length, Length::Requests(1_000_000));
    assert_eq!((scenario.policy, scenario.ejection), (Policy::default(), None));
    assert_eq!(scenario.capacity(), 400.0);
    assert_eq!(scenario.rate().round(), 200.0);
    assert_eq!(scenario.warmup, Duration::from_secs(500));
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let text = "
seed = -1
policy = \"peek_ewma\"
timeout = 5

[arrivals]
process = \"poison\"
rate = \"0/s\"
steps = [{ at = \"10s\", rate = \"5\" }, { at = \"5s\", rate = \"nan/s\" }]

[servers.a]
count = 0
sevice = { mean = \"10ms\" }

[servers.b]
service = { distribution = \"expnential\", mean = \"10ms\" }
failing = nan
incidents = [{ from = \"10s\", to = \"5s\" }]
";
    let found = problems(text);
    for expected in [
        "`seed` must be from 0 to 9007199254740992, found `-1`\n  --> s.toml:2:1, seed",
        "`policy` must be one of `peak_ewma`, `round_robin`, ",
        "hint: did you mean `peak_ewma`?",
        "`timeout` must be a duration, found the number `5`\n  --> s.toml:4:1",
        "hint: did you mean `poisson`?",
        "`arrivals.rate` must be a rate: `0/s` is not above 0\n  --> s.toml:8:1",
        "`arrivals.steps.0.rate` must be a rate: `5` has no unit; use one of /ms, /s, /m, /h",
        "`arrivals.steps.1.rate` must be a rate: `nan/s` is not above 0",
        "`servers.a.count` must be from 1 to 100000, found `0`\n  --> s.toml:12:1",
        "`sevice` is not a setting of `servers.a`\n  --> s.toml:13:1, servers.a.sevice\nhint: did you mean `service`?",
        "`servers.a` has no `service`",
        "hint: did you mean `exponential`?",
        "`servers.b.failing` must be from 0 to 1, found `NaN`",
        "`servers.b.incidents.0` ends before it begins",
        "`servers.b.incidents.0` changes nothing",
    ] {
        assert!(found.contains(expected), "`{expected}` is not said:\n{found}");
    }
}

#[test]
fn one_mistake_gets_one_problem() {
    for (top, group, expected) in [
        ("", SERVICE, "`arrivals` is missing"),
        ("arrivals = {}", SERVICE, "`arrivals` has neither a `rate` nor a `load`"),
        ("arrivals = { rate = \"1/s\", load = 0.5 }", SERVICE, "`arrivals` has both a `rate` and a `load`"),
        ("arrivals = { rate = \"1/y\" }", SERVICE, "`/y` is not a unit"),
        ("arrivals = { rate = \"-3/s\" }", SERVICE, "`-3/s` is not above 0"),
        ("arrivals = { rate = \"inf/s\" }", SERVICE, "`inf/s` is not above 0"),
        ("arrivals = { rate = 3 }", SERVICE, "must be a text, found the number `3`"),
        ("arrivals = { load = 0 }", SERVICE, "`arrivals.load` must be from 0.000001 to 100, found `0`"),
        ("arrivals = { load = nan }", SERVICE, "found `NaN`"),
        ("arrivals = { load = 0.5, burst = 5 }", SERVICE, "`burst` has no meaning"),
        ("requests = 5\nduration = \"5s\"\narrivals = { load = 0.5 }", SERVICE, "both say when the run ends"),
        ("requests = 0\narrivals = { load = 0.5 }", SERVICE, "`requests` must be from 1"),
        ("duration = \"10s\"\nwarmup = \"10s\"\narrivals = { load = 0.5 }", SERVICE, "nothing would be measured"),
        ("duration = \"300d\"\narrivals = { load = 0.5 }", SERVICE, "1296000000 requests would arrive"),
        ("requests = 10_000\narrivals = { rate = \"1/h\" }", SERVICE, "more than a year"),
        ("policy = { decay = \"1s\" }\narrivals = { load = 0.5 }", SERVICE, "`policy` has no `name`"),
        (
            "policy = { name = \"ring_hash\", bund = 125 }\narrivals = { load = 0.5 }",
            SERVICE,
            "hint: did you mean `bound`?",
        ),
        ("policy = { name = \"maglev\", size = 1 }\narrivals = { load = 0.5 }", SERVICE, "`1` is no value of `size`"),
        (
            "policy = { name = \"random\", decay = \"1s\" }\narrivals = { load = 0.5 }",
            SERVICE,
            "nothing can be set of it",
        ),
        (
            "ejection = { base_time = \"10s\", max_time = \"1s\" }\narrivals = { load = 0.5 }",
            SERVICE,
            "shorter than `base_time`",
        ),
        (ARRIVALS, "service = { mean = \"0s\" }", "must be from 1us to 1d, found `0s`"),
        (ARRIVALS, "service = { mean = \"10ms\", sigma = 1.0 }", "`sigma` is not a setting of `servers.a.service`"),
        (ARRIVALS, "service = { distribution = \"uniform\", min = \"2s\", max = \"1s\" }", "is above `max`"),
        (ARRIVALS, "service = { distribution = \"pareto\", mean = \"1s\", alpha = 1.0 }", "must be from 1.01 to 100"),
        (ARRIVALS, "service = { distribution = \"hyperexponential\" }", "has no `branches`"),
        (
            ARRIVALS,
            "service = { distribution = \"hyperexponential\", branches = [{ share = 0.5, mean = \"1s\" }] }",
            "add up to 0.5, not to 1",
        ),
        (ARRIVALS, "service = { mean = \"10ms\" }\nslow = 0", "`servers.a.slow` must be from 0.001"),
        (ARRIVALS, "service = { mean = \"10ms\" }\nweight = 0", "`servers.a.weight` must be from 1"),
        (
            ARRIVALS,
            "service = { mean = \"10ms\" }\nincidents = [{ from = \"1s\", count = 2, down = true }]",
            "must be from 1 to 1, found `2`",
        ),
    ] {
        let found = with(top, group);
        assert!(found.contains(expected), "{top}\n{group}\n`{expected}` is not said:\n{found}");
        assert_eq!(found.matches("error: ").count(), 1, "{top}\n{group}\n{found}");
    }
}

#[test]
fn servers_that_are_missing_are_asked_for() {
    for text in ["arrivals = { rate = \"1/s\" }", "arrivals = { load = 0.5 }\n[servers]", "arrivals = { load = 0.5 }"] {
        let found = problems(text);
        assert!(found.contains("the scenario has no servers") && found.matches("error: ").count() == 1, "{found}");
    }
}

#[test]
fn an_overload_without_a_queue_limit_is_refused_and_with_one_it_runs() {
    let text =
        "arrivals = { rate = \"1200/s\" }\nrequests = 10_000\n[servers.a]\ncount = 10\nservice = { mean = \"10ms\" }\n";
    let found = problems(text);
    assert!(
        found.starts_with(
            "error: load exceeds capacity: 1200 requests a second arrive and all servers together can work on 1000, so \
             the queues would grow without end\n  --> s.toml:1:1, arrivals\n"
        ),
        "{found}"
    );
    assert_eq!(problems(&format!("{text}queue = 20\n")), "");
}

#[test]
fn too_many_servers_are_refused_before_they_are_made() {
    let group = |name: &str| format!("[servers.{name}]\ncount = 60_000\n{SERVICE}\n");
    let found = problems(&format!("{ARRIVALS}\n{}{}", group("a"), group("b")));
    assert!(found.contains("120000 servers are more than a run can have (100000)"), "{found}");
}

/// The keys that are read in one table, from the hint of a key nobody knows.
fn read_in(table: &str) -> std::collections::BTreeSet<String> {
    let stranger = "zzzzzzzzzzzzzzzz = 1";
    let inner = match table {
        "" => format!("{stranger}\n"),
        // Each policy has its own.
        "policy" => {
            let settings = Policy::all().into_iter().flat_map(|policy| policy.settings());
            return settings.map(|setting| setting.key).chain(["name"]).map(str::to_owned).collect();
        }
        "retry" | "arrivals" | "ejection" => format!("[{table}]\n{stranger}\n"),
        "arrivals.steps[]" => format!("[arrivals]\nsteps = [{{ {stranger} }}]\n"),
        "servers.NAME" => format!("[servers.a]\n{stranger}\n"),
        "servers.NAME.incidents[]" => format!("[servers.a]\nincidents = [{{ {stranger} }}]\n"),
        "servers.NAME.service.branches[]" => {
            format!("[servers.a.service]\ndistribution = \"hyperexponential\"\nbranches = [{{ {stranger} }}]\n")
        }
        // Each distribution takes its own.
        "servers.NAME.service" => {
            let words = ["exponential", "uniform", "lognormal", "pareto", "hyperexponential"];
            let text = |word| format!("[servers.a.service]\ndistribution = \"{word}\"\n{stranger}\n");
            return words.iter().flat_map(|word| hinted(&text(word))).collect();
        }
        other => panic!("no file for `{other}`"),
    };
    hinted(&inner)
}

fn hinted(text: &str) -> std::collections::BTreeSet<String> {
    let mut problems = Problems::new();
    Scenario::read(&parse(text, "s.toml".as_ref()).unwrap(), "s", &mut problems);
    let stranger = problems.iter().find(|problem| problem.key.ends_with("zzzzzzzzzzzzzzzz"));
    let hint = stranger.and_then(|problem| problem.hint.clone()).unwrap_or_else(|| panic!("{text}: {problems}"));
    let keys = hint.strip_prefix("settings here are ").unwrap_or_else(|| panic!("{text}: {hint}"));
    keys.split(", ").map(|key| key.trim_matches('`').to_owned()).collect()
}

#[test]
fn what_is_listed_is_what_is_read() {
    let keys = crate::KEYS.iter().map(|key| key.key);
    let tables: std::collections::BTreeSet<&str> =
        keys.clone().filter_map(|key| key.rsplit_once('.')).map(|(table, _)| table).chain([""]).collect();
    for table in tables.into_iter().filter(|&table| table != "servers") {
        let inside = |key: &str| {
            let rest = if table.is_empty() { key } else { key.strip_prefix(table)?.strip_prefix('.')? };
            Some(rest.split(['.', '[']).next().unwrap_or_default().to_owned())
        };
        let listed: std::collections::BTreeSet<String> = keys.clone().filter_map(inside).collect();
        assert_eq!(read_in(table), listed, "keys of `{table}`");
    }
}
