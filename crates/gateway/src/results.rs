//! What stands in an `Authentication-Results` field (RFC 8601 §2.2), read as its grammar has it: a `;`, a blank or a name
//! inside a comment or a quoted string is none.

/// What stands between two `;`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The words, without comments; a quoted string is a part of its word.
    pub(crate) words: Vec<String>,
    /// All of it, comments and quotation marks included.
    pub(crate) whole: String,
}

/// The statements of a field, the first of them the name of who speaks; `None` where a comment or a quoted string never
/// ends, so that nobody can tell what is what.
pub(crate) fn statements(value: &str) -> Option<Vec<Statement>> {
    let (mut statements, mut current) = (Vec::new(), Statement::default());
    let (mut word, mut in_word) = (String::new(), false);
    let (mut depth, mut quoted) = (0_usize, false);
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        // RFC 5322 §3.2.1: a quoted pair stands for its second half, in comments and quoted strings.
        let (c, literal) = if c == '\\' { (characters.next()?, true) } else { (c, false) };
        let outside = depth == 0 && !quoted;
        if c == ';' && outside && !literal {
            if std::mem::take(&mut in_word) {
                current.words.push(std::mem::take(&mut word));
            }
            statements.push(std::mem::take(&mut current));
            continue;
        }
        current.whole.push(c);
        match c {
            '"' if depth == 0 && !literal => {
                quoted = !quoted;
                in_word = true;
            }
            '(' if !quoted && !literal => depth += 1,
            ')' if depth > 0 && !literal => depth -= 1,
            _ if depth > 0 => {}
            c if c.is_whitespace() && outside => {
                if std::mem::take(&mut in_word) {
                    current.words.push(std::mem::take(&mut word));
                }
            }
            c => {
                word.push(c);
                in_word = true;
            }
        }
    }
    if in_word {
        current.words.push(word);
    }
    statements.push(current);
    (depth == 0 && !quoted).then_some(statements)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(value: &str) -> Option<Vec<Vec<String>>> {
        Some(statements(value)?.into_iter().map(|statement| statement.words).collect())
    }

    #[test]
    fn t_90_comments_and_quoted_strings_end_nothing() {
        let one = |name: &str| vec![name.to_owned()];
        assert_eq!(words("a; b c").unwrap(), [one("a"), vec!["b".into(), "c".into()]]);
        assert_eq!(words("(;) a (x (y;) \\) z); b").unwrap(), [one("a"), one("b")]);
        assert_eq!(words(r#""a\.b" 1; x="y; z""#).unwrap(), [vec!["a.b".into(), "1".into()], one("x=y; z")]);
        assert_eq!(words(r#"a("); b"#).unwrap(), [one("a"), one("b")]);
        assert_eq!(words("(\"a) b; c").unwrap(), [one("b"), one("c")]);
        for endless in ["(a; b", "\"a; b", "a \\", "(a\\); b"] {
            assert_eq!(words(endless), None, "{endless}");
        }
    }
}
