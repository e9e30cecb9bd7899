//! `/v1/gateway/traffic`: who calls whom, how often, and how that goes.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::gateway::Gateway;

/// What went through the gateway since its start. Rates are the difference of two readings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = gateway::Traffic)]
pub struct Traffic {
    /// When it was read, in milliseconds since 1970.
    pub at_ms: u64,
    /// Client connections that are open.
    pub connections: u64,
    /// Who called whom. Pairs without a request are left out.
    pub edges: Vec<TrafficEdge>,
    /// Every service that can be called.
    pub services: Vec<ServiceLoad>,
}

/// Requests from one caller to one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = gateway::TrafficEdge)]
pub struct TrafficEdge {
    /// `clients`; a service; or `services` for a call on the egress side that does not say which.
    pub from: String,
    /// A service or URL; `-` when no route took the request or a filter answers.
    pub to: String,
    /// The route, on the clients' side.
    pub route: Option<String>,
    /// Requests that ended.
    pub requests: u64,
    /// Those answered with 500 to 599.
    pub failed: u64,
    /// The time all of them took together, in milliseconds.
    pub duration_ms: f64,
}

/// What a service has to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = gateway::ServiceLoad)]
pub struct ServiceLoad {
    /// The service.
    pub service: String,
    /// Calls that its instances have not finished.
    pub in_flight: u64,
}

/// Who calls whom, how often, and how that goes.
#[utoipa::path(get, path = "/v1/gateway/traffic", responses((status = 200, body = Traffic)))]
pub(super) async fn traffic(State(gateway): State<Gateway>) -> Json<Traffic> {
    Json(gateway.traffic())
}
