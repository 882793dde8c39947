use std::io::{Read as _, Write as _};

use mime::{Ambiguity, Base64Reader, CrlfWriter, Entity, Header, Limits, PartReader, QuotedPrintableReader};

pub(crate) fn entity(bytes: &[u8]) {
    let Ok(entity) = Entity::parse(bytes, &Limits::default()) else { return };
    for part in entity.walk().into_iter().take(200) {
        let _ = (part.text(), part.file_name(), part.essence(), part.decoded_body());
    }
    if let Ok(encoded) = mime::seven_bit(bytes, &Limits::default())
        && mime::is_seven_bit(&encoded)
    {
        // What is 7-bit stays as it is.
        assert_eq!(mime::seven_bit(&encoded, &Limits::default()).unwrap(), encoded);
    }
}

pub(crate) fn header(bytes: &[u8]) {
    let Ok((header, body)) = Header::parse(bytes, &Limits::default()) else { return };
    assert!(bytes.ends_with(body));
    for field in header.fields() {
        let _ = (field.text(), field.value());
    }
    let _ = (header.visible_from(), header.content_type(), header.disposition(), header.transfer_encoding());
    let (again, _) = Header::parse(&[&header.to_bytes()[..], b"\r\n"].concat(), &Limits::default()).unwrap();
    assert_eq!(again.fields().len(), header.fields().len());
    // Under a name every line is a field, and the header still ends where it did.
    let mut named = header.clone();
    named.name_stray_lines("X-Stray");
    let (again, _) = Header::parse(&[&named.to_bytes()[..], b"\r\n"].concat(), &Limits::default()).unwrap();
    assert_eq!(again.fields().len(), header.fields().len());
    assert_ne!(again.ambiguity(), Some(Ambiguity::StrayLine));
    // A tidied field is one field in whole lines.
    for field in named.fields() {
        let tidied = Header::from_fields(vec![field.tidied()]);
        let (again, _) = Header::parse(&[&tidied.to_bytes()[..], b"\r\n"].concat(), &Limits::default()).unwrap();
        assert_eq!(again.fields().len(), 1);
        assert!(again.fields().iter().all(|one| one.is(field.name())));
        assert!(!matches!(again.ambiguity(), Some(Ambiguity::Control | Ambiguity::BlankLine | Ambiguity::StrayLine)));
    }
}

pub(crate) fn address(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for mailbox in mime::parse_mailbox_list(&text).unwrap_or_default() {
        // CASES T-10: the address is one address to everybody.
        let alone = mime::parse_mailbox_list(&mailbox.to_string()).unwrap_or_default();
        assert_eq!(alone.len(), 1, "{text:?}");
    }
    let _ = mime::decode_words(&text);
}

pub(crate) fn transfer(bytes: &[u8]) {
    let mut decoded = Vec::new();
    if Base64Reader::new(bytes).read_to_end(&mut decoded).is_ok() {
        let encoded = mime::encode_base64(&decoded);
        assert_eq!(mime::decode_base64(encoded.as_bytes()).as_ref(), Some(&decoded));
    }
    let mut streamed = Vec::new();
    QuotedPrintableReader::new(bytes).read_to_end(&mut streamed).unwrap();
    assert_eq!(streamed, mime::decode_quoted_printable(bytes));
    let encoded = mime::encode_quoted_printable(bytes);
    assert!(mime::is_seven_bit(&encoded));
    // Line ends come out as CRLF, however the text is cut.
    let whole = canonical(bytes, bytes.len().max(1));
    for piece in [1, 7] {
        assert_eq!(canonical(bytes, piece), whole);
    }
}

fn canonical(bytes: &[u8], piece: usize) -> Vec<u8> {
    let mut writer = CrlfWriter::new(Vec::new());
    bytes.chunks(piece).for_each(|piece| writer.write_all(piece).unwrap());
    writer.finish()
}

pub(crate) fn parts(bytes: &[u8]) {
    // The boundary is what the first line says, so that it is found.
    let line = bytes.split(|&octet| octet == b'\n').next().unwrap_or_default();
    let boundary = String::from_utf8_lossy(line.trim_ascii().strip_prefix(b"--").unwrap_or(b"b")).into_owned();
    let (whole, one) = (read_parts(bytes, &boundary, 1 << 16), read_parts(bytes, &boundary, 1));
    assert_eq!(whole, one);
}

fn read_parts(bytes: &[u8], boundary: &str, piece: usize) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let source = std::io::BufReader::with_capacity(piece, bytes);
    let mut next = PartReader::new(source, boundary).next_part();
    while let Ok(mut part) = next {
        let mut content = Vec::new();
        if part.read_to_end(&mut content).is_err() || found.len() > 50 || part.end() != Some(mime::PartEnd::Delimiter) {
            found.push(content);
            break;
        }
        found.push(content);
        next = part.next_part();
    }
    found
}
