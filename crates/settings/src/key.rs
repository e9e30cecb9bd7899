//! A setting as people are told about it: each crate lists its own, beside the code that reads them.
//!
//! The lists are what `madang explain KEY` and the reference show, and what decides which keys need a restart. A test of
//! the program holds them against what is really read, table by table.

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Dotted; `NAME` stands for a name that is free, `[]` for the place in a list: `routes[].policy.timeout`.
    pub key: &'static str,
    /// What may be written: `duration, 1 ms to 1 h`.
    pub kind: &'static str,
    /// What counts when it is not written, as TOML; empty when nothing does.
    pub default: &'static str,
    /// Whether a change applies while Madang runs.
    pub applies: Applies,
    /// What it means, in one sentence without a period at its end.
    pub meaning: &'static str,
}

/// When a changed setting counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applies {
    /// As soon as the file is saved.
    Live,
    /// At the next start; until then a reload that changes it is refused.
    Restart,
}

impl Key {
    /// A setting that applies at once.
    #[must_use]
    pub const fn live(key: &'static str, kind: &'static str, default: &'static str, meaning: &'static str) -> Self {
        Self { key, kind, default, applies: Applies::Live, meaning }
    }

    /// A setting that needs a restart.
    #[must_use]
    pub const fn restart(key: &'static str, kind: &'static str, default: &'static str, meaning: &'static str) -> Self {
        Self { key, kind, default, applies: Applies::Restart, meaning }
    }

    /// Whether `key`, dotted and as written in a file, is this setting or below it: `routes.0.to` is `routes[].to`.
    #[must_use]
    pub fn covers(&self, key: &str) -> bool {
        let mut written = key.split('.');
        self.parts().all(|part| match (part, written.next()) {
            (_, None) => false,
            ("NAME", Some(_)) => true,
            ("[]", Some(place)) => place.bytes().all(|byte| byte.is_ascii_digit()),
            (part, Some(word)) => part == word,
        })
    }

    /// `routes[].to` as `routes`, `[]`, `to`.
    fn parts(&self) -> impl Iterator<Item = &'static str> {
        self.key
            .split('.')
            .flat_map(|part| match part.strip_suffix("[]") {
                Some(list) => [Some(list), Some("[]")],
                None => [Some(part), None],
            })
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_key_is_found_with_free_names_and_places() {
        for (listed, written, expected) in [
            ("listen.gateway", "listen.gateway", true),
            ("listen.gateway", "listen", false),
            ("listen.gateway", "listen.gateways", false),
            ("services.NAME.env", "services.orders.env.LEVEL", true),
            ("services.NAME.env", "services.orders.dir", false),
            ("routes[].to", "routes.12.to", true),
            ("routes[].to", "routes.x.to", false),
            ("routes[].to", "routes.0", false),
        ] {
            assert_eq!(Key::live(listed, "", "", "").covers(written), expected, "{listed} {written}");
        }
    }
}
