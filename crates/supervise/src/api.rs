//! `/v1/supervise`: services and instances over HTTP, for the command line, the console and scripts.
//!
//! Comments of handlers and of what they answer are the text of the document, too.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Query, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use http_body_util::channel::Channel;
use madang_base::nearest;
use madang_serve::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

use crate::{
    codes,
    handle::{Handle, ScaleError},
    logs::{Filter, LogLine, LogStream, RING_LINES},
    usage::Usage,
    view::{InstanceView, ServiceView},
};

/// Lines shown when nobody says how many.
const LINES: usize = 100;

/// JSON, one object per line.
const LINES_TYPE: &str = "application/x-ndjson";

/// Chunks of a followed log that may wait for a slow reader; then lines wait in the subscription, and the oldest go.
const CHUNKS: usize = 16;

/// Bytes of a chunk, about: lines that are there are sent together.
const CHUNK: usize = 16 << 10;

/// All routes.
pub fn router(handle: Handle) -> Router {
    Router::new()
        .route("/v1/supervise/instances", get(instances))
        .route("/v1/supervise/services", get(services))
        .route("/v1/supervise/services/{name}/scale", post(scale))
        .route("/v1/supervise/logs", get(logs))
        .with_state(handle)
}

/// The same as a document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(
        paths(instances, services, scale, logs),
        tags((name = "supervise", description = "Services that Madang runs, and their processes."))
    )]
    struct Document;
    Document::openapi()
}

/// An instance and what it uses.
#[derive(Serialize, ToSchema)]
#[schema(as = supervise::Instance)]
struct Instance {
    #[serde(flatten)]
    #[schema(inline)]
    view: InstanceView,
    /// Time on a processor since its process started, in milliseconds, also of children that have ended; null when it
    /// is not known.
    cpu_ms: Option<u64>,
    /// Resident memory of all its processes; null when it is not known.
    memory_bytes: Option<u64>,
}

/// All instances.
#[utoipa::path(get, path = "/v1/supervise/instances", responses((status = 200, body = Vec<Instance>)))]
async fn instances(State(handle): State<Handle>) -> Json<Vec<Instance>> {
    let row = |(view, usage): (InstanceView, Option<Usage>)| Instance {
        view,
        cpu_ms: usage.map(|usage| usage.cpu_ms),
        memory_bytes: usage.map(|usage| usage.memory_bytes),
    };
    Json(handle.usage().await.into_iter().map(row).collect())
}

/// All services, in the order of the settings.
#[utoipa::path(get, path = "/v1/supervise/services", responses((status = 200, body = Vec<ServiceView>)))]
async fn services(State(handle): State<Handle>) -> Json<Vec<ServiceView>> {
    Json(handle.services().to_vec())
}

/// How many instances are wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = supervise::Scale, example = json!({ "instances": 3 }))]
struct Scale {
    /// As many are to run.
    instances: u32,
    /// Who asks; `api` when nothing is said.
    author: Option<String>,
}

/// Sets how many instances of a service run, until its number in the settings file changes.
#[utoipa::path(
    post,
    path = "/v1/supervise/services/{name}/scale",
    params(("name" = String, Path, description = "The service.", example = "orders")),
    request_body = Scale,
    responses(
        (status = 204, description = "It is so from now on."),
        (status = 404, description = Problem::titles(&[&codes::UNKNOWN_SERVICE])),
        (status = 422, description = Problem::titles(&[&codes::SCALE_RANGE])),
        (status = 503, description = Problem::titles(&[&codes::ENDED]))
    )
)]
async fn scale(
    State(handle): State<Handle>,
    Path(name): Path<String>,
    Json(asked): Json<Scale>,
) -> Result<StatusCode, Problem> {
    let author = asked.author.as_deref().unwrap_or("api");
    handle.scale(&name.to_ascii_lowercase(), asked.instances, author).await.map_err(|error| scale_problem(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

fn scale_problem(error: &ScaleError) -> Problem {
    let (status, hint) = match error {
        ScaleError::Unknown { nearest, .. } => (StatusCode::NOT_FOUND, did_you_mean(nearest.as_deref())),
        ScaleError::Range { max, .. } => {
            (StatusCode::UNPROCESSABLE_ENTITY, format!("ask for {max} or fewer, or raise `instances` in the settings"))
        }
        ScaleError::Ended => (StatusCode::SERVICE_UNAVAILABLE, "start Madang again first".to_owned()),
    };
    Problem::new(status, error.code(), error.to_string()).hint(hint)
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(|| "`madang ps` lists the services".to_owned(), |name| format!("did you mean `{name}`?"))
}

/// Which lines are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Logs {
    /// Of this service alone.
    service: Option<String>,
    /// Of this instance alone.
    instance: Option<String>,
    /// How many of the past at most; 100 when nothing is said.
    lines: Option<usize>,
    /// Whether the answer goes on with each new line, until you leave.
    #[serde(default)]
    follow: bool,
}

/// What services wrote, one object per line.
#[utoipa::path(
    get,
    path = "/v1/supervise/logs",
    params(Logs),
    responses(
        (status = 200, body = LogLine, content_type = LINES_TYPE, description = "The oldest first."),
        (status = 404, description = Problem::titles(&[&codes::UNKNOWN_SERVICE]))
    )
)]
async fn logs(State(handle): State<Handle>, Query(asked): Query<Logs>) -> Result<Response, Problem> {
    let filter = Filter {
        service: asked.service.filter(|name| !name.is_empty()).map(|name| name.to_ascii_lowercase()),
        instance: asked.instance.filter(|name| !name.is_empty()).map(|name| name.to_ascii_lowercase()),
    };
    if let Some(service) = &filter.service {
        let known = handle.services();
        let names = || known.iter().map(|view| view.service.as_str());
        if !names().any(|name| name == service) {
            let detail = format!("Madang runs no service `{service}`");
            let problem = Problem::new(StatusCode::NOT_FOUND, &codes::UNKNOWN_SERVICE, detail);
            return Err(problem.hint(did_you_mean(nearest(service, names()))));
        }
    }
    let lines = asked.lines.unwrap_or(LINES).min(RING_LINES);
    let mut stream = handle.subscribe_logs(filter, lines);
    let body = if asked.follow {
        follow(stream, &handle)
    } else {
        Body::from(std::iter::from_fn(|| stream.next_past()).map(|line| encode(&line)).collect::<Vec<_>>().concat())
    };
    Ok(([(CONTENT_TYPE, LINES_TYPE)], body).into_response())
}

/// Lines until the client leaves or Madang ends.
fn follow(mut stream: LogStream, handle: &Handle) -> Body {
    let (mut sender, body) = Channel::<Bytes>::new(CHUNKS);
    let scope = handle.scope().clone();
    handle.scope().spawn("follow-logs", async move {
        let all = async {
            while let Some(line) = stream.next().await {
                let mut chunk = encode(&line);
                while chunk.len() < CHUNK
                    && let Some(line) = stream.next_past()
                {
                    chunk.extend(encode(&line));
                }
                if sender.send_data(chunk.into()).await.is_err() {
                    break;
                }
            }
        };
        let _ = scope.until_cancelled(all).await;
    });
    Body::new(body)
}

fn encode(line: &Arc<LogLine>) -> Vec<u8> {
    // Texts and numbers always fit into JSON.
    let mut bytes = serde_json::to_vec(&**line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
