use asn1::parse_pem;

/// What bytes are, judged by themselves and not by a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A mail: it begins with header fields.
    Mail,
    /// A ContentInfo in BER or DER.
    Der,
    /// A ContentInfo in PEM.
    Pem,
    /// A ContentInfo in base64 without a frame.
    Base64,
    /// Anything else.
    Other,
}

/// Recognises a form from the beginning of a message; some 4 KiB are enough.
pub fn recognise(beginning: &[u8]) -> Form {
    if cms::sniff(beginning).is_some() {
        return Form::Der;
    }
    let beginning = without_mark(beginning);
    let text = beginning.trim_ascii_start();
    if text.starts_with(b"-----BEGIN ") {
        return Form::Pem;
    }
    if looks_like_header(beginning) {
        return Form::Mail;
    }
    // Base64 of `30 8x` or `30 80` begins with MI, and of a short one with MA…MH.
    let first_line = text.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or_default();
    if first_line.len() >= 16
        && first_line.starts_with(b"M")
        && first_line.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
    {
        return Form::Base64;
    }
    Form::Other
}

// Seen in the wild: files that an editor has saved with a byte order mark.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

pub(crate) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

fn looks_like_header(beginning: &[u8]) -> bool {
    // Seen in the wild: an mbox line before the header.
    let text = beginning
        .strip_prefix(b"From ")
        .map_or(beginning, |rest| rest.split_inclusive(|&b| b == b'\n').nth(1).unwrap_or_default());
    let line = text.split(|&b| b == b'\n').next().unwrap_or_default();
    let Some(colon) = line.iter().position(|&b| b == b':') else { return false };
    let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
    // RFC 5322 §2.2: any printable characters but the colon.
    !name.is_empty() && name.len() <= 76 && name.iter().all(u8::is_ascii_graphic)
}

/// The octets of a ContentInfo in PEM or base64.
pub(crate) fn unarmour(form: Form, text: &[u8]) -> Option<Vec<u8>> {
    match form {
        Form::Pem => parse_pem(text).ok()?.into_iter().map(|block| block.der).find(|der| cms::sniff(der).is_some()),
        Form::Base64 => mime::decode_base64(without_mark(text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides() {
        assert_eq!(recognise(b"Subject: x\r\n\r\n"), Form::Mail);
        assert_eq!(recognise(b"X-Odd=Name: x\r\n\r\n"), Form::Mail);
        assert_eq!(recognise(b"From alice Thu Jan 1\nSubject: x\n\n"), Form::Mail);
        assert_eq!(
            recognise(&[0x30, 0x80, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02, 0xA0, 0x80]),
            Form::Der
        );
        assert_eq!(recognise(b"-----BEGIN CMS-----\n"), Form::Pem);
        assert_eq!(recognise(b"MIAGCSqGSIb3DQEHAqCAMIACAQExDzANBglg\n"), Form::Base64);
        assert_eq!(recognise(b"\xEF\xBB\xBF-----BEGIN CMS-----\n"), Form::Pem);
        assert_eq!(recognise(b"\xEF\xBB\xBFMIAGCSqGSIb3DQEHAqCAMIACAQExDzANBglg\n"), Form::Base64);
        assert_eq!(recognise(b"\xEF\xBB\xBFSubject: x\r\n\r\n"), Form::Mail);
        assert_eq!(recognise(b"\xEF\xBB\xBF"), Form::Other);
        assert_eq!(recognise(b"hello world"), Form::Other);
        assert_eq!(recognise(b""), Form::Other);
    }
}
