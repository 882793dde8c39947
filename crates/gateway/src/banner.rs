//! Text that the house puts below a message before it is signed.

use mime::{Entity, Field};

use crate::smtp::Reply;

/// Puts `text` below a message. Plain text gets it at its end; everything else keeps its bytes and gets it as a part
/// behind it. Invitations stay as they are: calendars read one part and no other.
pub(crate) fn add(mail: &[u8], text: &str) -> Result<Vec<u8>, Reply> {
    let unreadable = |error| Reply::new(550, "5.6.0", format!("the message cannot be read: {error}"));
    let entity = Entity::parse(mail, &mime::Limits::default()).map_err(unreadable)?;
    if entity.is_ambiguous() || entity.walk().iter().any(|part| part.essence() == "text/calendar") {
        return Ok(mail.to_vec());
    }
    let is_content = |field: &Field| {
        field.is("MIME-Version") || field.name().get(..8).is_some_and(|name| name.eq_ignore_ascii_case("Content-"))
    };
    let mut outer = entity.header().clone();
    outer.retain(|field| !is_content(field));
    let banner = mime::MessageBuilder::new().text(format!("\n{text}\n")).build();
    let mut message = outer.to_bytes();
    if entity.essence() == "text/plain" && entity.file_name().is_none() {
        let whole = format!("{}\r\n\r\n-- \r\n{text}\r\n", entity.text().trim_end());
        message.extend_from_slice(&mime::MessageBuilder::new().text(whole).build());
        return Ok(message);
    }
    let mut inner = entity.header().clone();
    inner.retain(|field| is_content(field) && !field.is("MIME-Version"));
    let random: [u8; 12] = crypto::random_array().map_err(|_| Reply::new(451, "4.3.0", "no random numbers now"))?;
    let boundary = random.iter().fold(String::from("=_banner_"), |text, octet| text + &format!("{octet:02x}"));
    let (banner_header, banner_body) = mime::Header::parse(&banner, &mime::Limits::default()).map_err(unreadable)?;
    let mut banner_fields = banner_header;
    banner_fields.retain(|field| !field.is("MIME-Version"));
    message.extend_from_slice(
        format!("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n")
            .as_bytes(),
    );
    message.extend_from_slice(&inner.to_bytes());
    message.extend_from_slice(b"\r\n");
    message.extend_from_slice(entity.body());
    message.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
    message.extend_from_slice(&banner_fields.to_bytes());
    message.extend_from_slice(b"Content-Disposition: inline\r\n\r\n");
    message.extend_from_slice(banner_body);
    message.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(mail: &str) -> Entity {
        Entity::parse(&add(mail.as_bytes(), "Muster GmbH – vertraulich").unwrap(), &mime::Limits::default()).unwrap()
    }

    #[test]
    fn plain_text_gets_it_at_its_end() {
        let mail = "Subject: x\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\
                    Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe\r\n";
        let entity = parsed(mail);
        let text = entity.first_text().unwrap();
        assert_eq!(text, "Grüße\r\n\r\n-- \r\nMuster GmbH – vertraulich\r\n");
        assert_eq!(entity.header().value("Subject").as_deref(), Some("x"));
    }

    #[test]
    fn what_has_parts_keeps_them_and_gets_one_more() {
        let part = "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n\
                    Content-Type: text/html\r\n\r\n<p>text</p>\r\n--b--\r\n";
        let entity = parsed(&format!("Subject: x\r\nMIME-Version: 1.0\r\n{part}"));
        assert_eq!(entity.parts().len(), 2);
        assert_eq!([entity.parts()[0].header_bytes(), entity.parts()[0].body()].concat(), part.as_bytes());
        assert!(entity.parts()[1].text().contains("Muster GmbH – vertraulich"));
    }

    #[test]
    fn invitations_stay_as_they_are() {
        let mail = "Subject: x\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\n";
        assert_eq!(add(mail.as_bytes(), "x").unwrap(), mail.as_bytes());
    }
}
