//! What is said when something is in the way.

use std::net::TcpListener;

use crate::{folder, madang};

#[test]
fn a_folder_without_settings_says_how_to_get_some() {
    for command in ["up", "serve", "check"] {
        let run = madang(folder(&[]).path(), &[command]);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{command}");
        if command == "up" {
            insta::assert_snapshot!(run.err, @r"
            error: there is no `madang.toml`
            hint: `madang init` writes one for what is in this folder
            hint: or name another place: madang up examples/shop
            code: MD0501 (madang explain MD0501)
            ");
        }
    }
}

#[test]
fn a_missing_program_is_named_before_anything_starts() {
    let dir = folder(&[(
        "madang.toml",
        "[services.a]\ncommand = \"touch started\"\n\n[services.b]\ncommand = \"no-such-program-7f\"\n",
    )]);
    let run = madang(dir.path(), &["up"]);
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    insta::assert_snapshot!(run.err, @r"
    error: `no-such-program-7f` is not installed: no folder of PATH has it
      --> madang.toml:5:1, services.b.command
    hint: install it, write its whole path, or set PATH in the service's `env`
    code: MD0205 (madang explain MD0205)
    ");
    assert!(!dir.path().join("started").exists(), "a service was started");
    assert!(!dir.path().join(".madang").exists(), "a data folder was left behind");
}

#[test]
fn a_taken_port_names_its_owner_and_the_whole_command_that_works() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let off = "listen.admin=off";
    let dir = folder(&[("shop/madang.toml", &format!("[listen]\ngateway = \"127.0.0.1:{port}\"\negress = \"off\"\n"))]);
    let run = madang(dir.path(), &["up", "shop", "--set", off]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    let name = std::fs::read_to_string("/proc/self/comm").unwrap();
    let told = run
        .err
        .replace(&port.to_string(), "PORT")
        .replace(&std::process::id().to_string(), "PID")
        .replace(name.trim(), "NAME");
    // High ports may not have room for another thousand.
    let told = told.lines().filter(|line| !line.starts_with("hint: this works now")).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(told, @r"
    error: cannot listen on 127.0.0.1:PORT: address already in use
      --> shop/madang.toml:2:1, listen.gateway
    hint: `NAME` (pid PID) holds the port; stop it or choose another `listen`
    code: MD0104 (madang explain MD0104)
    ");
    if port < 60_000 {
        assert!(
            run.err.contains("hint: this works now: madang up shop --set 'listen.admin=off' --port-offset "),
            "{}",
            run.err
        );
    }
}

#[test]
fn asking_where_nobody_answers_says_what_to_do() {
    let dir = folder(&[]);
    let admin = format!("127.0.0.1:{}", madang_testkit::free_port());
    for words in
        [vec!["ps"], vec!["logs"], vec!["scale", "web", "2"], vec!["route", "ls"], vec!["route", "explain", "/"]]
    {
        let mut words = words;
        words.extend(["--admin", &admin]);
        let run = madang(dir.path(), &words);
        assert_eq!((run.code, run.out.as_str()), (1, ""), "{words:?}");
        assert!(
            run.err.contains(&format!("error: no madang answers on {admin}\nhint: start one with `madang up`")),
            "{}",
            run.err
        );
    }
}

#[test]
fn every_code_can_be_explained() {
    let dir = folder(&[]);
    let list = madang(dir.path(), &["explain", "--json"]);
    let codes: serde_json::Value = serde_json::from_str(&list.out).unwrap();
    let codes = codes.as_array().unwrap();
    assert!(codes.len() > 20, "{}", codes.len());
    let one = madang(dir.path(), &["explain", "md0104"]);
    assert_eq!(one.code, 0);
    assert!(one.out.starts_with("MD0104: port taken\n"), "{}", one.out);
    let none = madang(dir.path(), &["explain", "MD9999"]);
    assert_eq!(none.code, 2);
}
