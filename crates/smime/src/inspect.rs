use std::io::BufRead as _;

use cms::{ContentType, EncryptedDataReader, SignedDataReader};
use mime::Entity;

use crate::recognise::unarmour;
use crate::{Error, Form, Limits, recognise};

/// One node of what a message is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// What it is: a media type or a CMS type.
    pub kind: String,
    /// What there is to say of it: `("subject", "…")`.
    pub facts: Vec<(&'static str, String)>,
    /// What is inside.
    pub children: Vec<Node>,
}

/// Shows what a message is made of, without keys and without judging it.
///
/// # Errors
/// When it is in no known form or exceeds the limits.
pub fn inspect(message: &[u8], limits: &Limits) -> Result<Node, Error> {
    match recognise(message) {
        Form::Mail => Ok(inspect_entity(&Entity::parse(message, &limits.mime)?, limits, limits.layers)),
        Form::Der => inspect_cms(message, limits, limits.layers),
        form @ (Form::Pem | Form::Base64) => {
            inspect_cms(&unarmour(form, message).ok_or(Error::Unrecognised)?, limits, limits.layers)
        }
        Form::Other => Err(Error::Unrecognised),
    }
}

fn inspect_entity(entity: &Entity, limits: &Limits, depth: usize) -> Node {
    let mut node = Node { kind: entity.essence(), ..Node::default() };
    if node.kind.is_empty() {
        node.kind = "ambiguous: two content types".into();
    }
    for name in ["From", "To", "Subject", "Date"] {
        let fact = match name {
            "From" => "from",
            "To" => "to",
            "Subject" => "subject",
            _ => "date",
        };
        node.facts.extend(entity.header().get(name).map(|field| (fact, field.text())));
    }
    node.facts.extend(entity.file_name().map(|name| ("file name", name)));
    node.facts.push(("octets", entity.body().len().to_string()));
    if entity.header().has_bare_line_feeds() {
        node.facts.push(("odd", "lines end with a bare LF".into()));
    }
    if !entity.is_closed() {
        node.facts.push(("odd", "the multipart is not closed".into()));
    }
    node.children = entity.parts().iter().map(|part| inspect_entity(part, limits, depth)).collect();
    if entity.parts().is_empty() && depth > 0 {
        let body = entity.decoded_body();
        if cms::sniff(&body).is_some() {
            node.children.push(inspect_cms(&body, limits, depth - 1).unwrap_or_else(|error| broken(&error)));
        }
    }
    node
}

fn broken(error: &Error) -> Node {
    Node { kind: "broken".into(), facts: vec![("because", error.to_string())], children: Vec::new() }
}

fn inspect_cms(der: &[u8], limits: &Limits, depth: usize) -> Result<Node, Error> {
    let mut source = der;
    match cms::sniff(source.fill_buf()?) {
        Some(ContentType::SignedData) => inspect_signed(der, limits, depth),
        Some(kind @ (ContentType::EnvelopedData | ContentType::AuthEnvelopedData)) => {
            let reader = EncryptedDataReader::open(der)?;
            let kind = if kind == ContentType::EnvelopedData { "EnvelopedData" } else { "AuthEnvelopedData" };
            let mut node =
                Node { kind: kind.into(), facts: vec![("cipher", reader.cipher_name())], children: Vec::new() };
            for info in reader.recipients() {
                for recipient in info.recipients() {
                    node.facts.push(("recipient", format!("{} by {}", recipient.describe(), info.algorithm())));
                }
                if info.recipients().is_empty() {
                    node.facts.push(("recipient", info.algorithm().into()));
                }
            }
            Ok(node)
        }
        Some(ContentType::CompressedData) => Ok(Node { kind: "CompressedData".into(), ..Node::default() }),
        Some(ContentType::Other(oid)) => Ok(Node { kind: format!("content type {oid}"), ..Node::default() }),
        _ => Err(Error::Unrecognised),
    }
}

fn inspect_signed(der: &[u8], limits: &Limits, depth: usize) -> Result<Node, Error> {
    let mut reader = SignedDataReader::open(der)?;
    let mut content = Vec::new();
    std::io::Read::read_to_end(&mut reader, &mut content)?;
    let data = reader.finish(None)?;
    let mut node = Node { kind: "SignedData".into(), ..Node::default() };
    node.facts.push((
        "content",
        if data.has_content() { format!("{} octets inside", content.len()) } else { "detached".into() },
    ));
    for signer in data.signers() {
        let algorithm =
            signer.signature_algorithm().map_or_else(|error| error.to_string(), |algorithm| algorithm.name().into());
        let digest = signer.digest_algorithm().map_or_else(|error| error.to_string(), |digest| digest.name().into());
        node.facts.push(("signer", format!("{}, {algorithm} with {digest}", signer.identifier().describe())));
        if let Some(time) = signer.signed_attributes().and_then(cms::Attributes::signing_time) {
            node.facts.push(("signing time (claimed)", time.to_string()));
        }
    }
    for certificate in data.certificates() {
        node.facts
            .push(("certificate", format!("{} until {}", certificate.subject(), certificate.validity().not_after)));
    }
    if data.has_content() && depth > 0 && recognise(&content) == Form::Mail {
        node.children.push(inspect_entity(&Entity::parse(&content, &limits.mime)?, limits, depth - 1));
    }
    Ok(node)
}
