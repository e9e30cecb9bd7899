//! `/v1/gateway`: the routes as they are, why one takes a request or not, what failed or was slow, and who calls whom.
//!
//! Comments of handlers and of what they answer are the text of the document, too.

mod requests;
mod traffic;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use madang_route::{Headers, canonical};
use madang_serve::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

use crate::gateway::Gateway;
use crate::snapshot::{Route, Side};

pub use requests::{CallView, RequestView, StoryView};
pub use traffic::{ServiceLoad, Traffic, TrafficEdge};

/// The gateway's part of the admin API.
pub fn router(gateway: Gateway) -> Router {
    Router::new()
        .route("/v1/gateway/routes", get(routes))
        .route("/v1/gateway/routes/explain", get(explain))
        .route("/v1/gateway/requests", get(requests::requests))
        .route("/v1/gateway/requests/{id}", get(requests::request))
        .route("/v1/gateway/traffic", get(traffic::traffic))
        .with_state(gateway)
}

/// The same as a document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(
        paths(routes, explain, requests::requests, requests::request, traffic::traffic),
        tags((name = "gateway", description = "Where requests go, and how they went."))
    )]
    struct Document;
    Document::openapi()
}

/// A route.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = gateway::Route)]
pub struct RouteView {
    /// Its id.
    pub id: String,
    /// What it matches.
    #[serde(rename = "match")]
    pub matches: String,
    /// Where it leads; empty when a filter answers.
    pub to: String,
    /// Endpoints that can be called now.
    pub ready: usize,
    /// Endpoints known.
    pub known: usize,
    /// File and line; empty when it stands in none.
    pub origin: String,
    /// Its circuit breaker, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerView>,
}

/// A route's circuit breaker as the API shows it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = gateway::Breaker)]
pub struct BreakerView {
    /// `closed`, `open`, `half_open`, `forced_open`, `forced_closed`, `disabled` or `metrics_only`.
    pub state: String,
    /// Why, in one sentence.
    pub why: String,
    /// Requests it refused since the start.
    pub refused: u64,
    /// Requests the fallback answered since the start.
    pub fallbacks: u64,
}

/// What one route says to a request.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = gateway::Verdict)]
pub struct VerdictView {
    /// The route.
    #[serde(flatten)]
    pub route: RouteView,
    /// It takes the request.
    pub matched: bool,
    /// It is the one that is used.
    pub chosen: bool,
    /// Why it does not match; empty when it does.
    pub reason: String,
}

/// The request to explain.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Its method; `GET` when nothing is said.
    #[serde(default = "get_method")]
    method: String,
    /// Its path as a client sends it, with its query.
    #[param(example = "/api/orders?x=1")]
    path: String,
    /// Its host.
    #[serde(default)]
    host: String,
    /// Its header fields: `name: value` lines.
    #[serde(default)]
    headers: String,
}

fn get_method() -> String {
    "GET".to_owned()
}

impl From<&Route> for RouteView {
    fn from(route: &Route) -> Self {
        let endpoints = route.target.as_ref().map(madang_upstream::Watch::endpoints);
        Self {
            id: route.id.to_string(),
            matches: route.matches.clone(),
            to: route.to.clone(),
            ready: endpoints.as_ref().map_or(0, |endpoints| endpoints.ready()),
            known: endpoints.as_ref().map_or(0, |endpoints| endpoints.endpoints().len()),
            origin: route.origin.as_ref().map_or_else(String::new, ToString::to_string),
            breaker: route.breaker.as_ref().map(|breaker| {
                let (refused, fallbacks) = breaker.totals();
                BreakerView { state: breaker.state().name().to_owned(), why: breaker.why(), refused, fallbacks }
            }),
        }
    }
}

/// All routes, in the order in which they are asked.
#[utoipa::path(get, path = "/v1/gateway/routes", responses((status = 200, body = Vec<RouteView>)))]
async fn routes(State(gateway): State<Gateway>) -> Json<Vec<RouteView>> {
    Json(gateway.shared.current.load().routes(Side::Edge).iter().map(RouteView::from).collect())
}

/// What each route says to a request, and which one takes it.
#[utoipa::path(
    get,
    path = "/v1/gateway/routes/explain",
    params(Asked),
    responses((status = 200, body = Vec<VerdictView>, description = "In the order in which they are asked."))
)]
async fn explain(
    State(gateway): State<Gateway>,
    Query(asked): Query<Asked>,
) -> Result<Json<Vec<VerdictView>>, Problem> {
    let (path, query) = match asked.path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (asked.path.as_str(), None),
    };
    let mut scratch = String::new();
    let path = canonical(path, &mut scratch).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, &madang_serve::codes::REQUEST_INVALID, error.to_string())
            .hint("give the path as a client sends it, for example /orders/7?x=1")
    })?;
    let headers = Lines(&asked.headers);
    let request = madang_route::Request { method: &asked.method, host: &asked.host, path, query, headers: &headers };
    let snapshot = gateway.shared.current.load();
    let verdicts = snapshot.explain(&request);
    let chosen = verdicts.iter().position(|verdict| verdict.missed.is_none());
    let verdicts = verdicts.into_iter().enumerate().map(|(place, verdict)| VerdictView {
        route: RouteView::from(&snapshot.routes(Side::Edge)[verdict.rule]),
        matched: verdict.missed.is_none(),
        chosen: chosen == Some(place),
        reason: verdict.missed.map_or_else(String::new, |missed| missed.to_string()),
    });
    Ok(Json(verdicts.collect()))
}

/// Header lines of a question.
struct Lines<'a>(&'a str);

impl Headers for Lines<'_> {
    fn any(&self, name: &str, test: &mut dyn FnMut(&str) -> bool) -> bool {
        self.0
            .lines()
            .filter_map(|line| line.split_once(':'))
            .any(|(found, value)| found.trim().eq_ignore_ascii_case(name) && test(value.trim()))
    }
}
