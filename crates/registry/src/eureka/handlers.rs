//! Requests: what each asks of the registry, and Eureka's answer (discovery-wire §1.2, §1.3).

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName, LOCATION, VARY,
    WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use madang_base::Name;
use madang_runtime::{now, sleep_until};

use super::body::Pieces;
use super::documents::{self, Coding, Document, Documents, Format, Key, Shape};
use super::meters::Meters;
use super::path::{PathError, Target, pairs};
use super::value::Value;
use super::{FACE, Options, names, read, replication, status, words, write_json, write_xml, xml};
use crate::handle::Handle;
use crate::instance::Status;
use crate::registry::RegisterError;
use crate::view::{Alias, Listed, Snapshot};

/// Documents that nobody reads for this long are given back, and at most twice as long are kept. Clients read every 30 s.
const UNREAD: Duration = Duration::from_secs(75);

/// The most bytes of a body.
const MAX_BODY: usize = 1 << 20;

struct Shared {
    handle: Handle,
    options: Options,
    documents: Documents,
    meters: Arc<Meters>,
}

/// The whole face, on every prefix.
pub fn router(handle: Handle, options: Options) -> Router {
    let meters = Arc::<Meters>::default();
    let counted = Arc::clone(&meters);
    handle.add_metrics(move |out| counted.write(out));
    let shared = Arc::new(Shared { handle, options, documents: Documents::default(), meters });
    let (scope, tidied) = (shared.handle.scope().clone(), Arc::clone(&shared));
    shared.handle.scope().spawn("tidy-eureka", async move {
        while scope.until_cancelled(sleep_until(now() + UNREAD)).await.is_some() {
            tidied.documents.tidy();
        }
    });
    Router::new().fallback(answer).with_state(shared)
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let method = head.method.clone();
    let target = if shared.admits(&head.headers) {
        match Target::parse(head.uri.path()) {
            Ok(target) => Ok(target),
            Err(PathError::NotFound) => Err(empty(StatusCode::NOT_FOUND)),
            Err(PathError::Encoding) => Err(refuse("Malformed path: broken percent-encoding")),
        }
    } else {
        let challenge = [(WWW_AUTHENTICATE, "Basic realm=\"eureka\"")];
        Err((StatusCode::UNAUTHORIZED, challenge).into_response())
    };
    let (response, target) = match target {
        Ok(target) => (shared.answer(head, &target, body).await, Some(target)),
        Err(refusal) => (refusal, None),
    };
    shared.meters.count(&method, target.as_ref(), response.status());
    response
}

impl Shared {
    async fn answer(&self, head: Parts, target: &Target, body: Body) -> Response {
        if !target.allow().contains(&head.method) {
            let allow = target.allow().iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
            return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, allow)]).into_response();
        }
        let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
            return (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB").into_response();
        };
        if head.method == Method::GET || head.method == Method::HEAD {
            return self.read(target, asked(&head.headers), &head.headers);
        }
        let is_heartbeat = head.method == Method::PUT && matches!(target, Target::Instance(..));
        let query = pairs(head.uri.query().unwrap_or_default());
        let response = self.change(&head.method, target, &head.headers, &query, &body);
        // The append comes before the answer; a heartbeat appends nothing, and waits for nobody else's.
        if !is_heartbeat {
            self.handle.written().await;
        }
        response
    }
}

/// What the client reads (discovery-wire §1.1).
fn asked(headers: &HeaderMap) -> Key {
    let has = |name: HeaderName, word: &str| {
        let mut values = headers.get_all(name).iter();
        values.any(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase().contains(word))
    };
    let compact = has(HeaderName::from_static("x-eureka-accept"), "compact");
    Key {
        format: if has(ACCEPT, "json") { Format::Json } else { Format::Xml },
        shape: if compact { Shape::Compact } else { Shape::Full },
        coding: if has(ACCEPT_ENCODING, "gzip") { Coding::Gzip } else { Coding::Identity },
    }
}

fn whole(document: Document, key: Key) -> Response {
    let media = match key.format {
        Format::Json => "application/json",
        Format::Xml => "application/xml",
    };
    let headers = [(CONTENT_TYPE, media), (VARY, "Accept, Accept-Encoding, X-Eureka-Accept")];
    let mut response = (headers, Body::new(Pieces::of(document))).into_response();
    if key.coding == Coding::Gzip {
        response.headers_mut().insert(CONTENT_ENCODING, http::HeaderValue::from_static("gzip"));
    }
    response
}

fn text(text: String, key: Key) -> Response {
    whole(Document::of(text, key.coding), key)
}

impl Shared {
    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(credentials) = &self.options.auth else { return true };
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.split_once(' '));
        let basic = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
        basic.and_then(|(_, text)| STANDARD.decode(text.trim()).ok()).is_some_and(|given| credentials.admit(&given))
    }

    fn read(&self, target: &Target, key: Key, headers: &HeaderMap) -> Response {
        let snapshot = self.handle.snapshot();
        match target {
            Target::Home => self.home(),
            Target::Applications => whole(self.documents.applications(&snapshot, key), key),
            Target::Delta => {
                let version = self.handle.delta_version();
                whole(self.documents.delta(version, || self.handle.delta(), key), key)
            }
            Target::Application(app) => {
                let document = self.documents.application(&snapshot, &names::service(app).0, key);
                document.map_or_else(|| empty(StatusCode::NOT_FOUND), |document| whole(document, key))
            }
            Target::Instance(app, id) => {
                let view = snapshot.service(names::service(app).0.as_str());
                one(view.and_then(|view| view.find(id)).map(|listed| &**listed), key)
            }
            Target::AnyInstance(id) => {
                one(snapshot.services().find_map(|(_, view)| view.find(id)).map(|listed| &**listed), key)
            }
            Target::Vip(vip) => whole(documents::subset(&named(&snapshot, Alias::Plain, vip), key), key),
            Target::SecureVip(vip) => whole(documents::subset(&named(&snapshot, Alias::Secure, vip), key), key),
            Target::ServerStatus => {
                let authority = headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
                text(status::server(snapshot.len(), authority, unix_ms(), key.format), key)
            }
            Target::Overrides => {
                let all = snapshot.services().flat_map(|(_, view)| &view.instances).map(|listed| &**listed);
                let overridden: Vec<_> = all.filter(|listed| listed.overridden.is_some()).collect();
                text(status::overrides(&overridden, key.format), key)
            }
            Target::Status(..) | Target::Metadata(..) | Target::Asg | Target::Batch => {
                empty(StatusCode::METHOD_NOT_ALLOWED)
            }
        }
    }

    fn home(&self) -> Response {
        match &self.options.admin {
            Some(admin) => (StatusCode::FOUND, [(LOCATION, admin.clone())]).into_response(),
            None => "Madang speaks Eureka here: the registry is at /eureka/apps\n".into_response(),
        }
    }

    fn change(
        &self,
        method: &Method,
        target: &Target,
        headers: &HeaderMap,
        query: &[(String, String)],
        body: &[u8],
    ) -> Response {
        let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let delete = method == Method::DELETE;
        let stamp = value("lastDirtyTimestamp").and_then(|stamp| stamp.parse().ok());
        match target {
            Target::Application(app) => self.register(app, headers, body),
            Target::Instance(app, id) if delete => done(self.handle.cancel(&names::service(app).0, &FACE, id).is_ok()),
            Target::Instance(app, id) => {
                let service = names::service(app).0;
                if is_peer(headers) {
                    let overridden = value("overriddenstatus").and_then(words::status);
                    return replication::single_heartbeat(
                        &self.handle,
                        &service,
                        id,
                        stamp,
                        overridden,
                        asked(headers),
                    );
                }
                self.heartbeat(&service, id, stamp)
            }
            Target::Status(app, id) if delete => self.clear_override(&names::service(app).0, id, value("value")),
            Target::Status(app, id) => {
                self.set_override(&names::service(app).0, id, value("value").unwrap_or_default(), stamp)
            }
            Target::Metadata(app, id) => {
                let mut pairs = query.to_vec();
                // The first value of a key counts; the last one wins in a map.
                pairs.reverse();
                match self.handle.merge_metadata(&names::service(app).0, &FACE, id, pairs) {
                    Ok(()) => empty(StatusCode::OK),
                    Err(None) => empty(StatusCode::NOT_FOUND),
                    Err(Some(error)) => refuse(&error.to_string()),
                }
            }
            Target::Batch => replication::batch(&self.handle, body),
            Target::Asg => refuse("autoscaling groups are not known here"),
            _ => empty(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    fn register(&self, app: &str, headers: &HeaderMap, body: &[u8]) -> Response {
        let is_xml =
            headers.get(CONTENT_TYPE).is_some_and(|media| String::from_utf8_lossy(media.as_bytes()).contains("xml"));
        let parsed = if is_xml {
            std::str::from_utf8(body).map_err(|_| "malformed XML: not UTF-8".to_owned()).and_then(xml::parse)
        } else {
            Value::parse(body)
        };
        let (service, shown) = names::service(app);
        let instance = match parsed.and_then(|value| read::instance(&value, app, shown, unix_ms())) {
            Ok(instance) => instance,
            Err(error) => return refuse(&error),
        };
        match self.handle.register(&service, FACE, instance) {
            Ok(_) => empty(StatusCode::NO_CONTENT),
            Err(RegisterError::Invalid(error)) => refuse(&error.to_string()),
            Err(error @ (RegisterError::Full(_) | RegisterError::TooMuch(_))) => {
                (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response()
            }
        }
    }

    /// The `status` of a heartbeat changes nothing: clients register again when theirs changes.
    fn heartbeat(&self, service: &Name, id: &str, stamp: Option<u64>) -> Response {
        let Ok((instance, status)) = self.handle.renew(service, &FACE, id) else { return empty(StatusCode::NOT_FOUND) };
        // discovery-wire §1.8: whoever knows something newer is asked for all of it, and so is one whose status was
        // cleared.
        let newer = stamp.is_some_and(|stamp| stamp > instance.stamp_ms);
        done(!newer && status != Status::Unknown)
    }

    fn set_override(&self, service: &Name, id: &str, word: &str, stamp: Option<u64>) -> Response {
        let snapshot = self.handle.snapshot();
        let Some(listed) = snapshot.service(service.as_str()).and_then(|view| view.find(id)) else {
            return empty(StatusCode::NOT_FOUND);
        };
        let Some(status) = words::status(word) else { return empty(StatusCode::INTERNAL_SERVER_ERROR) };
        let _ = self.handle.renew(service, &FACE, id);
        // The same status only renews the lease.
        if listed.status == status {
            return empty(StatusCode::OK);
        }
        // discovery-wire §1.8: what the client sends next is no older than this.
        if let Some(stamp) = stamp {
            self.handle.note_stamp(service, &FACE, id, stamp);
        }
        done(self.handle.set_override(service, id, status, "eureka").is_ok())
    }

    fn clear_override(&self, service: &Name, id: &str, word: Option<&str>) -> Response {
        let own = word.and_then(words::status).unwrap_or(Status::Unknown);
        let _ = self.handle.renew(service, &FACE, id);
        done(self.handle.clear_override(service, id, Some(own)).is_ok())
    }
}

/// Only this very value makes a peer (discovery-wire §1.1).
fn is_peer(headers: &HeaderMap) -> bool {
    headers.get("x-netflix-discovery-replication").is_some_and(|value| value == "true")
}

fn unix_ms() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(unix.as_millis()).unwrap_or_default()
}

fn named<'a>(snapshot: &'a Snapshot, kind: Alias, vip: &'a str) -> Vec<&'a Listed> {
    snapshot.services().flat_map(|(_, view)| view.named(kind, vip)).map(|listed| &**listed).collect()
}

pub(super) fn one(listed: Option<&Listed>, key: Key) -> Response {
    let Some(listed) = listed else { return empty(StatusCode::NOT_FOUND) };
    let mut out = String::new();
    match key.format {
        Format::Json => {
            out.push_str("{\"instance\":");
            write_json::instance(&mut out, listed, listed.kind, Shape::Full);
            out.push('}');
        }
        Format::Xml => write_xml::instance(&mut out, listed, listed.kind, Shape::Full),
    }
    text(out, key)
}

fn done(found: bool) -> Response {
    empty(if found { StatusCode::OK } else { StatusCode::NOT_FOUND })
}

/// No body and no media type: the Java heartbeat reader decodes whatever it gets.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

pub(super) fn refuse(text: &str) -> Response {
    (StatusCode::BAD_REQUEST, text.to_owned()).into_response()
}
