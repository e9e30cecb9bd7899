//! `/openapi.json`: what the API says of itself is what it does.

mod schema;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use madang_testkit::{EventStream, Response, eventually, get, request};
use serde_json::{Map, Value, json};

use crate::{Folder, PATIENCE};

/// Pages for people: no part of the API.
const PAGES: [&str; 2] = ["GET /", "GET /console/{*name}"];

/// One operation of the document.
struct Asked<'a> {
    method: String,
    path: &'a str,
    operation: &'a Value,
}

fn operations(api: &Value) -> Vec<Asked<'_>> {
    let paths = api["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, methods)| {
        let of = |(method, operation): (&String, _)| Asked { method: method.to_uppercase(), path, operation };
        methods.as_object().unwrap().iter().map(of)
    });
    all.collect()
}

impl Asked<'_> {
    fn title(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn parameters(&self) -> &[Value] {
        self.operation["parameters"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The path with the examples of the document, and with the questions that must be asked.
    fn example(&self) -> String {
        let mut path = self.path.to_owned();
        for one in self.parameters().iter().filter(|one| one["required"] == true) {
            let (name, value) = (one["name"].as_str().unwrap(), one["example"].as_str().unwrap());
            match one["in"].as_str() {
                Some("path") => path = path.replace(&format!("{{{name}}}"), value),
                _ => path += &format!("?{name}={value}"),
            }
        }
        path
    }

    /// The example of the document; empty when nothing is to be sent.
    fn body(&self, api: &Value) -> String {
        let schema = self.operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str();
        schema.map_or_else(String::new, |to| schema::resolved(api, to)["example"].to_string())
    }

    /// What the document says of an answer with `status`: its media type and the schema of its body.
    fn answer(&self, status: u16) -> (&str, &Value) {
        let answer = &self.operation["responses"][status.to_string()];
        assert!(answer.is_object(), "{} answers {status}, which is not documented", self.title());
        let content = answer["content"].as_object().and_then(|content| content.iter().next());
        content.map_or(("", &Value::Null), |(media, content)| (media.as_str(), &content["schema"]))
    }

    fn must_fit(&self, api: &Value, answer: &Response) {
        let (media, schema) = self.answer(answer.status);
        assert_eq!(answer.header("content-type").unwrap_or_default(), media, "{}", self.title());
        let body = answer.text();
        let values: Vec<Value> = match media {
            "application/json" | "application/problem+json" => vec![answer.json()],
            "application/x-ndjson" => body.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
            _ => vec![Value::String(body)],
        };
        assert!(!values.is_empty(), "{} answers nothing", self.title());
        values.iter().for_each(|value| schema::must_fit(api, schema, value, &self.title()));
    }
}

/// The document, from a program that need not run.
fn document() -> Value {
    let said = Folder::with("").command(&["reference", "openapi"]).output().unwrap();
    serde_json::from_slice(&said.stdout).unwrap()
}

#[test]
fn every_operation_answers_as_the_document_says() {
    let folder = Folder::shop();
    folder.edit("[listen]", "[gateway]\nrequests.slow = \"1ms\"\n\n[listen]");
    let shop = folder.up();
    let admin = folder.admin();
    let api = get(admin, "/openapi.json").unwrap().json();
    assert_eq!(api, document(), "the program says the same wherever it is asked");

    let order = br#"{"product": "tea-bowl", "quantity": 2}"#;
    let json = [("Content-Type", "application/json")];
    let kept = eventually("a slow order is kept", PATIENCE, || {
        let placed = request(folder.gateway(), "POST", "/api/orders", &json, order).unwrap();
        let path = format!("/v1/gateway/requests/{}", placed.header("x-request-id").unwrap());
        (get(admin, &path).unwrap().status == 200).then_some(path)
    });
    eventually("the orders registered themselves", PATIENCE, || {
        shop.ask(&["registry", "ls", "orders"]).contains("eureka, as orders-1").then_some(())
    });

    // What changes something comes first, so that the others have more to show; what undoes it comes last.
    let mut all = operations(&api);
    all.sort_by_key(|one| match one.method.as_str() {
        "PUT" | "POST" => 0,
        "GET" => 1,
        _ => 2,
    });
    for one in &all {
        let path = if one.path == "/v1/gateway/requests/{id}" { kept.clone() } else { one.example() };
        let (media, schema) = one.answer(if one.method == "GET" { 200 } else { 204 });
        if media == "text/event-stream" {
            let mut events = EventStream::open(admin, &path, &[]);
            let news = events.wait_for(|event| event.id.is_some());
            schema::must_fit(&api, schema, &serde_json::from_str(&news.data).unwrap(), &one.title());
        } else if one.path.ends_with("/watch") {
            schema::must_fit(&api, schema, &first_line(&folder, &path), &one.title());
        } else {
            let answer = request(admin, &one.method, &path, &json, one.body(&api).as_bytes()).unwrap();
            assert!(answer.status < 300, "{}: {}", one.title(), answer.text());
            one.must_fit(&api, &answer);
        }
    }
}

#[test]
fn whoever_asks_wrongly_gets_a_problem_that_the_document_names() {
    let folder = Folder::with("");
    let _house = folder.serve();
    let (admin, api) = (folder.admin(), document());
    let json = [("Content-Type", "application/json")];
    for one in operations(&api) {
        let path =
            ["{service}", "{id}", "{name}"].iter().fold(one.path.to_owned(), |path, of| path.replace(of, "nobody"));
        let ask = |headers: &[(&str, &str)], body: &str, status: u16| {
            is_named(&api, &one, &request(admin, &one.method, &path, headers, body.as_bytes()).unwrap(), status);
        };
        ask(&[("Origin", "http://evil.example")], "", 403);
        ask(&[("Host", "evil.example")], "", 421);
        if one.operation["requestBody"].is_object() {
            ask(&json, "{", 400);
            ask(&json, "{}", 422);
            ask(&[("Content-Type", "text/plain")], "{}", 415);
            ask(&json, &" ".repeat(2 << 20), 413);
        }
        // A watch waits for whoever may come.
        if path != one.path && !one.path.ends_with("/watch") {
            ask(&json, &one.body(&api), 404);
        }
    }
}

#[test]
fn the_token_is_needed_where_the_document_says_so_and_only_there() {
    let folder = Folder::with("[admin]\ntoken = \"0123456789abcdef\"\n");
    let _house = folder.serve();
    let api = document();
    for one in operations(&api) {
        let refused = request(folder.admin(), &one.method, &one.example(), &[], b"").unwrap();
        let needs = one.operation["responses"]["401"].is_object();
        assert_eq!(refused.status == 401, needs, "{}", one.title());
        if needs {
            is_named(&api, &one, &refused, 401);
        }
        assert_eq!(one.operation["security"].is_null(), needs, "{} says otherwise to a tool", one.title());
    }
}

/// The answer is a problem, and its code stands in the document.
fn is_named(api: &Value, one: &Asked<'_>, refused: &Response, status: u16) {
    assert_eq!(refused.status, status, "{}: {}", one.title(), refused.text());
    let answer = &one.operation["responses"][status.to_string()];
    let answer = answer["$ref"].as_str().map_or(answer, |to| schema::resolved(api, to));
    let problem = refused.json();
    let described = answer["description"].as_str().unwrap_or_default();
    assert!(
        described.contains(problem["code"].as_str().unwrap()),
        "{} {status}: `{described}`, {problem}",
        one.title()
    );
    schema::must_fit(api, &answer["content"]["application/problem+json"]["schema"], &problem, &one.title());
}

/// The first line of a body that has no end.
fn first_line(folder: &Folder, path: &str) -> Value {
    let mut stream = TcpStream::connect(folder.admin()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", folder.admin()).unwrap();
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    // The head, the size of the first chunk, its text.
    let line = lines.skip_while(|line| !line.is_empty()).nth(2).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{path}: {error}: {line}"))
}

#[test]
fn what_is_documented_is_what_is_mounted() {
    let api = document();
    let documented: BTreeSet<_> = operations(&api).iter().map(Asked::title).collect();
    let mut mounted = BTreeSet::new();
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        // Others have a `route` of their own.
        for route in code.split(".route(").skip(1).filter(|_| code.contains("Router::new()")) {
            let (place, handlers) = route.split_once(',').unwrap();
            let path = match place.trim().strip_prefix('"') {
                Some(path) => path.trim_end_matches('"').to_owned(),
                None => constant(&file, place.trim()),
            };
            let handlers = handlers.split([';', '{']).next().unwrap();
            for called in handlers.split('(') {
                let word = called.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                if ["get", "put", "post", "delete", "patch"].contains(&word) {
                    mounted.insert(format!("{} {path}", word.to_uppercase()));
                }
            }
        }
    }
    for page in PAGES {
        assert!(mounted.remove(page), "{page} is gone");
    }
    let only_in = |one: &BTreeSet<String>, other| one.difference(other).cloned().collect::<Vec<_>>();
    let (unmounted, undocumented) = (only_in(&documented, &mounted), only_in(&mounted, &documented));
    assert!(
        unmounted.is_empty() && undocumented.is_empty(),
        "not mounted {unmounted:?}, not documented {undocumented:?}"
    );
}

/// Every source of the house.
fn sources() -> Vec<PathBuf> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut open: Vec<PathBuf> = fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().path().join("src")).collect();
    let mut all = Vec::new();
    while let Some(place) = open.pop() {
        if place.is_dir() {
            open.extend(fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()));
        } else if place.extension().is_some_and(|ending| ending == "rs") {
            all.push(place);
        }
    }
    all
}

/// The text of `const NAME`: in the module that `place` names, or in this file.
fn constant(file: &Path, place: &str) -> String {
    let (module, name) = place.rsplit_once("::").unwrap_or(("", place));
    let file = if module.is_empty() { file.to_owned() } else { file.with_file_name(module).with_extension("rs") };
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let (_, after) = text
        .split_once(&format!("const {name}: &str = \""))
        .unwrap_or_else(|| panic!("no {name} in {}", file.display()));
    after.split('"').next().unwrap().to_owned()
}

#[test]
fn every_operation_has_a_name_a_text_and_an_answer() {
    let api = document();
    assert_eq!((&api["openapi"], &api["info"]["title"]), (&json!("3.1.0"), &json!("Madang")));
    let tags: Vec<_> = api["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut names = BTreeSet::new();
    for one in operations(&api) {
        let title = one.title();
        let text = |key: &str| one.operation[key].as_str().unwrap_or_else(|| panic!("{title} has no {key}")).to_owned();
        assert!(names.insert(text("operationId")), "{title} has the name of another");
        assert!(text("summary").ends_with('.'), "{title}");
        let tag = one.operation["tags"][0].as_str().unwrap();
        assert!(
            tags.contains(&tag) && (tag == "admin" || one.path.starts_with(&format!("/v1/{tag}/"))),
            "{title} is of {tag}"
        );
        let documented: BTreeSet<_> = one
            .parameters()
            .iter()
            .filter(|one| one["in"] == "path")
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        let in_path = one.path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
        assert_eq!(documented, in_path, "{title}");
        assert!(one.parameters().iter().all(|one| one["description"].is_string()), "{title}");
        let answers = one.operation["responses"].as_object().unwrap();
        assert!(answers.keys().any(|status| status.starts_with('2')), "{title}");
    }
}

#[test]
fn every_schema_has_a_name_of_its_own_and_says_what_it_is() {
    let api = document();
    let tags: Vec<_> = api["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    // Two types of one name would be one without a word: every name is given once, and starts with its concept.
    let mut given = BTreeSet::from(["Problem".to_owned()]);
    for file in sources() {
        for after in fs::read_to_string(&file).unwrap().split("#[schema(as = ").skip(1) {
            let name = after.split([')', ',']).next().unwrap().replace("::", ".");
            assert!(given.insert(name.clone()), "{name} in {} is the name of another", file.display());
        }
    }
    let schemas = api["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        assert!(given.contains(name), "{name} is a name that nobody gave");
        assert!(name == "Problem" || name.split_once('.').is_some_and(|(tag, _)| tags.contains(&tag)), "{name}");
        assert!(schema["description"].is_string(), "{name}");
        let no_fields = Map::new();
        for (field, schema) in schema["properties"].as_object().unwrap_or(&no_fields) {
            let described = schema.to_string().contains("\"description\":");
            assert!(described, "{name} does not say what {field} is");
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_no_text_is_for_rustdoc_alone() {
    let api = document();
    let mut open = vec![&api];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(all) => open.extend(all),
            Value::Object(all) => {
                open.extend(all.values());
                if let Some(to) = all.get("$ref") {
                    assert!(schema::resolved(&api, to.as_str().unwrap()).is_object(), "{to} leads nowhere");
                }
            }
            Value::String(text) => assert!(!text.contains("[`"), "a link that only rustdoc knows: {text}"),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}
