//! `[registry]`: leases, self-preservation, and who may use the Eureka face.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use madang_settings::{Fields, Key, Problems};

use crate::codes;

/// `[registry]`. All keys are *restart* keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `registry.self_preservation`: keep instances listed when many of a service fall silent at once. Default true.
    pub self_preservation: bool,
    /// `registry.threshold`: the share of a service that must not be lost at once, 0.0 to 1.0. Default 0.85.
    pub threshold: f64,
    /// `registry.eviction_interval`: how often expired leases are removed, 100 ms to 1 h. Default 1 s.
    pub eviction_interval: Duration,
    /// `registry.max_instances`: registrations taken, 1 to 1,000,000. Default 50,000.
    pub max_instances: usize,
    /// `registry.hosts`: further names the faces are reached under, `name` or `name:port`. None by default.
    pub hosts: Vec<String>,
    /// `registry.auth`: `"user:password"` for Basic auth on the Eureka face, or `"none"`. Needed off loopback.
    pub auth: Option<Credentials>,
}

/// What is read here.
#[rustfmt::skip] // a row is a line
pub const KEYS: &[Key] = &[
    Key::restart("registry.self_preservation", "true or false", "true", "keep instances listed when many of one service fall silent at once"),
    Key::restart("registry.threshold", "number, 0.0 to 1.0", "0.85", "the share of a service that must not be lost at once"),
    Key::restart("registry.eviction_interval", "duration, 100 ms to 1 h", "\"1s\"", "how often expired leases are removed"),
    Key::restart("registry.max_instances", "1 to 1000000", "50000", "registrations taken; more get 503"),
    Key::restart("registry.hosts", "text or list: `name` or `name:port`", "[]", "further names the faces are reached under"),
    Key::restart("registry.auth", "`user:password`, or `none`", "", "Basic auth on the Eureka face; needed off loopback, where `none` leaves it open"),
];

/// A user and a password. Shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(String);

impl Credentials {
    /// `user:password`; both without control characters, the user not empty.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (user, _) = text.split_once(':')?;
        (!user.is_empty() && !text.chars().any(char::is_control)).then(|| Self(text.to_owned()))
    }

    /// Compares in a time that depends on the length of `given` alone.
    pub(crate) fn admit(&self, given: &[u8]) -> bool {
        let secret = self.0.as_bytes();
        let differ = |(at, byte): (usize, &u8)| usize::from(byte ^ secret[at % secret.len()]);
        let difference = given.iter().enumerate().map(differ).fold(secret.len() ^ given.len(), |sum, one| sum | one);
        std::hint::black_box(difference) == 0
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            self_preservation: true,
            threshold: 0.85,
            eviction_interval: Duration::from_secs(1),
            max_instances: 50_000,
            hosts: Vec::new(),
            auth: None,
        }
    }
}

impl Settings {
    /// Reads `registry` of the root table; `listen` is the address `listen.eureka` gave.
    pub fn read(root: &mut Fields<'_>, listen: Option<SocketAddr>, problems: &mut Problems) -> Self {
        let mut settings = Self::default();
        let mut decided = false;
        if let Some(mut fields) = root.table("registry", problems) {
            let spans = Duration::from_millis(100)..=Duration::from_secs(3600);
            settings.self_preservation = fields.boolean("self_preservation", problems).unwrap_or(true);
            settings.threshold = fields.float("threshold", 0.0..=1.0, problems).unwrap_or(settings.threshold);
            settings.eviction_interval =
                fields.duration_in("eviction_interval", spans, problems).unwrap_or(settings.eviction_interval);
            settings.max_instances =
                fields.integer("max_instances", 1..=1_000_000_u32, problems).map_or(50_000, |most| most as usize);
            settings.hosts = fields.strings("hosts", problems).unwrap_or_default();
            decided = fields.origin("auth").is_some();
            if let Some(text) = fields.string("auth", problems).filter(|text| text != "none") {
                settings.auth = Credentials::parse(&text);
                if settings.auth.is_none() {
                    let message = "`registry.auth` must be `user:password` or `none`";
                    fields.report(&codes::AUTH, "auth", message, problems).hint("for example `auth = \"shop:…\"`");
                }
            }
            fields.finish(problems);
        }
        if let Some(open) = listen.filter(|listen| !decided && !listen.ip().to_canonical().is_loopback()) {
            let message = format!("the Eureka face would be open to the network on {open}, without auth");
            let problem = problems.error(&codes::AUTH, "listen.eureka", message);
            problem.hint("listen on 127.0.0.1, or set `registry.auth` to `user:password` or to `none`");
        }
        settings
    }
}
