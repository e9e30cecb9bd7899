//! One instance of a service as its registrar describes it: our own model, never one face's.
//!
//! `docs/concepts/instance.md` says where each field of each protocol goes. Checked once, when it is registered.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::pairs::Pairs;

/// The identity of an instance within its service. Case-sensitive; 1 to 255 bytes without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceId(Arc<str>);

impl InstanceId {
    /// The longest, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Checks `text`.
    ///
    /// # Errors
    /// [`InvalidInstance`] when it is empty, too long, or has control characters.
    pub fn parse(text: &str) -> Result<Self, InvalidInstance> {
        if text.is_empty() {
            return Err(InvalidInstance::Empty("id"));
        }
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidInstance::TooLong { field: "id".to_owned(), max: Self::MAX_BYTES });
        }
        no_control("id", text)?;
        Ok(Self(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for InstanceId {
    type Error = InvalidInstance;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<InstanceId> for String {
    fn from(id: InstanceId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Who keeps a record: a foreign protocol we speak, or the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Face(Cow<'static, str>);

impl Face {
    /// Our supervisor: its records have no lease, and merge with what the application registers itself.
    pub const SUPERVISE: Self = Self(Cow::Borrowed("supervise"));

    /// A face by name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What an instance says it is, or an operator says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = registry::Status)]
pub enum Status {
    /// Not able to answer.
    Down,
    /// Taken out by a person or a deployment.
    OutOfService,
    /// Not ready yet.
    Starting,
    /// Nobody said.
    Unknown,
    /// Gets requests.
    Up,
}

impl Status {
    /// All, in the order of their names.
    pub const ALL: [Self; 5] = [Self::Down, Self::OutOfService, Self::Starting, Self::Unknown, Self::Up];

    /// Its name: `out_of_service`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::OutOfService => "out_of_service",
            Self::Starting => "starting",
            Self::Unknown => "unknown",
            Self::Up => "up",
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A port, and whether callers may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = registry::Port)]
pub struct Port {
    /// The number.
    pub number: u16,
    /// Whether it is open.
    pub enabled: bool,
}

/// How often news is promised, and how long the instance stays listed without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = registry::Terms)]
pub struct Terms {
    /// Seconds between heartbeats; only shown. Default 30.
    pub renewal_s: u32,
    /// Seconds of the lease: 1 to 86400, default 90.
    pub duration_s: u32,
}

impl Terms {
    /// The longest lease that is given: a day. More is cut to it.
    pub const MAX_S: u32 = 86_400;

    /// The lease as a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.duration_s.clamp(1, Self::MAX_S).into())
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self { renewal_s: 30, duration_s: 90 }
    }
}

/// Where people and tools look at an instance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = registry::Pages)]
pub struct Pages {
    /// Its home page.
    pub home: Option<String>,
    /// What it says about itself.
    pub status: Option<String>,
    /// Whether it is well.
    pub health: Option<String>,
    /// The same over TLS.
    pub secure_health: Option<String>,
}

/// A check Madang runs against the instance's own address and plain port; nothing else can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = registry::Check)]
pub struct Check {
    /// What is asked.
    pub probe: Probe,
    /// Seconds between two looks: 1 to 3600, default 10.
    pub interval_s: u32,
    /// Failures in a row before the instance counts as down: 1 to 100, default 3.
    pub failures: u32,
}

/// What a check asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = registry::Probe)]
pub enum Probe {
    /// The port accepts a connection.
    Tcp,
    /// `GET` of this path answers 2xx or 3xx.
    Http(String),
}

impl Check {
    /// The longest one look may take.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// A check with the defaults.
    #[must_use]
    pub const fn new(probe: Probe) -> Self {
        Self { probe, interval_s: 10, failures: 3 }
    }

    /// The time between two looks.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_s.clamp(1, 3600).into())
    }

    /// How long one look may take: never longer than the interval.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.interval().min(Self::PATIENCE)
    }

    /// How many failures in a row count.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures.clamp(1, 100)
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Http(path) => write!(f, "GET {path}"),
        }
    }
}

/// An instance as its registrar describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = registry::Instance)]
pub struct Instance {
    /// Its identity within the service.
    #[schema(value_type = String)]
    pub id: InstanceId,
    /// The name callers use.
    pub host: String,
    /// The address, as text; usually an IP address.
    pub address: String,
    /// The plain port.
    pub port: Port,
    /// The TLS port.
    pub secure_port: Port,
    /// What it says about itself.
    pub status: Status,
    /// How long it stays listed without news.
    pub terms: Terms,
    /// Free pairs: at most 512, and 64 KiB of text.
    #[schema(value_type = BTreeMap<String, String>)]
    pub metadata: Pairs,
    /// A group of services it belongs to.
    pub group: Option<String>,
    /// Other names of the service on the plain port, comma-separated as given.
    pub aliases: Option<String>,
    /// Other names of the service on the TLS port, comma-separated as given.
    pub secure_aliases: Option<String>,
    /// Pages about it.
    pub pages: Pages,
    /// The registrar's version of this description, in milliseconds since 1970: an older one never replaces a newer one.
    pub stamp_ms: u64,
    /// The check it asks Madang to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// What its face must give back unchanged and nobody else reads.
    #[schema(value_type = BTreeMap<String, String>)]
    pub notes: Pairs,
}

/// Why an instance is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInstance {
    /// A field that must have a value.
    #[error("`{0}` is empty")]
    Empty(&'static str),
    /// A text beyond its limit.
    #[error("`{field}` is longer than {max} bytes")]
    TooLong {
        /// Which.
        field: String,
        /// The most.
        max: usize,
    },
    /// A character no document can carry.
    #[error("`{0}` has a control character")]
    Control(String),
    /// Too many keys.
    #[error("metadata has {0} keys; {max} are the most", max = Instance::MAX_KEYS)]
    Keys(usize),
    /// Too many bytes.
    #[error("metadata has {0} bytes; {max} are the most", max = Instance::MAX_METADATA)]
    Metadata(usize),
}

impl Instance {
    /// The most metadata keys.
    pub const MAX_KEYS: usize = 512;
    /// The most bytes of all metadata keys and values.
    pub const MAX_METADATA: usize = 64 * 1024;
    /// The most bytes of any other text.
    pub const MAX_TEXT: usize = 4096;

    /// Checks every limit.
    ///
    /// # Errors
    /// The first [`InvalidInstance`] found.
    pub fn check(&self) -> Result<(), InvalidInstance> {
        let pages = &self.pages;
        let texts = [
            ("host", Some(&self.host)),
            ("address", Some(&self.address)),
            ("group", self.group.as_ref()),
            ("aliases", self.aliases.as_ref()),
            ("secure aliases", self.secure_aliases.as_ref()),
            ("home page", pages.home.as_ref()),
            ("status page", pages.status.as_ref()),
            ("health page", pages.health.as_ref()),
            ("secure health page", pages.secure_health.as_ref()),
            ("check", self.check_path()),
        ];
        let texts = texts.into_iter().map(|(field, text)| (field, text.map_or("", String::as_str)));
        for (field, text) in texts.chain(self.notes.iter()) {
            if text.len() > Self::MAX_TEXT {
                return Err(InvalidInstance::TooLong { field: field.to_owned(), max: Self::MAX_TEXT });
            }
            no_control(field, field)?;
            no_control(field, text)?;
        }
        self.check_metadata()
    }

    /// Whether a check of `other` says something about this one.
    pub(crate) fn is_checked_as(&self, other: &Self) -> bool {
        (&self.check, &self.address, self.port) == (&other.check, &other.address, other.port)
    }

    fn check_path(&self) -> Option<&String> {
        match &self.check.as_ref()?.probe {
            Probe::Tcp => None,
            Probe::Http(path) => Some(path),
        }
    }

    /// About how much memory it takes, in bytes: its texts, and what holds them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        /// The structs around one record, and the entry of a map.
        const BASE: usize = 1024;
        const PAIR: usize = 8;
        let texts = [Some(&self.host), Some(&self.address), self.group.as_ref(), self.aliases.as_ref()];
        let pages = &self.pages;
        let more = [self.secure_aliases.as_ref(), pages.home.as_ref(), pages.status.as_ref(), pages.health.as_ref()];
        let texts = texts.into_iter().chain(more).chain([pages.secure_health.as_ref(), self.check_path()]);
        let texts: usize = texts.flatten().map(String::len).sum();
        let pairs = [&self.metadata, &self.notes].map(|pairs| PAIR * pairs.len() + pairs.bytes());
        BASE + texts + pairs.iter().sum::<usize>()
    }

    fn check_metadata(&self) -> Result<(), InvalidInstance> {
        let all = [&self.metadata, &self.notes];
        let keys = all.iter().map(|pairs| pairs.len()).max().unwrap_or_default();
        if keys > Self::MAX_KEYS {
            return Err(InvalidInstance::Keys(keys));
        }
        let bytes = all.iter().map(|pairs| pairs.bytes()).max().unwrap_or_default();
        if bytes > Self::MAX_METADATA {
            return Err(InvalidInstance::Metadata(bytes));
        }
        for (key, value) in self.metadata.iter() {
            no_control("metadata key", key)?;
            // A value may have lines.
            let lines = |c: char| matches!(c, '\t' | '\n' | '\r');
            if value.chars().any(|c| is_unfit(c) && !lines(c)) {
                return Err(InvalidInstance::Control(format!("metadata.{key}")));
            }
        }
        Ok(())
    }
}

fn no_control(field: &str, text: &str) -> Result<(), InvalidInstance> {
    // Nearly every text is plain, and that is seen many bytes at a time.
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !is_plain && text.chars().any(is_unfit) {
        Err(InvalidInstance::Control(field.escape_debug().to_string()))
    } else {
        Ok(())
    }
}

/// Control characters, and the two code points XML 1.0 §2.2 leaves out.
fn is_unfit(c: char) -> bool {
    c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A plain instance on 10.0.0.1.
    pub(crate) fn instance(id: &str, port: u16) -> Instance {
        Instance {
            id: InstanceId::parse(id).unwrap(),
            host: "host1".to_owned(),
            address: "10.0.0.1".to_owned(),
            port: Port { number: port, enabled: true },
            secure_port: Port { number: 443, enabled: false },
            status: Status::Up,
            terms: Terms::default(),
            metadata: Pairs::new(),
            group: None,
            aliases: None,
            secure_aliases: None,
            pages: Pages::default(),
            stamp_ms: 0,
            check: None,
            notes: Pairs::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::instance;
    use super::*;

    #[test]
    fn what_no_document_can_carry_is_refused() {
        let with = |key: &str, value: &str| {
            let mut one = instance("a", 1);
            one.metadata = Pairs::from([(key.to_owned(), value.to_owned())]);
            one.check()
        };
        assert_eq!(with("zone", "a\nb"), Ok(()));
        assert_eq!(with("zone", "a\0b"), Err(InvalidInstance::Control("metadata.zone".to_owned())));
        assert!(with("zo\nne", "a").is_err());
        assert_eq!(with("big", &"x".repeat(65_534)), Err(InvalidInstance::Metadata(65_537)));
        assert_eq!(with("big", &"x".repeat(65_533)), Ok(()));
        let mut many = instance("a", 1);
        many.metadata = (0..513).map(|n| (n.to_string(), String::new())).collect();
        assert_eq!(many.check(), Err(InvalidInstance::Keys(513)));
        let mut odd = instance("a", 1);
        odd.host = "a\u{7}".to_owned();
        assert!(odd.check().is_err());
    }

    #[test]
    fn a_lease_is_between_a_second_and_a_day() {
        for (asked, given) in [(0, 1), (1, 1), (90, 90), (u32::MAX, 86_400)] {
            assert_eq!(Terms { renewal_s: 30, duration_s: asked }.duration().as_secs(), given);
        }
    }
}
