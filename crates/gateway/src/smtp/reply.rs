use std::fmt;

/// What a reply means for the one who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// 2xx and 3xx: done, go on.
    Positive,
    /// 5xx: never.
    Permanent,
    /// 4xx: not now.
    Transient,
}

/// An SMTP reply: code, enhanced status code (RFC 3463), text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    enhanced: String,
    text: String,
}

impl Reply {
    /// A reply of ours. What could end the line or start another is taken out of the text (CASES T-82).
    pub fn new(code: u16, enhanced: &str, text: impl AsRef<str>) -> Self {
        let text = text.as_ref().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self { code, enhanced: enhanced.to_owned(), text }
    }

    /// 250 2.0.0.
    pub fn ok(text: impl AsRef<str>) -> Self {
        Self::new(250, "2.0.0", text)
    }

    /// A reply as a peer gave it, its lines joined.
    pub fn received(code: u16, text: &str) -> Self {
        let (enhanced, rest) = match text.split_once(' ') {
            Some((first, rest)) if is_enhanced(first) => (first, rest),
            None if is_enhanced(text) => (text, ""),
            _ => ("", text),
        };
        Self::new(code, enhanced, rest)
    }

    /// The three digits.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// `5.7.1` and so on; empty when there is none.
    pub fn enhanced(&self) -> &str {
        &self.enhanced
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it means. What is no reply at all (1xx, 9xx) counts as *not now*.
    pub fn class(&self) -> Class {
        match self.code {
            200..=399 => Class::Positive,
            500..=599 => Class::Permanent,
            _ => Class::Transient,
        }
    }

    /// Whether it says *done*.
    pub fn is_positive(&self) -> bool {
        self.class() == Class::Positive
    }

    /// Writes it, on as many lines as it takes (RFC 5321 §4.5.3.1.5: 512 octets a line).
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut rest = self.text.as_str();
        loop {
            let cut = rest.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|&end| end <= 400).last();
            let (now, later) = rest.split_at(cut.unwrap_or(rest.len()));
            let separator = if later.is_empty() { ' ' } else { '-' };
            out.extend_from_slice(format!("{}{separator}", self.code).as_bytes());
            if !self.enhanced.is_empty() {
                out.extend_from_slice(format!("{} ", self.enhanced).as_bytes());
            }
            out.extend_from_slice(now.as_bytes());
            out.extend_from_slice(b"\r\n");
            rest = later;
            if rest.is_empty() {
                return;
            }
        }
    }
}

// RFC 3463 §2: class "." subject "." detail.
fn is_enhanced(text: &str) -> bool {
    let mut parts = text.split('.');
    let number = |part: Option<&str>| {
        part.is_some_and(|part| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
    };
    matches!(text.as_bytes().first(), Some(b'2' | b'4' | b'5'))
        && number(parts.next())
        && number(parts.next())
        && number(parts.next())
        && parts.next().is_none()
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if !self.enhanced.is_empty() {
            write!(f, " {}", self.enhanced)?;
        }
        write!(f, " {}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_82_no_text_starts_another_line() {
        let mut out = Vec::new();
        Reply::new(550, "5.7.1", "no\r\n250 2.0.0 yes\n\0").write(&mut out);
        assert_eq!(out.iter().filter(|&&b| b == b'\n').count(), 1);
    }

    #[test]
    fn long_texts_take_several_lines() {
        let mut out = Vec::new();
        Reply::new(451, "4.3.0", "ä".repeat(600)).write(&mut out);
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.len() <= 510));
        assert!(lines[0].starts_with("451-4.3.0 ") && lines[2].starts_with("451 4.3.0 "));
    }

    #[test]
    fn enhanced_codes_are_found() {
        assert_eq!(Reply::received(550, "5.1.1 no such user").enhanced(), "5.1.1");
        assert_eq!(Reply::received(250, "2.0.0").text(), "");
        assert_eq!(Reply::received(250, "10.0.0.1 says hello").enhanced(), "");
    }
}
