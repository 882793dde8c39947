//! The mail program around peers that know CMS but not mail: the simplest writer and splitter that does, and no code of
//! the `mime` crate, which is judged here.

/// The entity that is signed and encrypted.
pub(crate) const ENTITY: &[u8] =
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\
    \r\nHallo Bob,\r\n\r\nGr=C3=BC=C3=9Fe, and a line that ends with a space=20\r\n";

/// The same, long enough to come in pieces.
pub(crate) fn long_entity() -> Vec<u8> {
    let mut entity = ENTITY.to_vec();
    while entity.len() < 400_000 {
        entity.extend_from_slice(b"All work and no play makes Jack a dull boy.\r\n");
    }
    entity
}

/// The header fields of a mail from this person, without an end.
pub(crate) fn header(from: &str) -> String {
    format!("From: {from}\r\nTo: bob@example.org\r\nSubject: interop\r\nMIME-Version: 1.0\r\n")
}

/// A mail with an entity in it.
pub(crate) fn around(from: &str, entity: &[u8]) -> Vec<u8> {
    [header(from).as_bytes(), entity].concat()
}

/// The entity of a mail: its header fields about the content, and its body.
pub(crate) fn entity_of(mail: &[u8]) -> Vec<u8> {
    let (head, body) = split_header(mail);
    let mut entity = String::new();
    let mut keep = false;
    for line in head.lines() {
        if !line.starts_with([' ', '\t']) {
            keep = line.to_ascii_lowercase().starts_with("content-");
        }
        if keep {
            entity.push_str(line);
            entity.push_str("\r\n");
        }
    }
    [entity.as_bytes(), b"\r\n", body].concat()
}

/// An `application/pkcs7-mime` entity.
pub(crate) fn pkcs7_mime(kind: &str, der: &[u8]) -> Vec<u8> {
    format!(
        "Content-Type: application/pkcs7-mime; smime-type={kind}; name=smime.p7m\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}",
        base64(der, &[64], "\r\n")
    )
    .into_bytes()
}

/// The octets in the body of a mail in base64.
pub(crate) fn unwrap(mail: &[u8]) -> Result<Vec<u8>, String> {
    let (_, body) = split_header(mail);
    from_base64(body).ok_or_else(|| "the body is not base64".to_owned())
}

/// A `multipart/signed` entity.
pub(crate) fn multipart_signed(entity: &[u8], signature: &[u8], micalg: &str) -> Vec<u8> {
    let boundary = "=-boundary-of-a-simple-writer";
    let head = format!(
        "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n\tmicalg={micalg}; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n"
    );
    let tail = format!(
        "\r\n--{boundary}\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}--{boundary}--\r\n",
        base64(signature, &[76], "\r\n")
    );
    [head.as_bytes(), entity, tail.as_bytes()].concat()
}

/// The entity and the signature of a `multipart/signed` mail.
pub(crate) fn split_signed(mail: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
    let (head, body) = split_header(mail);
    let boundary = head
        .split("boundary=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .ok_or_else(|| "no boundary".to_owned())?;
    let delimiter = format!("--{boundary}");
    let first = find(body, delimiter.as_bytes()).ok_or("no first part")? + delimiter.len() + 2;
    let rest = body.get(first..).unwrap_or_default();
    let end = find(rest, format!("\r\n{delimiter}").as_bytes()).ok_or("no second part")?;
    let second = rest.get(end + 2 + delimiter.len() + 2..).unwrap_or_default();
    let (_, signature) = split_header(second);
    let close = find(signature, b"--").unwrap_or(signature.len());
    let signature = from_base64(signature.get(..close).unwrap_or_default()).ok_or("the signature is not base64")?;
    Ok((rest.get(..end).unwrap_or_default().to_vec(), signature))
}

/// Base64 in lines of these lengths, in turn.
pub(crate) fn base64(octets: &[u8], lengths: &[usize], end: &str) -> String {
    let all = mime::encode_base64(octets).replace(['\r', '\n'], "");
    let (mut text, mut rest, mut turn) = (String::new(), all.as_str(), 0);
    while !rest.is_empty() {
        let length = lengths.get(turn % lengths.len()).copied().unwrap_or(64).min(rest.len());
        let (line, after) = rest.split_at(length);
        text.push_str(line);
        text.push_str(end);
        rest = after;
        turn += 1;
    }
    text
}

fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    mime::decode_base64(text)
}

fn split_header(mail: &[u8]) -> (String, &[u8]) {
    let (at, length) = match (find(mail, b"\r\n\r\n"), find(mail, b"\n\n")) {
        (Some(at), other) if other.is_none_or(|other| at < other) => (at, 4),
        (_, Some(at)) => (at, 2),
        _ => (mail.len(), 0),
    };
    let head = String::from_utf8_lossy(mail.get(..at).unwrap_or_default()).into_owned();
    (head, mail.get(at + length..).unwrap_or_default())
}

pub(crate) fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// Every line with CRLF, for peers that write mail with bare LF.
pub(crate) fn with_crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|&octet| octet == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => {
                out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
                out.extend_from_slice(b"\r\n");
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}
