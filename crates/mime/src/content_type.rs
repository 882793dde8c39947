use crate::decode_words;

/// A media type with its parameters (RFC 2045 §5.1, RFC 2231 §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentType {
    /// `type/subtype` in lower case.
    pub essence: String,
    parameters: Vec<(String, String)>,
    ambiguous: bool,
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
        Self { essence: "text/plain".into(), parameters: Vec::new(), ambiguous: false }
    }

    /// Reads a field's value; what cannot be read is left out.
    pub fn parse(value: &str) -> Self {
        let Parsed { kind, parameters, ambiguous } = parse(value);
        let boundary = kind.starts_with("multipart/") && !(has_plain_boundary(value) && is_plain(value));
        Self { essence: kind, parameters, ambiguous: ambiguous || boundary }
    }

    /// Reads a field's value as it stands there, folds and all.
    pub(crate) fn parse_folded(raw: &str, value: &str) -> Self {
        let read = Self::parse(value);
        let ambiguous = read.ambiguous || read.is_multipart() && is_folded_in_quotes(raw);
        Self { ambiguous, ..read }
    }

    /// Whether others may read another type or another boundary: one that is there twice, in a form that not everybody
    /// knows, or behind comments and quotation marks that not everybody reads (CASES T-54).
    pub fn is_ambiguous(&self) -> bool {
        self.ambiguous
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
        let Parsed { kind, parameters, .. } = parse(value);
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

/// A value taken apart.
pub(crate) struct Parsed {
    pub(crate) kind: String,
    pub(crate) parameters: Vec<(String, String)>,
    /// Where the kind or a parameter begins and ends depends on who reads it.
    ambiguous: bool,
}

pub(crate) fn parse(value: &str) -> Parsed {
    let (pieces, mut ambiguous) = split_semicolons(value);
    let mut pieces = pieces.into_iter();
    let first = pieces.next().unwrap_or_default();
    let kind = first.bare.replace(BLANKS, "").to_ascii_lowercase();
    ambiguous |= !first.written.trim_matches(BLANKS).eq_ignore_ascii_case(&kind) || !is_type(&kind);
    let mut plain: Vec<(String, String)> = Vec::new();
    let mut extended: Vec<(String, u32, bool, String)> = Vec::new();
    for piece in pieces.take(200) {
        let Some((name, value)) = piece.bare.split_once('=') else { continue };
        let name = name.trim_matches(BLANKS).to_ascii_lowercase();
        let value = unquote(value.trim_matches(BLANKS));
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
    Parsed { kind, parameters: plain, ambiguous }
}

/// Whether there is one boundary, written so that everybody finds it and reads the same.
fn has_plain_boundary(value: &str) -> bool {
    let (pieces, _) = split_semicolons(value);
    let mut found = pieces.iter().skip(1).filter_map(|piece| {
        let (name, value) = piece.bare.split_once('=')?;
        let name = name.trim_matches(BLANKS).to_ascii_lowercase();
        let value = value.trim_matches(BLANKS);
        (name == "boundary" || name.starts_with("boundary*")).then_some((name, value, piece))
    });
    let (Some((name, value, piece)), None) = (found.next(), found.next()) else { return false };
    let inner = value.strip_prefix('"').map_or(value, |quoted| quoted.strip_suffix('"').unwrap_or_default());
    let quoted = inner.len() < value.len();
    name == "boundary"
        && piece.bare == piece.written
        && (1..=LONGEST_BOUNDARY).contains(&inner.len())
        && inner.chars().all(|c| matches!(c, '!'..='~') && !matches!(c, '"' | '\\') || quoted && c == ' ')
        && (quoted || is_token(inner))
        && !inner.ends_with(' ')
        && !inner.contains("=?")
}

/// Whether nothing outside of quotation marks is what only some take for white space or for the end of a line.
fn is_plain(value: &str) -> bool {
    value.split('"').step_by(2).all(|outside| outside.chars().all(|c| matches!(c, '\t' | ' '..='~')))
}

/// RFC 5322 §2.2.3 takes the line end out and keeps the blank; some keep both, and some neither.
fn is_folded_in_quotes(raw: &str) -> bool {
    raw.trim_end().split('"').skip(1).step_by(2).any(|inside| inside.contains('\n'))
}

// RFC 2045 §5.1.
fn is_type(kind: &str) -> bool {
    kind.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| matches!(c, '!'..='~') && !"()<>@,;:\\\"/[]?=".contains(c))
}

/// All that is white space in a header (RFC 5322 §2.2.2). What Unicode has more of is text to everybody else.
pub(crate) const BLANKS: [char; 2] = [' ', '\t'];

/// RFC 2046 §5.1.1 has 70, and longer ones are seen.
pub(crate) const LONGEST_BOUNDARY: usize = 200;

/// What stands between two semicolons, as it is written, and without its comments.
#[derive(Default)]
struct Piece {
    written: String,
    bare: String,
}

/// The pieces, and whether others may find them elsewhere. A comment that never ends is none.
fn split_semicolons(value: &str) -> (Vec<Piece>, bool) {
    let (pieces, odd, ended) = split(value, true);
    if ended { (pieces, odd) } else { (split(value, false).0, true) }
}

fn split(value: &str, comments: bool) -> (Vec<Piece>, bool, bool) {
    let (mut pieces, mut piece, mut odd) = (Vec::new(), Piece::default(), false);
    let (mut depth, mut quoted, mut escaped) = (0u32, false, false);
    for character in value.chars() {
        let mut in_comment = depth > 0;
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted || depth > 0 => escaped = true,
            '(' if comments && !quoted => (depth, in_comment) = (depth + 1, true),
            ')' if depth > 0 => depth -= 1,
            // Whoever knows no comments finds the end of a piece in this one.
            ';' | '"' if depth > 0 => odd = true,
            '"' => {
                // Some know quotation marks only around the whole of a value.
                odd |= !quoted && !piece.bare.trim_end_matches(BLANKS).ends_with('=');
                quoted = !quoted;
            }
            ';' if !quoted => {
                pieces.push(std::mem::take(&mut piece));
                continue;
            }
            _ => {}
        }
        piece.written.push(character);
        if !in_comment {
            piece.bare.push(character);
        }
    }
    pieces.push(piece);
    (pieces, odd || quoted, depth == 0)
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else {
        return value.to_owned();
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
        let commented = ContentType::parse("text/plain (a; charset=b); charset=utf-8; name=a(1).txt");
        assert_eq!((commented.parameter("charset"), commented.parameter("name")), (Some("utf-8"), Some("a.txt")));
        let endless = ContentType::parse("text/plain; name=a(1.txt; charset=utf-8");
        assert_eq!((endless.parameter("charset"), endless.parameter("name")), (Some("utf-8"), Some("a(1.txt")));
        assert_eq!(ContentType::parse("").essence, "");
        assert_eq!(
            ContentType::parse("text/plain (comment); charset (odd) = us-ascii (odd)").parameter("charset"),
            Some("us-ascii")
        );
    }

    #[test]
    fn t_54_what_others_may_read_in_another_way_is_known() {
        for plain in [
            "text/plain",
            " Multipart/Signed ; boundary=b",
            "multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=\"a b=_(x)\"",
            "multipart/mixed; boundary=\"----=_Part_1.2:3\"; x=\"\u{e9}\"",
            "multipart/mixed;\tboundary=----_Part_1.2",
            "application/pkcs7-mime; name*=utf-8''a%20b.p7m; name=a(1).p7m; smime-type=signed-data",
            "text/plain; boundary=a; boundary=b",
        ] {
            assert!(!ContentType::parse(plain).is_ambiguous(), "{plain}");
        }
        for odd in [
            "",
            "multipart/ signed; boundary=b",
            "multipart/signed (x); boundary=b",
            "multipart/sign\u{e9}d; boundary=b",
            "multipart/signed; boundary=a; boundary=b",
            "multipart/signed; boundary=a; Boundary*=utf-8''b",
            "multipart/signed; boundary*0=a; boundary*1=b",
            "multipart/signed; boundary*=utf-8''a",
            "multipart/signed; boundary=a(b)",
            "multipart/signed; boundary(x)=a",
            "multipart/signed; (;boundary=b) boundary=a",
            "multipart/signed; x=(\"); boundary=a; y=(\")",
            "multipart/signed; x=a\"; boundary=b\"; boundary=a",
            "multipart/signed; boundary=\"a\"b",
            "multipart/signed; boundary=\"a",
            "multipart/signed; boundary=\"a\\b\"",
            "multipart/signed; boundary=\"a \"",
            "multipart/signed; boundary=a b",
            "multipart/signed; boundary=\"=?utf-8?q?a?=\"",
            "multipart/signed; boundary=\u{e9}",
            "multipart/signed; boundary=",
            "multipart/signed",
            "\u{a0}multipart/signed; boundary=b",
            "multipart/signed\u{85}; boundary=b",
            "multipart/signed; boundary=\u{a0}b",
            "multipart/signed; boundary=b\u{c}",
            "multipart/signed; boundary=b; \u{b}x=y",
            "multipart/signed;\u{3000}boundary=b",
            "multipart/signed; boundary=a=b",
            "multipart/signed; boundary=a/b",
            "multipart/signed; boundary=zz:b",
            "multipart/signed; boundary=a?b",
        ] {
            assert!(ContentType::parse(odd).is_ambiguous(), "{odd}");
        }
        for (folded, ambiguous) in [
            (" multipart/signed;\r\n boundary=\"a b\";\r\n\tx=y\r\n", false),
            (" multipart/signed; boundary=\"a\r\n b\"\r\n", true),
            (" multipart/signed; boundary=\"a b\"; name=\"x\r\n y\"\r\n", true),
            (" application/pkcs7-mime; name=\"x\r\n y.p7m\"\r\n", false),
        ] {
            let value = folded.replace("\r\n", "");
            assert_eq!(ContentType::parse_folded(folded, &value).is_ambiguous(), ambiguous, "{folded:?}");
        }
    }
}
