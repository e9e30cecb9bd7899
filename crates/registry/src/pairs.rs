//! Free pairs of texts, sorted by key: what most instances have two of, and a map would spend 700 bytes on.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Pairs of texts, each key once, in the order of the keys. All texts stand in one, which is read through their ends.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Pairs {
    text: Box<str>,
    /// Where each key and each value ends.
    ends: Box<[(u32, u32)]>,
}

impl Pairs {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut after = 0..self.len();
        while !after.is_empty() {
            let middle = after.start.midpoint(after.end);
            let (found, value) = self.at(middle)?;
            match found.cmp(key) {
                std::cmp::Ordering::Equal => return Some(value),
                std::cmp::Ordering::Less => after.start = middle + 1,
                std::cmp::Ordering::Greater => after.end = middle,
            }
        }
        None
    }

    /// All pairs by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        (0..self.len()).filter_map(|at| self.at(at))
    }

    fn at(&self, at: usize) -> Option<(&str, &str)> {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before].1);
        let (key, value) = *self.ends.get(at)?;
        Some((self.text.get(start as usize..key as usize)?, self.text.get(key as usize..value as usize)?))
    }
}

/// The last value of a key counts. Beyond 4 GiB of text pairs are left out.
impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        // Stable, so that of equal keys the last given stands last.
        pairs.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        let (mut text, mut ends) = (String::new(), Vec::new());
        for (at, (key, value)) in pairs.iter().enumerate() {
            let (key, value) = (key.as_ref(), value.as_ref());
            if pairs.get(at + 1).is_some_and(|(next, _)| next.as_ref() == key) {
                continue;
            }
            let key_end = text.len() + key.len();
            let Ok(end) = u32::try_from(key_end + value.len()) else { break };
            text.push_str(key);
            text.push_str(value);
            ends.push((u32::try_from(key_end).unwrap_or(end), end));
        }
        Self { text: text.into(), ends: ends.into() }
    }
}

impl<const N: usize> From<[(String, String); N]> for Pairs {
    fn from(pairs: [(String, String); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Pairs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry::<String, String>()? {
                    pairs.push(pair);
                }
                Ok(pairs.into_iter().collect())
            }
        }
        deserializer.deserialize_map(Map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(given: &[(&str, &str)]) -> Pairs {
        given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn pairs_are_sorted_found_by_key_and_the_last_of_a_key_counts() {
        let all = pairs(&[("zone", "a"), ("", "empty"), ("größe", "ü"), ("zone", "b"), ("a", "")]);
        let found: Vec<_> = all.iter().collect();
        assert_eq!(found, [("", "empty"), ("a", ""), ("größe", "ü"), ("zone", "b")]);
        assert_eq!((all.len(), all.bytes()), (4, 5 + 1 + 9 + 5));
        for (key, expected) in [
            ("zone", Some("b")),
            ("", Some("empty")),
            ("a", Some("")),
            ("größe", Some("ü")),
            ("zon", None),
            ("zz", None),
        ] {
            assert_eq!(all.get(key), expected, "{key}");
        }
        assert_eq!(pairs(&[]).get(""), None);
    }

    #[test]
    fn pairs_read_back_as_they_were_written() {
        let all = pairs(&[("a", "1"), ("b", "\"")]);
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(text, r#"{"a":"1","b":"\""}"#);
        assert_eq!(serde_json::from_str::<Pairs>(&text).unwrap(), all);
    }
}
