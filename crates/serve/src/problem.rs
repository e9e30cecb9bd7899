//! Problem answers (RFC 9457): what is wrong, under a code that `madang explain` knows, and what to do.

use std::borrow::Cow;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use madang_base::Code;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::codes;

/// The body of every unsuccessful answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:madang:MD0104`: the same for every problem with this code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code's title.
    pub title: String,
    /// The status, repeated here so that a saved body says it.
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
    /// The code: `MD0104`.
    pub code: String,
    /// What to do, when that can be said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
}

impl Problem {
    /// Its media type.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// A problem of kind `code`; `detail` says what is wrong this time.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:madang:{}", code.id),
            title: code.title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.id.to_owned(),
            hint: None,
        }
    }

    /// How a document of the API describes an answer with one of `codes`: their ids with their titles.
    #[must_use]
    pub fn titles(codes: &[&Code]) -> String {
        let titles: Vec<_> = codes.iter().map(|code| format!("{}: {}", code.id, code.title)).collect();
        titles.join("; ")
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        (status, [(CONTENT_TYPE, Self::MEDIA_TYPE)], body).into_response()
    }
}

/// The same router with every plain-text refusal (an unknown path, a wrong method, what an extractor rejects) turned
/// into a [`Problem`]. Answers that carry a media type of their own stay as they are.
pub fn normalize(router: Router) -> Router {
    // Around the whole router: axum adds `Allow` outside of the layers of its routes.
    Router::new().fallback_service(router).layer(axum::middleware::from_fn(
        async |request: axum::extract::Request, next: axum::middleware::Next| {
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            let response = next.run(request).await;
            if is_plain_refusal(&response) { explain(response, &method, &path).await } else { response }
        },
    ))
}

fn is_plain_refusal(response: &Response) -> bool {
    let status = response.status();
    let plain = response.headers().get(CONTENT_TYPE).is_none_or(|media| media.as_bytes().starts_with(b"text/plain"));
    status.is_client_error() && plain
}

async fn explain(response: Response, method: &Method, path: &str) -> Response {
    /// The most of a refusal's text that is kept.
    const MAX_DETAIL: usize = 4096;
    let (mut head, body) = response.into_parts();
    let text = to_bytes(body, MAX_DETAIL).await.unwrap_or_default();
    let detail: Cow<'_, str> = match String::from_utf8_lossy(&text) {
        text if text.trim().is_empty() => head.status.canonical_reason().unwrap_or("refused").to_lowercase().into(),
        text => text,
    };
    let problem = match head.status {
        StatusCode::NOT_FOUND if text.is_empty() => {
            Problem::new(head.status, &codes::NOT_FOUND, format!("nothing is served at `{path}`"))
                .hint("`/` lists what is served here")
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            let problem =
                Problem::new(head.status, &codes::METHOD_NOT_ALLOWED, format!("`{path}` does not take `{method}`"));
            match head.headers.get(ALLOW).and_then(|allow| allow.to_str().ok()) {
                Some(allow) => problem.hint(format!("it takes {}", allow.replace(',', ", "))),
                None => problem,
            }
        }
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(head.status, &codes::BODY_TOO_LARGE, detail),
        status => Problem::new(status, &codes::REQUEST_INVALID, detail),
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(Problem::MEDIA_TYPE));
    Response::from_parts(head, Body::from(body))
}
