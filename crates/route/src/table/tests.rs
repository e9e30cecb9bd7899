use super::*;
use crate::rule::Headers;
use crate::testing::{Ask, rule};
use proptest::prelude::*;

fn table(texts: &[&str]) -> Table {
    Table::compile(texts.iter().enumerate().map(|(place, text)| rule(place, text)).collect())
}

#[test]
fn a_table_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Table>();
}

#[test]
fn an_empty_table_takes_nothing_and_an_empty_rule_everything() {
    assert_eq!(table(&[]).find(&Ask::default().request()), None);
    for ask in ["", "path=*", "method=BREW", "host=x path=/a/b?c"] {
        assert_eq!(table(&[""]).find(&Ask::of(ask).request()), Some(0), "{ask}");
    }
}

#[test]
fn the_first_difference_in_the_list_of_precedence_decides() {
    // (the rule that is chosen, the rule that is not, a request both take)
    for (first, second, ask) in [
        // 1. Host.
        ("host=a.io", "host=*.io path=/x method=GET", "host=a.io path=/x"),
        ("host=*.b.a.io", "host=*.a.io path=/x", "host=c.b.a.io path=/x"),
        ("host=*.io", "path=/x method=GET header=x", "host=a.io path=/x header=x:1"),
        ("host=A.io", "", "host=a.IO"),
        // 2. Path.
        ("path=/orders/new", "path=/orders/{id} method=GET header=x", "path=/orders/new header=x:1"),
        ("path=/orders/**", "path=/**", "path=/orders/7"),
        ("path=/v1*", "path=/v*", "path=/v12"),
        ("path=/v*", "path=/{x}", "path=/v1"),
        ("path=/{x}", "path=/**", "path=/v1"),
        ("path=/a", "path=/a/**", "path=/a"),
        ("path=/{x}/b", "path=/**", "path=/a/b"),
        ("path=/a/**", "path=/{x}/b", "path=/a/b"),
        ("path=/**", "method=GET header=x", "header=x:1"),
        // 3. Method.
        ("path=/a method=GET", "path=/a header=x header=y", "path=/a header=x:1 header=y:1"),
        // 4. Headers.
        ("header=x header=y", "header=x query=a query=b query=c", "header=x:1 header=y:1 path=/?a&b&c"),
        // 5. Query.
        ("query=a query=b", "query=a", "path=/?a&b"),
        // 6. Place in the list; both orders are tried below, so only this way round holds.
    ] {
        let ask = Ask::of(ask);
        assert_eq!(table(&[first, second]).find(&ask.request()), Some(0), "{first} before {second}");
        assert_eq!(table(&[second, first]).find(&ask.request()), Some(1), "{first} before {second}, written second");
    }
    assert_eq!(table(&["path=/{a}", "path=/*"]).find(&Ask::of("path=/x").request()), Some(0));
    assert_eq!(table(&["path=/*", "path=/{a}"]).find(&Ask::of("path=/x").request()), Some(0));
}

#[test]
fn a_more_specific_rule_that_misses_leaves_the_request_to_the_next() {
    let table = table(&[
        "host=a.io path=/orders/new method=POST",
        "host=a.io path=/orders/{id} header=x=1",
        "host=*.io path=/orders/**",
        "path=/orders/new",
        "path=/{x}/new/**",
    ]);
    for (ask, expected) in [
        ("host=a.io path=/orders/new method=POST", Some(0)),
        ("host=a.io path=/orders/new header=x:1", Some(1)),
        ("host=a.io path=/orders/new", Some(2)),
        ("host=b.io path=/orders/new", Some(2)),
        ("host=io path=/orders/new", Some(3)),
        ("host=io path=/carts/new/7", Some(4)),
        ("host=a.io path=/carts/new", Some(4)),
        ("host=a.io path=/carts", None),
    ] {
        assert_eq!(table.find(&Ask::of(ask).request()), expected, "{ask}");
    }
}

#[test]
fn hosts_are_names_in_any_case_and_a_wildcard_is_not_the_name_itself() {
    let table = table(&["host=Shop.Example.com", "host=*.example.com", "host=*.b.example.com", "host=[::1]"]);
    let long = format!("host={}.example.com", "a.".repeat(125));
    for (ask, expected) in [
        ("host=shop.example.com", Some(0)),
        ("host=SHOP.EXAMPLE.COM.", Some(0)),
        ("host=x.Example.com", Some(1)),
        ("host=x.shop.example.com", Some(1)),
        ("host=b.example.com", Some(1)),
        ("host=a.b.example.com", Some(2)),
        ("host=c.a.B.example.com", Some(2)),
        ("host=example.com", None),
        ("host=.example.com", None),
        ("host=xexample.com", None),
        ("host=example.com.evil.io", None),
        ("host=[::1]", Some(3)),
        ("", None),
        (&long, None),
    ] {
        assert_eq!(table.find(&Ask::of(ask).request()), expected, "{ask}");
    }
}

#[test]
fn a_rule_with_several_hosts_stands_where_the_matching_one_puts_it() {
    let table = table(&["host=a.io host=*.com", "host=*.io", "host=b.com"]);
    for (ask, expected, order) in [
        ("host=a.io", Some(0), [0, 2, 1]),
        ("host=b.io", Some(1), [0, 2, 1]),
        ("host=b.com", Some(2), [2, 0, 1]),
        ("host=c.com", Some(0), [2, 0, 1]),
    ] {
        let ask = Ask::of(ask);
        assert_eq!(table.find(&ask.request()), expected, "{ask:?}");
        let explained: Vec<usize> = table.explain(&ask.request()).iter().map(|verdict| verdict.rule).collect();
        assert_eq!(explained, order, "{ask:?}");
    }
}

#[test]
fn value_tests_look_at_every_value_as_a_whole() {
    for (test, ask, expected) in [
        ("header=x", "header=x:", true),
        ("header=x", "header=y:1", false),
        ("header=x=v[12]", "header=x:v1", true),
        ("header=x=v[12]", "header=x:v10", false),
        ("header=x=v1|v2", "header=x:av1", false),
        ("header=x=v1", "header=x:V1", false),
        ("header=x=(?i)v1", "header=x:V1", true),
        ("header=x=b", "header=x:a header=x:b", true),
        ("header=x=b", "header=x:a,\u{a0}b", false),
        ("header=x=b", "header=x:a,b,c", true),
        ("header=x=a,b", "header=x:a,b", true),
        ("header=x header=y", "header=x:1", false),
        ("query=a", "path=/?a", true),
        ("query=a", "path=/?b&&a=", true),
        ("query=a", "path=/?ab=1", false),
        ("query=a", "path=/", false),
        ("query=a", "path=/?A=1", false),
        ("query=a=1", "path=/?a=2&a=1", true),
        ("query=a=", "path=/?a", true),
        ("query=a=1", "path=/?a=1=2", false),
        ("query=a=1=2", "path=/?a=1=2", true),
        ("query=a=x\\sy", "path=/?%61=x+y", true),
        ("query=a=\u{e9}", "path=/?a=%C3%A9", true),
        ("query=a=100%", "path=/?a=100%", true),
        ("query=a=100%zz", "path=/?a=100%zz", true),
        ("query=a=.", "path=/?a=%FF", true),
        ("query=a=1", "path=/?b=1%26a=1", false),
    ] {
        assert_eq!(table(&[test]).find(&Ask::of(ask).request()).is_some(), expected, "{test} on {ask}");
    }
}

#[test]
fn mixed_segments_are_found_by_their_literal_start() {
    let table = table(&["path=/v*", "path=/v1*", "path=/%2F?", "path=/?x", "path=/v1*x/**", "path=/*", "path=/v{a}x"]);
    for (ask, expected) in [
        ("path=/v", Some(0)),
        ("path=/v2", Some(0)),
        ("path=/v12", Some(1)),
        ("path=/v1yx", Some(4)),
        ("path=/v1yx/z", Some(4)),
        ("path=/vyx", Some(6)),
        ("path=/%2Fz", Some(2)),
        ("path=/yx", Some(3)),
        ("path=/y", Some(5)),
        ("path=/\u{e9}", Some(5)),
    ] {
        assert_eq!(table.find(&Ask::of(ask).request()), expected, "{ask}");
    }
}

#[test]
fn ten_thousand_rules_find_the_same_as_one() {
    let texts: Vec<String> = (0..10_000)
        .map(|number| match number % 5 {
            0 => format!("path=/service-{number}/**"),
            1 => format!("path=/service-{number}/{{id}}/lines method=GET"),
            2 => format!("path=/files/{number}-*.json"),
            3 => format!("host=shop-{number}.example.com path=/**"),
            _ => format!("host=*.shop-{number}.example.com"),
        })
        .collect();
    let table = table(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(table.shadows(), []);
    for (ask, expected) in [
        ("path=/service-4000/a/b", Some(4_000)),
        ("path=/service-4001/7/lines", Some(4_001)),
        ("path=/service-4001/7/lines method=POST", None),
        ("path=/files/4002-x.json", Some(4_002)),
        ("host=SHOP-4003.example.com", Some(4_003)),
        ("host=x.y.shop-4004.example.com", Some(4_004)),
        ("host=shop-4004.example.com", None),
    ] {
        assert_eq!(table.find(&Ask::of(ask).request()), expected, "{ask}");
    }
}

#[test]
fn a_rule_that_missed_says_the_first_reason() {
    for (rule, ask, expected) in [
        ("host=a.io path=/b", "host=b.io", "host is `b.io`; the route takes `a.io`"),
        ("host=a.io host=*.b.io", "host=c.io", "host is `c.io`; the route takes `a.io` or `*.b.io`"),
        ("host=a.io", "", "the request has no host; the route takes `a.io`"),
        ("path=/orders/** method=POST", "path=/carts", "path is `/carts`; the route takes `/orders/**`"),
        ("path=/a", "path=/a/", "path is `/a/`; the route takes `/a`, and a slash at the end counts"),
        ("path=/{a}/", "path=/a", "path is `/a`; the route takes `/{a}/`, and a slash at the end counts"),
        ("method=POST", "method=GET", "method is GET; the route takes POST"),
        ("method=POST method=PUT header=x", "method=GET", "method is GET; the route takes POST or PUT"),
        ("header=x query=a", "", "header `x` is missing"),
        ("header=x=1", "", "header `x` is missing"),
        ("header=x=1", "header=x:2", "header `x` has no value that matches `1`"),
        ("query=a", "path=/?b", "query parameter `a` is missing"),
        ("query=a=1", "path=/", "query parameter `a` is missing"),
        ("query=a=1", "path=/?a=2", "query parameter `a` has no value that matches `1`"),
    ] {
        let verdicts = table(&[rule]).explain(&Ask::of(ask).request());
        let said = verdicts[0].missed.as_ref().map(ToString::to_string);
        assert_eq!(said.as_deref(), Some(expected), "{rule} on {ask}");
    }
}

#[test]
fn a_header_value_is_not_repeated_in_a_reason() {
    let verdicts = table(&["header=authorization=Basic.*"]).explain(&Ask::of("header=authorization:secret").request());
    assert!(!format!("{verdicts:?}").contains("secret"));
}

/// Headers that count how often they are asked.
struct Counting(std::cell::Cell<u32>);

impl Headers for Counting {
    fn any(&self, _: &str, _: &mut dyn FnMut(&str) -> bool) -> bool {
        self.0.set(self.0.get() + 1);
        false
    }
}

#[test]
fn rules_that_cannot_win_are_not_tested() {
    let table = table(&["path=/a", "path=/a header=x", "path=/** header=x", "path=/{a} header=x"]);
    let headers = Counting(std::cell::Cell::new(0));
    let ask = Ask::of("path=/a");
    assert_eq!(table.find(&Request { headers: &headers, ..ask.request() }), Some(0));
    assert_eq!(headers.0.get(), 1, "only the one with more tests on the same path");
}

/// A part of a rule or request that may be absent.
fn maybe(regex: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), regex.prop_map(|text| text)]
}

pub(crate) fn rule_text() -> impl Strategy<Value = String> {
    (
        maybe("( host=(\\*\\.)?[ab](\\.[ab]){0,2}){1,2}"),
        maybe(" path=(/([ab]|\\*|\\?|a\\*|\\*b|\\{x\\})?){1,3}(/\\*\\*)?"),
        maybe("( method=(GET|PUT)){1,2}"),
        maybe("( header=[xy](=[12])?){1,2}"),
        maybe(" query=[pq](=[12])?"),
    )
        .prop_map(|(host, path, method, header, query)| {
            let path = if path.matches("{x}").count() > 1 { " path=/**".to_owned() } else { path };
            format!("{host}{path}{method}{header}{query}")
        })
}

pub(crate) fn ask_text() -> impl Strategy<Value = String> {
    (
        maybe(" host=[abAB](\\.[ab]){0,3}"),
        " path=(/[ab]{0,2}){1,4}(\\?(p|q)=[12])?",
        maybe(" method=PUT"),
        maybe("( header=[xy]:[12]){1,2}"),
    )
        .prop_map(|(host, path, method, header)| format!("{host}{path}{method}{header}"))
}

proptest! {
    #![proptest_config(crate::seeded(500))]

    #[test]
    fn the_rule_found_is_the_first_one_explained_as_taking(
        rules in prop::collection::vec(rule_text(), 0..20), asks in prop::collection::vec(ask_text(), 10),
    ) {
        let table = table(&rules.iter().map(String::as_str).collect::<Vec<_>>());
        for ask in asks {
            let ask = Ask::of(&ask);
            let verdicts = table.explain(&ask.request());
            let mut explained: Vec<usize> = verdicts.iter().map(|verdict| verdict.rule).collect();
            let first = verdicts.iter().find(|verdict| verdict.missed.is_none()).map(|verdict| verdict.rule);
            prop_assert_eq!(table.find(&ask.request()), first, "{:?} {:?}", ask, verdicts);
            explained.sort_unstable();
            prop_assert_eq!(explained, (0..rules.len()).collect::<Vec<_>>(), "every rule once");
        }
    }
}
