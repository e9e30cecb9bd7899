//! `/v1/registry`: what is registered, and why it looks as it does.
//!
//! Comments of handlers and of what they answer are the text of the document, too.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http_body_util::channel::{Channel, Sender};
use madang_base::{Name, nearest};
use madang_serve::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

use crate::explain::Explanation;
use crate::handle::Handle;
use crate::instance::{Instance, Status};
use crate::registry::Override;
use crate::view::{Listed, ServiceView, Snapshot};
use crate::{codes, eureka};

/// Lines of a watch that may wait for a slow reader.
const CHUNKS: usize = 4;

/// JSON, one object per line.
const LINES_TYPE: &str = "application/x-ndjson";

/// All routes.
pub fn router(handle: Handle) -> Router {
    Router::new()
        .route("/v1/registry/services", get(services))
        .route("/v1/registry/services/{service}", get(service))
        .route("/v1/registry/services/{service}/watch", get(watch_service))
        .route("/v1/registry/services/{service}/instances/{id}", get(instance))
        .route("/v1/registry/services/{service}/instances/{id}/explain", get(explain))
        .route("/v1/registry/watch", get(watch))
        .route("/v1/registry/services/{service}/instances/{id}/override", put(set_override).delete(clear_override))
        .with_state(handle)
}

/// The same as a document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(
        paths(services, service, watch_service, instance, explain, watch, set_override, clear_override),
        tags((name = "registry", description = "Who is registered, and why it looks as it does."))
    )]
    struct Document;
    Document::openapi()
}

/// Which service.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "only its description is used")]
struct OfService {
    /// The service; upper and lower case are the same.
    #[param(example = "orders")]
    service: String,
}

/// Which instance.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "only its description is used")]
struct OfInstance {
    /// Its id, or that of its supervised record.
    #[param(example = "orders-1")]
    id: String,
}

/// A service, counted.
#[derive(Serialize, ToSchema)]
#[schema(as = registry::Service)]
struct ServiceRow {
    /// Its name.
    service: String,
    /// How many instances are listed; 0 in a watch when the last one has left.
    instances: usize,
    /// How many of them are up.
    up: usize,
    /// Of the last change to one that is listed: with the counts it tells whether anything is different.
    revision: u64,
    /// Why expired leases are kept, when they are.
    self_preservation: Option<String>,
}

impl ServiceRow {
    fn of(name: &Name, view: &ServiceView, preserved: &[(Name, String)]) -> Self {
        Self {
            service: name.to_string(),
            instances: view.instances.len(),
            up: view.counts[Status::Up.index()],
            revision: view.instances.iter().map(|listed| listed.revision).max().unwrap_or_default(),
            self_preservation: preserved.iter().find(|(held, _)| held == name).map(|(_, why)| why.clone()),
        }
    }
}

/// An instance as it is listed.
#[derive(Serialize, ToSchema)]
#[schema(as = registry::Listed)]
struct InstanceRow {
    /// Its service.
    service: String,
    /// The status that counts.
    status: Status,
    /// Who registered it: `eureka`, or `supervise` when Madang did.
    face: String,
    /// Its name as a process of Madang, when it is one and registered itself, too.
    supervised: Option<String>,
    /// What an operator decided.
    overridden: Option<Override>,
    /// When it was registered, in milliseconds since 1970.
    registered_ms: u64,
    /// When its last news came, in milliseconds since 1970.
    renewed_ms: u64,
    /// Of its last change.
    revision: u64,
    /// As its registrar describes it.
    instance: Instance,
}

/// A service with its instances.
#[derive(Serialize, ToSchema)]
#[schema(as = registry::Instances)]
struct ServiceLine {
    /// Its name.
    service: String,
    /// All its instances, by id.
    instances: Vec<InstanceRow>,
}

/// An instance with the reasons.
#[derive(Serialize, ToSchema)]
#[schema(as = registry::ListedExplained)]
struct InstancePage {
    /// The instance.
    #[serde(flatten)]
    row: InstanceRow,
    /// Why it looks as it does.
    explanation: Explanation,
}

impl InstanceRow {
    fn of(listed: &Listed) -> Self {
        Self {
            service: listed.service.to_string(),
            status: listed.status,
            face: listed.face.to_string(),
            supervised: listed.supervised.as_ref().map(|one| one.id.to_string()),
            overridden: listed.overridden.clone(),
            registered_ms: listed.registered_ms,
            renewed_ms: listed.renewed_ms(),
            revision: listed.revision,
            instance: Instance::clone(&listed.instance),
        }
    }
}

/// All services with counts.
#[utoipa::path(get, path = "/v1/registry/services", responses((status = 200, body = Vec<ServiceRow>)))]
async fn services(State(handle): State<Handle>) -> Json<Vec<ServiceRow>> {
    let (snapshot, preserved) = (handle.snapshot(), handle.preserved());
    Json(snapshot.services().map(|(name, view)| ServiceRow::of(name, view, &preserved)).collect())
}

/// An explanation with what each face shows.
fn explained(handle: &Handle, service: &Name, listed: &Listed) -> Option<Explanation> {
    let mut explanation = handle.explain(service, listed.instance.id.as_str())?;
    explanation.faces.push(eureka::explain(listed));
    Some(explanation)
}

/// Why an instance looks as it does.
#[utoipa::path(
    get,
    path = "/v1/registry/services/{service}/instances/{id}/explain",
    params(OfService, OfInstance),
    responses((status = 200, body = Explanation), (status = 404, description = unknown()))
)]
async fn explain(
    State(handle): State<Handle>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<Explanation>, Problem> {
    let service = Name::parse(&name).map_err(|_| unknown_service(&handle, &name))?;
    let snapshot = handle.snapshot();
    let listed = snapshot.service(service.as_str()).and_then(|view| view.find(&id));
    let explanation = listed.and_then(|listed| explained(&handle, &service, listed));
    explanation.map(Json).ok_or_else(|| unknown_instance(&handle, &name, &id))
}

/// A line now and whenever a service changes, with all its instances.
///
/// The service may be one that nobody has registered yet.
#[utoipa::path(
    get,
    path = "/v1/registry/services/{service}/watch",
    params(OfService),
    responses(
        (status = 200, body = ServiceLine, content_type = LINES_TYPE, description = "Until you leave."),
        (status = 404, description = Problem::titles(&[&codes::UNKNOWN_SERVICE]))
    )
)]
async fn watch_service(State(handle): State<Handle>, Path(name): Path<String>) -> Result<Response, Problem> {
    let service = Name::parse(&name).map_err(|_| unknown_service(&handle, &name))?;
    let mut watch = handle.watch_service(&service);
    Ok(stream(&handle, |mut lines| async move {
        loop {
            let view = watch.next().await;
            let instances: Vec<_> = view.instances.iter().map(|listed| InstanceRow::of(listed)).collect();
            let line = ServiceLine { service: service.to_string(), instances };
            if lines.send_data(line_of(&line)).await.is_err() {
                return;
            }
        }
    }))
}

/// A line for each service, now and whenever it changes, with counts.
#[utoipa::path(
    get,
    path = "/v1/registry/watch",
    responses((status = 200, body = ServiceRow, content_type = LINES_TYPE, description = "Until you leave."))
)]
async fn watch(State(handle): State<Handle>) -> Response {
    let (mut changed, own) = (handle.watch(), handle.clone());
    stream(&handle, |mut lines| async move {
        let mut seen = Seen::default();
        loop {
            changed.borrow_and_update();
            for row in seen.changed(own.snapshot(), own.preserved()) {
                if lines.send_data(line_of(&row)).await.is_err() {
                    return;
                }
            }
            if changed.changed().await.is_err() {
                return;
            }
        }
    })
}

/// What a watcher has been told.
#[derive(Default)]
struct Seen {
    snapshot: Arc<Snapshot>,
    preserved: Vec<(Name, String)>,
}

impl Seen {
    /// Services that are not as they were; one that lists nothing any more has no instances.
    fn changed(&mut self, snapshot: Arc<Snapshot>, preserved: Vec<(Name, String)>) -> Vec<ServiceRow> {
        let holds = |all: &[(Name, String)], name: &Name| all.iter().any(|(held, _)| held == name);
        let is_seen = |name: &Name, view: &Arc<ServiceView>| {
            let before = self.snapshot.service(name.as_str());
            before.is_some_and(|before| Arc::ptr_eq(before, view))
                && holds(&self.preserved, name) == holds(&preserved, name)
        };
        let fresh = snapshot.services().filter(|(name, view)| !is_seen(name, view));
        let gone = self.snapshot.services().filter(|(name, _)| snapshot.service(name.as_str()).is_none());
        let gone = gone.map(|(name, _)| ServiceRow::of(name, &ServiceView::default(), &preserved));
        let rows = fresh.map(|(name, view)| ServiceRow::of(name, view, &preserved)).chain(gone).collect();
        (self.snapshot, self.preserved) = (snapshot, preserved);
        rows
    }
}

/// Lines until the client leaves or Madang ends. A slow client waits for nobody else: it gets the latest state when
/// it reads on.
fn stream<W>(handle: &Handle, write: impl FnOnce(Sender<Bytes>) -> W) -> Response
where
    W: Future<Output = ()> + Send + 'static,
{
    let (sender, body) = Channel::<Bytes>::new(CHUNKS);
    let (scope, lines) = (handle.scope().clone(), write(sender));
    handle.scope().spawn("watch-registry", async move {
        let _ = scope.until_cancelled(lines).await;
    });
    ([(CONTENT_TYPE, LINES_TYPE)], Body::new(body)).into_response()
}

fn line_of(row: &impl Serialize) -> Bytes {
    // Texts and numbers always fit into JSON.
    let mut line = serde_json::to_vec(row).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

/// The instances of a service.
#[utoipa::path(
    get,
    path = "/v1/registry/services/{service}",
    params(OfService),
    responses(
        (status = 200, body = Vec<InstanceRow>, description = "By id."),
        (status = 404, description = Problem::titles(&[&codes::UNKNOWN_SERVICE]))
    )
)]
async fn service(State(handle): State<Handle>, Path(name): Path<String>) -> Result<Json<Vec<InstanceRow>>, Problem> {
    let snapshot = handle.snapshot();
    let view = snapshot.service(&name.to_ascii_lowercase()).ok_or_else(|| unknown_service(&handle, &name))?;
    Ok(Json(view.instances.iter().map(|listed| InstanceRow::of(listed)).collect()))
}

/// One instance, with the reasons for how it looks.
#[utoipa::path(
    get,
    path = "/v1/registry/services/{service}/instances/{id}",
    params(OfService, OfInstance),
    responses((status = 200, body = InstancePage), (status = 404, description = unknown()))
)]
async fn instance(
    State(handle): State<Handle>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<InstancePage>, Problem> {
    let service = Name::parse(&name).map_err(|_| unknown_service(&handle, &name))?;
    let snapshot = handle.snapshot();
    let view = snapshot.service(service.as_str()).ok_or_else(|| unknown_service(&handle, &name))?;
    let page = view.find(&id).and_then(|listed| {
        Some(InstancePage { row: InstanceRow::of(listed), explanation: explained(&handle, &service, listed)? })
    });
    page.map(Json).ok_or_else(|| unknown_instance(&handle, &name, &id))
}

/// What an operator decides.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = registry::Decision, example = json!({ "status": "out_of_service" }))]
struct Asked {
    /// The status that is to count.
    #[schema(value_type = Status)]
    status: String,
    /// Who decides; `api` when nothing is said.
    author: Option<String>,
}

/// Sets the status of an instance.
///
/// One that itself says `down`, `starting` or `unknown` stays so: that counts more.
#[utoipa::path(
    put,
    path = "/v1/registry/services/{service}/instances/{id}/override",
    params(OfService, OfInstance),
    request_body = Asked,
    responses(
        (status = 204, description = "It is so from now on, also after a restart."),
        (status = 404, description = unknown()),
        (status = 422, description = Problem::titles(&[&codes::BAD_STATUS]))
    )
)]
async fn set_override(
    State(handle): State<Handle>,
    Path((name, id)): Path<(String, String)>,
    Json(asked): Json<Asked>,
) -> Result<StatusCode, Problem> {
    let word = asked.status.to_ascii_lowercase();
    let status = Status::ALL.into_iter().find(|status| status.as_str() == word).ok_or_else(|| {
        let detail = format!("`{}` is not a status", asked.status.escape_debug());
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, &codes::BAD_STATUS, detail)
            .hint("one of `up`, `down`, `starting`, `out_of_service`, `unknown`")
    })?;
    let service = Name::parse(&name).map_err(|_| unknown_service(&handle, &name))?;
    let author: String =
        asked.author.as_deref().unwrap_or("api").chars().filter(|c| !c.is_control()).take(100).collect();
    let done = handle.set_override(&service, &id, status, &author);
    done.map_err(|_| unknown_instance(&handle, &name, &id))?;
    handle.written().await;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets an instance speak for itself again.
#[utoipa::path(
    delete,
    path = "/v1/registry/services/{service}/instances/{id}/override",
    params(OfService, OfInstance),
    responses(
        (status = 204, description = "It is so from now on, also when nothing was set."),
        (status = 404, description = unknown())
    )
)]
async fn clear_override(
    State(handle): State<Handle>,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let service = Name::parse(&name).map_err(|_| unknown_service(&handle, &name))?;
    handle.clear_override(&service, &id, None).map_err(|_| unknown_instance(&handle, &name, &id))?;
    handle.written().await;
    Ok(StatusCode::NO_CONTENT)
}

/// For the document.
fn unknown() -> String {
    Problem::titles(&[&codes::UNKNOWN_SERVICE, &codes::UNKNOWN_INSTANCE])
}

fn unknown_service(handle: &Handle, name: &str) -> Problem {
    let snapshot = handle.snapshot();
    let hint = nearest(name, snapshot.services().map(|(name, _)| name.as_str()))
        .map_or_else(|| "`/v1/registry/services` lists what is".to_owned(), |name| format!("did you mean `{name}`?"));
    let detail = format!("no instance of `{}` is registered", name.escape_debug());
    Problem::new(StatusCode::NOT_FOUND, &codes::UNKNOWN_SERVICE, detail).hint(hint)
}

fn unknown_instance(handle: &Handle, name: &str, id: &str) -> Problem {
    if handle.snapshot().service(&name.to_ascii_lowercase()).is_none() {
        return unknown_service(handle, name);
    }
    let detail = format!("no instance `{}` of `{}` is registered", id.escape_debug(), name.escape_debug());
    Problem::new(StatusCode::NOT_FOUND, &codes::UNKNOWN_INSTANCE, detail)
        .hint(format!("`/v1/registry/services/{name}` lists what is"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_is_told_once_when_a_service_begins_to_preserve_itself_and_once_when_it_ceases() {
        let name = Name::parse("orders").unwrap();
        let services = [(name.clone(), Arc::<ServiceView>::default())].into();
        let snapshot = Arc::new(Snapshot { revision: 1, services });
        let held = || vec![(name.clone(), "3 of 10 fell silent".to_owned())];
        let mut seen = Seen::default();
        for (preserved, told) in [
            (vec![], Some(None)),
            (vec![], None),
            (held(), Some(Some("3 of 10 fell silent".to_owned()))),
            (held(), None),
            (vec![], Some(None)),
            (vec![], None),
        ] {
            let rows = seen.changed(Arc::clone(&snapshot), preserved);
            assert!(rows.len() < 2, "one service");
            assert_eq!(rows.into_iter().next().map(|row| row.self_preservation), told);
        }
    }
}
