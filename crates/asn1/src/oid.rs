use std::fmt;

/// An OBJECT IDENTIFIER, held as its content octets (at most 63, arcs at most 128 bits).
///
/// UUID-based identifiers fit; what does not is refused (CASES T-42: arcs without end).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid {
    length: u8,
    octets: [u8; Self::LONGEST],
}

impl Oid {
    const LONGEST: usize = 63;

    /// From dotted form, for constants.
    ///
    /// # Panics
    /// On anything but a well-formed identifier with arcs below 2³²: at compile time in a `const`.
    pub const fn new(dotted: &str) -> Self {
        let text = dotted.as_bytes();
        let mut oid = Self { length: 0, octets: [0; Self::LONGEST] };
        let (mut position, mut arc_index, mut first) = (0, 0, 0u64);
        while position < text.len() {
            let mut arc = 0u64;
            let start = position;
            while position < text.len() && text[position] != b'.' {
                assert!(text[position].is_ascii_digit(), "digits and dots only");
                arc = arc * 10 + (text[position] - b'0') as u64;
                assert!(arc <= u32::MAX as u64, "arc too large");
                position += 1;
            }
            assert!(position > start, "empty arc");
            position += 1;
            match arc_index {
                0 => {
                    assert!(arc <= 2, "first arc is 0, 1 or 2");
                    first = arc;
                }
                1 => {
                    assert!(first == 2 || arc < 40, "second arc is below 40");
                    oid = oid.push(first * 40 + arc);
                }
                _ => oid = oid.push(arc),
            }
            arc_index += 1;
        }
        assert!(arc_index >= 2, "at least two arcs");
        oid
    }

    const fn push(mut self, arc: u64) -> Self {
        let mut shift = 63;
        while shift > 0 && arc >> shift == 0 {
            shift -= 7;
        }
        loop {
            let more = if shift > 0 { 0x80 } else { 0 };
            self.octets[self.length as usize] = ((arc >> shift) & 0x7F) as u8 | more;
            self.length += 1;
            if shift == 0 {
                return self;
            }
            shift -= 7;
        }
    }

    /// From dotted form given at run time; `None` when it is not one.
    pub fn from_dotted(dotted: &str) -> Option<Self> {
        let arcs: Vec<u64> =
            dotted.split('.').map(|arc| arc.parse::<u32>().ok().map(u64::from)).collect::<Option<_>>()?;
        let (&first, rest) = arcs.split_first()?;
        let (&second, rest) = rest.split_first()?;
        if first > 2 || (first < 2 && second >= 40) || arcs.len() > 12 {
            return None;
        }
        let mut oid = Self { length: 0, octets: [0; Self::LONGEST] }.push(first * 40 + second);
        for &arc in rest {
            oid = oid.push(arc);
        }
        Some(oid)
    }

    /// From content octets; `None` when they are empty, cut, padded, or too large.
    pub fn from_content(content: &[u8]) -> Option<Self> {
        if content.is_empty() || content.len() > Self::LONGEST || content.last()? & 0x80 != 0 {
            return None;
        }
        let mut arc_octets = 0;
        for &octet in content {
            // X.690 §8.19.2: the leading octet of a subidentifier is not 0x80.
            if arc_octets == 0 && octet == 0x80 {
                return None;
            }
            arc_octets = if octet & 0x80 != 0 { arc_octets + 1 } else { 0 };
            if arc_octets > 18 {
                return None;
            }
        }
        let mut octets = [0; Self::LONGEST];
        octets.get_mut(..content.len())?.copy_from_slice(content);
        Some(Self { length: u8::try_from(content.len()).ok()?, octets })
    }

    /// The content octets, without tag and length.
    pub fn content(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut arc, mut first) = (0u128, true);
        for &octet in self.content() {
            arc = arc << 7 | u128::from(octet & 0x7F);
            if octet & 0x80 != 0 {
                continue;
            }
            if first {
                let root = (arc / 40).min(2);
                write!(f, "{root}.{}", arc - root * 40)?;
                first = false;
            } else {
                write!(f, ".{arc}")?;
            }
            arc = 0;
        }
        Ok(())
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_and_content_agree() {
        for dotted in ["1.2.840.113549.1.7.2", "2.5.29.15", "0.9.2342.19200300.100.1.25", "2.999.1"] {
            let oid = Oid::from_dotted(dotted).unwrap();
            assert_eq!(oid.to_string(), dotted);
            assert_eq!(Oid::new(dotted), oid);
            assert_eq!(Oid::from_content(oid.content()), Some(oid));
        }
        assert_eq!(Oid::new("1.2.840.113549").content(), [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D]);
    }

    #[test]
    fn t_42_endless_arcs_are_refused() {
        assert_eq!(Oid::from_content(&[]), None);
        assert_eq!(Oid::from_content(&[0x2A, 0x86]), None);
        assert_eq!(Oid::from_content(&[0x2A, 0x80, 0x01]), None);
        let mut giant = vec![0xFF; 20];
        giant.push(0x7F);
        assert_eq!(Oid::from_content(&giant), None);
        assert_eq!(Oid::from_content(&vec![1; 100_000]), None);
        assert_eq!(Oid::from_dotted("1.40.1"), None);
        assert_eq!(Oid::from_dotted("1"), None);
    }
}
