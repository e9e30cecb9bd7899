//! The console: pages for people, embedded as they are written in `console/`.
//!
//! Plain ES modules, no build step: what a browser gets is what is in the tree. The files hold nothing of this house,
//! so they are served without the token; the API they ask is not. A browser keeps them and asks each time whether they
//! are still the same (RFC 9110 §13.1.2), so that a new Madang never meets an old page.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use madang_serve::{Problem, codes};

use crate::page::Link;

/// Everything below it is a file of the console.
pub(crate) const FOLDER: &str = "/console/";

/// The path of one file, for the router.
pub(crate) const FILE: &str = "/console/{*name}";

const INDEX: &str = include_str!("../console/index.html");

/// Where the page for people without JavaScript names what is here.
const LINKS: &str = "<!-- links -->\n";

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// A file: its name below [`FOLDER`], its media type, its text.
type File = (&'static str, &'static str, &'static str);

macro_rules! files {
    ($($media:ident $name:literal)*) => {
        &[$(($name, $media, include_str!(concat!("../console/", $name)))),*]
    };
}

const FILES: &[File] = files! {
    IMAGE "icon.svg"
    STYLE "base.css"
    STYLE "parts.css"
    STYLE "pages.css"
    SCRIPT "app.js"
    SCRIPT "api.js"
    SCRIPT "history.js"
    SCRIPT "house.js"
    SCRIPT "html.js"
    SCRIPT "i18n.js"
    SCRIPT "i18n/en.js"
    SCRIPT "i18n/ko.js"
    SCRIPT "instances.js"
    SCRIPT "preferences.js"
    SCRIPT "stream.js"
    SCRIPT "traffic.js"
    SCRIPT "pages/overview.js"
    SCRIPT "pages/processes.js"
    SCRIPT "pages/requests.js"
    SCRIPT "pages/routes.js"
    SCRIPT "pages/services.js"
    SCRIPT "parts/dialogs.js"
    SCRIPT "parts/drawer.js"
    SCRIPT "parts/explanation.js"
    SCRIPT "parts/format.js"
    SCRIPT "parts/layout.js"
    SCRIPT "parts/log.js"
    SCRIPT "parts/marks.js"
    SCRIPT "parts/notice.js"
    SCRIPT "parts/picture.js"
    SCRIPT "parts/search.js"
    SCRIPT "parts/sparkline.js"
    SCRIPT "parts/states.js"
    SCRIPT "parts/strip.js"
    SCRIPT "parts/table.js"
    SCRIPT "parts/timeline.js"
    SCRIPT "parts/waterfall.js"
};

/// Whether `path` is answered without the token.
pub(crate) fn is_open(path: &str) -> bool {
    path == "/" || path.starts_with(FOLDER)
}

/// The page at `/`. Without JavaScript it names what else is served here.
pub(crate) fn index(links: &[Link]) -> String {
    INDEX.replace(LINKS, &crate::page::list(links))
}

pub(crate) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, media, text)) => answer(media, text, &headers),
        None => Problem::new(StatusCode::NOT_FOUND, &codes::NOT_FOUND, format!("the console has no `{name}`"))
            .hint("`/` is the console")
            .into_response(),
    }
}

/// The text, or 304 when the browser has it.
pub(crate) fn answer(media: &'static str, text: &str, headers: &HeaderMap) -> Response {
    let tag = tag(text);
    let is_known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|tags| {
        // RFC 9110 §13.1.2 compares weakly: what a proxy marked as weak is the same to us.
        tags.split(',').any(|known| known.trim().trim_start_matches("W/") == tag)
    });
    let status = if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let body = if is_known { String::new() } else { text.to_owned() };
    let mut response = (status, [(CONTENT_TYPE, media)], body).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// FNV-1a with its 64-bit offset and prime: a change is seen, nothing is kept secret.
fn tag(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("\"{hash:016x}\"")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn text(name: &str) -> &'static str {
        FILES.iter().find(|(known, ..)| *known == name).map(|(.., text)| *text).unwrap()
    }

    /// `"key": "text",` lines.
    fn dictionary(name: &str) -> BTreeMap<&'static str, &'static str> {
        let entries = text(name).lines().filter_map(|line| line.strip_prefix("  \"")?.split_once("\": \""));
        entries.map(|(key, text)| (key, text.trim_end_matches("\","))).collect()
    }

    /// The `{names}` a text has places for.
    fn places(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect()
    }

    /// What follows each `before` up to the next quote, in every script.
    fn quoted_after(before: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
        FILES.iter().filter(|(_, media, _)| *media == SCRIPT).flat_map(move |(name, _, text)| {
            text.split(before).skip(1).filter_map(move |rest| Some((*name, rest.split_once('"')?.0)))
        })
    }

    #[test]
    fn both_languages_say_the_same_things() {
        let (english, korean) = (dictionary("i18n/en.js"), dictionary("i18n/ko.js"));
        assert!(english.len() > 200, "{}", english.len());
        assert_eq!(english.keys().collect::<Vec<_>>(), korean.keys().collect::<Vec<_>>());
        for (key, text) in &english {
            assert_eq!(places(text), places(korean[key]), "{key}");
            assert!(!text.is_empty() && !korean[key].is_empty(), "{key}");
        }
    }

    #[test]
    fn every_text_that_is_asked_for_is_in_the_dictionary() {
        let english = dictionary("i18n/en.js");
        for (name, key) in quoted_after(" t(\"").chain(quoted_after("(t(\"")) {
            assert!(english.contains_key(key), "{key} in {name}");
        }
    }

    #[test]
    fn every_module_that_is_imported_is_served() {
        let mut count = 0;
        for (name, from) in quoted_after(" from \"") {
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            let wanted = match from.strip_prefix("../") {
                Some(above) => above.to_owned(),
                None if folder.is_empty() => from.trim_start_matches("./").to_owned(),
                None => format!("{folder}/{}", from.trim_start_matches("./")),
            };
            assert!(FILES.iter().any(|(known, ..)| *known == wanted), "{name} imports {from}");
            count += 1;
        }
        assert!(count > 60, "{count}");
    }

    #[test]
    fn no_script_can_write_markup_and_no_file_loads_from_elsewhere() {
        for (name, _, text) in FILES {
            for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                assert!(!text.contains(word), "{word} in {name}");
            }
            let elsewhere = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!elsewhere.contains("http://") && !elsewhere.contains("https://"), "{name}");
        }
        assert!(INDEX.contains(LINKS) && !INDEX.contains("style="));
    }
}
