//! Rules and requests as one line of text, for tables of tests: `host=a.io path=/x header=x=1`, `path=/x?a header=x:1`.

use madang_base::Name;

use crate::{Headers, HostPattern, PathPattern, Request, Rule, ValueTest};

/// A rule; `place` makes its id.
pub(crate) fn rule(place: usize, text: &str) -> Rule {
    let mut rule = Rule::new(Name::parse(&format!("rule-{place}")).unwrap());
    for part in text.split(' ').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap();
        let test = || match value.split_once('=') {
            Some((name, expression)) => (name.to_owned(), ValueTest::matching(expression).unwrap()),
            None => (value.to_owned(), ValueTest::Present),
        };
        match key {
            "host" => rule.hosts.push(HostPattern::parse(value).unwrap()),
            "path" => rule.path = Some(PathPattern::parse(value).unwrap_or_else(|error| panic!("{error}"))),
            "method" => rule.methods.push(value.to_owned()),
            "header" => rule.headers.push(test()),
            "query" => rule.queries.push(test()),
            _ => panic!("no part `{key}`"),
        }
    }
    rule
}

/// A request: GET / without a host when nothing else is said.
#[derive(Debug, Default)]
pub(crate) struct Ask {
    method: Option<String>,
    host: String,
    path: Option<String>,
    query: Option<String>,
    headers: Fields,
}

#[derive(Debug, Default)]
struct Fields(Vec<(String, String)>);

impl Headers for Fields {
    fn any(&self, name: &str, test: &mut dyn FnMut(&str) -> bool) -> bool {
        self.0.iter().any(|(known, value)| known == name && test(value))
    }
}

impl Ask {
    pub(crate) fn of(text: &str) -> Self {
        let mut ask = Self::default();
        for part in text.split(' ').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap();
            match key {
                "method" => ask.method = Some(value.to_owned()),
                "host" => value.clone_into(&mut ask.host),
                "path" => {
                    let (path, query) =
                        value.split_once('?').map_or((value, None), |(path, query)| (path, Some(query)));
                    ask.path = Some(path.to_owned());
                    ask.query = query.map(str::to_owned);
                }
                "header" => {
                    let (name, value) = value.split_once(':').unwrap();
                    ask.headers.0.push((name.to_owned(), value.to_owned()));
                }
                _ => panic!("no part `{key}`"),
            }
        }
        ask
    }

    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            method: self.method.as_deref().unwrap_or("GET"),
            host: &self.host,
            path: self.path.as_deref().unwrap_or("/"),
            query: self.query.as_deref(),
            headers: &self.headers,
        }
    }
}
