//! The life of a request, told by a client that is not HTTP/1.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use madang_balance::Member;
use madang_base::Name;
use madang_runtime::Timer;
use madang_settings::{Fields, Problems};
use madang_testkit::{ScriptedServer, Step};
use madang_upstream::Directory;
use tokio::sync::watch;

use crate::downstream::Downstream;
use crate::downstream::scripted::{Play, Saw, Scripted};
use crate::exchange::{Body, Direction, Exchange};
use crate::filter::{Filter, Flow, Part, Transform};
use crate::forward::{Client, Trusted};
use crate::gateway::{Phase, Shared};
use crate::kept::Ring;
use crate::metrics::WorkerMeters;
use crate::settings::Settings;
use crate::snapshot::{Side, Snapshot};
use crate::worker::{Worker, serve};

/// Plays `script` against a gateway whose only route leads to `service` through `filters`.
fn play(service: SocketAddr, filters: Vec<Arc<dyn Filter>>, script: Vec<Play>) -> Vec<Saw> {
    let mut problems = Problems::new();
    let text = "[[routes]]\nid = \"all\"\nmatch = { path = \"/**\" }\nto = \"service://it\"\n";
    let node = madang_settings::parse(text, Path::new("test.toml")).unwrap();
    let mut root = Fields::new(&node, "", &mut problems).unwrap();
    let it = Name::parse("it").unwrap();
    let mut settings = Settings::read(&mut root, &BTreeSet::from([it.clone()]), Path::new("."), &mut problems);
    settings.routes[0].filters = filters;
    let directory = Directory::default();
    directory.publish(&it, vec![Member::new("it-1", service)]);
    let shared = Arc::new(Shared {
        current: ArcSwap::from_pointee(Snapshot::new(&settings, &BTreeSet::new(), &directory)),
        phase: watch::Sender::new(Phase::Serving),
        access_log: None,
        connections_per_worker: 1,
        workers: 1,
    });
    let mut downstream = Downstream::Scripted(Scripted::new(script));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let worker = Worker::new(shared, Arc::new(WorkerMeters::default()), Arc::new(Ring::default()), 1);
        let client = Client::new(([127, 0, 0, 1], 9).into(), "https", 443, &Trusted::default());
        let mut exchange = Exchange::new(client);
        let place = worker.take_place();
        serve(&worker, Side::Edge, &mut downstream, &mut exchange, &mut Timer::new(), place).await;
    });
    match downstream {
        Downstream::Scripted(scripted) => scripted.saw,
        Downstream::H1(_) => unreachable!("it was scripted"),
    }
}

#[test]
fn a_client_of_another_protocol_lives_through_an_early_answer_trailers_and_an_upgrade() {
    // One connection each: the early answer, the chunks and the upgrade end theirs, and the client notices nothing of it.
    let service = ScriptedServer::start(vec![
        vec![
            Step::read_until("4\r\npart\r\n"),
            Step::write("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nwho?"),
            Step::ReadToEnd,
        ],
        vec![
            Step::read_until("0\r\nX-Sum: 7\r\n\r\n"),
            Step::write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Cost: 3\r\n\r\n"),
            Step::ReadToEnd,
        ],
        vec![
            Step::read_until("\r\n\r\n"),
            Step::write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nfirst,"),
            Step::read_until("over-read,and more"),
            Step::write("last"),
        ],
    ]);
    let saw = play(
        service.address(),
        Vec::new(),
        vec![
            Play {
                head: "POST /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                body: vec!["part"],
                stalls: true,
                ..Play::default()
            },
            Play {
                head: "POST /trailers HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                body: vec!["one", "two"],
                trailers: "X-Sum: 7\r\n",
                ..Play::default()
            },
            Play {
                head: "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
                tunnel: vec!["over-read,", "and more"],
                ..Play::default()
            },
        ],
    );
    let end = |trailers: &str| Saw::End { trailers: trailers.to_owned() };
    assert_eq!(
        saw,
        [
            Saw::Informational(103),
            Saw::Head(401),
            Saw::Data("who?".into()),
            end(""),
            Saw::Head(200),
            Saw::Data("hi".into()),
            end("X-Cost: 3\r\n"),
            Saw::Head(101),
            Saw::Data("first,last".into()),
            end(""),
        ]
    );
    let sent = String::from_utf8(service.received(1)).unwrap();
    assert!(sent.contains("\r\nX-Forwarded-Proto: https\r\n"), "{sent}");
    assert!(sent.contains("\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\nX-Sum: 7\r\n\r\n"), "{sent}");
}

/// Doubles every byte and tells its side at the end.
struct Doubling;

impl Filter for Doubling {
    fn request(&self, exchange: &mut Exchange) -> Flow {
        exchange.request.set_header("X-Doubled", "yes");
        Flow::Next
    }

    fn body(&self, direction: Direction) -> Option<Box<dyn Transform>> {
        Some(Box::new(Doubler(direction)))
    }
}

struct Doubler(Direction);

impl Transform for Doubler {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>, part: Part) {
        out.extend(input.iter().flat_map(|byte| [*byte, *byte]));
        if part == Part::Last {
            out.extend_from_slice(format!("<{:?}>", self.0).as_bytes());
        }
    }
}

#[test]
fn a_body_passes_through_the_transforms_of_its_direction() {
    let service = ScriptedServer::start(vec![vec![
        Step::read_until("0\r\n\r\n"),
        Step::write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        Step::ReadToEnd,
    ]]);
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";
    let saw = play(
        service.address(),
        vec![Arc::new(Doubling)],
        vec![Play { head, body: vec!["ab", "cd"], ..Play::default() }],
    );
    assert_eq!(saw[1], Saw::Data("ookk<Response>".into()));
    let sent = String::from_utf8(service.received(0)).unwrap();
    assert!(!sent.contains("Content-Length"), "{sent}");
    assert!(sent.ends_with("4\r\naabb\r\n4\r\nccdd\r\n9\r\n<Request>\r\n0\r\n\r\n"), "{sent}");
}

/// Asks for the body although it is there.
struct Insatiable;

impl Filter for Insatiable {
    fn request(&self, exchange: &mut Exchange) -> Flow {
        assert!(matches!(exchange.request.body, Body::Length(_) | Body::Buffered(_)));
        Flow::NeedBody(100)
    }
}

#[test]
fn a_filter_that_never_has_enough_costs_one_request_and_no_more() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
    let saw = play(
        ([127, 0, 0, 1], 1).into(),
        vec![Arc::new(Insatiable)],
        vec![Play { head, body: vec!["ab"], ..Play::default() }],
    );
    assert_eq!(saw[0], Saw::Head(500));
}
