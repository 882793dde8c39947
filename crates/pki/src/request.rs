use std::fmt;
use std::ops::Range;

use asn1::{Because, Encoding, Oid, Reader, Tag, Writer};
use crypto::{AlgorithmIdentifier, PrivateKey, PublicKey};

use crate::builder::{default_algorithm, signed, usual_key_usage, write_mail_extensions};
use crate::certificate::part_of;
use crate::extensions::Extensions;
use crate::{
    Certificate, EmailAddress, Error, ExtendedKeyUsage, GeneralName, KeyUsage, Name, Reason, Subject, keys, oids,
};

/// A request for a certificate (PKCS #10, RFC 2986 §4), held as it came.
///
/// ```text
/// CertificationRequest ::= SEQUENCE {
///   certificationRequestInfo CertificationRequestInfo, signatureAlgorithm AlgorithmIdentifier, signature BIT STRING }
/// CertificationRequestInfo ::= SEQUENCE {
///   version INTEGER {v1(0)}, subject Name, subjectPKInfo SubjectPublicKeyInfo,
///   attributes [0] IMPLICIT SET OF Attribute }
/// ```
///
/// What it asks for is its sender's wish and nothing more: the CA decides what the certificate says.
#[derive(Clone)]
pub struct CertificateRequest {
    der: Vec<u8>,
    info: Range<usize>,
    signature: Range<usize>,
    signature_algorithm: AlgorithmIdentifier,
    subject: Name,
    public_key: PublicKey,
    extensions: Extensions,
}

impl CertificateRequest {
    /// The largest request that is read: a certificate has not much more.
    pub const MOST_BYTES: usize = Certificate::MOST_BYTES;

    /// From DER, with nothing after it.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        if der.len() > Self::MOST_BYTES {
            return Err(Error::TooLarge { what: "certificate request", limit: Self::MOST_BYTES });
        }
        let mut outer = Reader::new(der, Encoding::Der).named("CertificationRequest");
        let mut request = outer.sequence("CertificationRequest")?;
        outer.finish()?;
        let info = request.expect(Tag::SEQUENCE)?;
        let signature_algorithm = AlgorithmIdentifier::parse(&mut request)?;
        let signature = request.bit_string()?;
        let whole_octets = if signature.unused_bits == 0 { signature.octets } else { &[] };
        request.finish()?;

        let mut inside = info.reader("CertificationRequestInfo")?;
        let version = inside.malformed(Because::BadValue);
        if inside.small_integer()? != 0 {
            return Err(version.into());
        }
        let subject = Name::from_element(&inside.expect(Tag::SEQUENCE)?)?;
        let public_key = PublicKey::from_spki(inside.expect(Tag::SEQUENCE)?.raw())?;
        // Seen in the wild: no attributes at all, where an empty set should be.
        let extensions = match inside.context(0, "Attributes")? {
            Some(attributes) => requested_extensions(attributes)?,
            None => Extensions::default(),
        };
        inside.finish()?;
        Ok(Self {
            info: part_of(der, info.raw()),
            signature: part_of(der, whole_octets),
            signature_algorithm,
            subject,
            public_key,
            extensions,
            der: der.to_vec(),
        })
    }

    /// From DER or the first `CERTIFICATE REQUEST` block of a PEM text.
    pub fn from_pem_or_der(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.first() == Some(&0x30) {
            return Self::from_der(bytes);
        }
        let is_request = |label: &str| matches!(label, "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST");
        let blocks = asn1::parse_pem(bytes)?;
        let block = blocks.iter().find(|block| is_request(&block.label));
        Self::from_der(&block.ok_or(Error::NotFound { what: "certificate request" })?.der)
    }

    /// The bytes as they came.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// PEM with the label `CERTIFICATE REQUEST`.
    pub fn to_pem(&self) -> String {
        asn1::encode_pem("CERTIFICATE REQUEST", self.der())
    }

    /// The name that is asked for.
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// The key to be certified.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The extensions that are asked for.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The key usage that is asked for.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.extensions.key_usage()
    }

    /// The purposes that are asked for.
    pub fn extended_key_usage(&self) -> Option<&ExtendedKeyUsage> {
        self.extensions.extended_key_usage()
    }

    /// The mailboxes that are asked for, each once. What is not an address is not among them.
    pub fn email_addresses(&self) -> Vec<EmailAddress> {
        let names = self.extensions.subject_alternative_names().iter().filter_map(|name| match name {
            GeneralName::Rfc822Name(text) => EmailAddress::from_ascii(text).ok(),
            GeneralName::SmtpUtf8Mailbox(text) => EmailAddress::from_smtp_utf8(text).ok(),
            _ => None,
        });
        let texts = self.subject.email_attributes().filter_map(|attribute| attribute.text());
        let mut addresses: Vec<EmailAddress> = Vec::new();
        for address in names.chain(texts.filter_map(|text| EmailAddress::from_ascii(text).ok())) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }

    /// Whether whoever asks has the private key (RFC 2986 §3), and the key is fit for a certificate.
    ///
    /// # Errors
    /// [`Reason::SignatureInvalid`] when it is somebody else's key; others when the key or the algorithm is too weak.
    pub fn verify_possession(&self) -> Result<(), Reason> {
        let algorithm = keys::accepted_algorithm(&self.signature_algorithm)?;
        if let Some(reason) = keys::weakness(&self.public_key) {
            return Err(reason);
        }
        let part = |range: &Range<usize>| self.der.get(range.clone()).unwrap_or_default();
        self.public_key
            .verify(&algorithm, part(&self.info), part(&self.signature))
            .map_err(|_| Reason::SignatureInvalid)
    }
}

impl fmt::Debug for CertificateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateRequest").field("subject", &self.subject).finish_non_exhaustive()
    }
}

// RFC 2985 §5.4.2: extensionRequest, a single value. RFC 2986 §4: all other attributes are for CAs that know them.
fn requested_extensions(mut attributes: Reader<'_>) -> Result<Extensions, asn1::Error> {
    let mut extensions = None;
    while !attributes.is_empty() {
        let mut attribute = attributes.sequence("Attribute")?;
        let (here, oid) = (attribute.malformed(Because::BadValue), attribute.oid()?);
        let mut values = attribute.set("AttributeValues")?;
        attribute.finish()?;
        if oid == oids::EXTENSION_REQUEST || oid == oids::MICROSOFT_EXTENSION_REQUEST {
            // Two lists would let a reader of the first and a reader of the last see different requests.
            if extensions.is_some() {
                return Err(here);
            }
            let list = values.sequence("Extensions")?;
            values.finish()?;
            extensions = Some(Extensions::parse(list, Encoding::Der)?);
        }
    }
    Ok(extensions.unwrap_or_default())
}

/// What a request for a certificate asks for.
#[derive(Debug, Clone)]
pub struct CertificateRequestBuilder {
    subject: Subject,
    addresses: Vec<EmailAddress>,
    key_usage: Option<KeyUsage>,
    purposes: Vec<Oid>,
}

impl CertificateRequestBuilder {
    /// For a person's mailbox: key usage as the key allows, purpose email protection.
    pub fn mailbox(subject: Subject, address: EmailAddress) -> Self {
        Self { subject, addresses: vec![address], key_usage: None, purposes: vec![oids::EMAIL_PROTECTION] }
    }

    /// Also for this mailbox.
    #[must_use]
    pub fn also_for(mut self, address: EmailAddress) -> Self {
        if !self.addresses.contains(&address) {
            self.addresses.push(address);
        }
        self
    }

    /// With exactly this key usage.
    #[must_use]
    pub fn key_usage(self, key_usage: KeyUsage) -> Self {
        Self { key_usage: Some(key_usage), ..self }
    }

    /// Makes the request and signs it with the key that it is for.
    ///
    /// # Errors
    /// Keys that do not sign (X25519, ML-KEM) cannot prove themselves in PKCS #10.
    pub fn sign(&self, key: &dyn PrivateKey) -> Result<CertificateRequest, Error> {
        let algorithm = default_algorithm(key)?;
        let public = key.public_key();
        let mut extensions = Writer::new();
        extensions.sequence(|w| {
            let key_usage = self.key_usage.unwrap_or_else(|| usual_key_usage(public));
            write_mail_extensions(key_usage, &self.purposes, &self.addresses, self.subject.is_empty(), w);
        });
        let mut attribute = Writer::new();
        attribute.sequence(|w| {
            w.oid(&oids::EXTENSION_REQUEST);
            w.set_of(vec![extensions.into_vec()]);
        });
        let mut info = Writer::new();
        info.sequence(|w| {
            w.unsigned(0);
            w.raw(&self.subject.to_der());
            w.raw(public.spki());
            w.set_of_tagged(Tag::context(0), vec![attribute.into_vec()]);
        });
        CertificateRequest::from_der(&signed(info.as_slice(), &algorithm, key)?)
    }
}
