//! Application names: Eureka takes any text, a [`Name`] of Madang does not.
//!
//! A text that is a name is that service. Any other is kept under a name made from it, with a sum of the whole text so
//! that two never meet, and is shown to Eureka clients as they wrote it, in upper case.

use madang_base::Name;

use super::words;
use crate::view::Listed;

/// So much of the text is in a name that is made: with `-` and 16 digits that is 63.
const KEPT: usize = 46;

/// The service that an application name stands for, and the name to be shown when that is another one. Upper and lower
/// case are the same (discovery-wire §1.1).
pub(super) fn service(app: &str) -> (Name, Option<String>) {
    match Name::parse(app) {
        Ok(name) => (name, None),
        Err(_) => {
            let shown = app.to_uppercase();
            (made(&shown), Some(shown))
        }
    }
}

fn made(shown: &str) -> Name {
    let fit = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c.to_ascii_lowercase() } else { '-' };
    let text: String = shown.chars().map(fit).take(KEPT).collect();
    let text = text.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let start = if text.is_empty() { "app" } else { text };
    let name = format!("{start}-{:016x}", sum(shown.as_bytes()));
    Name::parse(&name).expect("it begins with a letter or digit, and has at most 63 of the characters a name may have")
}

/// FNV-1a, 64 bits: the same in every run, for names stand in files.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The application name as clients see it.
pub(super) fn shown(listed: &Listed) -> String {
    let given = listed.instance.notes.get(words::APP);
    given.map_or_else(|| listed.service.as_str().to_ascii_uppercase(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_and_every_other_text_gets_one_of_its_own() {
        for (app, expected, shown) in [
            ("MY_SERVICE", "my_service", None),
            ("Orders-2.v1", "orders-2.v1", None),
            ("My Service", "my-service-193a5336d5d0d3d8", Some("MY SERVICE")),
            ("my service", "my-service-193a5336d5d0d3d8", Some("MY SERVICE")),
            ("_hidden", "hidden-16b32604bee999a6", Some("_HIDDEN")),
            ("größe/1", "gr-sse-1-80d4dcdecdceaaa6", Some("GRÖSSE/1")),
            ("주문", "app-8609574ed1541bc9", Some("주문")),
        ] {
            let (name, found) = service(app);
            assert_eq!((name.as_str(), found.as_deref()), (expected, shown), "{app}");
        }
        let long = |last: char| service(&format!("{}{last}", "x".repeat(200))).0;
        assert_eq!(long('a').as_str().len(), 63);
        assert_ne!(long('a'), long('b'));
    }
}
