use std::fmt;

use crate::extensions::write_hex;

/// A certificate's serial number: the content octets of its INTEGER, as they came.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SerialNumber(Vec<u8>);

impl SerialNumber {
    pub(crate) fn from_content(content: &[u8]) -> Self {
        Self(content.to_vec())
    }

    /// The content octets, two's complement, as RFC 5652's issuerAndSerialNumber has them.
    pub fn content(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn is_positive(&self) -> bool {
        self.0.first().is_some_and(|first| first & 0x80 == 0) && self.0.iter().any(|&octet| octet != 0)
    }
}

impl fmt::Display for SerialNumber {
    /// Hexadecimal, as other programs show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = match self.0.as_slice() {
            [0, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        };
        write_hex(f, octets)
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
