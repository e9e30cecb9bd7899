//! A gateway for one test, and a client that writes and reads bytes by hand.

#![allow(clippy::unwrap_used, clippy::panic, reason = "only tests use it, and a panic is how a test fails")]

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use madang_balance::Member;
use madang_base::Name;
use madang_gateway::{Bound, Gateway, Listeners, Prepared, Settings};
use madang_settings::{Fields, Problems};
use madang_upstream::Directory;

pub(crate) struct Front {
    pub(crate) gateway: Gateway,
    pub(crate) address: SocketAddr,
    pub(crate) egress: SocketAddr,
}

impl Front {
    /// All requests go to one address.
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self::new(&format!("[[routes]]\nid = \"all\"\nmatch = {{ path = \"/**\" }}\nto = \"http://{address}\"\n"))
    }

    /// All requests go to a service of these instances.
    pub(crate) fn service(addresses: &[SocketAddr]) -> Self {
        Self::service_with(addresses, "")
    }

    pub(crate) fn service_with(addresses: &[SocketAddr], policy: &str) -> Self {
        let route =
            format!("[[routes]]\nid = \"all\"\nmatch = {{ path = \"/**\" }}\nto = \"service://it\"\n{policy}\n");
        let front = Self::new(&route);
        let members = addresses.iter().map(|address| Member::new(address.to_string(), *address));
        front.gateway.directory().publish(&it(), members.collect());
        front
    }

    pub(crate) fn new(settings: &str) -> Self {
        let mut settings = read(settings);
        settings.workers = 1;
        let directory = Directory::default();
        let free = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let bound = Bound::new(Listeners { edge: free, egress: free }, 1).unwrap();
        let prepared = Prepared::new(&settings, &BTreeSet::from([it()]), &directory);
        let gateway = Gateway::start(bound, &settings, prepared, directory).unwrap();
        let Listeners { edge, egress } = gateway.addresses();
        Self { gateway, address: edge.unwrap(), egress: egress.unwrap() }
    }

    pub(crate) fn commit(&self, settings: &str) {
        let prepared = Prepared::new(&read(settings), &BTreeSet::new(), self.gateway.directory());
        self.gateway.commit(prepared);
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    /// What a new connection answers to `request`, up to the end of the first answer's body as the tests know it.
    pub(crate) fn say(&self, request: &str) -> String {
        self.say_until(request, "hello")
    }

    pub(crate) fn say_until(&self, request: &str, end: &str) -> String {
        let mut client = self.connect();
        client.write_all(request.as_bytes()).unwrap();
        read_until(&mut client, end)
    }
}

fn it() -> Name {
    Name::parse("it").unwrap()
}

fn read(settings: &str) -> Settings {
    let (settings, problems) = read_with_problems(settings);
    assert!(problems.is_empty(), "{problems}");
    settings
}

/// What is said about these settings.
pub(crate) fn problems(settings: &str) -> String {
    read_with_problems(settings).1.to_string()
}

fn read_with_problems(settings: &str) -> (Settings, Problems) {
    let mut problems = Problems::new();
    let node = madang_settings::parse(settings, Path::new("test.toml")).unwrap();
    let mut root = Fields::new(&node, "", &mut problems).unwrap();
    let settings = Settings::read(&mut root, &BTreeSet::from([it()]), Path::new("."), &mut problems);
    root.finish(&mut problems);
    (settings, problems)
}

/// Everything until `end` came or the peer closed.
pub(crate) fn read_until(client: &mut TcpStream, end: &str) -> String {
    let mut got = Vec::new();
    let mut chunk = [0; 4096];
    // A problem ends with a brace and a line: what the gateway says instead is an end too.
    while !got.ends_with(end.as_bytes()) && !got.ends_with(b"}\n") {
        match client.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => got.extend_from_slice(&chunk[..count]),
            Err(error) if got.is_empty() => panic!("nothing came: {error}"),
            Err(_) => break,
        }
    }
    String::from_utf8(got).unwrap()
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
