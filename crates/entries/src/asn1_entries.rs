use std::io::{BufRead as _, Read as _};

use asn1::{Encoding, Limits, Oid, Reader, StreamReader, Tag, Time, Writer};

pub(crate) fn reader(bytes: &[u8]) {
    for encoding in [Encoding::Ber, Encoding::Der] {
        walk(Reader::new(bytes, encoding), 0);
    }
}

fn walk(mut reader: Reader<'_>, depth: usize) {
    while !reader.is_empty() && depth < 40 {
        let Ok(element) = reader.element() else { return };
        // Each element is a piece of what it was read from.
        assert!(element.raw().len() >= element.content().len());
        let _ = (element.to_octets(), element.tag());
        if let Ok(inside) = element.reader("anything") {
            walk(inside, depth + 1);
        }
    }
}

pub(crate) fn stream_reader(bytes: &[u8]) {
    // In pieces of any size the same comes out.
    let whole = stream(bytes, bytes.len().max(1));
    for piece in [1, 3, 16] {
        assert_eq!(stream(bytes, piece), whole, "in pieces of {piece}");
    }
}

/// What a reader of the outermost element sees, as text.
fn stream(bytes: &[u8], piece: usize) -> String {
    let source = std::io::BufReader::with_capacity(piece, bytes);
    let mut reader = StreamReader::new(source, Limits::DEFAULT);
    let mut seen = String::new();
    for step in 0..200 {
        match reader.header("anything") {
            Ok(Some(header)) if header.tag.constructed && step % 7 != 6 => {
                seen += &format!("{:?} ", header.tag);
                if let Err(error) = reader.enter(&header, "anything") {
                    return seen + &error.to_string();
                }
            }
            Ok(Some(header)) if header.tag.is_like(Tag::OCTET_STRING) => {
                let mut content = Vec::new();
                let result = reader
                    .octets(&header, "octets")
                    .and_then(|octets| octets.take(1 << 20).read_to_end(&mut content).map_err(asn1::Error::from));
                seen += &format!("{content:?} ");
                if let Err(error) = result {
                    return seen + &error.to_string();
                }
            }
            Ok(Some(header)) => match reader.element(&header, "anything") {
                Ok(raw) => seen += &format!("{raw:?} "),
                Err(error) => return seen + &error.to_string(),
            },
            Ok(None) if reader.depth() == 0 => return seen,
            Ok(None) => {
                if let Err(error) = reader.leave("anything") {
                    return seen + &error.to_string();
                }
            }
            Err(error) => return seen + &error.to_string(),
        }
    }
    seen
}

pub(crate) fn pem(bytes: &[u8]) {
    for block in asn1::parse_pem(bytes).unwrap_or_default() {
        let again = asn1::parse_pem(asn1::encode_pem("X", &block.der).as_bytes()).unwrap();
        assert_eq!(again[0].der, block.der);
    }
    let _ = (&bytes[..]).fill_buf();
}

pub(crate) fn values(bytes: &[u8]) {
    if let Some(oid) = Oid::from_content(bytes) {
        let mut writer = Writer::new();
        writer.oid(&oid);
        assert!(writer.as_slice().ends_with(bytes), "{oid}");
    }
    if let Ok(time) = Reader::new(bytes, Encoding::Ber).time() {
        let mut writer = Writer::new();
        writer.time(time);
        assert_eq!(Reader::new(writer.as_slice(), Encoding::Der).time().ok(), Some(time));
    }
    let _ = std::str::from_utf8(bytes).map(Time::parse_rfc3339);
    let mut reader = Reader::new(bytes, Encoding::Ber);
    let _ = (reader.integer().map(|integer| integer.to_u64()), reader.small_integer(), reader.bit_string());
}
