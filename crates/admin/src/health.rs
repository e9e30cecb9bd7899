//! Health for those who watch Madang itself: balancers, containers, systemd.
//!
//! Both answer without the token: they tell nothing but up or not.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use madang_serve::Problem;
use serde_json::json;

use crate::codes;

pub(crate) const LIVE: &str = "/health/live";
pub(crate) const READY: &str = "/health/ready";
pub(crate) const PATHS: [&str; 2] = [LIVE, READY];

/// What keeps Madang from being ready, in words: `gateway is draining`. Seen without the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady(pub String);

/// Asked at every `/health/ready`.
pub(crate) type Readiness = Arc<dyn Fn() -> Result<(), NotReady> + Send + Sync>;

/// The process answers: that is all it says.
pub(crate) async fn live() -> Response {
    Json(json!({ "status": "live" })).into_response()
}

pub(crate) fn ready(readiness: &Readiness) -> Response {
    match readiness() {
        Ok(()) => Json(json!({ "status": "ready" })).into_response(),
        Err(NotReady(reason)) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, &codes::NOT_READY, reason).into_response()
        }
    }
}
