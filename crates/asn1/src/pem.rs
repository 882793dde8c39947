use std::fmt;

/// One PEM block (RFC 7468): its label and the bytes inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pem {
    /// `CERTIFICATE`, `PRIVATE KEY`, …
    pub label: String,
    /// The decoded bytes.
    pub der: Vec<u8>,
}

/// Why PEM could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PemError {
    /// What stands between the lines is not base64.
    BadBase64 {
        /// The block's label.
        label: String,
    },
    /// What stands between the lines is encrypted the old way (RFC 1421).
    OldEncryption {
        /// The block's label.
        label: String,
    },
    /// A `BEGIN` line without its `END`.
    NoEnd {
        /// The block's label.
        label: String,
    },
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadBase64 { label } => write!(f, "the PEM block {label} is not base64"),
            Self::OldEncryption { label } => write!(
                f,
                "the PEM block {label} is encrypted in the old way of OpenSSL, which is not read: \
                 openssl pkcs8 -topk8 writes it in the new one"
            ),
            Self::NoEnd { label } => write!(f, "the PEM block {label} has no END line"),
        }
    }
}

impl std::error::Error for PemError {}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// All blocks of a text, in order. Text around them is passed over (RFC 7468 §2); an empty list means
/// that there is no PEM here. A byte order mark, as editors put it there, counts as text before.
pub fn parse_pem(text: &[u8]) -> Result<Vec<Pem>, PemError> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, Vec<u8>)> = None;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    for line in text.split(|&b| b == b'\n' || b == b'\r') {
        let line = line.trim_ascii();
        let marker = |word: &str| -> Option<String> {
            let label = line
                .strip_prefix(b"-----")?
                .strip_prefix(word.as_bytes())?
                .strip_prefix(b" ")?
                .strip_suffix(b"-----")?;
            String::from_utf8(label.to_vec()).ok()
        };
        match &mut open {
            None => open = marker("BEGIN").map(|label| (label, Vec::new())),
            Some((label, body)) => {
                if marker("END").is_some_and(|end| end == *label) {
                    // RFC 1421 §4.6.1.1
                    if body.starts_with(b"Proc-Type:") {
                        return Err(PemError::OldEncryption { label: std::mem::take(label) });
                    }
                    let der = decode_base64(body).ok_or_else(|| PemError::BadBase64 { label: label.clone() })?;
                    blocks.push(Pem { label: std::mem::take(label), der });
                    open = None;
                } else {
                    body.extend_from_slice(line);
                }
            }
        }
    }
    match open {
        Some((label, _)) => Err(PemError::NoEnd { label }),
        None => Ok(blocks),
    }
}

/// One block in strict form (RFC 7468 §3): 64 characters a line, LF.
pub fn encode_pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in der.chunks(48) {
        for group in line.chunks(3) {
            let bits = (0..3).fold(0u32, |bits, i| bits << 8 | u32::from(group.get(i).copied().unwrap_or(0)));
            for position in 0..4 {
                let symbol = ALPHABET.get((bits >> (18 - 6 * position) & 0x3F) as usize).copied().unwrap_or(b'=');
                text.push(if position > group.len() { '=' } else { char::from(symbol) });
            }
        }
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn decode_base64(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len() / 4 * 3);
    let (mut bits, mut count, mut padding) = (0u32, 0u8, 0u8);
    for &symbol in body.iter().filter(|b| !b.is_ascii_whitespace()) {
        if symbol == b'=' {
            padding += 1;
            continue;
        }
        if padding > 0 {
            return None;
        }
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 1;
        if count == 4 {
            out.extend_from_slice(bits.to_be_bytes().get(1..)?);
            (bits, count) = (0, 0);
        }
    }
    match (count, padding) {
        (0, 0) => {}
        (2, 0 | 2) => out.push((bits >> 4).to_le_bytes()[0]),
        (3, 0 | 1) => out.extend_from_slice((bits >> 2).to_be_bytes().get(2..)?),
        _ => return None,
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_go_there_and_back() {
        for length in 0..200u8 {
            let der: Vec<u8> = (0..length).collect();
            let text = format!("friendlyName: x\r\n{}between", encode_pem("CERTIFICATE", &der)).replace('\n', "\r\n");
            assert_eq!(parse_pem(text.as_bytes()).unwrap(), [Pem { label: "CERTIFICATE".into(), der }]);
        }
        assert_eq!(parse_pem(b"no block here"), Ok(vec![]));
        let text = format!("\u{feff}{}", encode_pem("CERTIFICATE", &[1, 2, 3]));
        assert_eq!(parse_pem(text.as_bytes()).unwrap(), [Pem { label: "CERTIFICATE".into(), der: vec![1, 2, 3] }]);
    }

    #[test]
    fn broken_blocks_say_which() {
        let no_end = parse_pem(b"-----BEGIN X509 CRL-----\nAAAA\n");
        assert_eq!(no_end, Err(PemError::NoEnd { label: "X509 CRL".into() }));
        let encrypted =
            b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        assert_eq!(parse_pem(encrypted), Err(PemError::OldEncryption { label: "RSA PRIVATE KEY".into() }));
        let junk = parse_pem(b"-----BEGIN CMS-----\n!!!!\n-----END CMS-----\n");
        assert_eq!(junk, Err(PemError::BadBase64 { label: "CMS".into() }));
    }
}
