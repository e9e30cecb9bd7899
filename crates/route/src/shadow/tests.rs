use super::*;
use crate::table::Table;
use crate::table::tests::{ask_text, rule_text};
use crate::testing::{Ask, rule};
use proptest::prelude::*;

fn table(texts: &[&str]) -> Table {
    Table::compile(texts.iter().enumerate().map(|(place, text)| rule(place, text)).collect())
}

fn shadows(texts: &[&str]) -> Vec<(usize, usize)> {
    table(texts).shadows().iter().map(|shadow| (shadow.rule, shadow.by)).collect()
}

#[test]
fn a_rule_that_can_never_be_chosen_is_found_with_the_one_before_it() {
    for (rules, expected) in [
        (&["path=/a", "path=/a"][..], &[(1, 0)][..]),
        (&["path=/a", "path=/a", "path=/a"], &[(1, 0), (2, 0)]),
        (&["", ""], &[(1, 0)]),
        (&["path=/a/{x}", "path=/a/{y}"], &[(1, 0)]),
        (&["path=/a/**", "path=/a/{*rest}"], &[(1, 0)]),
        (&["path=/a/*", "path=/a/{y}"], &[(1, 0)]),
        (&["path=/v*", "path=/v{x}"], &[(1, 0)]),
        (&["path=/v*?", "path=/v?*"], &[(1, 0)]),
        (&["path=/{x}", "path=/?*"], &[(1, 0)]),
        (&["path=/a method=GET method=PUT", "path=/a method=PUT"], &[(1, 0)]),
        (&["host=a.io path=/a", "host=A.io path=/%61"], &[(1, 0)]),
        (&["path=/a header=x=1", "path=/a header=x=1"], &[(1, 0)]),
        (&["path=/a header=x=1 header=y", "path=/a header=y header=x=1 query=a"], &[]),
        (&["path=/a query=a header=x", "path=/a header=x query=a"], &[(1, 0)]),
        (&["host=a.io host=b.io", "host=b.io host=a.io"], &[(1, 0)]),
        (&["host=a.io", "host=b.io", "host=a.io host=b.io"], &[(2, 0), (2, 1)]),
        (&["host=a.io host=a.io"], &[]),
        // What comes first takes less, or something else.
        (&["path=/a/**", "path=/a/b"], &[]),
        (&["path=/a/{y}", "path=/a/*"], &[]),
        (&["path=/a", "path=/a method=GET"], &[]),
        (&["path=/a method=GET", "path=/a"], &[]),
        (&["path=/a method=GET", "path=/a method=GET method=PUT"], &[]),
        (&["path=/a header=x=1", "path=/a header=x=2"], &[]),
        (&["path=/a header=x=1", "path=/a header=x"], &[]),
        (&["path=/a header=x", "path=/a query=x"], &[]),
        (&["host=a.io", ""], &[]),
        (&["host=a.io", "host=*.io"], &[]),
        (&["host=a.io", "host=a.io host=b.io"], &[]),
    ] {
        assert_eq!(shadows(rules), expected, "{rules:?}");
    }
}

/// Every pair of entries, without a thought of what precedence excludes.
fn slowly(table: &Table) -> Vec<usize> {
    let (rules, entries) = (table.rules(), table.entries());
    let host = |entry: &Entry| entry.host.map(|host| rules[entry.rule].hosts[host].to_string());
    let host_covers = |first: &Entry, second: &Entry| match (host(first), host(second)) {
        (None, _) => true,
        (Some(first), Some(second)) => {
            first == second || first.strip_prefix('*').is_some_and(|end| second.ends_with(end))
        }
        (Some(_), None) => false,
    };
    let taken = |rank: usize| {
        entries[..rank].iter().any(|first| {
            let second = &entries[rank];
            let twice = first.rule == second.rule;
            !twice && host_covers(first, second) && covers(&rules[first.rule], &rules[second.rule])
        })
    };
    let repeated = |rank: usize| {
        entries[..rank].iter().any(|first| first.rule == entries[rank].rule && host(first) == host(&entries[rank]))
    };
    let all = |rule: &usize| {
        (0..entries.len()).filter(|&rank| entries[rank].rule == *rule).all(|rank| taken(rank) || repeated(rank))
    };
    (0..rules.len()).filter(all).collect()
}

proptest! {
    #![proptest_config(crate::seeded(500))]

    #[test]
    fn shadows_are_those_of_the_slow_search_and_are_never_found(
        rules in prop::collection::vec(rule_text(), 0..25), asks in prop::collection::vec(ask_text(), 20),
    ) {
        let table = table(&rules.iter().map(String::as_str).collect::<Vec<_>>());
        let mut found: Vec<usize> = table.shadows().iter().map(|shadow| shadow.rule).collect();
        found.dedup();
        prop_assert_eq!(&found, &slowly(&table));
        for ask in asks {
            let chosen = table.find(&Ask::of(&ask).request());
            prop_assert!(chosen.is_none_or(|rule| !found.contains(&rule)), "{} is found by {}", chosen.unwrap_or(0), ask);
        }
    }
}
