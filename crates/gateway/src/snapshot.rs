//! Everything a worker needs to judge requests, immutable and replaced as a whole.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use madang_base::Name;
use madang_route::{Headers, PathError, PathPattern, Rule, Table, ValueTest, Verdict, canonical};
use madang_settings::Origin;
use madang_upstream::{Directory, Watch};

use crate::breaker::{Breaker, Turns};
use crate::exchange::Request;
use crate::filter::Filter;
use crate::filter::strip_prefix;
use crate::metrics::{RouteMeters, WorkerMeters};
use crate::settings::{Policy, Settings, To};
use crate::traffic::PairMeters;

/// Which listener a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    /// The clients' way in: the routes of the settings.
    Edge,
    /// The services' way to each other, on loopback: `/<service>/…`, or `/@<caller>/<service>/…`.
    Egress,
}

impl Side {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Egress => "egress",
        }
    }
}

/// A settled set of settings, routes compiled and targets connected to the directory.
pub(crate) struct Snapshot {
    settings: Settings,
    edge: Routes,
    egress: Routes,
}

struct Routes {
    table: Table,
    routes: Vec<Route>,
}

/// One route, ready to be used.
pub(crate) struct Route {
    pub(crate) id: Name,
    /// Where it stands; egress routes stand nowhere.
    pub(crate) origin: Option<Origin>,
    pub(crate) target: Option<Watch>,
    /// `to` as written.
    pub(crate) to: String,
    pub(crate) filters: Vec<Arc<dyn Filter>>,
    /// Made when the snapshot is put in force.
    pub(crate) breaker: Option<Breaker>,
    pub(crate) policy: Policy,
    /// What it matches, for people.
    pub(crate) matches: String,
}

impl Snapshot {
    /// Compiles checked settings. Every name in `services` can be called through the egress listener.
    pub(crate) fn new(settings: &Settings, services: &BTreeSet<Name>, directory: &Directory) -> Self {
        let edge = settings.routes.iter().map(|route| {
            let id = &route.rule.id;
            let ready = Route {
                id: id.clone(),
                origin: Some(route.origin.clone()),
                target: route.to.as_ref().map(|to| to.watch(directory, id)),
                to: route.to.as_ref().map_or_else(String::new, To::to_string),
                filters: route.filters.clone(),
                breaker: None,
                policy: route.policy.clone(),
                matches: describe(&route.rule),
            };
            (route.rule.clone(), ready)
        });
        let egress = services.iter().map(|service| {
            let path = PathPattern::parse(&format!("/{service}/**")).expect("a name is a valid path segment");
            let rule = Rule { path: Some(path), ..Rule::new(service.clone()) };
            let ready = Route {
                id: service.clone(),
                origin: None,
                target: Some(directory.watch(service)),
                to: format!("service://{service}"),
                filters: vec![strip_prefix(1)],
                breaker: None,
                policy: Policy::default(),
                matches: describe(&rule),
            };
            (rule, ready)
        });
        Self { settings: settings.clone(), edge: Routes::new(edge), egress: Routes::new(egress) }
    }

    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn routes(&self, side: Side) -> &[Route] {
        &self.side(side).routes
    }

    /// Gives every route that asks for one its circuit breaker: that of the snapshot before this one, if it had one.
    pub(crate) fn arm(&mut self, earlier: Option<&Self>, directory: &Directory, turns: &Turns) {
        for route in &mut self.edge.routes {
            let Some(settings) = &route.policy.breaker else { continue };
            let before = earlier.and_then(|earlier| earlier.edge.routes.iter().find(|before| before.id == route.id));
            let mut breaker = Breaker::new(settings, &route.id, directory, turns);
            if let Some(before) = before.and_then(|before| before.breaker.as_ref()) {
                breaker.follow(before);
            }
            route.breaker = Some(breaker);
        }
    }

    /// Why each route of the edge takes `request` or not, in order of precedence.
    pub(crate) fn explain(&self, request: &madang_route::Request<'_>) -> Vec<Verdict> {
        self.edge.table.explain(request)
    }

    fn side(&self, side: Side) -> &Routes {
        match side {
            Side::Edge => &self.edge,
            Side::Egress => &self.egress,
        }
    }
}

impl Routes {
    fn new(routes: impl Iterator<Item = (Rule, Route)>) -> Self {
        let (rules, routes) = routes.unzip();
        Self { table: Table::compile(rules), routes }
    }
}

impl Route {
    /// Whom the route calls, for messages.
    pub(crate) fn target_name(&self) -> &str {
        self.to.strip_prefix("service://").unwrap_or(&self.to)
    }

    /// The same where it may be nobody, `-`.
    pub(crate) fn called(&self) -> &str {
        if self.to.is_empty() { "-" } else { self.target_name() }
    }

    /// Why it takes a request, in words.
    pub(crate) fn why(&self) -> String {
        match &self.origin {
            Some(origin) => format!("it matches `{}` ({origin})", self.matches),
            None => format!("`{}` on the egress side is the service of that name", self.matches),
        }
    }
}

/// What a rule matches, in one line: `GET,POST /orders/** on *.shop.io with header x-beta=yes`.
fn describe(rule: &Rule) -> String {
    let mut text = rule.methods.join(",");
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(rule.path.as_ref().map_or("/**", PathPattern::as_str));
    for (index, host) in rule.hosts.iter().enumerate() {
        text.push_str(if index == 0 { " on " } else { "," });
        text.push_str(&host.to_string());
    }
    let tests = rule.headers.iter().map(|test| ("header", test)).chain(rule.queries.iter().map(|test| ("query", test)));
    for (index, (kind, (name, test))) in tests.enumerate() {
        text.push_str(if index == 0 { " with " } else { ", " });
        text.push_str(&format!("{kind} {name}"));
        if let ValueTest::Matches(pattern) = test {
            text.push('=');
            text.push_str(pattern.as_str());
        }
    }
    text
}

/// Caller and target, by their places among the egress routes.
type Pair = (Option<usize>, Option<usize>);

/// A snapshot as one worker uses it, with that worker's own meters.
pub(crate) struct View {
    pub(crate) snapshot: Arc<Snapshot>,
    edge: Vec<Arc<RouteMeters>>,
    egress: Vec<Arc<RouteMeters>>,
    /// Requests no route took, by side.
    unrouted: [Arc<RouteMeters>; 2],
    /// Calls between services, those that occurred.
    pairs: RefCell<BTreeMap<Pair, Arc<PairMeters>>>,
}

impl View {
    pub(crate) fn new(snapshot: Arc<Snapshot>, meters: &WorkerMeters) -> Self {
        let of = |side| snapshot.routes(side).iter().map(|route| meters.route(side, Some(&route.id))).collect();
        let (edge, egress) = (of(Side::Edge), of(Side::Egress));
        let unrouted = [Side::Edge, Side::Egress].map(|side| meters.route(side, None));
        Self { snapshot, edge, egress, unrouted, pairs: RefCell::default() }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.snapshot.settings
    }

    pub(crate) fn route(&self, side: Side, index: usize) -> &Route {
        &self.snapshot.side(side).routes[index]
    }

    pub(crate) fn meters(&self, side: Side, index: Option<usize>) -> &RouteMeters {
        match (side, index) {
            (Side::Edge, None) => &self.unrouted[0],
            (Side::Egress, None) => &self.unrouted[1],
            (Side::Edge, Some(index)) => &self.edge[index],
            (Side::Egress, Some(index)) => &self.egress[index],
        }
    }

    /// The service at that place among the egress routes.
    pub(crate) fn service(&self, index: usize) -> Option<&Name> {
        self.snapshot.egress.routes.get(index).map(|route| &route.id)
    }

    /// The place of a service that names itself as caller; `None` for a name nobody knows.
    pub(crate) fn caller(&self, name: &str) -> Option<usize> {
        self.snapshot.egress.routes.binary_search_by(|route| route.id.as_str().cmp(name)).ok()
    }

    /// This worker's count of the calls from one service to another.
    pub(crate) fn pair(&self, meters: &WorkerMeters, caller: Option<usize>, target: Option<usize>) -> Arc<PairMeters> {
        let mut pairs = self.pairs.borrow_mut();
        let pair = pairs.entry((caller, target)).or_insert_with(|| {
            let name = |index: Option<usize>| index.and_then(|index| self.service(index)).map(Name::as_str);
            meters.pairs.of(name(caller), name(target))
        });
        Arc::clone(pair)
    }

    /// The route that takes `request`.
    pub(crate) fn find(&self, side: Side, request: &Request) -> Result<Option<usize>, PathError> {
        let mut scratch = String::new();
        let path = canonical(request.path(), &mut scratch)?;
        Ok(self.snapshot.side(side).table.find(&madang_route::Request {
            method: request.method(),
            host: host_of(request.authority()),
            path,
            query: request.query(),
            headers: &Fields(request),
        }))
    }
}

/// The host of an authority, without its port.
pub(crate) fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

struct Fields<'a>(&'a Request);

impl Headers for Fields<'_> {
    fn any(&self, name: &str, test: &mut dyn FnMut(&str) -> bool) -> bool {
        let Fields(request) = self;
        request.head.fields.iter().any(|field| {
            field.name.of(&request.bytes).eq_ignore_ascii_case(name.as_bytes())
                && std::str::from_utf8(field.value.of(&request.bytes)).is_ok_and(&mut *test)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_compared_without_its_port() {
        for (authority, host) in
            [("a.io:8080", "a.io"), ("a.io", "a.io"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("", "")]
        {
            assert_eq!(host_of(authority), host, "{authority}");
        }
    }
}
