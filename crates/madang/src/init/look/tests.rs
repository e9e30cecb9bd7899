use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn commands(files: &[(&str, &str)]) -> Vec<(String, String)> {
    let dir = folder(files);
    let found = at(dir.path()).into_iter();
    found.map(|service| (service.name.to_string(), service.command)).collect()
}

#[test]
fn each_kind_of_project_is_started_the_way_its_people_start_it() {
    let spring = "<project><parent><artifactId>spring-boot-starter-parent</artifactId></parent></project>";
    let run = "-q spring-boot:run -Dspring-boot.run.arguments=--server.port=$PORT";
    for (case, files, expected) in [
        (
            "npm",
            [("package.json", r#"{"name":"@team/shop","scripts":{"start":"next start"}}"#)].as_slice(),
            "npm start",
        ),
        ("node", &[("package.json", r#"{"scripts":{"start":"node server.js"}}"#)], "node server.js"),
        ("main", &[("package.json", r#"{"main":"lib/a.js"}"#), ("lib/a.js", "")], "node lib/a.js"),
        ("plain python", &[("app.py", "import http.server")], "python3 app.py"),
        ("venv", &[("main.py", ""), (".venv/bin/python", "")], ".venv/bin/python main.py"),
        ("flask", &[("app.py", "app = Flask(__name__)")], "sh -c 'exec python3 -m flask --app app run --port $PORT'"),
        ("fastapi", &[("main.py", "app = FastAPI()")], "sh -c 'exec python3 -m uvicorn main:app --port $PORT'"),
        ("django", &[("manage.py", "")], "sh -c 'exec python3 manage.py runserver --noreload 127.0.0.1:$PORT'"),
        ("script", &[("pyproject.toml", "[project.scripts]\nserve-it = \"a:b\"")], "serve-it"),
        ("maven", &[("pom.xml", spring)], &format!("sh -c 'exec mvn {run}'")),
        ("wrapper", &[("pom.xml", spring), ("mvnw", "")], &format!("sh -c 'exec ./mvnw {run}'")),
        ("cargo", &[("Cargo.toml", "[package]\nname = \"api\""), ("src/main.rs", "")], "cargo run --quiet --release"),
    ] {
        let found = commands(files);
        assert_eq!(found.len(), 1, "{case}: {found:?}");
        assert_eq!(found[0].1, expected, "{case}");
    }
}

#[test]
fn what_cannot_be_run_is_not_found() {
    for (case, files) in [
        ("an empty folder", [].as_slice()),
        ("a library crate", &[("Cargo.toml", "[package]\nname = \"x\""), ("src/lib.rs", "")]),
        ("a package without a start script", &[("package.json", r#"{"name":"x"}"#)]),
        ("broken files", &[("package.json", "{"), ("Cargo.toml", "["), ("pyproject.toml", "]"), ("Procfile", "::\n")]),
        ("other people's code", &[("node_modules/x/package.json", r#"{"scripts":{"start":"x"}}"#)]),
    ] {
        assert_eq!(commands(files), [], "{case}");
    }
}

#[test]
fn a_procfile_names_its_processes_and_wins() {
    let procfile =
        "# a comment\nweb: gunicorn app:app -b 127.0.0.1:$PORT\nworker: python3 work.py\nrelease: ./migrate\n";
    let found = commands(&[("Procfile", procfile), ("package.json", r#"{"scripts":{"start":"x"}}"#)]);
    let web = "sh -c 'exec gunicorn app:app -b 127.0.0.1:$PORT'".to_owned();
    assert_eq!(found, [("web".to_owned(), web), ("worker".to_owned(), "python3 work.py".to_owned())]);
}

#[test]
fn folders_inside_are_services_of_their_own_with_their_own_names() {
    let package = r#"{"name":"web","scripts":{"start":"node a.js"}}"#;
    let dir = folder(&[("a/package.json", package), ("b/package.json", package), ("c c/app.py", "")]);
    let found = at(dir.path());
    let names: Vec<_> = found.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["web", "web-2", "c-c"]);
    assert_eq!(found[1].folder, Path::new("b"));
    assert_eq!(found[1].source, "b/package.json, scripts.start");
}

#[test]
fn a_command_goes_through_a_shell_only_when_it_needs_one() {
    for (command, expected) in [
        ("node a.js --port=1", "node a.js --port=1"),
        ("echo $PORT", "sh -c 'exec echo $PORT'"),
        ("a && b", "sh -c 'a && b'"),
        ("echo 'x'", r"sh -c 'exec echo '\''x'\'''"),
    ] {
        assert_eq!(shell(command), expected);
    }
}
