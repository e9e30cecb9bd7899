use madang_settings::parse;

use super::*;

fn read(text: &str) -> (Settings, Problems) {
    let root = parse(text, Path::new("madang.toml")).unwrap();
    let mut problems = Problems::new();
    let settings = Settings::read(root.get("services").unwrap(), Path::new("/shop"), &mut problems);
    (settings, problems)
}

fn good(text: &str) -> Service {
    let (settings, problems) = read(&format!("[services.orders]\n{text}\n"));
    assert!(problems.is_empty(), "{text}:\n{problems}");
    settings.services.into_iter().next().unwrap()
}

#[test]
fn one_line_is_enough_and_everything_else_has_its_default() {
    let service = good("command = 'node orders.js'");
    assert_eq!(service.command, ["node", "orders.js"]);
    assert_eq!((service.dir.as_path(), service.instances.min), (Path::new("/shop"), 1));
    assert_eq!(service.health, Health::default());
    assert_eq!((service.stop, service.restart, service.logs), (Stop::default(), Restart::default(), Logs::default()));
    assert_eq!((service.env.len(), service.on_loss), (0, None));
    assert_eq!(service.origin.to_string(), "madang.toml:2:1");
}

#[test]
fn every_key_is_read() {
    let service = good(
        r#"
        command = ["python3", "-m", "web app"]
        dir = "web"
        instances = { min = 2, max = 6 }
        env = { LEVEL = "debug", RETRIES = 3, FAST = true }
        health = { path = "/health?full=1", interval = "5s", timeout = "500ms", start_timeout = "2m", failures = 5 }
        stop = { grace = "3s" }
        restart = { first = "50ms", most = "1m", reset_after = "20s" }
        logs = { max_size = "1MiB", keep = 0 }
        on_loss = "keep"
        "#,
    );
    assert_eq!(service.command, ["python3", "-m", "web app"]);
    assert_eq!(service.dir, Path::new("/shop/web"));
    assert_eq!(service.instances, Instances { min: 2, max: 6 });
    let env: Vec<(&str, &str)> = service.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(env, [("LEVEL", "debug"), ("RETRIES", "3"), ("FAST", "true")]);
    let health = Health {
        probe: Probe::Http("/health?full=1".to_owned()),
        interval: Duration::from_secs(5),
        timeout: Duration::from_millis(500),
        start_timeout: Duration::from_secs(120),
        failures: 5,
    };
    assert_eq!(service.health, health);
    assert_eq!(service.stop.grace, Duration::from_secs(3));
    let restart = Restart {
        first: Duration::from_millis(50),
        most: Duration::from_secs(60),
        reset_after: Duration::from_secs(20),
    };
    assert_eq!(service.restart, restart);
    assert_eq!(service.logs, Logs { max_size: 1 << 20, keep: 0 });
    assert_eq!(service.on_loss, Some(OnLoss::Keep));
}

#[test]
fn short_forms_mean_what_they_say() {
    for (text, min, max) in
        [("4", 4, 500), ("0", 0, 500), ("{ min = 3 }", 3, 500), ("{ max = 3 }", 1, 3), ("{}", 1, 500)]
    {
        let service = good(&format!("command = 'a'\ninstances = {text}"));
        assert_eq!(service.instances, Instances { min, max }, "{text}");
    }
    for (text, expected) in [
        ("'tcp'", Probe::Tcp),
        ("'/health'", Probe::Http("/health".to_owned())),
        ("{ tcp = true }", Probe::Tcp),
        ("{ interval = '1s' }", Probe::Tcp),
        ("{ path = '/up' }", Probe::Http("/up".to_owned())),
    ] {
        assert_eq!(good(&format!("command = 'a'\nhealth = {text}")).health.probe, expected, "{text}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place_and_a_way_out() {
    for (text, message, hint, code) in [
        ("", "has no `command`", "command = \"node orders.js\"", "MD0007"),
        ("command = 'a | b'", "`|` needs a shell", "\"sh\", \"-c\"", "MD0206"),
        ("command = \"a 'b\"", "the quote ' is not closed", "as a list", "MD0206"),
        ("command = []", "the command is empty", "for example", "MD0206"),
        ("command = 'a'\ninstances = 501", "must be from 0 to 500, found `501`", "", "MD0005"),
        ("command = 'a'\ninstances = { min = 5, max = 2 }", "less than `min`", "max = 5", "MD0207"),
        ("command = 'a'\nenv = { PORT = '80' }", "`PORT` is given by Madang", "endpoints", "MD0207"),
        ("command = 'a'\nenv = { X = [1] }", "must be a text", "X = \"text\"", "MD0004"),
        ("command = 'a'\nenv = { 'A=B' = 'x' }", "`A=B` cannot be in an environment", "no `=`", "MD0207"),
        ("command = 'a'\nhealth = 'health'", "neither a path nor `tcp`", "\"/health\"", "MD0208"),
        ("command = 'a'\nhealth = { path = '/a b' }", "neither a path nor `tcp`", "%20", "MD0208"),
        ("command = 'a'\nhealth = { path = '/a', tcp = true }", "either `path` or `tcp`", "take one", "MD0207"),
        ("command = 'a'\nhealth = { tcp = false }", "nothing to check", "path", "MD0207"),
        ("command = 'a'\nhealth = { interval = '1ms' }", "must be from 10ms to 1h", "", "MD0005"),
        ("command = 'a'\nrestart = { first = '5s', most = '1s' }", "shorter than `first`", "doubles", "MD0207"),
        ("command = 'a'\nlogs = { max_size = '1B' }", "must be from 1KiB to 16GiB", "", "MD0005"),
        ("command = 'a'\non_loss = 'stopp'", "must be one of `stop`, `keep`", "did you mean `stop`?", "MD0006"),
        ("command = 'a'\nstop = { grce = '1s' }", "`grce` is not a setting", "did you mean `grace`?", "MD0003"),
        ("command = 'a'\ninstnces = 2", "`instnces` is not a setting", "did you mean `instances`?", "MD0003"),
    ] {
        let (_, problems) = read(&format!("[services.orders]\n{text}\n"));
        let shown = problems.to_string();
        assert_eq!(problems.len(), 1, "{text}:\n{shown}");
        for part in [message, hint, code, "--> madang.toml:"] {
            assert!(shown.contains(part), "{text} does not say {part:?}:\n{shown}");
        }
    }
}

#[test]
fn all_problems_come_at_once_and_a_good_service_stays() {
    let (settings, problems) = read(
        "[services.a]\ncommand = 'a'\n[services.'b c']\ncommand = 'b'\n[services.A]\ncommand = 'a'\n[services.d]\ncommand = 1\ndirr = 'x'\n",
    );
    let names: Vec<&str> = settings.services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["a"]);
    assert_eq!(problems.len(), 4, "{problems}");
    let shown = problems.to_string();
    for part in [
        "not a service name",
        "service `a` is there twice",
        "madang.toml:1",
        "`services.d.command` must be a text",
        "did you mean `dir`?",
    ] {
        assert!(shown.contains(part), "{part:?} is missing:\n{shown}");
    }
}

#[test]
fn only_command_folder_and_environment_make_another_process() {
    let base = good("command = 'a'");
    for (text, same) in [
        (
            "command = 'a'\ninstances = 3\nhealth = '/x'\nstop = { grace = '1s' }\nlogs = { keep = 1 }\non_loss = 'keep'",
            true,
        ),
        ("command = 'a b'", false),
        ("command = 'a'\ndir = 'x'", false),
        ("command = 'a'\nenv = { X = '1' }", false),
    ] {
        assert_eq!(good(text).same_process(&base), same, "{text}");
    }
}
