use std::fmt;

use crate::Error;

/// The name of a key in a token: `pkcs11:token=gateway;id=%0a%1b` (RFC 7512 §2.3), without anything secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokenReference {
    /// The token's label.
    pub token: String,
    /// The key's CKA_ID.
    pub id: Vec<u8>,
}

impl TokenReference {
    /// Reads the form that [`fmt::Display`] writes; other attributes of the path are passed over.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let malformed = Error::MalformedKey { because: "it is no pkcs11: reference with token and id" };
        let path = text.strip_prefix("pkcs11:").ok_or(malformed.clone())?;
        let path = path.split('?').next().unwrap_or_default();
        let (mut token, mut id) = (None, None);
        for attribute in path.split(';') {
            let (name, value) = attribute.split_once('=').ok_or(malformed.clone())?;
            let value = unescape(value).ok_or(malformed.clone())?;
            match name {
                "token" => token = Some(String::from_utf8(value).map_err(|_| malformed.clone())?),
                "id" => id = Some(value),
                _ => {}
            }
        }
        match (token, id) {
            (Some(token), Some(id)) if !id.is_empty() => Ok(Self { token, id }),
            _ => Err(malformed),
        }
    }
}

impl fmt::Display for TokenReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pkcs11:token=")?;
        for octet in self.token.bytes() {
            if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_') {
                write!(f, "{}", char::from(octet))?;
            } else {
                write!(f, "%{octet:02x}")?;
            }
        }
        f.write_str(";id=")?;
        self.id.iter().try_for_each(|octet| write!(f, "%{octet:02x}"))
    }
}

// RFC 3986 §2.1
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let value = digit()? * 16 + digit()?;
        octets.push(u8::try_from(value).ok()?);
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_reads_as_it_was_written() {
        let reference = TokenReference { token: "Main; HSM=ä".into(), id: vec![0, 0x25, 0xFF] };
        assert_eq!(reference.to_string(), "pkcs11:token=Main%3b%20HSM%3d%c3%a4;id=%00%25%ff");
        assert_eq!(TokenReference::parse(&reference.to_string()), Ok(reference));
        let more = TokenReference::parse("pkcs11:id=a;object=x;type=private;token=t?pin-source=f").unwrap();
        assert_eq!(more, TokenReference { token: "t".into(), id: b"a".to_vec() });
        for bad in ["", "pkcs11:", "pkcs11:token=t", "pkcs11:id=%0", "pkcs11:token=t;id=", "x:token=t;id=a"] {
            assert!(TokenReference::parse(bad).is_err(), "{bad}");
        }
    }
}
