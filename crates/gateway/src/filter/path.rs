//! Filters that change where a request goes.

use super::{Filter, Flow};
use crate::exchange::Exchange;
use crate::reply::Reply;

/// Takes the first segments of the path away and tells the service as `X-Forwarded-Prefix`.
///
/// As Spring Cloud Gateway's `StripPrefix`: empty segments collapse, a slash at the end stays, nothing left is `/`.
pub(crate) struct StripPrefix {
    pub(crate) segments: usize,
}

impl Filter for StripPrefix {
    fn request(&self, exchange: &mut Exchange) -> Flow {
        // On the canonical path: the one that was matched, so that `..` cannot shift which segments are dropped.
        let mut scratch = String::new();
        let request = &mut exchange.request;
        let path = madang_route::canonical(request.path(), &mut scratch).unwrap_or("/").to_owned();
        let (prefix, rest) = strip(&path, self.segments);
        request.stripped.push_str(&prefix);
        request.set_path(&rest);
        Flow::Next
    }
}

fn strip(path: &str, segments: usize) -> (String, String) {
    let mut parts = path.split('/').filter(|segment| !segment.is_empty());
    let join = |parts: &mut dyn Iterator<Item = &str>| parts.fold(String::new(), |path, part| path + "/" + part);
    let prefix = join(&mut parts.by_ref().take(segments));
    let mut rest = join(&mut parts);
    if rest.is_empty() || path.ends_with('/') {
        rest.push('/');
    }
    (prefix, rest)
}

/// Answers with a `Location` and calls no service.
pub(crate) struct Redirect {
    pub(crate) status: u16,
    pub(crate) url: String,
    pub(crate) keep_path: bool,
}

impl Filter for Redirect {
    fn answers(&self) -> bool {
        true
    }

    fn request(&self, exchange: &mut Exchange) -> Flow {
        let mut location = self.url.clone();
        if self.keep_path {
            location.truncate(location.trim_end_matches('/').len());
            location.push_str(&String::from_utf8_lossy(exchange.request.target()));
        }
        Flow::Respond(Reply::redirect(self.status, location))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_stripped_as_spring_does() {
        for (path, segments, prefix, rest) in [
            ("/api/orders/7", 1, "/api", "/orders/7"),
            ("/api/orders/7", 2, "/api/orders", "/7"),
            ("/api/orders/", 2, "/api/orders", "/"),
            ("/api/orders/7/", 1, "/api", "/orders/7/"),
            ("/api", 1, "/api", "/"),
            ("/api", 3, "/api", "/"),
            ("/", 1, "", "/"),
            ("//api//orders", 1, "/api", "/orders"),
        ] {
            assert_eq!(strip(path, segments), (prefix.to_owned(), rest.to_owned()), "{path} less {segments}");
        }
    }
}
