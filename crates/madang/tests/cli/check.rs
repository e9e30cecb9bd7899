//! `madang check` finds everything that is wrong with a settings file at once.

use crate::{folder, madang};

#[test]
fn a_good_file_is_said_to_be_one() {
    let dir = folder(&[("madang.toml", "[services.web]\nendpoints = [\"127.0.0.1:9001\"]\n")]);
    let run = madang(dir.path(), &["check"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    insta::assert_snapshot!(run.out, @"madang.toml: 1 service, 0 routes, no errors");
}

#[test]
fn every_problem_is_told_at_once_with_its_line_and_the_nearest_spelling() {
    let dir = folder(&[(
        "madang.toml",
        r#"nam = "shop"

[listen]
gateway = ":8080"
admin   = 7070
egress  = "0.0.0.0:7071"

[services.orders]
comand    = "node orders.js"

[services.web]
command   = "sh web.sh"
endpoints = ["127.0.0.1:9001"]
instnces  = 2

[services.old]
endpoints = ["localhost:9001", "127.0.0.1:9001", "127.0.0.1:9001"]

[[routes]]
id    = "orders"
match = { path = "/orders/**" }
to    = "service://order"
"#,
    )]);
    let run = madang(dir.path(), &["check"]);
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    insta::assert_snapshot!(run.err, @r#"
    error: `nam` is not a setting
      --> madang.toml:1:1, nam
    hint: did you mean `name`?
    code: MD0003 (madang explain MD0003)

    error: `listen.gateway` is only a port, and not where it may be reached from
      --> madang.toml:4:1, listen.gateway
    hint: write `gateway = "127.0.0.1:8080"` for this machine alone
    code: MD0508 (madang explain MD0508)

    error: `listen.admin` is only a port, and not where it may be reached from
      --> madang.toml:5:1, listen.admin
    hint: write `admin = "127.0.0.1:7070"` for this machine alone
    code: MD0508 (madang explain MD0508)

    error: `listen.egress` on 0.0.0.0:7071 would let other machines in without a key
      --> madang.toml:6:1, listen.egress
    hint: write `egress = "127.0.0.1:7071"` for this machine alone
    code: MD0511 (madang explain MD0511)

    error: `services.orders` has neither a `command` nor `endpoints`
      --> madang.toml:9:1, services.orders
    hint: `comand` is no setting; did you mean `command`?
    code: MD0507 (madang explain MD0507)

    error: `services.web` has both a `command` and `endpoints`
      --> madang.toml:13:1, services.web.endpoints
    hint: keep `command` when Madang runs it, `endpoints` when something else does
    code: MD0507 (madang explain MD0507)

    error: `instnces` is not a setting of `services.web`
      --> madang.toml:14:1, services.web.instnces
    hint: did you mean `instances`?
    code: MD0003 (madang explain MD0003)

    error: `localhost:9001` is not an IP address and a port
      --> madang.toml:17:1, services.old.endpoints
    hint: for example `endpoints = ["127.0.0.1:9001"]`
    code: MD0513 (madang explain MD0513)

    error: `services.old.endpoints` has 127.0.0.1:9001 twice
      --> madang.toml:17:1, services.old.endpoints
    hint: take one of them out
    code: MD0513 (madang explain MD0513)

    warning: this file has no service `order`
      --> madang.toml:22:1, routes.0.to
    hint: did you mean `service://orders`? if not, it answers 503 until one registers itself
    code: MD0302 (madang explain MD0302)
    "#);
}

#[test]
fn text_that_is_no_toml_is_told_with_all_its_lines() {
    let dir = folder(&[("madang.toml", "name = shop\n[services.web\ncommand = \"x\"\n")]);
    let run = madang(dir.path(), &["check"]);
    assert_eq!(run.code, 2);
    insta::assert_snapshot!(run.err, @r#"
    error: not valid TOML: a text must be in quotes
      --> madang.toml:1:8
    hint: put it in quotes: `"shop"`
    code: MD0002 (madang explain MD0002)

    error: not valid TOML: this header is never closed
      --> madang.toml:2:14
    hint: end it with `]`
    code: MD0002 (madang explain MD0002)
    "#);
}

#[test]
fn a_route_that_another_one_hides_is_a_warning_with_both_lines() {
    let dir = folder(&[(
        "madang.toml",
        r#"[services.web]
endpoints = ["127.0.0.1:9001"]

[[routes]]
id    = "all"
match = { path = "/**" }
to    = "service://web"

[[routes]]
id    = "again"
match = { path = "/**" }
to    = "service://web"
"#,
    )]);
    let run = madang(dir.path(), &["check"]);
    assert_eq!(run.code, 0);
    insta::assert_snapshot!(format!("{}\n{}", run.err, run.out), @r"
    warning: route `again` is never chosen: `all` matches everything it does and comes first
      --> madang.toml:9:1, routes.1
      --> madang.toml:4:1, `all`
    hint: make one of them more specific, or remove one
    code: MD0355 (madang explain MD0355)

    madang.toml: 1 service, 2 routes, 1 warning, no errors
    ");
}

#[test]
fn a_program_that_is_not_here_is_a_warning_because_it_may_be_there() {
    let dir = folder(&[("madang.toml", "[services.web]\ncommand = \"no-such-program-7f serve\"\n")]);
    let run = madang(dir.path(), &["check"]);
    assert_eq!(run.code, 0);
    insta::assert_snapshot!(run.err, @r"
    warning: `no-such-program-7f` is not installed: no folder of PATH has it
      --> madang.toml:2:1, services.web.command
    hint: install it, write its whole path, or set PATH in the service's `env`
    code: MD0205 (madang explain MD0205)
    ");
}

#[test]
fn listeners_need_addresses_of_their_own_also_with_an_offset() {
    let dir = folder(&[("madang.toml", "[listen]\ngateway = \"127.0.0.1:7070\"\n")]);
    let run = madang(dir.path(), &["check"]);
    assert_eq!(run.code, 2);
    insta::assert_snapshot!(run.err, @r"
    error: `listen.admin` (by default) and `listen.gateway` are both 127.0.0.1:7070
      --> listen.admin
      --> madang.toml:2:1, listen.gateway
    hint: choose another port for `listen.admin`
    code: MD0509 (madang explain MD0509)
    ");
    let dir = folder(&[("madang.toml", "[listen]\ngateway = \"127.0.0.1:65000\"\n")]);
    let run = madang(dir.path(), &["check", "--port-offset", "1000"]);
    assert_eq!(run.code, 2);
    insta::assert_snapshot!(run.err, @r"
    error: port 65000 and the offset 1000 are above 65535
      --> madang.toml:2:1, listen.gateway
    hint: choose a smaller --port-offset
    code: MD0508 (madang explain MD0508)
    ");
}

#[test]
fn json_holds_the_same_and_the_exit_code_too() {
    let dir = folder(&[("madang.toml", "nam = 1\n")]);
    let run = madang(dir.path(), &["check", "--json"]);
    assert_eq!((run.code, run.err.as_str()), (2, ""));
    insta::assert_snapshot!(run.out, @r#"
    {
      "file": "madang.toml",
      "ok": false,
      "problems": [
        {
          "code": "MD0003",
          "column": 1,
          "file": "madang.toml",
          "hint": "did you mean `name`?",
          "key": "nam",
          "line": 1,
          "message": "`nam` is not a setting",
          "place": "madang.toml:1:1",
          "severity": "error"
        }
      ]
    }
    "#);
}

#[test]
fn flags_and_variables_are_checked_like_the_file() {
    let dir = folder(&[("madang.toml", "")]);
    let run = madang(dir.path(), &["check", "--set", "listen.gateway=:9000", "--set", "gatway.workers=1"]);
    assert_eq!(run.code, 2);
    insta::assert_snapshot!(run.err, @r"
    error: `gatway` is not a setting
      --> --set gatway.workers=1, gatway
    hint: did you mean `gateway`?
    code: MD0003 (madang explain MD0003)

    error: `listen.gateway` is only a port, and not where it may be reached from
      --> --set listen.gateway=:9000, listen.gateway
    hint: give `--set listen.gateway=127.0.0.1:9000` for this machine alone
    code: MD0508 (madang explain MD0508)
    ");
}

#[test]
fn a_misspelt_command_hides_nothing_else_that_is_wrong_with_its_service() {
    let dir =
        folder(&[("madang.toml", "[services.orders]\ncomand = \"sh a.sh\"\ninstnces = 2\nhealth = \"health\"\n")]);
    let run = madang(dir.path(), &["check"]);
    assert_eq!(run.code, 2);
    for place in [
        "madang.toml:2:1, services.orders",
        "madang.toml:3:1, services.orders.instnces",
        "madang.toml:4:1, services.orders.health",
    ] {
        assert!(run.err.contains(place), "{place} in {}", run.err);
    }
}
