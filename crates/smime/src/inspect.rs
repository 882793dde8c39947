use std::io::{BufRead, Read as _};

use asn1::{Oid, Time};
use cms::{CompressedDataReader, ContentType, EncryptedDataReader, SignedDataReader, SignerInfo};
use mime::Entity;

use crate::recognise::{unarmour, without_mark};
use crate::{Error, Form, Limits, recognise};

/// One node of what a message is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// What it is: a media type, or the name of a CMS type.
    pub kind: String,
    /// What there is to say of it once: `("subject", "…")`.
    pub facts: Vec<(&'static str, String)>,
    /// Octets of the body or the content.
    pub octets: Option<usize>,
    /// Whether the content of a signature is somewhere else.
    pub is_detached: bool,
    /// The signers of a SignedData.
    pub signers: Vec<SignerNode>,
    /// The recipients of what is encrypted.
    pub recipients: Vec<RecipientNode>,
    /// The certificates that came along.
    pub certificates: Vec<pki::Certificate>,
    /// What is not as it should be.
    pub odd: Vec<String>,
    /// What is inside.
    pub children: Vec<Node>,
}

/// A signer, by what the message says. Nothing is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignerNode {
    /// How the message names the certificate.
    pub identifier: String,
    /// The signature algorithm.
    pub algorithm: String,
    /// The digest.
    pub digest: String,
    /// When the signer claims to have signed.
    pub signing_time: Option<Time>,
    /// The names or object identifiers of the signed attributes.
    pub attributes: Vec<String>,
    /// Those who claim to have signed this signature.
    pub countersigners: Vec<String>,
}

/// A recipient, by what the message says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecipientNode {
    /// How the message names the certificate; `None` for passwords and shared keys.
    pub identifier: Option<String>,
    /// How the content key travels.
    pub algorithm: String,
}

/// Shows what a message is made of, without keys and without judging it.
///
/// # Errors
/// When it is in no known form or exceeds the limits.
pub fn inspect(message: &[u8], limits: &Limits) -> Result<Node, Error> {
    match recognise(message) {
        Form::Mail => Ok(inspect_entity(&Entity::parse(without_mark(message), &limits.mime)?, limits, limits.layers)),
        Form::Der => inspect_cms(message, limits, limits.layers),
        form @ (Form::Pem | Form::Base64) => {
            inspect_cms(&unarmour(form, message).ok_or(Error::Unrecognised)?, limits, limits.layers)
        }
        Form::Other if message.is_empty() => Err(Error::Empty),
        Form::Other => Err(Error::Unrecognised),
    }
}

fn inspect_entity(entity: &Entity, limits: &Limits, depth: usize) -> Node {
    let mut node = Node { kind: entity.essence(), octets: Some(entity.body().len()), ..Node::default() };
    if node.kind.is_empty() {
        node.kind = "ambiguous".into();
        node.odd.push("there are two content types, or one that cannot be read".into());
    }
    // Of two content types that was said already.
    let ambiguity = entity.header().ambiguity().filter(|_| node.odd.is_empty());
    node.odd.extend(ambiguity.map(|ambiguity| ambiguity.to_string()));
    for (name, fact) in [("From", "from"), ("To", "to"), ("Subject", "subject"), ("Date", "date")] {
        let mut fields = entity.header().all(name);
        node.facts.extend(fields.next().map(|field| (fact, field.text())));
        if fields.next().is_some() {
            node.odd.push(format!("there are several {name} fields"));
        }
    }
    node.facts.extend(entity.file_name().map(|name| ("file_name", name)));
    if entity.header().has_bare_line_feeds() {
        node.odd.push("lines end with a bare LF".into());
    }
    if !entity.is_closed() {
        node.odd.push("the multipart is not closed".into());
    }
    node.children = entity.parts().iter().map(|part| inspect_entity(part, limits, depth)).collect();
    if entity.parts().is_empty() {
        let body = entity.decoded_body();
        if cms::sniff(&body).is_some() {
            node.children.push(inspect_layer(&body, limits, depth));
        } else if is_labelled(&node.kind) {
            node.odd.push("it is labelled S/MIME, and is none".into());
        }
    }
    node
}

const UNREADABLE_CIPHER: &str = "the cipher is not read here, or is not used as its standard says";

impl Node {
    /// The cipher of the first encrypted layer that nobody opens here, whatever the key: everybody who sees the message
    /// sees that.
    pub fn unreadable_cipher(&self) -> Option<&str> {
        if self.odd.iter().any(|odd| odd == UNREADABLE_CIPHER) {
            return self.facts.iter().find(|(name, _)| *name == "cipher").map(|(_, cipher)| cipher.as_str());
        }
        self.children.iter().find_map(Self::unreadable_cipher)
    }
}

fn is_labelled(essence: &str) -> bool {
    matches!(essence.strip_prefix("application/").map(|kind| kind.trim_start_matches("x-")), Some(kind) if kind.starts_with("pkcs7-"))
}

fn inspect_layer(der: &[u8], limits: &Limits, depth: usize) -> Node {
    let Some(depth) = depth.checked_sub(1) else {
        return Node {
            kind: "…".into(), odd: vec!["there are more layers than are opened".into()], ..Node::default()
        };
    };
    inspect_cms(der, limits, depth).unwrap_or_else(|error| Node {
        kind: "broken".into(),
        odd: vec![error.to_string()],
        ..Node::default()
    })
}

fn inspect_cms(der: &[u8], limits: &Limits, depth: usize) -> Result<Node, Error> {
    let mut source = der;
    match cms::sniff(source.fill_buf()?) {
        Some(ContentType::SignedData) => inspect_signed(der, limits, depth),
        Some(ContentType::EnvelopedData | ContentType::AuthEnvelopedData) => inspect_encrypted(der),
        Some(ContentType::CompressedData) => {
            let mut spool = CompressedDataReader::open(der)?.decompress(limits.spool.clone())?;
            let mut content = Vec::new();
            spool.reader()?.read_to_end(&mut content)?;
            let mut node = Node { kind: "CompressedData".into(), octets: Some(content.len()), ..Node::default() };
            node.children.extend(inspect_content(&content, limits, depth)?);
            Ok(node)
        }
        Some(ContentType::Other(oid)) => Ok(Node { kind: type_name(oid), ..Node::default() }),
        _ => Err(Error::Unrecognised),
    }
}

fn inspect_encrypted(der: &[u8]) -> Result<Node, Error> {
    let reader = EncryptedDataReader::open(der)?;
    let kind = if reader.is_authenticated() { "AuthEnvelopedData" } else { "EnvelopedData" };
    let mut node = Node { kind: kind.into(), facts: vec![("cipher", reader.cipher_name())], ..Node::default() };
    match reader.cipher() {
        None => node.odd.push(UNREADABLE_CIPHER.into()),
        Some(cipher) if cipher.is_legacy() => node.odd.push("the cipher is outdated".into()),
        Some(_) => {}
    }
    for info in reader.recipients() {
        let algorithm = info.algorithm();
        let recipient = |identifier| RecipientNode { identifier, algorithm: algorithm.to_owned() };
        match info.recipients() {
            [] => node.recipients.push(recipient(None)),
            named => node.recipients.extend(named.iter().map(|named| recipient(Some(named.describe())))),
        }
    }
    Ok(node)
}

fn inspect_signed(der: &[u8], limits: &Limits, depth: usize) -> Result<Node, Error> {
    let mut reader = SignedDataReader::open(der)?;
    let mut content = Vec::new();
    reader.read_to_end(&mut content)?;
    let data = reader.finish(None)?;
    let mut node = Node {
        kind: "SignedData".into(),
        octets: data.has_content().then_some(content.len()),
        is_detached: !data.has_content() && !data.signers().is_empty(),
        signers: data.signers().iter().map(signer_node).collect(),
        certificates: data.certificates().to_vec(),
        ..Node::default()
    };
    if data.content_type() != cms::oids::ID_DATA {
        node.facts.push(("content_type", type_name(data.content_type())));
    }
    if data.signers().is_empty() {
        node.odd.push("nobody has signed it: it carries certificates".into());
    }
    if data.unreadable_certificates() > 0 {
        node.odd.push(format!("{} certificates cannot be read", data.unreadable_certificates()));
    }
    if data.has_content() {
        node.children.extend(inspect_content(&content, limits, depth)?);
    }
    Ok(node)
}

fn inspect_content(content: &[u8], limits: &Limits, depth: usize) -> Result<Option<Node>, Error> {
    if depth == 0 || recognise(content) != Form::Mail {
        return Ok(None);
    }
    Ok(Some(inspect_entity(&Entity::parse(content, &limits.mime)?, limits, depth)))
}

fn signer_node(signer: &SignerInfo) -> SignerNode {
    let countersigners = match signer.countersigners() {
        Ok(found) => found.iter().map(|found| found.identifier().describe()).collect(),
        Err(error) => vec![error.to_string()],
    };
    SignerNode {
        identifier: signer.identifier().describe(),
        algorithm: signer
            .signature_algorithm()
            .map_or_else(|error| error.to_string(), |algorithm| algorithm.name().into()),
        digest: signer.digest_algorithm().map_or_else(|error| error.to_string(), |digest| digest.name().into()),
        signing_time: signer.signed_attributes().and_then(cms::Attributes::signing_time),
        attributes: signer
            .signed_attributes()
            .map(|signed| signed.iter().map(|attribute| attribute_name(attribute.oid)).collect())
            .unwrap_or_default(),
        countersigners,
    }
}

fn type_name(oid: Oid) -> String {
    let name = match oid {
        cms::oids::ID_DATA => "data",
        cms::oids::ID_DIGESTED_DATA => "DigestedData",
        cms::oids::ID_ENCRYPTED_DATA => "EncryptedData",
        cms::oids::ID_CT_AUTH_DATA => "AuthenticatedData",
        cms::oids::ID_CT_RECEIPT => "Receipt",
        _ => return format!("content type {oid}"),
    };
    name.into()
}

fn attribute_name(oid: Oid) -> String {
    use cms::oids;
    let name = match oid {
        oids::ID_CONTENT_TYPE => "content-type",
        oids::ID_MESSAGE_DIGEST => "message-digest",
        oids::ID_SIGNING_TIME => "signing-time",
        oids::SMIME_CAPABILITIES => "SMIMECapabilities",
        oids::ID_AA_ENCRYP_KEY_PREF => "SMIMEEncryptionKeyPreference",
        oids::ID_AA_RECEIPT_REQUEST => "receipt-request",
        oids::ID_AA_SIGNING_CERTIFICATE => "signing-certificate",
        oids::ID_AA_SIGNING_CERTIFICATE_V2 => "signing-certificate-v2",
        oids::ID_AA_CMS_ALGORITHM_PROTECT => "CMSAlgorithmProtection",
        _ => return oid.to_string(),
    };
    name.into()
}
