use crate::{Oid, Tag, Time};

/// Writes DER into memory. Nested elements are closures; lengths are filled in afterwards.
#[derive(Debug, Default, Clone)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one with room for so many octets.
    pub fn with_capacity(octets: usize) -> Self {
        Self { out: Vec::with_capacity(octets) }
    }

    /// What has been written.
    pub fn into_vec(self) -> Vec<u8> {
        self.out
    }

    /// What has been written so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.out
    }

    /// An element whose content `inside` writes.
    pub fn constructed(&mut self, tag: Tag, inside: impl FnOnce(&mut Self)) {
        // Room for a short length is left; what is longer moves up once its length is known.
        write_tag(&mut self.out, tag.as_constructed());
        let place = self.out.len();
        self.out.push(0);
        inside(self);
        let length = (self.out.len() - place - 1) as u64;
        let octets = length.to_be_bytes();
        let [.., short] = octets;
        if length < 0x80 {
            if let Some(octet) = self.out.get_mut(place) {
                *octet = short;
            }
            return;
        }
        let significant = octets.get(octets.iter().position(|&octet| octet != 0).unwrap_or(7)..).unwrap_or_default();
        if let Some(octet) = self.out.get_mut(place) {
            *octet = 0x80 | significant.len().to_le_bytes()[0];
        }
        let end = self.out.len();
        self.out.extend_from_slice(significant);
        self.out.copy_within(place + 1..end, place + 1 + significant.len());
        if let Some(room) = self.out.get_mut(place + 1..place + 1 + significant.len()) {
            room.copy_from_slice(significant);
        }
    }

    /// A SEQUENCE.
    pub fn sequence(&mut self, inside: impl FnOnce(&mut Self)) {
        self.constructed(Tag::SEQUENCE, inside);
    }

    /// `[number]`, constructed: EXPLICIT, or IMPLICIT over SEQUENCE or SET.
    pub fn context(&mut self, number: u32, inside: impl FnOnce(&mut Self)) {
        self.constructed(Tag::context_constructed(number), inside);
    }

    /// A SET OF from encoded elements, which are put in DER order (X.690 §11.6).
    pub fn set_of(&mut self, elements: Vec<Vec<u8>>) {
        self.set_of_tagged(Tag::SET, elements);
    }

    /// A SET OF under another tag, such as `[0] IMPLICIT`.
    pub fn set_of_tagged(&mut self, tag: Tag, mut elements: Vec<Vec<u8>>) {
        elements.sort();
        self.constructed(tag, |w| elements.iter().for_each(|element| w.raw(element)));
    }

    /// A primitive element with this content, in the tag's own form.
    pub fn primitive(&mut self, tag: Tag, content: &[u8]) {
        write_header(&mut self.out, tag, content.len() as u64);
        self.out.extend_from_slice(content);
    }

    /// An element that is already encoded.
    pub fn raw(&mut self, encoded: &[u8]) {
        self.out.extend_from_slice(encoded);
    }

    /// An OBJECT IDENTIFIER.
    pub fn oid(&mut self, oid: &Oid) {
        self.primitive(Tag::OID, oid.content());
    }

    /// A NULL.
    pub fn null(&mut self) {
        self.primitive(Tag::NULL, &[]);
    }

    /// A BOOLEAN.
    pub fn boolean(&mut self, value: bool) {
        self.primitive(Tag::BOOLEAN, &[if value { 0xFF } else { 0 }]);
    }

    /// A non-negative INTEGER.
    pub fn unsigned(&mut self, value: u64) {
        self.unsigned_bytes(&value.to_be_bytes());
    }

    /// A non-negative INTEGER from big-endian octets; leading zeros are dropped.
    pub fn unsigned_bytes(&mut self, bytes: &[u8]) {
        self.unsigned_bytes_tagged(Tag::INTEGER, bytes);
    }

    /// The same under another tag.
    pub fn unsigned_bytes_tagged(&mut self, tag: Tag, bytes: &[u8]) {
        let start = bytes.iter().position(|&b| b != 0).unwrap_or(bytes.len());
        let bytes = bytes.get(start..).unwrap_or_default();
        let padded = bytes.first().is_none_or(|first| first & 0x80 != 0);
        write_header(&mut self.out, tag, (bytes.len() + usize::from(padded)) as u64);
        if padded {
            self.out.push(0);
        }
        self.out.extend_from_slice(bytes);
    }

    /// An INTEGER from its content octets.
    pub fn integer_content(&mut self, content: &[u8]) {
        self.primitive(Tag::INTEGER, content);
    }

    /// An OCTET STRING.
    pub fn octet_string(&mut self, octets: &[u8]) {
        self.primitive(Tag::OCTET_STRING, octets);
    }

    /// An OCTET STRING whose octets `inside` writes, as extensions have it.
    pub fn octet_string_of(&mut self, inside: impl FnOnce(&mut Self)) {
        let mut inner = Self::new();
        inside(&mut inner);
        self.octet_string(&inner.out);
    }

    /// A BIT STRING; `unused_bits` of the last octet do not count and are zero.
    pub fn bit_string(&mut self, unused_bits: u8, octets: &[u8]) {
        write_header(&mut self.out, Tag::BIT_STRING, octets.len() as u64 + 1);
        self.out.push(unused_bits);
        self.out.extend_from_slice(octets);
    }

    /// A BIT STRING of named bits: as short as DER wants it (X.690 §11.2.2).
    pub fn named_bits(&mut self, bits: &[usize]) {
        let mut octets = vec![0u8; bits.iter().max().map_or(0, |last| last / 8 + 1)];
        for &bit in bits {
            if let Some(octet) = octets.get_mut(bit / 8) {
                *octet |= 0x80 >> (bit % 8);
            }
        }
        let unused = octets.last().map_or(0, |last| last.trailing_zeros().min(7));
        self.bit_string(u8::try_from(unused).unwrap_or(0), &octets);
    }

    /// A UTF8String.
    pub fn utf8_string(&mut self, text: &str) {
        self.primitive(Tag::UTF8_STRING, text.as_bytes());
    }

    /// `Time`: UTCTime through 2049, GeneralizedTime otherwise (RFC 5280 §4.1.2.5, CASES S-06).
    pub fn time(&mut self, time: Time) {
        let p = time.parts();
        let rest = format!("{:02}{:02}{:02}{:02}{:02}Z", p.month, p.day, p.hour, p.minute, p.second);
        if (1950..2050).contains(&p.year) {
            self.primitive(Tag::UTC_TIME, format!("{:02}{rest}", p.year % 100).as_bytes());
        } else {
            self.generalized_time(time);
        }
    }

    /// A GeneralizedTime whatever the year, as OCSP and CRL extensions want it.
    pub fn generalized_time(&mut self, time: Time) {
        let p = time.parts();
        let text = format!("{:04}{:02}{:02}{:02}{:02}{:02}Z", p.year, p.month, p.day, p.hour, p.minute, p.second);
        self.primitive(Tag::GENERALIZED_TIME, text.as_bytes());
    }
}

/// Writes tag and definite length in their shortest form.
pub fn write_header(out: &mut Vec<u8>, tag: Tag, length: u64) {
    write_tag(out, tag);
    if length < 0x80 {
        out.push(length.to_le_bytes()[0]);
        return;
    }
    let octets = length.to_be_bytes();
    let start = octets.iter().position(|&octet| octet != 0).unwrap_or(7);
    let significant = octets.get(start..).unwrap_or_default();
    out.push(0x80 | significant.len().to_le_bytes()[0]);
    out.extend_from_slice(significant);
}

pub(crate) fn write_tag(out: &mut Vec<u8>, tag: Tag) {
    let bits = tag.leading_octet_bits();
    if tag.number < 31 {
        out.push(bits | tag.number.to_le_bytes()[0]);
        return;
    }
    out.push(bits | 0x1F);
    let mut shift = 28;
    while shift > 0 && tag.number >> shift == 0 {
        shift -= 7;
    }
    loop {
        let more = if shift > 0 { 0x80 } else { 0 };
        out.push(((tag.number >> shift).to_le_bytes()[0] & 0x7F) | more);
        if shift == 0 {
            return;
        }
        shift -= 7;
    }
}
