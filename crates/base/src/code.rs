//! Error codes: a stable handle for a problem, printed with it and explained by `madang explain`.

/// One documented problem. The crate that reports it owns its constant.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// `MD` and four digits, never reused: `MD0104`.
    pub id: &'static str,
    /// A few words: `port taken`.
    pub title: &'static str,
    /// What it means, why it happens, what to do; Markdown, a few sentences.
    pub explanation: &'static str,
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}
