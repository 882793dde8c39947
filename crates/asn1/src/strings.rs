use std::borrow::Cow;

use crate::Tag;

// Deviation (X.690 §8.21): TeletexString is read as Latin-1, which is what certificates put there.
pub(crate) fn decode(tag: Tag, content: &[u8]) -> Option<Cow<'_, str>> {
    let ascii = |allowed: fn(u8) -> bool| {
        content.iter().all(|&b| allowed(b)).then(|| std::str::from_utf8(content).ok().map(Cow::Borrowed))?
    };
    match tag.as_primitive() {
        Tag::UTF8_STRING => std::str::from_utf8(content).ok().map(Cow::Borrowed),
        Tag::IA5_STRING => ascii(|b| b < 0x80),
        // Seen in the wild: `@`, `&`, `*` and `_` in a PrintableString.
        Tag::PRINTABLE_STRING | Tag::VISIBLE_STRING => ascii(|b| (0x20..0x7F).contains(&b)),
        Tag::NUMERIC_STRING => ascii(|b| b == b' ' || b.is_ascii_digit()),
        Tag::TELETEX_STRING => Some(Cow::Owned(content.iter().copied().map(char::from).collect())),
        Tag::BMP_STRING => {
            let (units, []) = content.as_chunks::<2>() else { return None };
            let units = units.iter().map(|unit| u16::from_be_bytes(*unit));
            char::decode_utf16(units).collect::<Result<String, _>>().ok().map(Cow::Owned)
        }
        Tag::UNIVERSAL_STRING => {
            let (units, []) = content.as_chunks::<4>() else { return None };
            units
                .iter()
                .map(|unit| char::from_u32(u32::from_be_bytes(*unit)))
                .collect::<Option<String>>()
                .map(Cow::Owned)
        }
        _ => None,
    }
}
