//! Settings that change while Madang runs: all of an edit applies, or none of it.
//!
//! Prepare everything, then commit everything; a commit cannot fail. Keys that only a restart applies refuse the edit by
//! name. Whatever happens, the settings that serve stay complete.

use std::collections::BTreeSet;
use std::sync::Arc;

use madang_base::Name;
use madang_settings::{Applies, Node, Problems, changed_keys};
use tokio::sync::watch;

use crate::codes;
use crate::routes::Routes;
use crate::settings::{self, Fixed, Settings};
use crate::source::{Loaded, Source};

/// What came of looking at the settings again.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Nothing is different.
    Unchanged,
    /// The file is not there; the old settings stay.
    Gone,
    /// These keys changed, and what is written about them.
    Applied { keys: Vec<String>, warnings: Problems },
    /// The old settings stay, for these reasons.
    Refused(Problems),
}

/// Applies new settings to what runs.
pub(crate) struct Reloader {
    pub(crate) source: Source,
    pub(crate) current: Loaded,
    pub(crate) supervisor: madang_supervise::Handle,
    pub(crate) routes: Arc<Routes>,
    pub(crate) shared: SharedSettings,
}

/// What parts that are joined in `wire` need of the settings, always current.
#[derive(Debug, Clone)]
pub(crate) struct SharedSettings {
    /// Services that something else runs.
    pub(crate) fixed: watch::Sender<Arc<Vec<Fixed>>>,
    /// All services.
    pub(crate) names: watch::Sender<Arc<BTreeSet<Name>>>,
}

impl SharedSettings {
    pub(crate) fn new(settings: &Settings) -> Self {
        let fixed = watch::Sender::new(Arc::new(settings.fixed.clone()));
        Self { fixed, names: watch::Sender::new(Arc::new(settings.service_names())) }
    }

    fn replace(&self, settings: &Settings) {
        self.fixed.send_replace(Arc::new(settings.fixed.clone()));
        self.names.send_replace(Arc::new(settings.service_names()));
    }
}

impl Reloader {
    /// Reads the settings again and applies them as a whole.
    pub(crate) async fn reload(&mut self) -> Outcome {
        if !self.source.path().exists() {
            return Outcome::Gone;
        }
        let source = self.source.clone();
        // Looking names of upstreams up may take a while.
        let loaded = match tokio::task::spawn_blocking(move || source.load()).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(problems)) => return Outcome::Refused(problems),
            // A panic, told by itself; nothing was applied.
            Err(_) => return Outcome::Unchanged,
        };
        let keys = changed_keys(&self.current.node, &loaded.node);
        if keys.is_empty() {
            return Outcome::Unchanged;
        }
        let mut problems = restart_problems(&keys, &self.current, &loaded);
        let services = match self.supervisor.prepare(&loaded.settings.supervise.services) {
            Ok(prepared) if !problems.has_errors() => prepared,
            Ok(_) => return Outcome::Refused(problems),
            Err(others) => {
                problems.extend(others);
                return Outcome::Refused(problems);
            }
        };
        let settings = &loaded.settings;
        // From here on nothing can fail. Endpoints first: a new route finds its service.
        self.shared.replace(settings);
        self.supervisor.commit(services).await;
        self.routes.follow_settings(settings);
        let warnings = loaded.warnings.clone();
        self.current = loaded;
        Outcome::Applied { keys, warnings }
    }
}

fn restart_problems(keys: &[String], old: &Loaded, new: &Loaded) -> Problems {
    let mut problems = Problems::new();
    for key in keys.iter().filter(|key| is_restart_key(key)) {
        // Writing a default down changes nothing.
        let same = match key.as_str() {
            "name" => old.settings.name == new.settings.name,
            key if is_at(key, "listen") => old.settings.listen == new.settings.listen,
            _ => false,
        };
        if same {
            continue;
        }
        let problem =
            problems.error(&codes::RESTART_KEY, key.as_str(), format!("`{key}` cannot change while Madang runs"));
        problem.hint("take the change back, or stop Madang and start it again");
        if let Some(node) = find(&new.node, key).or_else(|| find(&old.node, key)) {
            problem.at(&node.origin);
        }
    }
    problems
}

fn is_restart_key(key: &str) -> bool {
    settings::keys().any(|known| known.applies == Applies::Restart && (known.covers(key) || is_at(known.key, key)))
}

/// `key` is `place` or below it.
fn is_at(key: &str, place: &str) -> bool {
    key.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn find<'a>(root: &'a Node, key: &str) -> Option<&'a Node> {
    key.split('.').try_fold(root, |node, part| node.get(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restart_keys_are_whole_words_of_the_path() {
        for (key, expected) in [
            ("listen.gateway", true),
            ("listen", true),
            ("name", true),
            ("names", false),
            ("admin.token", true),
            ("registry.auth", true),
            ("listen.eureka", true),
            ("gateway.workers", true),
            ("gateway.timeouts.idle", false),
            ("routes.0.to", false),
            ("services.listen.command", false),
        ] {
            assert_eq!(is_restart_key(key), expected, "{key}");
        }
    }
}
