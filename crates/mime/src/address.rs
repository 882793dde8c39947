use std::fmt;

/// One mailbox (RFC 5322 §3.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mailbox {
    /// The name that goes with it, encoded words not decoded.
    pub display_name: Option<String>,
    /// What stands before the `@`, without quotes.
    pub local_part: String,
    /// What stands behind it, as written.
    pub domain: String,
}

impl fmt::Display for Mailbox {
    /// `local@domain`, quoted where it has to be: it reads back as the same one address (CASES T-10).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = &self.local_part;
        let is_atom = local.chars().all(|c| is_atext(c) || c == '.') && local.split('.').all(|label| !label.is_empty());
        if is_atom && !is_encoded_word(local) {
            return write!(f, "{local}@{}", self.domain);
        }
        let escaped = local.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "\"{escaped}\"@{}", self.domain)
    }
}

/// Why a list of addresses is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// A character that stands where it may not.
    Unexpected {
        /// Its position in the value, in octets.
        at: usize,
    },
    /// An encoded word inside an address, where it has no meaning.
    EncodedWord,
    /// A route, which RFC 5322 §4.4 lets nobody write.
    Route,
    /// More addresses than are read.
    TooMany,
    /// It ends in the middle.
    Truncated,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected { at } => write!(f, "unexpected character at {at}"),
            Self::EncodedWord => f.write_str("an encoded word inside the address"),
            Self::Route => f.write_str("a route inside the address"),
            Self::TooMany => f.write_str("too many addresses"),
            Self::Truncated => f.write_str("it ends in the middle"),
        }
    }
}

impl std::error::Error for AddressError {}

/// Why there is no one visible sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VisibleFromError {
    /// The From field does not parse.
    Malformed(AddressError),
    /// There is none.
    Missing,
    /// The one From field has several addresses.
    SeveralAddresses,
    /// There are several From fields.
    SeveralFields,
}

impl fmt::Display for VisibleFromError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "the From field is malformed: {error}"),
            Self::Missing => f.write_str("there is no From address"),
            Self::SeveralAddresses => f.write_str("the From field has several addresses"),
            Self::SeveralFields => f.write_str("there are several From fields"),
        }
    }
}

impl std::error::Error for VisibleFromError {}

/// Reads a mailbox or address list strictly: RFC 5322 §3.4 with comments and groups, without the obsolete forms.
/// Local parts and domains may be UTF-8 (RFC 6532 §3.2).
pub fn parse_mailbox_list(value: &str) -> Result<Vec<Mailbox>, AddressError> {
    const MOST: usize = 1_000;
    let mut parser = Parser { text: value, at: 0 };
    let mut mailboxes = Vec::new();
    let mut in_group = false;
    loop {
        parser.skip_white()?;
        match parser.peek() {
            None if in_group => return Err(AddressError::Truncated),
            None => return Ok(mailboxes),
            Some(',') => parser.bump(),
            Some(';') if in_group => {
                in_group = false;
                parser.bump();
            }
            Some(_) => {
                if mailboxes.len() >= MOST {
                    return Err(AddressError::TooMany);
                }
                match parser.mailbox_or_group(in_group)? {
                    Some(mailbox) => mailboxes.push(mailbox),
                    None => in_group = true,
                }
                parser.skip_white()?;
                if !matches!(parser.peek(), None | Some(',' | ';')) && !in_group {
                    return Err(AddressError::Unexpected { at: parser.at });
                }
            }
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

#[derive(Debug)]
enum Word {
    Atom(String),
    Quoted(String),
}

impl Word {
    fn text(&self) -> &str {
        match self {
            Self::Atom(text) | Self::Quoted(text) => text,
        }
    }
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn bump(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    fn unexpected(&self) -> AddressError {
        if self.peek().is_none() { AddressError::Truncated } else { AddressError::Unexpected { at: self.at } }
    }

    // CFWS; comments nest, bounded by a counter.
    fn skip_white(&mut self) -> Result<(), AddressError> {
        let mut depth = 0u32;
        while let Some(character) = self.peek() {
            match character {
                ' ' | '\t' if depth == 0 => {}
                '(' => depth += 1,
                ')' if depth > 0 => depth -= 1,
                '\\' if depth > 0 => self.bump(),
                _ if depth > 0 => {}
                _ => return Ok(()),
            }
            self.bump();
        }
        if depth > 0 { Err(AddressError::Truncated) } else { Ok(()) }
    }

    fn word(&mut self) -> Result<Word, AddressError> {
        self.skip_white()?;
        match self.peek() {
            Some('"') => {
                self.bump();
                let mut text = String::new();
                loop {
                    let character = self.peek().ok_or(AddressError::Truncated)?;
                    self.bump();
                    match character {
                        '"' => return Ok(Word::Quoted(text)),
                        '\\' => {
                            text.push(self.peek().ok_or(AddressError::Truncated)?);
                            self.bump();
                        }
                        // RFC 5322 §3.2.2: a folded name keeps the TAB that its second line began with.
                        '\t' => text.push(' '),
                        c if c.is_control() => return Err(AddressError::Unexpected { at: self.at }),
                        c => text.push(c),
                    }
                }
            }
            Some(c) if is_atext(c) => {
                let start = self.at;
                while self.peek().is_some_and(|c| is_atext(c) || c == '.') {
                    self.bump();
                }
                Ok(Word::Atom(self.text.get(start..self.at).unwrap_or_default().to_owned()))
            }
            _ => Err(self.unexpected()),
        }
    }

    /// `None` is the beginning of a group.
    fn mailbox_or_group(&mut self, in_group: bool) -> Result<Option<Mailbox>, AddressError> {
        let mut words: Vec<Word> = Vec::new();
        loop {
            self.skip_white()?;
            match self.peek() {
                Some('<') => {
                    self.bump();
                    self.skip_white()?;
                    if self.peek() == Some('@') {
                        return Err(AddressError::Route);
                    }
                    let local = self.word()?;
                    let mut mailbox = self.after_local(local)?;
                    self.skip_white()?;
                    if self.peek() != Some('>') {
                        return Err(self.unexpected());
                    }
                    self.bump();
                    let name = words.iter().map(Word::text).collect::<Vec<_>>().join(" ");
                    mailbox.display_name = Some(name).filter(|name| !name.is_empty());
                    return Ok(Some(mailbox));
                }
                Some('@') => {
                    let (Some(local), true) = (words.pop(), words.is_empty()) else { return Err(self.unexpected()) };
                    return self.after_local(local).map(Some);
                }
                Some(':') if !in_group && !words.is_empty() => {
                    self.bump();
                    return Ok(None);
                }
                Some('"') => words.push(self.word()?),
                Some(c) if is_atext(c) => words.push(self.word()?),
                _ => return Err(self.unexpected()),
            }
        }
    }

    fn after_local(&mut self, local: Word) -> Result<Mailbox, AddressError> {
        self.skip_white()?;
        if self.peek() != Some('@') {
            return Err(self.unexpected());
        }
        let at = self.at;
        self.bump();
        self.skip_white()?;
        let domain = match self.word()? {
            Word::Atom(domain) => domain,
            Word::Quoted(_) => return Err(AddressError::Unexpected { at }),
        };
        let dots_right = |text: &str| !text.is_empty() && text.split('.').all(|label| !label.is_empty());
        let local_part = match local {
            // CASES T-10: an encoded word in an address reads as one thing to one parser and as another to the next.
            Word::Atom(text) if is_encoded_word(&text) => return Err(AddressError::EncodedWord),
            Word::Atom(text) if !dots_right(&text) => return Err(AddressError::Unexpected { at }),
            // CASES T-10: a quoted `@` or `<` makes two addresses of one for sloppy readers; a control character
            // that was escaped ends it for others.
            Word::Quoted(text) if text.contains(|c: char| matches!(c, '@' | '<' | '>' | ',') || c.is_control()) => {
                return Err(AddressError::Unexpected { at });
            }
            Word::Atom(text) | Word::Quoted(text) => text,
        };
        if !dots_right(&domain) || local_part.is_empty() {
            return Err(AddressError::Unexpected { at });
        }
        Ok(Mailbox { display_name: None, local_part, domain })
    }
}

fn is_encoded_word(text: &str) -> bool {
    text.starts_with("=?") && text.ends_with("?=")
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(value: &str) -> Result<Vec<String>, AddressError> {
        parse_mailbox_list(value).map(|list| list.iter().map(Mailbox::to_string).collect())
    }

    #[test]
    fn what_rfc_5322_allows_is_read() {
        assert_eq!(addresses("alice@example.org").unwrap(), ["alice@example.org"]);
        assert_eq!(
            addresses("Alice (the one) <alice@example.org> , bob@x.y").unwrap(),
            ["alice@example.org", "bob@x.y"]
        );
        assert_eq!(addresses("\"Doe, Jane\" <\"jane doe\"@example.org>").unwrap(), ["\"jane doe\"@example.org"]);
        for quoted in
            ["\"\\\"\"@x.y", "\" =?utf-8?q?a?=\"@x.y", "\"=?utf-8?q?a?=\"@x.y", "\".a\"@x.y", "\"a\\\\b\"@x.y"]
        {
            assert_eq!(addresses(quoted).unwrap(), [quoted], "it reads back as itself");
        }
        assert_eq!(addresses("friends: a@x.y, b@x.y; , c@x.y").unwrap(), ["a@x.y", "b@x.y", "c@x.y"]);
        assert_eq!(addresses("undisclosed-recipients:;").unwrap(), Vec::<String>::new());
        assert_eq!(addresses("jürgen@müller.example").unwrap(), ["jürgen@müller.example"]);
        for folded in ["\"Doe,\t Jane\" <jane@x.y>", "\"Doe,\tJane\"\t<jane@x.y>"] {
            assert_eq!(addresses(folded).unwrap(), ["jane@x.y"], "long names are folded with a TAB");
        }
        assert_eq!(parse_mailbox_list("\"Doe,\tJane\" <j@x.y>").unwrap()[0].display_name.as_deref(), Some("Doe, Jane"));
        assert_eq!(parse_mailbox_list("J. Doe <j@x.y>").unwrap()[0].display_name.as_deref(), Some("J. Doe"));
    }

    #[test]
    fn t_10_ambiguous_senders_are_refused() {
        for value in [
            "alice@example.org bob@x.y",
            "<@relay.example:alice@example.org>",
            "\"alice@example.org\"@evil.example",
            "=?utf-8?q?alice=40example.org?=@evil.example",
            "alice@example.org@evil.example",
            "alice@@example.org",
            "<alice@example.org",
            "alice@example.org>",
            "alice <alice@example.org> evil",
            "alice@example..org",
            ".alice@example.org",
            "alice@[127.0.0.1]",
            "(unclosed alice@example.org",
            "\"open@example.org",
            "\"alice\\\0\"@example.org",
            "\"al\\\tice\"@example.org",
            "\"al\u{1}ice\" <alice@example.org>",
            "group: a@x.y",
            "alice",
        ] {
            assert!(addresses(value).is_err(), "{value}");
        }
    }
}
