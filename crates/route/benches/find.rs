//! What it costs to find the route of a request: `cargo bench -p madang-route`. The bar is that ten thousand routes
//! cost less than 5 % of a forwarded request (6,000 instructions) more than one does.
//!
//! `cargo bench -p madang-route -- KIND ROUTES FINDS` runs one case alone, to count its instructions.

use madang_base::Name;
use madang_route::{HostPattern, NoHeaders, PathPattern, Request, Rule, Table, canonical};
use std::hint::black_box;
use std::time::Instant;

const KINDS: [&str; 5] = ["prefix", "exact", "variable", "host", "mixed"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let [kind, routes, finds] = &arguments[..] {
        let number = |text: &String| text.parse().expect("a number");
        measure(kind, number(routes), number(finds));
        return;
    }
    for kind in KINDS {
        for routes in [1, 100, 10_000] {
            measure(kind, routes, 1_000_000);
        }
    }
}

fn measure(kind: &str, routes: u32, finds: u32) {
    let started = Instant::now();
    let table = Table::compile((0..routes).map(|number| rule(kind, number)).collect());
    let compiled = started.elapsed();
    // Different routes one after the other, as traffic has them.
    let asked: Vec<(String, String)> = (0..routes.min(64)).map(|step| ask(kind, step * (routes / 64).max(1))).collect();
    let mut scratch = String::new();
    let started = Instant::now();
    for find in 0..finds {
        let (host, path) = &asked[find as usize % asked.len()];
        let path = canonical(black_box(path), &mut scratch).expect("a plain path");
        let request = Request { method: "GET", host, path, query: None, headers: &NoHeaders };
        assert!(black_box(table.find(&request)).is_some());
    }
    let nanos = started.elapsed().as_nanos() / u128::from(finds.max(1));
    println!("{kind:8} {routes:6} routes {nanos:5} ns a request, {:4} ms to compile", compiled.as_millis());
}

fn rule(kind: &str, number: u32) -> Rule {
    let mut rule = Rule::new(Name::parse(&format!("route-{number}")).expect("a name"));
    let path = match kind {
        "prefix" => format!("/service-{number}/**"),
        "exact" => format!("/api/v1/service-{number}/status"),
        "variable" => format!("/service-{number}/{{id}}/lines"),
        "host" => "/**".to_owned(),
        _ => format!("/files/{number}-*.json"),
    };
    rule.path = Some(PathPattern::parse(&path).expect("a pattern"));
    if kind == "host" {
        rule.hosts.push(HostPattern::parse(&format!("shop-{number}.example.com")).expect("a host"));
    }
    rule
}

fn ask(kind: &str, number: u32) -> (String, String) {
    let path = match kind {
        "prefix" => format!("/service-{number}/orders/4711"),
        "exact" => format!("/api/v1/service-{number}/status"),
        "variable" => format!("/service-{number}/4711/lines"),
        "mixed" => format!("/files/{number}-report.json"),
        _ => "/orders/4711".to_owned(),
    };
    (format!("shop-{number}.example.com"), path)
}
