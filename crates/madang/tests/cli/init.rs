//! `madang init` writes what `madang check` accepts, and never touches what is there.

use std::fs;

use crate::{folder, madang};

#[test]
fn what_is_written_passes_check() {
    for (case, files) in [
        ("node", [("package.json", r#"{"name":"shop","scripts":{"start":"node server.js"}}"#)].as_slice()),
        ("python", &[("app.py", "from flask import Flask\napp = Flask(__name__)\n")]),
        ("django", &[("manage.py", "")]),
        ("procfile", &[("Procfile", "web: gunicorn app:app -b 127.0.0.1:$PORT\nworker: python3 \"work it.py\" 'x'\n")]),
        ("spring", &[("pom.xml", "<artifactId>spring-boot-starter</artifactId>"), ("mvnw", "#!/bin/sh\n")]),
        ("rust", &[("Cargo.toml", "[package]\nname = \"my.api\"\n"), ("src/main.rs", "")]),
        ("several", &[("web/package.json", r#"{"scripts":{"start":"vite"}}"#), ("api v2/main.py", "")]),
    ] {
        let dir = folder(files);
        let init = madang(dir.path(), &["init"]);
        assert_eq!((init.code, init.err.as_str()), (0, ""), "{case}");
        let check = madang(dir.path(), &["check"]);
        let text = fs::read_to_string(dir.path().join("madang.toml")).unwrap();
        assert_eq!(check.code, 0, "{case}:\n{}\n{text}", check.err);
    }
}

#[test]
fn a_file_explains_itself() {
    let dir = folder(&[
        ("shop/web/package.json", r#"{"scripts":{"start":"vite --port $PORT"}}"#),
        ("shop/orders/orders.js", ""),
        ("shop/orders/package.json", r#"{"name":"orders","main":"orders.js"}"#),
    ]);
    let run = madang(dir.path(), &["init", "shop"]);
    insta::assert_snapshot!("the_report", run.out);
    insta::assert_snapshot!("the_file", fs::read_to_string(dir.path().join("shop/madang.toml")).unwrap());
}

#[test]
fn a_file_that_is_there_is_never_touched() {
    let dir = folder(&[("madang.toml", "# mine\n"), ("app.py", "")]);
    let run = madang(dir.path(), &["init"]);
    assert_eq!(run.code, 1);
    insta::assert_snapshot!(run.err, @r"
    error: `madang.toml` is already there and was not touched
    hint: `madang check` says whether it is right; move it away to see what `init` would write
    code: MD0502 (madang explain MD0502)
    ");
    assert_eq!(fs::read_to_string(dir.path().join("madang.toml")).unwrap(), "# mine\n");
}

#[test]
fn an_empty_folder_says_what_would_be_found() {
    let run = madang(folder(&[]).path(), &["init"]);
    assert_eq!(run.code, 1);
    insta::assert_snapshot!(run.err, @r"
    error: found nothing to run in `.`
    hint: run `madang init` where package.json, pyproject.toml, Procfile, pom.xml or Cargo.toml is
    hint: or write the file by hand; `madang explain MD0510` shows how short it can be
    code: MD0510 (madang explain MD0510)
    ");
}
