//! Takes a mail apart into the fields that stay outside and the entity that is protected.

use mime::{Field, Header};

use crate::{Error, Form, Limits, recognise};

/// A mail with the entity to protect separated from it.
#[derive(Debug)]
pub(crate) struct Split {
    /// The fields that stay outside: all but `Content-*` and `MIME-Version`.
    pub(crate) outer: Header,
    /// The entity, with its `Content-*` fields.
    pub(crate) entity: Vec<u8>,
}

/// RFC 8551 §3.1: the content type and what belongs to it go inside, everything else stays.
pub(crate) fn split(mail: &[u8], limits: &Limits) -> Result<Split, Error> {
    if recognise(mail) != Form::Mail {
        // A file that is no mail becomes the body of an entity of its own.
        let text = std::str::from_utf8(mail).is_ok_and(|text| !text.contains('\0'));
        let content_type = if text { "text/plain; charset=utf-8" } else { "application/octet-stream" };
        let encoding = if text { "8bit" } else { "binary" };
        let mut entity =
            format!("Content-Type: {content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n").into_bytes();
        entity.extend_from_slice(mail);
        return Ok(Split { outer: Header::default(), entity });
    }
    let (header, body) = Header::parse(mail, &limits.mime)?;
    let inner = |field: &Field| field.name().to_ascii_lowercase().starts_with("content-");
    let (mut outer, mut inside) = (header.clone(), header);
    outer.retain(|field| !inner(field) && !field.is("MIME-Version") && !field.name().is_empty());
    inside.retain(inner);
    if inside.get("Content-Type").is_none() {
        inside.prepend(Field::new("Content-Type", "text/plain; charset=us-ascii"));
    }
    let mut entity = inside.to_bytes();
    entity.extend_from_slice(b"\r\n");
    entity.extend_from_slice(body);
    Ok(Split { outer, entity })
}

/// Joins outer fields with a protected entity whose header begins with `Content-Type`.
pub(crate) fn join(
    outer: &Header,
    content_fields: &str,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
) -> Result<Vec<u8>, Error> {
    let mut out = outer.to_bytes();
    // Seen in the wild: fields with bare LF; a mail has one kind of line end.
    if outer.has_bare_line_feeds() {
        out = String::from_utf8_lossy(&out).replace("\r\n", "\n").replace('\n', "\r\n").into_bytes();
    }
    out.extend_from_slice(b"MIME-Version: 1.0\r\n");
    out.extend_from_slice(content_fields.as_bytes());
    out.extend_from_slice(b"\r\n");
    body(&mut out)?;
    Ok(out)
}
