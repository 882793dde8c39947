/// An element of DER taken apart, to be changed and put together again with lengths that are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Der {
    /// The identifier octet.
    pub tag: u8,
    /// The content of a primitive one.
    pub content: Vec<u8>,
    /// The elements of a constructed one.
    pub children: Vec<Der>,
}

impl Der {
    /// A primitive element.
    pub fn primitive(tag: u8, content: impl Into<Vec<u8>>) -> Self {
        Self { tag, content: content.into(), children: Vec::new() }
    }

    /// A constructed element.
    pub fn constructed(tag: u8, children: Vec<Der>) -> Self {
        Self { tag, content: Vec::new(), children }
    }

    /// Takes one element apart.
    pub fn parse(bytes: &[u8]) -> Self {
        let (element, rest) = Self::take(bytes);
        assert!(rest.is_empty(), "one element of DER");
        element
    }

    fn take(bytes: &[u8]) -> (Self, &[u8]) {
        let (tag, first) = (bytes[0], bytes[1]);
        let (length, header) = if first < 0x80 {
            (usize::from(first), 2)
        } else {
            let octets = usize::from(first & 0x7F);
            (bytes[2..2 + octets].iter().fold(0, |length, &octet| length << 8 | usize::from(octet)), 2 + octets)
        };
        let (inside, rest) = bytes[header..].split_at(length);
        if tag & 0x20 == 0 {
            return (Self::primitive(tag, inside), rest);
        }
        let (mut children, mut left) = (Vec::new(), inside);
        while !left.is_empty() {
            let (child, behind) = Self::take(left);
            children.push(child);
            left = behind;
        }
        (Self::constructed(tag, children), rest)
    }

    /// Puts it together.
    pub fn encode(&self) -> Vec<u8> {
        let inside = if self.tag & 0x20 == 0 {
            self.content.clone()
        } else {
            self.children.iter().flat_map(Self::encode).collect()
        };
        let mut out = vec![self.tag];
        let length = inside.len();
        match length {
            0..0x80 => out.push(length.to_be_bytes()[7]),
            _ => {
                let octets: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|&octet| octet == 0).collect();
                out.push(0x80 | octets.len().to_be_bytes()[7]);
                out.extend(octets);
            }
        }
        out.extend(inside);
        out
    }

    /// The element at the end of a path of positions.
    pub fn at(&mut self, path: &[usize]) -> &mut Self {
        path.iter().fold(self, |element, &position| &mut element.children[position])
    }

    /// How many elements there are, itself among them.
    pub fn count(&self) -> usize {
        1 + self.children.iter().map(Self::count).sum::<usize>()
    }

    /// The `index`th element, depth first.
    pub fn nth(&mut self, index: usize) -> Option<&mut Self> {
        let Some(mut left) = index.checked_sub(1) else { return Some(self) };
        for child in &mut self.children {
            let count = child.count();
            if left < count {
                return child.nth(left);
            }
            left -= count;
        }
        None
    }
}

/// Changes octets in ways that a seed decides.
#[derive(Debug, Clone)]
pub struct Mutator(u64);

impl Mutator {
    /// From a seed; the same seed makes the same changes.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(value).unwrap_or(0) % bound
    }

    /// Flips a bit, sets, inserts, repeats or removes octets, changes a length, or cuts off the end.
    pub fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = bytes.to_vec();
        if out.is_empty() {
            return vec![0];
        }
        let at = self.below(out.len());
        match self.below(8) {
            0..=2 => out[at] ^= 1 << self.below(8),
            3 => out[at] = [0, 1, 0x7F, 0x80, 0x82, 0x84, 0xFF][self.below(7)],
            4 => out.truncate(at),
            5 => {
                let count = 1 + self.below(8.min(out.len() - at));
                out.drain(at..at + count);
            }
            6 => {
                let count = 1 + self.below(8.min(out.len() - at));
                let copied = out[at..at + count].to_vec();
                let to = self.below(out.len());
                out.splice(to..to, copied);
            }
            _ => out.insert(at, self.below(256).to_be_bytes()[7]),
        }
        out
    }

    /// Exchanges, doubles, removes or replaces elements of DER, with lengths that are right.
    pub fn mutate_elements(&mut self, der: &Der) -> Vec<u8> {
        let mut out = der.clone();
        let count = out.count();
        let (one, other) = (self.below(count), self.below(count));
        let copy = out.nth(other).cloned();
        let operation = self.below(5);
        let places = out.nth(one).map_or(0, |element| element.children.len());
        let (first, second) = (self.below(places.max(1)), self.below(places.max(1)));
        let inside = self.below(256).to_be_bytes()[7];
        if let (Some(element), Some(copy)) = (out.nth(one), copy) {
            match operation {
                0 if places > 0 => element.children.swap(first, second),
                1 if places > 0 => {
                    element.children.remove(first);
                }
                2 if places > 0 => {
                    let doubled = element.children[first].clone();
                    element.children.insert(second, doubled);
                }
                3 => *element = copy,
                _ if element.tag & 0x20 == 0 => element.content.push(inside),
                _ => element.children.push(copy),
            }
        }
        out.encode()
    }
}
