//! Who may ask: no page in a browser drives Madang, and no name that somebody points at us does.
//!
//! Two attacks reach a server on loopback from a web page. DNS rebinding turns the page's own name into 127.0.0.1: the
//! browser sees one origin, so only the `Host` it sends tells. A cross-site request is sent blindly to a known port: the
//! `Origin` (Fetch Standard §3.2) or `Sec-Fetch-Site` (W3C Fetch Metadata §2.3) tells. Tools send neither header.

use std::net::IpAddr;

use axum::response::{IntoResponse, Response};
use http::header::{HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, StatusCode, Uri};

use crate::codes;
use crate::problem::Problem;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks `Host`, `Origin` and `Sec-Fetch-Site` of every request, whatever its method.
///
/// Always allowed hosts are `localhost`, every loopback address, and the address the connection came in on, with any
/// port: a published or forwarded port is another number, and no attack needs one.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Further hosts that are us: `name` (any port) or `name:port`. Empty by default.
    pub allowed_hosts: Vec<String>,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No `Host`, or several.
    #[error("the request does not say which host it is for")]
    NoHost,
    /// A host that is not us.
    #[error("host `{0}` is not served here")]
    Host(String),
    /// Sent by a page of another origin.
    #[error("the request comes from a page of `{0}`")]
    Origin(String),
    /// The browser says that another site caused it.
    #[error("the request was caused by a page of another site")]
    CrossSite,
}

/// A host in lower case without brackets and final dot, and its port unless that is the scheme's own.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    host: String,
    port: Option<u16>,
}

impl Guard {
    /// Whether `text` can stand in [`Guard::allowed_hosts`]: no scheme, no path, no wildcard.
    #[must_use]
    pub fn is_host(text: &str) -> bool {
        Place::parse(text).is_some()
    }

    /// Judges one request; `local` is the address its connection came in on.
    ///
    /// # Errors
    /// The [`Refusal`] to answer with.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap, local: IpAddr) -> Result<(), Refusal> {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Refusal::NoHost) };
        let text = String::from_utf8_lossy(host.as_bytes());
        let host = Place::parse(&text)
            .filter(|host| self.is_us(host, local))
            .ok_or_else(|| Refusal::Host(text.into_owned()))?;
        // RFC 9112 §3.2.2: in absolute form the target's authority counts, so it must be ours as well.
        if let Some(authority) = uri.authority()
            && !Place::parse(authority.as_str()).is_some_and(|place| self.is_us(&place, local))
        {
            return Err(Refusal::Host(authority.to_string()));
        }
        if headers.get_all(SEC_FETCH_SITE).iter().any(|site| site.as_bytes().eq_ignore_ascii_case(b"cross-site")) {
            return Err(Refusal::CrossSite);
        }
        for origin in headers.get_all(ORIGIN) {
            let text = String::from_utf8_lossy(origin.as_bytes());
            if !Place::of_origin(&text).is_some_and(|origin| self.is_same(&origin, &host)) {
                return Err(Refusal::Origin(text.into_owned()));
            }
        }
        Ok(())
    }

    fn is_us(&self, place: &Place, local: IpAddr) -> bool {
        place.is_loopback()
            // A page can only have an address as its origin when it was served from there: by us.
            || place.ip() == Some(local.to_canonical())
            || self.listed().any(|ours| ours.host == place.host && (ours.port.is_none() || ours.port == place.port))
    }

    /// Whether a page of `origin` is served by us too. On loopback the port decides: other programs have pages there.
    fn is_same(&self, origin: &Place, host: &Place) -> bool {
        origin == host
            || (origin.is_loopback() && host.is_loopback() && origin.port == host.port)
            || self.listed().any(|ours| ours == *origin)
    }

    fn listed(&self) -> impl Iterator<Item = Place> {
        self.allowed_hosts.iter().filter_map(|host| Place::parse(host))
    }
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        // Narrower than RFC 3986: no user part, no escapes, nothing a name or an address does not have.
        if text.contains(|c: char| !c.is_ascii_alphanumeric() && !"-._:[]".contains(c)) {
            return None;
        }
        let authority: Authority = text.parse().ok()?;
        let host = authority.host().trim_start_matches('[').trim_end_matches([']', '.']).to_ascii_lowercase();
        let port = authority.port_u16().filter(|port| ![80, 443].contains(port));
        (!host.is_empty()).then_some(Self { host, port })
    }

    /// `scheme://host[:port]`; `null` is nobody's.
    fn of_origin(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        ["http", "https"].contains(&scheme).then(|| Self::parse(authority)).flatten()
    }

    fn ip(&self) -> Option<IpAddr> {
        self.host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
    }

    fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.ip().is_some_and(|ip| ip.is_loopback())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let detail = self.to_string();
        match self {
            // RFC 9110 §15.5.20: the request was directed at a server that does not answer for its target.
            Self::NoHost | Self::Host(_) => {
                Problem::new(StatusCode::MISDIRECTED_REQUEST, &codes::HOST_REFUSED, detail).hint(
                    "use `localhost` or the address it listens on, or add the name to the allowed hosts in the settings",
                )
            }
            Self::Origin(_) | Self::CrossSite => Problem::new(StatusCode::FORBIDDEN, &codes::CROSS_SITE, detail)
                .hint("open the address directly; if the page is yours, add its host to the allowed hosts in the settings"),
        }
        .into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allowed: &[&str], uri: &str, headers: &[(&str, &str)]) -> Result<(), Refusal> {
        let guard = Guard { allowed_hosts: allowed.iter().map(|host| (*host).to_owned()).collect() };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        guard.check(&uri.parse().unwrap(), &map, [192, 168, 1, 5].into())
    }

    #[test]
    fn a_host_is_loopback_the_address_itself_or_listed() {
        let listed = ["madang.example.com", "ops.example.com:8443"];
        for (host, allowed) in [
            ("localhost", true),
            ("localhost:7070", true),
            ("LOCALHOST.:7070", true),
            ("127.0.0.1:7070", true),
            ("127.8.8.8", true),
            ("[::1]:7070", true),
            ("[::ffff:127.0.0.1]:7070", true),
            ("192.168.1.5:7070", true),
            ("192.168.1.6:7070", false),
            ("madang.example.com", true),
            ("Madang.Example.com:9000", true),
            ("ops.example.com:8443", true),
            ("ops.example.com", false),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("localhost@evil.example", false),
            ("evil.example@localhost", false),
            ("", false),
            (":7070", false),
            ("*", false),
            ("localhost/", false),
            ("local%68ost", false),
            ("localhost:7070, evil.example", false),
        ] {
            let expected = if allowed { Ok(()) } else { Err(Refusal::Host(host.to_owned())) };
            assert_eq!(check(&listed, "/", &[("host", host)]), expected, "{host:?}");
        }
    }

    #[test]
    fn exactly_one_host_is_named() {
        assert_eq!(check(&[], "/", &[]), Err(Refusal::NoHost));
        assert_eq!(check(&[], "/", &[("host", "localhost"), ("host", "evil.example")]), Err(Refusal::NoHost));
        assert_eq!(
            check(&[], "http://evil.example/", &[("host", "localhost")]),
            Err(Refusal::Host("evil.example".to_owned()))
        );
        assert_eq!(check(&[], "http://127.0.0.1:7070/", &[("host", "localhost")]), Ok(()));
    }

    #[test]
    fn a_page_is_ours_when_host_and_port_are() {
        for (host, origin, allowed) in [
            ("localhost:7070", "http://localhost:7070", true),
            ("localhost:7070", "http://127.0.0.1:7070", true),
            ("localhost:7070", "http://[::1]:7070", true),
            // Another program on this machine, with pages of its own.
            ("localhost:7070", "http://localhost:8080", false),
            ("localhost:7070", "http://localhost", false),
            ("localhost:7070", "http://evil.example", false),
            ("localhost:7070", "http://evil.example:7070", false),
            ("localhost:7070", "http://localhost:7070.evil.example", false),
            ("localhost:7070", "null", false),
            ("localhost:7070", "", false),
            ("localhost:7070", "file://", false),
            ("localhost:7070", "chrome-extension://localhost:7070", false),
            // Behind a proxy that ends TLS, with `Host` passed on or not.
            ("madang.example.com", "https://madang.example.com", true),
            ("127.0.0.1:7070", "https://madang.example.com", true),
            ("127.0.0.1:7070", "https://madang.example.com:9000", false),
            ("192.168.1.5:7070", "http://192.168.1.5:7070", true),
        ] {
            let expected = if allowed { Ok(()) } else { Err(Refusal::Origin(origin.to_owned())) };
            let found = check(&["madang.example.com"], "/", &[("host", host), ("origin", origin)]);
            assert_eq!(found, expected, "{origin:?} to {host}");
        }
    }

    #[test]
    fn what_a_browser_calls_cross_site_is_refused() {
        for (site, allowed) in [("cross-site", false), ("Cross-Site", false), ("same-origin", true), ("none", true)] {
            let expected = if allowed { Ok(()) } else { Err(Refusal::CrossSite) };
            assert_eq!(check(&[], "/", &[("host", "localhost"), ("sec-fetch-site", site)]), expected, "{site}");
        }
    }
}
