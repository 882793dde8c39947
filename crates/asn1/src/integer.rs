/// The content octets of an INTEGER: two's complement, shortest form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Integer<'a>(&'a [u8]);

impl<'a> Integer<'a> {
    /// From content octets; `None` when empty or, with `strict`, padded.
    pub(crate) fn from_content(content: &'a [u8], strict: bool) -> Option<Self> {
        // X.690 §8.3.2: the first nine bits are not all alike. Padded ones are seen in BER.
        match content {
            [] => None,
            [0x00, next, ..] if strict && next & 0x80 == 0 => None,
            [0xFF, next, ..] if strict && next & 0x80 != 0 => None,
            _ => Some(Self(content)),
        }
    }

    /// The content octets as they came.
    pub fn content(&self) -> &'a [u8] {
        self.0
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.0.first().is_some_and(|first| first & 0x80 != 0)
    }

    /// Big-endian octets without leading zeros (one zero octet for 0); `None` below zero.
    pub fn unsigned_bytes(&self) -> Option<&'a [u8]> {
        if self.is_negative() {
            return None;
        }
        let mut bytes = self.0;
        while let [0, rest @ ..] = bytes {
            if rest.is_empty() {
                break;
            }
            bytes = rest;
        }
        Some(bytes)
    }

    /// The value, if it is one that fits.
    pub fn to_u64(&self) -> Option<u64> {
        let bytes = self.unsigned_bytes()?;
        (bytes.len() <= 8).then(|| bytes.iter().fold(0, |value, &b| value << 8 | u64::from(b)))
    }
}
