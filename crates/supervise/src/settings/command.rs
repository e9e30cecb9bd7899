//! Command lines: a text is split into words as a shell would, and nothing else a shell does happens.
//!
//! Without a shell in between, the process Madang starts is the service itself: its signals, exit code and memory are
//! the service's. Text that only a shell would understand is refused with a way to say it.

/// Why a text is not a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Nothing to run.
    #[error("the command is empty")]
    Empty,
    /// A quote without its partner.
    #[error("the quote {0} is not closed")]
    Quote(char),
    /// A backslash with nothing behind it.
    #[error("the command ends with a backslash")]
    Escape,
    /// Something only a shell does.
    #[error("`{0}` needs a shell, and the command runs without one")]
    Shell(String),
}

/// Splits `text` at blanks. `'…'` keeps everything, `"…"` keeps everything but `\"` and `\\`, a backslash keeps the
/// next character.
///
/// # Errors
/// One [`CommandError`] per rule.
pub(crate) fn split(text: &str) -> Result<Vec<String>, CommandError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            _ if c.is_whitespace() => words.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        None => return Err(CommandError::Quote(c)),
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => match characters.next() {
                            None => return Err(CommandError::Quote(c)),
                            Some(kept @ ('"' | '\\')) => word.push(kept),
                            Some(other) => word.extend(['\\', other]),
                        },
                        Some(inner) => word.push(inner),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(characters.next().ok_or(CommandError::Escape)?),
            '|' | '>' | '<' | ';' | '`' => return Err(CommandError::Shell(c.to_string())),
            '&' => {
                let and = if characters.peek() == Some(&'&') { "&&" } else { "&" };
                return Err(CommandError::Shell(and.to_owned()));
            }
            '$' if characters.peek().is_some_and(|next| next.is_alphanumeric() || "_{(".contains(*next)) => {
                let rest: String = characters.take_while(|c| !c.is_whitespace()).collect();
                return Err(CommandError::Shell(format!("${rest}")));
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    if words.first().is_none_or(String::is_empty) {
        return Err(CommandError::Empty);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_would() {
        for (text, expected) in [
            ("node orders.js", Ok(vec!["node", "orders.js"])),
            ("  python3\t-m  http.server ", Ok(vec!["python3", "-m", "http.server"])),
            ("a 'b c' \"d \\\" e\" f\\ g", Ok(vec!["a", "b c", "d \" e", "f g"])),
            ("a --name='x y'z ''", Ok(vec!["a", "--name=x yz", ""])),
            ("a \"C:\\dir\" 5$ '$HOME'", Ok(vec!["a", "C:\\dir", "5$", "$HOME"])),
            ("", Err(CommandError::Empty)),
            ("''", Err(CommandError::Empty)),
            ("a 'b", Err(CommandError::Quote('\''))),
            ("a \"b\\", Err(CommandError::Quote('"'))),
            ("a \\", Err(CommandError::Escape)),
            ("a | b", Err(CommandError::Shell("|".into()))),
            ("a && b", Err(CommandError::Shell("&&".into()))),
            ("a &", Err(CommandError::Shell("&".into()))),
            ("a > log", Err(CommandError::Shell(">".into()))),
            ("a --port ${PORT:-1} b", Err(CommandError::Shell("${PORT:-1}".into()))),
            ("a $PORT", Err(CommandError::Shell("$PORT".into()))),
        ] {
            let expected = expected.map(|words| words.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(split(text), expected, "{text}");
        }
    }
}
