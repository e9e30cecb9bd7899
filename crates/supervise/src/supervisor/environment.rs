//! The environment of instances: what Madang has, what it adds, what the service adds.

use std::{collections::BTreeMap, ffi::OsString, fmt::Write as _};

use madang_base::Name;
use tracing::warn;

use crate::{keeper::MARK, settings::Service};

/// Further variables for the instances of a service: addresses of others, say. Asked at every start. A variable that
/// has another value than a running process got makes that process outdated when the next Madang comes; one that is
/// new or no longer given does not.
pub type Environment = Box<dyn Fn(&Name) -> Vec<(String, String)> + Send + Sync>;

/// Madang's own environment, taken once.
pub(super) struct Base {
    variables: BTreeMap<String, String>,
    mark: String,
}

impl Base {
    pub(super) fn of_this_process(mark: String) -> Self {
        Self { variables: inherited(std::env::vars_os()), mark }
    }

    /// All variables of one instance. Later ones win: Madang's own, those for all, the service's, and those that say
    /// who it is.
    pub(super) fn of_instance(
        &self,
        service: &Service,
        extras: &[(String, String)],
        instance: &str,
        port: u16,
    ) -> Vec<(String, String)> {
        let mut all = self.variables.clone();
        // Python holds back output that does not go to a terminal; its last words would be lost with a killed process.
        all.entry("PYTHONUNBUFFERED".to_owned()).or_insert_with(|| "1".to_owned());
        all.extend(extras.iter().chain(&service.env).cloned());
        let given = [
            ("PORT", port.to_string()),
            ("MADANG_SERVICE", service.name.as_str().to_owned()),
            ("MADANG_INSTANCE", instance.to_owned()),
            (MARK, self.mark.clone()),
        ];
        all.extend(given.map(|(name, value)| (name.to_owned(), value)));
        all.into_iter().collect()
    }
}

/// What services inherit. Settings of Madang itself are not for them: the admin token is one.
fn inherited(all: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for (name, value) in all {
        match (name.to_str(), value.to_str()) {
            (Some(text), Some(_)) if text.starts_with("MADANG_") && text.contains("__") => {}
            (Some(text), Some(value)) => {
                variables.insert(text.to_owned(), value.to_owned());
            }
            _ => warn!(variable = %name.display(), "a variable that is not UTF-8 is not passed on to services"),
        }
    }
    variables
}

/// A digest of what makes a process the wanted one. Madang's own environment is not part of it: it differs from
/// terminal to terminal.
pub(super) fn fingerprint(service: &Service, extras: &[(String, String)]) -> String {
    let mut own = Digest::new();
    own.eat(&service.command.len().to_string());
    service.command.iter().for_each(|word| own.eat(word));
    own.eat(&service.dir.to_string_lossy());
    for (name, value) in &service.env {
        own.eat(name);
        own.eat(value);
    }
    let mut text = format!("{:016x}", own.0);
    for (name, value) in extras {
        let mut digest = Digest::new();
        digest.eat(value);
        let _ = write!(text, " {name}={:016x}", digest.0);
    }
    text
}

/// Whether a process with fingerprint `had` is what `wanted` asks for: the same command, folder and variables, and no
/// further variable with another value.
pub(super) fn fits(had: &str, wanted: &str) -> bool {
    let (mut had, mut wanted) = (had.split(' '), wanted.split(' '));
    if had.next() != wanted.next() {
        return false;
    }
    let had: BTreeMap<&str, &str> = had.filter_map(|entry| entry.split_once('=')).collect();
    wanted.filter_map(|entry| entry.split_once('=')).all(|(name, value)| had.get(name).is_none_or(|had| *had == value))
}

/// FNV-1a, 64 bits: the same in every version of Madang, and nobody gains from a collision.
struct Digest(u64);

impl Digest {
    fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }

    fn eat(&mut self, text: &str) {
        // A length before each text keeps "a", "bc" apart from "ab", "c".
        for byte in (text.len() as u64).to_le_bytes().iter().chain(text.as_bytes()) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use madang_settings::Origin;

    use super::*;

    fn service(command: &[&str], env: &[(&str, &str)]) -> Service {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        let origin = Origin::Flag("test".to_owned());
        let mut service = Service::new(Name::parse("a").unwrap(), command, PathBuf::from("/"), origin);
        service.env = pairs(env);
        service
    }

    fn pairs(env: &[(&str, &str)]) -> Vec<(String, String)> {
        env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn services_inherit_everything_but_the_settings_of_madang() {
        let all = [("PATH", "/bin"), ("MADANG_ADMIN__TOKEN", "secret"), ("MADANG_LOG", "debug"), ("MY__OWN", "1")];
        let inherited = inherited(all.map(|(name, value)| (name.into(), value.into())).into_iter());
        let names: Vec<&str> = inherited.keys().map(String::as_str).collect();
        assert_eq!(names, ["MADANG_LOG", "MY__OWN", "PATH"]);
    }

    #[test]
    fn the_nearest_to_the_instance_wins() {
        let own = pairs(&[("PATH", "/bin"), ("LEVEL", "own"), ("PORT", "1"), ("MADANG_KEEPER", "outer")]);
        let base = Base { variables: own.into_iter().collect(), mark: "/data".to_owned() };
        let service = service(&["a"], &[("LEVEL", "service")]);
        let extras = pairs(&[("LEVEL", "extra"), ("MADANG_EGRESS", "http://x")]);
        let all = base.of_instance(&service, &extras, "a-1", 20_007);
        let expected = [
            ("LEVEL", "service"),
            ("MADANG_EGRESS", "http://x"),
            ("MADANG_INSTANCE", "a-1"),
            ("MADANG_KEEPER", "/data"),
            ("MADANG_SERVICE", "a"),
            ("PATH", "/bin"),
            ("PORT", "20007"),
            ("PYTHONUNBUFFERED", "1"),
        ];
        assert_eq!(all, pairs(&expected));
        let base = Base { variables: pairs(&[("PYTHONUNBUFFERED", "")]).into_iter().collect(), mark: String::new() };
        let all = base.of_instance(&service, &[], "a-1", 1);
        assert!(all.contains(&("PYTHONUNBUFFERED".to_owned(), String::new())), "what somebody set stays");
    }

    #[test]
    fn a_process_fits_as_long_as_nothing_it_was_given_has_changed() {
        let had = fingerprint(&service(&["a", "bc"], &[("X", "1")]), &pairs(&[("URL_A", "1"), ("URL_B", "2")]));
        for (command, env, extras, expected) in [
            (["a", "bc"], [("X", "1")], vec![("URL_A", "1"), ("URL_B", "2")], true),
            (["a", "bc"], [("X", "1")], vec![("URL_A", "1"), ("URL_B", "2"), ("URL_C", "3")], true),
            (["a", "bc"], [("X", "1")], vec![("URL_A", "1")], true),
            (["a", "bc"], [("X", "1")], vec![("URL_A", "9"), ("URL_B", "2")], false),
            (["ab", "c"], [("X", "1")], vec![("URL_A", "1"), ("URL_B", "2")], false),
            (["a", "bc"], [("X", "2")], vec![("URL_A", "1"), ("URL_B", "2")], false),
        ] {
            let wanted = fingerprint(&service(&command, &env), &pairs(&extras));
            assert_eq!(fits(&had, &wanted), expected, "{command:?} {env:?} {extras:?}");
        }
    }
}
