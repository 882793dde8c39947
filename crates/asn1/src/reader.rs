use std::borrow::Cow;

use crate::strings;
use crate::{Because, Error, Integer, Limits, Oid, Tag, Time};

/// Which of X.690's rules the input must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Definite, shortest lengths; strings in one piece; shortest integers; TRUE is FF.
    Der,
    /// Also indefinite and long lengths, and strings in pieces.
    Ber,
}

/// Reads elements from a slice, one after the other. Cheap to copy: a copy looks ahead.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: u64,
    what: &'static str,
    encoding: Encoding,
    depth_left: u16,
}

/// One element: its exact bytes and what is inside.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    tag: Tag,
    raw: &'a [u8],
    content: &'a [u8],
    content_offset: u64,
    encoding: Encoding,
    depth_left: u16,
}

/// A BIT STRING: octets, and how many bits of the last one do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BitString<'a> {
    /// The octets; unused bits are zero in DER.
    pub octets: &'a [u8],
    /// 0 to 7.
    pub unused_bits: u8,
}

impl BitString<'_> {
    /// Bit `index`, counted from the most significant of the first octet; absent bits are `false`.
    pub fn bit(&self, index: usize) -> bool {
        let used = self.octets.len() * 8 - usize::from(self.unused_bits);
        index < used && self.octets.get(index / 8).is_some_and(|octet| octet & (0x80 >> (index % 8)) != 0)
    }
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from offset 0 with [`Limits::DEFAULT`]'s depth.
    pub fn new(bytes: &'a [u8], encoding: Encoding) -> Self {
        Self { rest: bytes, offset: 0, what: "input", encoding, depth_left: Limits::DEFAULT.depth }
    }

    /// The same, where `bytes` begin at `offset` of something larger.
    #[must_use]
    pub fn at_offset(self, offset: u64) -> Self {
        Self { offset, ..self }
    }

    /// The same with the name that errors give this input.
    #[must_use]
    pub fn named(self, what: &'static str) -> Self {
        Self { what, ..self }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes that are left.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Where the next element begins, counted from the start of the outermost input.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// An error at this place.
    pub fn malformed(&self, because: Because) -> Error {
        Error::Malformed { what: self.what, offset: self.offset, because }
    }

    /// The next element's tag, if there is a readable one.
    pub fn peek(&self) -> Option<Tag> {
        parse_tag(self.rest).ok().map(|(tag, _)| tag)
    }

    /// The next element, whatever it is.
    pub fn element(&mut self) -> Result<Element<'a>, Error> {
        let scanned = self.scan(self.rest, self.offset, self.depth_left)?;
        let (raw, rest) =
            self.rest.split_at_checked(scanned.raw_length).ok_or_else(|| self.malformed(Because::LengthPastEnd))?;
        let content = raw
            .get(scanned.header_length..scanned.header_length + scanned.content_length)
            .ok_or_else(|| self.malformed(Because::LengthPastEnd))?;
        let element = Element {
            tag: scanned.tag,
            raw,
            content,
            content_offset: self.offset + scanned.header_length as u64,
            encoding: self.encoding,
            depth_left: self.depth_left,
        };
        self.rest = rest;
        self.offset += raw.len() as u64;
        Ok(element)
    }

    /// The next element, which must carry `tag`. In BER a string may be constructed.
    pub fn expect(&mut self, tag: Tag) -> Result<Element<'a>, Error> {
        match self.peek() {
            Some(found) if self.matches(found, tag) => self.element(),
            found if self.rest.is_empty() || found.is_some() => {
                Err(self.malformed(Because::Unexpected { found, expected: Some(tag) }))
            }
            _ => self.element(),
        }
    }

    /// The next element if it carries `tag`.
    pub fn optional(&mut self, tag: Tag) -> Result<Option<Element<'a>>, Error> {
        match self.peek() {
            Some(found) if self.matches(found, tag) => self.element().map(Some),
            _ => Ok(None),
        }
    }

    fn matches(&self, found: Tag, expected: Tag) -> bool {
        found == expected || (self.encoding == Encoding::Ber && !expected.constructed && found.is_like(expected))
    }

    /// Nothing may be left.
    pub fn finish(self) -> Result<(), Error> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.malformed(Because::Unexpected { found: self.peek(), expected: None }))
    }

    /// A SEQUENCE's inside; `what` names it in errors.
    pub fn sequence(&mut self, what: &'static str) -> Result<Reader<'a>, Error> {
        self.expect(Tag::SEQUENCE)?.reader(what)
    }

    /// A SET's inside.
    pub fn set(&mut self, what: &'static str) -> Result<Reader<'a>, Error> {
        self.expect(Tag::SET)?.reader(what)
    }

    /// The inside of `[number]` if that is next: an EXPLICIT tag, or IMPLICIT over SEQUENCE or SET.
    pub fn context(&mut self, number: u32, what: &'static str) -> Result<Option<Reader<'a>>, Error> {
        self.optional(Tag::context_constructed(number))?.map(|element| element.reader(what)).transpose()
    }

    /// An OBJECT IDENTIFIER.
    pub fn oid(&mut self) -> Result<Oid, Error> {
        self.expect(Tag::OID)?.to_oid()
    }

    /// An INTEGER.
    pub fn integer(&mut self) -> Result<Integer<'a>, Error> {
        self.expect(Tag::INTEGER)?.to_integer()
    }

    /// A small non-negative INTEGER, such as a version.
    pub fn small_integer(&mut self) -> Result<u32, Error> {
        let here = self.malformed(Because::BadValue);
        self.integer()?.to_u64().and_then(|value| u32::try_from(value).ok()).ok_or(here)
    }

    /// A BOOLEAN.
    pub fn boolean(&mut self) -> Result<bool, Error> {
        self.expect(Tag::BOOLEAN)?.to_boolean()
    }

    /// A NULL.
    pub fn null(&mut self) -> Result<(), Error> {
        let here = self.malformed(Because::BadNull);
        if self.expect(Tag::NULL)?.content.is_empty() { Ok(()) } else { Err(here) }
    }

    /// An OCTET STRING, joined where BER has it in pieces.
    pub fn octet_string(&mut self) -> Result<Cow<'a, [u8]>, Error> {
        self.expect(Tag::OCTET_STRING)?.to_octets()
    }

    /// A BIT STRING in one piece.
    pub fn bit_string(&mut self) -> Result<BitString<'a>, Error> {
        self.expect(Tag::BIT_STRING)?.to_bit_string()
    }

    /// `Time ::= CHOICE { utcTime, generalTime }`.
    pub fn time(&mut self) -> Result<Time, Error> {
        let here = self.malformed(Because::BadTime);
        let element = self.element()?;
        match element.tag {
            Tag::UTC_TIME => Time::from_utc_time(element.content),
            Tag::GENERALIZED_TIME => Time::from_generalized_time(element.content),
            _ => None,
        }
        .ok_or(here)
    }

    fn scan(&self, input: &[u8], offset: u64, depth_left: u16) -> Result<Scanned, Error> {
        // Nearly all elements: a small tag number, a short length, and all of it there.
        if let [leading, short @ 0..=0x7F, inside @ ..] = input
            && leading & 0x1F != 0x1F
            && *leading != 0
        {
            let tag = Tag::from_leading_octet(*leading, u32::from(leading & 0x1F));
            let content_length = usize::from(*short);
            if content_length <= inside.len() && (!tag.constructed || depth_left > 0) {
                return Ok(Scanned { tag, header_length: 2, content_length, raw_length: 2 + content_length });
            }
        }
        let malformed = |at: usize, because| Error::Malformed { what: self.what, offset: offset + at as u64, because };
        let (tag, tag_length) = parse_tag(input).map_err(|because| malformed(0, because))?;
        let (length, length_length) = parse_length(input.get(tag_length..).unwrap_or_default(), self.encoding)
            .map_err(|because| malformed(tag_length, because))?;
        if tag == Tag::END_OF_CONTENTS {
            return Err(malformed(0, Because::Unexpected { found: Some(tag), expected: None }));
        }
        let header_length = tag_length + length_length;
        if tag.constructed && depth_left == 0 {
            return Err(self.too_deep(offset));
        }
        if let Some(length) = length {
            let available = input.len() - header_length;
            let content_length = usize::try_from(length)
                .ok()
                .filter(|&length| length <= available)
                .ok_or_else(|| malformed(tag_length, Because::LengthPastEnd))?;
            return Ok(Scanned { tag, header_length, content_length, raw_length: header_length + content_length });
        }
        if !tag.constructed {
            return Err(malformed(tag_length, Because::BadLength));
        }
        // The end of an indefinite length is found by stepping over what is inside. CASES T-40: in a loop
        // with a counter, never by recursion.
        let (mut position, mut open) = (header_length, 1u16);
        loop {
            let here = input.get(position..).unwrap_or_default();
            if here.starts_with(&[0, 0]) {
                open -= 1;
                position += 2;
                if open == 0 {
                    return Ok(Scanned {
                        tag,
                        header_length,
                        content_length: position - 2 - header_length,
                        raw_length: position,
                    });
                }
                continue;
            }
            let (inner, tag_length) = parse_tag(here).map_err(|because| malformed(position, because))?;
            let (length, length_length) = parse_length(here.get(tag_length..).unwrap_or_default(), self.encoding)
                .map_err(|because| malformed(position + tag_length, because))?;
            position += tag_length + length_length;
            match length {
                Some(length) => {
                    let available = input.len() - position;
                    position += usize::try_from(length)
                        .ok()
                        .filter(|&length| length <= available)
                        .ok_or_else(|| malformed(position, Because::LengthPastEnd))?;
                }
                None if !inner.constructed => return Err(malformed(position, Because::BadLength)),
                None => {
                    open += 1;
                    if open > depth_left {
                        return Err(self.too_deep(offset + position as u64));
                    }
                }
            }
        }
    }

    fn too_deep(&self, offset: u64) -> Error {
        Error::TooMuch { what: self.what, offset, limit: u64::from(Limits::DEFAULT.depth), of: "levels of nesting" }
    }
}

struct Scanned {
    tag: Tag,
    header_length: usize,
    content_length: usize,
    raw_length: usize,
}

impl<'a> Element<'a> {
    /// The tag as it came.
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// The exact bytes: tag, length, content, and the end-of-contents of an indefinite length.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The bytes inside.
    pub fn content(&self) -> &'a [u8] {
        self.content
    }

    /// Where the element begins in the outermost input.
    pub fn offset(&self) -> u64 {
        self.content_offset - (self.raw.len() - self.content.len()) as u64
    }

    /// Reads the inside as a series of elements.
    pub fn reader(&self, what: &'static str) -> Result<Reader<'a>, Error> {
        if !self.tag.constructed {
            return Err(self.malformed(what, Because::BadForm));
        }
        let depth_left = self.depth_left.checked_sub(1).ok_or(Error::TooMuch {
            what,
            offset: self.content_offset,
            limit: u64::from(Limits::DEFAULT.depth),
            of: "levels of nesting",
        })?;
        Ok(Reader { rest: self.content, offset: self.content_offset, what, encoding: self.encoding, depth_left })
    }

    fn malformed(&self, what: &'static str, because: Because) -> Error {
        Error::Malformed { what, offset: self.content_offset, because }
    }

    fn primitive(&self, what: &'static str) -> Result<&'a [u8], Error> {
        if self.tag.constructed { Err(self.malformed(what, Because::BadForm)) } else { Ok(self.content) }
    }

    /// As an OBJECT IDENTIFIER, under whatever tag.
    pub fn to_oid(&self) -> Result<Oid, Error> {
        Oid::from_content(self.primitive("OBJECT IDENTIFIER")?)
            .ok_or_else(|| self.malformed("OBJECT IDENTIFIER", Because::BadOid))
    }

    /// As an INTEGER, under whatever tag.
    pub fn to_integer(&self) -> Result<Integer<'a>, Error> {
        let content = self.primitive("INTEGER")?;
        Integer::from_content(content, self.encoding == Encoding::Der)
            .ok_or_else(|| self.malformed("INTEGER", Because::BadInteger))
    }

    /// As a BOOLEAN, under whatever tag.
    pub fn to_boolean(&self) -> Result<bool, Error> {
        match (self.primitive("BOOLEAN")?, self.encoding) {
            ([0x00], _) => Ok(false),
            ([0xFF], _) | ([_], Encoding::Ber) => Ok(true),
            _ => Err(self.malformed("BOOLEAN", Because::BadBoolean)),
        }
    }

    /// As an OCTET STRING, under whatever tag, joined where BER has it in pieces.
    pub fn to_octets(&self) -> Result<Cow<'a, [u8]>, Error> {
        if !self.tag.constructed {
            return Ok(Cow::Borrowed(self.content));
        }
        if self.encoding == Encoding::Der {
            return Err(self.malformed("OCTET STRING", Because::BadForm));
        }
        let mut joined = Vec::with_capacity(self.content.len());
        self.join_pieces(&mut joined)?;
        Ok(Cow::Owned(joined))
    }

    // The depth that `reader` counts down bounds this recursion.
    fn join_pieces(&self, joined: &mut Vec<u8>) -> Result<(), Error> {
        let mut pieces = self.reader("OCTET STRING")?;
        while !pieces.is_empty() {
            let piece = pieces.expect(Tag::OCTET_STRING)?;
            if piece.tag.constructed {
                piece.join_pieces(joined)?;
            } else {
                joined.extend_from_slice(piece.content);
            }
        }
        Ok(())
    }

    /// As a BIT STRING in one piece, under whatever tag.
    pub fn to_bit_string(&self) -> Result<BitString<'a>, Error> {
        let wrong = || self.malformed("BIT STRING", Because::BadBitString);
        let (&unused_bits, octets) = self.primitive("BIT STRING")?.split_first().ok_or_else(wrong)?;
        let last = octets.last().copied();
        if unused_bits > 7 || (last.is_none() && unused_bits != 0) {
            return Err(wrong());
        }
        // X.690 §11.2.1: in DER the unused bits are zero.
        if self.encoding == Encoding::Der && last.is_some_and(|last| last & !(0xFFu8 << unused_bits) != 0) {
            return Err(wrong());
        }
        Ok(BitString { octets, unused_bits })
    }

    /// As text, by the tag's own repertoire: UTF8String, PrintableString, IA5String, NumericString,
    /// VisibleString, TeletexString (read as Latin-1), BMPString, UniversalString.
    pub fn to_text(&self) -> Result<Cow<'a, str>, Error> {
        let content = self.primitive("string")?;
        strings::decode(self.tag, content).ok_or_else(|| self.malformed("string", Because::BadString))
    }
}

pub(crate) fn parse_tag(input: &[u8]) -> Result<(Tag, usize), Because> {
    let (&leading, rest) = input.split_first().ok_or(Because::Truncated)?;
    if leading & 0x1F != 0x1F {
        return Ok((Tag::from_leading_octet(leading, u32::from(leading & 0x1F)), 1));
    }
    let mut number = 0u32;
    for (index, &octet) in rest.iter().enumerate() {
        if index == 0 && octet == 0x80 || number > u32::MAX >> 7 {
            return Err(Because::BadTag);
        }
        number = number << 7 | u32::from(octet & 0x7F);
        if octet & 0x80 == 0 {
            if number < 31 {
                return Err(Because::BadTag);
            }
            return Ok((Tag::from_leading_octet(leading, number), index + 2));
        }
    }
    Err(Because::Truncated)
}

/// `None` is the indefinite length.
pub(crate) fn parse_length(input: &[u8], encoding: Encoding) -> Result<(Option<u64>, usize), Because> {
    let (&first, rest) = input.split_first().ok_or(Because::Truncated)?;
    match first {
        0..=0x7F => Ok((Some(u64::from(first)), 1)),
        0x80 if encoding == Encoding::Der => Err(Because::IndefiniteLength),
        0x80 => Ok((None, 1)),
        0xFF => Err(Because::BadLength),
        _ => {
            let count = usize::from(first & 0x7F);
            let octets = rest.get(..count).ok_or(Because::Truncated)?;
            let significant = octets
                .iter()
                .position(|&octet| octet != 0)
                .map_or(&[][..], |start| octets.get(start..).unwrap_or_default());
            // CASES T-41: a length that no memory holds is refused, not allocated.
            if significant.len() > 8 {
                return Err(Because::LengthPastEnd);
            }
            let length = significant.iter().fold(0u64, |length, &octet| length << 8 | u64::from(octet));
            if encoding == Encoding::Der && (significant.len() != count || length < 0x80) {
                return Err(Because::BadLength);
            }
            Ok((Some(length), 1 + count))
        }
    }
}
