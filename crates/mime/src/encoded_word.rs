use encoding_rs::Encoding;

use crate::{decode_base64, encode_base64};

/// Decodes encoded words (RFC 2047 §6) for people. What is not one stays as it is.
pub fn decode_words(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    // The words before, of one character set, that are not in `out` yet.
    let mut waiting: Option<(&'static Encoding, Vec<u8>)> = None;
    while let Some(start) = rest.find("=?") {
        let (before, candidate) = rest.split_at(start);
        let decoded = decode_one(candidate);
        // RFC 2047 §6.2: white space between two encoded words is not shown.
        if waiting.is_none() || decoded.is_none() || !before.trim().is_empty() {
            flush(&mut waiting, &mut out);
            out.push_str(before);
        }
        match decoded {
            Some((encoding, octets, length)) => {
                // Seen in the wild: a character's octets in two words, against RFC 2047 §5.
                match waiting.as_mut().filter(|(other, _)| *other == encoding && *other == encoding_rs::UTF_8) {
                    Some((_, so_far)) => so_far.extend_from_slice(&octets),
                    None => {
                        flush(&mut waiting, &mut out);
                        waiting = Some((encoding, octets));
                    }
                }
                rest = candidate.get(length..).unwrap_or_default();
            }
            None => {
                out.push_str("=?");
                rest = candidate.get(2..).unwrap_or_default();
            }
        }
    }
    flush(&mut waiting, &mut out);
    out.push_str(rest);
    out
}

fn flush(waiting: &mut Option<(&'static Encoding, Vec<u8>)>, out: &mut String) {
    let Some((encoding, octets)) = waiting.take() else { return };
    let decoded = encoding.decode_without_bom_handling(&octets).0;
    out.extend(decoded.chars().filter(|c| !matches!(c, '\r' | '\n' | '\0')));
}

/// The character set of an encoded word, what is encoded, and the word's length.
fn decode_one(text: &str) -> Option<(&'static Encoding, Vec<u8>, usize)> {
    let mut fields = text.get(2..)?.splitn(4, '?');
    let (charset, encoding, encoded, rest) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    if !rest.starts_with('=') || encoded.contains(' ') {
        return None;
    }
    let label = charset.split('*').next()?;
    let octets = match encoding {
        "b" | "B" => decode_base64(encoded.as_bytes())?,
        "q" | "Q" => decode_q(encoded),
        _ => return None,
    };
    let length = 2 + charset.len() + 1 + encoding.len() + 1 + encoded.len() + 2;
    Some((Encoding::for_label(label.as_bytes())?, octets, length))
}

fn decode_q(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let (mut out, mut position) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(position) {
        let hex = bytes.get(position + 1..position + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (byte, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'=', Some(value)) => {
                out.push(value);
                position += 2;
            }
            (b'_', _) => out.push(b' '),
            (other, _) => out.push(other),
        }
        position += 1;
    }
    out
}

/// Encodes text for a header field: as it is when it is plain ASCII, otherwise as UTF-8 encoded words.
pub fn encode_words(text: &str) -> String {
    if text.chars().all(|c| (' '..='~').contains(&c)) && !text.contains("=?") {
        return text.to_owned();
    }
    // RFC 2047 §2: at most 75 characters a word; 42 octets make 56 of base64.
    const OCTETS: usize = 42;
    let (mut words, mut chunk) = (Vec::new(), String::new());
    for character in text.chars().filter(|c| !c.is_control()) {
        if chunk.len() + character.len_utf8() > OCTETS {
            words.push(std::mem::take(&mut chunk));
        }
        chunk.push(character);
    }
    words.push(chunk);
    words.iter().map(|word| format!("=?utf-8?B?{}?=", encode_base64(word.as_bytes()))).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_there_and_back() {
        for text in
            ["plain", "Schlüssel und Kennwörter für alle Mitarbeiter und Ansprechpartner", "日本語", "=?odd", ""]
        {
            assert_eq!(decode_words(&encode_words(text)), text);
        }
        assert_eq!(decode_words("=?iso-8859-1?Q?a=FCb_c?= =?utf-8?b?w6Q=?= x"), "aüb cä x");
        assert_eq!(decode_words("=?utf-8?Q?Schl=C3?= =?utf-8?Q?=BCssel?="), "Schlüssel");
        assert_eq!(decode_words("a =?utf-8?Q?b?= c =?utf-8?Q?d?= =?iso-8859-1?Q?=FC?= e"), "a b c dü e");
        assert_eq!(decode_words("=?unknown?q?x?= =?utf-8?x?y?= =?"), "=?unknown?q?x?= =?utf-8?x?y?= =?");
    }
}
