//! The page at `/`: what runs here and where to look. No scripts; the console will take its place.

use crate::status::Status;

pub(crate) const STYLE: &str = include_str!("page.css");

/// A path and what is there.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) path: String,
    pub(crate) what: String,
}

pub(crate) fn render(status: &Status, links: &[Link]) -> String {
    let Status { name, version, pid, started, .. } = status;
    let (name, version) = (escape(name), escape(version));
    let rows: String = links
        .iter()
        .map(|Link { path, what }| {
            let (path, what) = (escape(path), escape(what));
            format!("<dt><a href=\"{path}\">{path}</a></dt><dd>{what}</dd>\n")
        })
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{name} · Madang</title>\n\
         <link rel=\"stylesheet\" href=\"/page.css\">\n\
         <h1>{name}</h1>\n<p>Madang {version}, process {pid}, started {started}</p>\n\
         <dl>\n{rows}</dl>\n\
         <p>On the command line: <code>madang ps</code>, <code>madang logs -f</code>, <code>madang route ls</code>.</p>\n"
    )
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_can_write_markup() {
        assert_eq!(escape("<b title=\"x\">&</b>"), "&lt;b title=&quot;x&quot;&gt;&amp;&lt;/b&gt;");
    }
}
