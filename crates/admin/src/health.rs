//! Health for those who watch Madang itself: balancers, containers, systemd.
//!
//! Both answer without the token: they tell nothing but up or not.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use madang_serve::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use crate::codes;

pub(crate) const LIVE: &str = "/health/live";
pub(crate) const READY: &str = "/health/ready";
pub(crate) const PATHS: [&str; 2] = [LIVE, READY];

/// What keeps Madang from being ready, in words: `gateway is draining`. Seen without the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady(pub String);

/// Asked at every `/health/ready`.
pub(crate) type Readiness = Arc<dyn Fn() -> Result<(), NotReady> + Send + Sync>;

/// How it is.
#[derive(Serialize, ToSchema)]
#[schema(as = admin::Health)]
pub(crate) struct Health {
    /// `live` or `ready`.
    status: &'static str,
}

/// Whether the process answers at all.
#[utoipa::path(get, path = LIVE, responses((status = 200, body = Health)), security(()))]
pub(crate) async fn live() -> Response {
    Json(Health { status: "live" }).into_response()
}

pub(crate) fn ready(readiness: &Readiness) -> Response {
    match readiness() {
        Ok(()) => Json(Health { status: "ready" }).into_response(),
        Err(NotReady(reason)) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, &codes::NOT_READY, reason).into_response()
        }
    }
}
