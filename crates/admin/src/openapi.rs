//! `/openapi.json`: the whole API as one document (OpenAPI 3.1.0), for people's tools and for generators of clients.
//!
//! Each part describes its own operations, beside their handlers; comments of handlers and fields are the texts. Here
//! the parts become one, and get what they share: the tag and a unique name for each operation, [`Problem`] as the body
//! of every unsuccessful answer, and the answers that come before any handler is asked. It is made when somebody reads
//! it for the first time: nothing is done at the start of the program or per request.

use std::collections::btree_map::Entry;
use std::sync::LazyLock;

use axum::body::Bytes;
use madang_base::Code;
use madang_serve::{Problem, codes as served};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{OpenApi as _, PartialSchema as _, ToSchema as _};

use crate::{admin, codes, events, health};

/// Where the document is.
pub(crate) const PATH: &str = "/openapi.json";

/// Makes one part's document: its one tag, its operations, the schemas these need.
pub type Document = fn() -> OpenApi;

/// The name of the token among ways to be let in.
const TOKEN: &str = "token";

const ABOUT: &str = "What the console and the command line use, too. An unsuccessful answer is a problem \
    (`application/problem+json`, RFC 9457) with a stable code that `madang explain CODE` knows.";

/// An answer that comes from before the handlers: its name, its status, its code, and which operations give it.
type Common = (&'static str, u16, &'static Code, fn(&Operation) -> bool);

const COMMON: [Common; 8] = [
    ("RequestInvalid", 400, &served::REQUEST_INVALID, |asked| asked.parameters.is_some() || has_body(asked)),
    ("TokenNeeded", 401, &codes::UNAUTHORIZED, |asked| asked.security.is_none()),
    ("CrossSite", 403, &served::CROSS_SITE, |_| true),
    ("BodyTimeout", 408, &served::BODY_TIMEOUT, has_body),
    ("BodyTooLarge", 413, &served::BODY_TOO_LARGE, has_body),
    ("BodyUnknown", 415, &served::REQUEST_INVALID, has_body),
    ("HostRefused", 421, &served::HOST_REFUSED, |_| true),
    ("BodyInvalid", 422, &served::REQUEST_INVALID, has_body),
];

const fn has_body(operation: &Operation) -> bool {
    operation.request_body.is_some()
}

/// What admin itself answers.
fn own() -> OpenApi {
    #[derive(utoipa::OpenApi)]
    #[openapi(
        paths(health::live, admin::ready_now, admin::status, admin::scrape, events::reader::events, admin::document),
        tags((name = "admin", description = "Madang itself: how it is, and what happens."))
    )]
    struct Document;
    Document::openapi()
}

/// The text of the document, some 45 KiB once somebody has asked for it.
pub(crate) type Lazy = LazyLock<Bytes, Box<dyn FnOnce() -> Bytes + Send>>;

pub(crate) fn lazy(version: String, parts: &'static [Document]) -> Lazy {
    // Texts, numbers and lists always fit into JSON.
    LazyLock::new(Box::new(move || serde_json::to_vec(&whole(&version, parts)).unwrap_or_default().into()))
}

/// The document of the API of `version`: admin's own part, then `parts` in their order.
#[must_use]
pub fn whole(version: &str, parts: &[Document]) -> OpenApi {
    let info = InfoBuilder::new().title("Madang").version(version).description(Some(ABOUT)).build();
    let mut all = OpenApiBuilder::new().info(info).build();
    for part in [own as Document].iter().chain(parts) {
        let mut part = part();
        let tag = part.tags.iter().flatten().next().map(|tag| tag.name.clone()).unwrap_or_default();
        part.paths.paths.values_mut().flat_map(operations).for_each(|operation| complete(operation, &tag));
        all.merge(part);
    }
    let components = all.components.get_or_insert_default();
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    components.responses.extend(COMMON.map(|(name, _, code, _)| {
        let answer = ResponseBuilder::new().description(Problem::titles(&[code])).build();
        (name.to_owned(), RefOr::T(with_problem(answer)))
    }));
    components.add_security_scheme(TOKEN, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    // It is needed when there is one.
    all.security = Some(vec![SecurityRequirement::new(TOKEN, [""; 0]), SecurityRequirement::default()]);
    all
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut path.get, &mut path.put, &mut path.post, &mut path.delete, &mut path.patch].into_iter().flatten()
}

fn complete(operation: &mut Operation, tag: &str) {
    operation.tags = Some(vec![tag.to_owned()]);
    operation.operation_id = operation.operation_id.take().map(|id| format!("{tag}_{id}"));
    for (status, answer) in &mut operation.responses.responses {
        if let (RefOr::T(answer), true) = (answer, status.starts_with(['4', '5'])) {
            *answer = with_problem(std::mem::take(answer));
        }
    }
    for (name, status, code, gives) in COMMON {
        if !gives(operation) {
            continue;
        }
        match operation.responses.responses.entry(status.to_string()) {
            Entry::Vacant(none) => _ = none.insert(RefOr::Ref(Ref::from_response_name(name))),
            Entry::Occupied(mut own) => {
                if let RefOr::T(own) = own.get_mut() {
                    own.description = format!("{}; {}", own.description, Problem::titles(&[code]));
                }
            }
        }
    }
}

fn with_problem(mut answer: Response) -> Response {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
    answer.content.insert(Problem::MEDIA_TYPE.to_owned(), problem);
    answer
}
