//! `/v1/gateway/requests`: failed and slow requests, and the story of each.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use madang_serve::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::codes;
use crate::gateway::Gateway;

/// A kept request, in one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = gateway::Request)]
pub struct RequestView {
    /// Its id. All hops of one request have the same.
    pub id: String,
    /// When its head was complete, in milliseconds since 1970.
    pub at_ms: u64,
    /// `edge` (a client's) or `egress` (a call from one service to another).
    pub side: String,
    /// The method; empty when what came was not a request.
    pub method: String,
    /// The host that was asked for, with its port if one was named.
    pub host: String,
    /// The path. Of a query only the names are kept: `/a?token=…`.
    pub path: String,
    /// What the client got; 499 when it left before.
    pub status: u16,
    /// A stable token when the answer is the gateway's own or was cut short.
    pub reason: Option<String>,
    /// `failed` or `slow`.
    pub why: String,
    /// From its head to the last byte of its answer, in milliseconds.
    pub duration_ms: f64,
    /// The route that took it.
    pub route: Option<String>,
    /// The service or URL it was for; `-` when it was for nobody.
    pub to: String,
    /// Endpoints that were tried.
    pub attempts: u32,
}

/// A kept request with everything that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = gateway::Story)]
pub struct StoryView {
    /// The line.
    #[serde(flatten)]
    pub request: RequestView,
    /// The service that called, on the egress side, if it said so.
    pub caller: Option<String>,
    /// Why this route took it, in words.
    pub matched: String,
    /// What the gateway told the client, when the answer was its own.
    pub detail: Option<String>,
    /// When it began, in microseconds of the gateway's clock: the hops of one id fall into place by it, which
    /// milliseconds are too coarse for.
    pub clock_us: u64,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body that the client got.
    pub response_bytes: u64,
    /// The calls it took, in order. At most 16 are kept: the first ones and the last.
    pub calls: Vec<CallView>,
    /// The whole story in some sentences.
    pub text: String,
}

/// One try at one endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = gateway::Call)]
pub struct CallView {
    /// The instance that was picked, `orders-1`.
    pub instance: String,
    /// Its address.
    pub address: String,
    /// When it was picked, in milliseconds after the request's start.
    pub started_ms: f64,
    /// From the pick until it was done with, in milliseconds.
    pub duration_ms: f64,
    /// From the pick until the head of its answer was there, in milliseconds.
    pub head_ms: Option<f64>,
    /// `answered`, `retried` (answered with a status that is tried again), `connect_failed`, `stale` (a kept
    /// connection that had closed), `no_answer`, `invalid`, `cut` (broke off within its answer), `timeout` or
    /// `abandoned` (the client left).
    pub outcome: String,
    /// The status of its answer.
    pub status: Option<u16>,
    /// The connection had carried another request before.
    pub reused: bool,
    /// What went wrong.
    pub error: Option<String>,
}

/// How many are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// How many at most; 100 when nothing is said.
    #[serde(default = "some")]
    limit: usize,
}

const fn some() -> usize {
    100
}

/// Requests that failed or were slow, the latest first.
#[utoipa::path(get, path = "/v1/gateway/requests", params(Wanted), responses((status = 200, body = Vec<RequestView>)))]
pub(super) async fn requests(State(gateway): State<Gateway>, Query(wanted): Query<Wanted>) -> Json<Vec<RequestView>> {
    Json(gateway.kept_requests(wanted.limit))
}

/// One request with its calls: a story for each hop it took.
#[utoipa::path(
    get,
    path = "/v1/gateway/requests/{id}",
    params(("id" = String, Path, description = "Its `X-Request-Id`.", example = "5f0c6a1be2d94c37")),
    responses(
        (status = 200, body = Vec<StoryView>, description = "In the order of their starts."),
        (status = 404, description = Problem::titles(&[&codes::NOT_KEPT]))
    )
)]
pub(super) async fn request(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
) -> Result<Json<Vec<StoryView>>, Problem> {
    let hops = gateway.story(&id);
    if !hops.is_empty() {
        return Ok(Json(hops));
    }
    Err(Problem::new(StatusCode::NOT_FOUND, &codes::NOT_KEPT, format!("no request `{id}` is kept"))
        .hint(gateway.what_is_kept()))
}
