//! Putting the admin API together.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::HeaderMap;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use madang_runtime::Scope;
use madang_serve::{Guard, Problem, http as serve_http, normalize};
use madang_telemetry::{CONTENT_TYPE as METRICS_TYPE, Exposition};

use crate::codes;
use crate::console;
use crate::events::{self, Events};
use crate::health::{self, Health, NotReady, Readiness};
use crate::metrics::{self, Meters};
use crate::openapi::{self, Document};
use crate::page::Link;
use crate::settings::Settings;
use crate::status::{About, Status};
use crate::token::{self, Token};

/// On every answer. Pages load nothing from elsewhere, run no inline script, and sit in nobody's frame.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // What runs now is not what ran a moment ago.
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// The parts handed in so far.
pub struct Admin {
    about: About,
    ready: Readiness,
    parts: Vec<Router>,
    documents: &'static [Document],
    links: Vec<Link>,
    meters: Vec<Meters>,
}

/// What the handlers share.
struct Shared {
    about: About,
    ready: Readiness,
    /// The page at `/`.
    index: String,
    meters: Vec<Meters>,
    document: openapi::Lazy,
}

impl Admin {
    /// An API with nothing mounted, always ready. Uptime counts from here.
    #[must_use]
    pub fn new(name: &str, version: &str) -> Self {
        let links = [
            (health::LIVE, "200 while the process answers"),
            (health::READY, "200 when everything is up, 503 with the reason otherwise"),
            ("/v1/status", "name, version, process, uptime"),
            ("/metrics", "for Prometheus"),
            (openapi::PATH, "all of this as a document"),
        ];
        Self {
            about: About::new(name, version),
            ready: Arc::new(|| Ok(())),
            parts: Vec::new(),
            documents: &[],
            links: links.map(|(path, what)| Link { path: path.to_owned(), what: what.to_owned() }).into(),
            meters: Vec::new(),
        }
    }

    /// Asks `ready` at every `/health/ready`; it must not block.
    #[must_use]
    pub fn ready(mut self, ready: impl Fn() -> Result<(), NotReady> + Send + Sync + 'static) -> Self {
        self.ready = Arc::new(ready);
        self
    }

    /// Adds the routes of one part, with their whole paths: `/v1/services/…`.
    #[must_use]
    pub fn mount(mut self, part: Router) -> Self {
        self.parts.push(part);
        self
    }

    /// Adds what the parts say of themselves to [`/openapi.json`](crate::openapi).
    #[must_use]
    pub fn documents(mut self, parts: &'static [Document]) -> Self {
        self.documents = parts;
        self
    }

    /// Serves what `events` tells, at `/v1/events`.
    #[must_use]
    pub fn events(self, events: &Events) -> Self {
        self.mount(events.router()).link(events::PATH, "what happens, as it happens (Server-Sent Events)")
    }

    /// Adds a line to what the page at `/` names when it may run no script.
    #[must_use]
    pub fn link(mut self, path: &str, what: &str) -> Self {
        self.links.push(Link { path: path.to_owned(), what: what.to_owned() });
        self
    }

    /// Asks `meters` at every `/metrics`; it must not block.
    #[must_use]
    pub fn metrics(mut self, meters: impl Fn(&mut Exposition) + Send + Sync + 'static) -> Self {
        self.meters.push(Box::new(meters));
        self
    }

    /// Everything as one router. With a token, requests need it, except for the health and the console's own files.
    ///
    /// # Panics
    /// When two parts have the same route: a mistake in the program, found at its first start.
    pub fn router(self, token: Option<Token>) -> Router {
        let Self { about, ready, parts, documents, links, meters } = self;
        let (page, whole) = (console::index(&links), openapi::lazy(about.version.clone(), documents));
        let shared = Arc::new(Shared { about, ready, index: page, meters, document: whole });
        let own = Router::new()
            .route("/", get(index))
            .route(console::FILE, get(console::file))
            .route(health::LIVE, get(health::live))
            .route(health::READY, get(ready_now))
            .route("/v1/status", get(status))
            .route("/metrics", get(scrape))
            .route(openapi::PATH, get(document))
            .with_state(shared);
        let mut router = normalize(parts.into_iter().fold(own, Router::merge));
        if let Some(token) = token {
            router = router.layer(from_fn_with_state(token, token::require));
        }
        router.layer(from_fn(strict))
    }

    /// Serves it on `listener` until `scope` is told to end. Gives the address.
    ///
    /// The caller has bound `listener` to the address of `settings`.
    ///
    /// # Errors
    /// What the system says when the listener cannot be watched.
    ///
    /// # Panics
    /// As [`Self::router`]; outside a tokio runtime.
    pub fn serve(
        self,
        listener: std::net::TcpListener,
        settings: &Settings,
        scope: &Scope,
    ) -> std::io::Result<SocketAddr> {
        let guard = Guard { allowed_hosts: settings.hosts.clone() };
        serve_http::serve(listener, self.router(settings.token.clone()), guard, scope)
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("about", &self.about).field("parts", &self.parts.len()).finish_non_exhaustive()
    }
}

async fn index(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    console::answer("text/html; charset=utf-8", &shared.index, &headers)
}

/// Whether everything is up.
#[utoipa::path(
    get,
    path = health::READY,
    operation_id = "ready",
    responses((status = 200, body = Health), (status = 503, description = Problem::titles(&[&codes::NOT_READY]))),
    security(())
)]
async fn ready_now(State(shared): State<Arc<Shared>>) -> Response {
    health::ready(&shared.ready)
}

/// Which Madang this is.
#[utoipa::path(get, path = "/v1/status", responses((status = 200, body = Status)))]
async fn status(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.about.status()).into_response()
}

/// Counters, gauges and histograms of all parts, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    responses((status = 200, body = String, content_type = METRICS_TYPE))
)]
async fn scrape(State(shared): State<Arc<Shared>>) -> Response {
    let mut out = Exposition::new();
    metrics::write(&shared.about, &mut out);
    for meters in &shared.meters {
        meters(&mut out);
    }
    ([(CONTENT_TYPE, METRICS_TYPE)], out.render()).into_response()
}

/// This API as a document (OpenAPI 3.1.0).
#[utoipa::path(get, path = openapi::PATH, responses((status = 200, body = serde_json::Value)))]
async fn document(State(shared): State<Arc<Shared>>) -> Response {
    ([(CONTENT_TYPE, "application/json")], Bytes::clone(&shared.document)).into_response()
}

/// Adds [`HEADERS`] to every answer; a handler's own value stands.
async fn strict(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in &HEADERS {
        response.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    response
}
