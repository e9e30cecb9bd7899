//! What is served here, as a list for people whose browser runs no script.

/// A path and what is there.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) path: String,
    pub(crate) what: String,
}

/// The entries of a description list.
pub(crate) fn list(links: &[Link]) -> String {
    let row = |Link { path, what }: &Link| {
        let (path, what) = (escape(path), escape(what));
        format!("<dt><a href=\"{path}\">{path}</a></dt><dd>{what}</dd>\n")
    };
    links.iter().map(row).collect()
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
