use crate::decode_words;

/// A media type with its parameters (RFC 2045 §5.1, RFC 2231 §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentType {
    /// `type/subtype` in lower case.
    pub essence: String,
    parameters: Vec<(String, String)>,
}

/// How a part is to be presented (RFC 2183 §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disposition {
    /// `attachment`, `inline`, … in lower case.
    pub kind: String,
    parameters: Vec<(String, String)>,
}

impl ContentType {
    /// What a part without the field is.
    pub fn text_plain() -> Self {
        Self { essence: "text/plain".into(), parameters: Vec::new() }
    }

    /// Reads a field's value; what cannot be read is left out.
    pub fn parse(value: &str) -> Self {
        let (essence, parameters) = parse(value);
        Self { essence, parameters }
    }

    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        find(&self.parameters, name)
    }

    /// `multipart/…`
    pub fn is_multipart(&self) -> bool {
        self.essence.starts_with("multipart/")
    }
}

impl Disposition {
    /// Reads a field's value.
    pub fn parse(value: &str) -> Self {
        let (kind, parameters) = parse(value);
        Self { kind, parameters }
    }

    /// The file name, which is data and never a path (CASES T-93).
    pub fn file_name(&self) -> Option<&str> {
        find(&self.parameters, "filename")
    }
}

fn find<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

fn parse(value: &str) -> (String, Vec<(String, String)>) {
    let mut pieces = split_semicolons(value).into_iter();
    let essence = pieces.next().unwrap_or_default();
    let essence: String = strip_comments(&essence).split_whitespace().collect::<String>().to_ascii_lowercase();
    let mut plain: Vec<(String, String)> = Vec::new();
    let mut extended: Vec<(String, u32, bool, String)> = Vec::new();
    for piece in pieces.take(200) {
        let Some((name, value)) = piece.split_once('=') else { continue };
        let name = strip_comments(name).trim().to_ascii_lowercase();
        let value = unquote(value.trim());
        match name.split_once('*') {
            None => plain.push((name, if value.contains("=?") { decode_words(&value) } else { value })),
            Some((base, rest)) => {
                let (index, encoded) = match rest.strip_suffix('*') {
                    Some(index) => (index, true),
                    None => (rest, rest.is_empty()),
                };
                extended.push((base.to_owned(), index.parse().unwrap_or(0), encoded, value));
            }
        }
    }
    extended.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let mut charset = String::new();
    let mut octets: Vec<(String, Vec<u8>)> = Vec::new();
    for (base, index, encoded, value) in extended {
        let value = match (encoded, index) {
            (true, 0) => {
                let mut fields = value.splitn(3, '\'');
                charset = fields.next().unwrap_or_default().to_owned();
                percent_decode(fields.nth(1).unwrap_or_default())
            }
            (true, _) => percent_decode(&value),
            (false, _) => value.into_bytes(),
        };
        match octets.last_mut() {
            Some((last, joined)) if *last == base => joined.extend_from_slice(&value),
            _ => octets.push((base, value)),
        }
    }
    for (base, value) in octets {
        let encoding = encoding_rs::Encoding::for_label(charset.as_bytes()).unwrap_or(encoding_rs::UTF_8);
        let text = encoding.decode_without_bom_handling(&value).0.into_owned();
        plain.retain(|(name, _)| *name != base);
        plain.push((base, text));
    }
    (essence, plain)
}

fn split_semicolons(value: &str) -> Vec<String> {
    let (mut pieces, mut piece, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    for character in value.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => {
                pieces.push(std::mem::take(&mut piece));
                continue;
            }
            _ => {}
        }
        piece.push(character);
    }
    pieces.push(piece);
    pieces
}

fn strip_comments(text: &str) -> String {
    let mut depth = 0u32;
    text.chars()
        .filter(|&c| match c {
            '(' => {
                depth += 1;
                false
            }
            ')' if depth > 0 => {
                depth -= 1;
                false
            }
            _ => depth == 0,
        })
        .collect()
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else {
        return strip_comments(value).trim().to_owned();
    };
    let (mut text, mut escaped) = (String::new(), false);
    for character in inner.chars() {
        match character {
            _ if escaped => {
                escaped = false;
                text.push(character);
            }
            '\\' => escaped = true,
            '"' => break,
            _ => text.push(character),
        }
    }
    text
}

fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let (mut out, mut position) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(position) {
        let hex = bytes.get(position + 1..position + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) if byte == b'%' => {
                out.push(value);
                position += 3;
            }
            _ => {
                out.push(byte);
                position += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_in_all_their_forms() {
        let plain = ContentType::parse(
            "Multipart/Signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=\"a;b\\\"c\"",
        );
        assert_eq!(plain.essence, "multipart/signed");
        assert_eq!(plain.parameter("boundary"), Some("a;b\"c"));
        assert_eq!(plain.parameter("micalg"), Some("sha-256"));
        let rfc2231 =
            Disposition::parse("attachment; filename*0*=iso-8859-1''Schl%FCs; filename*1*=sel; filename*2=.pem");
        assert_eq!(rfc2231.file_name(), Some("Schlüssel.pem"));
        let rfc2047 = Disposition::parse("attachment; filename=\"=?utf-8?q?Schl=C3=BCssel?=\"");
        assert_eq!(rfc2047.file_name(), Some("Schlüssel"));
        assert_eq!(ContentType::parse("").essence, "");
        assert_eq!(
            ContentType::parse("text/plain (comment); charset (odd) = us-ascii (odd)").parameter("charset"),
            Some("us-ascii")
        );
    }
}
