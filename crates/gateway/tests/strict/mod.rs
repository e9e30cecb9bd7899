//! What a gateway must refuse, change and keep, case by case (RFC 9110, RFC 9112).

#![allow(clippy::unwrap_used, reason = "only tests use it, and a panic is how a test fails")]

#[path = "../../../h1/tests/corpus/mod.rs"]
mod corpus;

mod answers;
mod forwarding;
mod refused;

use std::io::{Read as _, Write as _};
use std::net::Shutdown;

use madang_testkit::{ScriptedServer, Step};

use crate::front::Front;

/// A request nobody else sends. Where it is answered, the bytes before it were taken for something else.
const MARKER: &str = "GET /marker HTTP/1.1\r\nHost: a\r\n\r\n";

/// Everything a new connection answers to `bytes` until the gateway closes it.
fn all_that_comes(front: &Front, bytes: &[u8]) -> String {
    let mut client = front.connect();
    // The gateway may answer and close before all is written.
    let _ = client.write_all(bytes);
    let mut got = Vec::new();
    let _ = client.read_to_end(&mut got);
    String::from_utf8_lossy(&got).into_owned()
}

/// The same from a client that says it has nothing more to send, once `seen` came.
fn all_that_comes_after(front: &Front, bytes: &[u8], seen: &str) -> String {
    let mut client = front.connect();
    client.write_all(bytes).unwrap();
    let mut got = crate::front::read_until(&mut client, seen);
    let _ = client.shutdown(Shutdown::Write);
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest);
    got.push_str(&String::from_utf8_lossy(&rest));
    got
}

/// A service of one script on all connections.
fn scripted(script: impl IntoIterator<Item = Step>) -> ScriptedServer {
    ScriptedServer::start(vec![script.into_iter().collect()])
}

/// How many answers there are in what came: every one of them has a date.
fn answers_in(text: &str) -> usize {
    text.matches("\r\nDate: ").count()
}

/// What connection `index` to the service carried, as text.
fn sent(service: &ScriptedServer, index: usize) -> String {
    String::from_utf8_lossy(&service.received(index)).into_owned()
}

fn head() -> Step {
    Step::read_until("\r\n\r\n")
}

/// The page names tests; a name that is none would be a lie.
#[test]
fn the_page_about_strictness_names_tests_that_exist() {
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(crates.join("../docs/strictness.md")).unwrap();
    let mut sources = String::new();
    for folder in ["h1/tests", "gateway/tests", "gateway/tests/strict"] {
        for file in std::fs::read_dir(crates.join(folder)).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                sources += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    let names: Vec<&str> = page.split('`').skip(1).step_by(2).filter(|word| word.matches('_').count() > 1).collect();
    assert!(names.len() > 40, "{} names", names.len());
    for name in names {
        assert!(sources.contains(&format!("fn {name}(")), "docs/strictness.md names `{name}`, which is no test");
    }
}
