use asn1::{Encoding, Error, Oid, Reader, Tag, Writer};
use pki::Certificate;

/// Names one certificate: `SignerIdentifier` and `RecipientIdentifier` (RFC 5652 §5.3, §6.2.1; RFC 8551 §2.6).
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum CertificateIdentifier {
    /// `IssuerAndSerialNumber` (RFC 5652 §10.2.4).
    IssuerAndSerialNumber {
        /// The issuer's Name in DER.
        issuer: Vec<u8>,
        /// The serial number's content octets.
        serial: Vec<u8>,
    },
    /// `SubjectKeyIdentifier`.
    SubjectKeyIdentifier(Vec<u8>),
}

impl CertificateIdentifier {
    /// By issuer and serial number, as everybody understands it.
    pub fn of(certificate: &Certificate) -> Self {
        Self::IssuerAndSerialNumber {
            issuer: certificate.issuer().as_der().to_vec(),
            serial: certificate.serial().content().to_vec(),
        }
    }

    /// By subject key identifier, if the certificate has one.
    pub fn by_key(certificate: &Certificate) -> Option<Self> {
        certificate.subject_key_identifier().map(|identifier| Self::SubjectKeyIdentifier(identifier.to_vec()))
    }

    /// Whether `certificate` is one that this names.
    pub fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerAndSerialNumber { issuer, serial } => {
                certificate.serial().content() == serial
                    && (certificate.issuer().as_der() == issuer
                        || pki::Name::from_der(issuer).is_ok_and(|issuer| issuer == *certificate.issuer()))
            }
            Self::SubjectKeyIdentifier(identifier) => certificate.subject_key_identifier() == Some(identifier),
        }
    }

    /// Reads the CHOICE; `key_tag` is the tag of the subject key identifier.
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<Self, Error> {
        if let Some(identifier) = reader.optional(Tag::context(0))? {
            return Ok(Self::SubjectKeyIdentifier(identifier.to_octets()?.into_owned()));
        }
        Self::parse_issuer_and_serial(reader)
    }

    pub(crate) fn parse_issuer_and_serial(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut inside = reader.sequence("IssuerAndSerialNumber")?;
        let issuer = inside.expect(Tag::SEQUENCE)?.raw().to_vec();
        let serial = inside.integer()?.content().to_vec();
        inside.finish()?;
        Ok(Self::IssuerAndSerialNumber { issuer, serial })
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        match self {
            Self::IssuerAndSerialNumber { issuer, serial } => writer.sequence(|w| {
                w.raw(issuer);
                w.integer_content(serial);
            }),
            Self::SubjectKeyIdentifier(identifier) => writer.primitive(Tag::context(0), identifier),
        }
    }

    /// Version 3 goes with the subject key identifier, 1 without (RFC 5652 §5.3).
    pub(crate) fn is_by_key(&self) -> bool {
        matches!(self, Self::SubjectKeyIdentifier(_))
    }

    /// As people read it.
    pub fn describe(&self) -> String {
        let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02X}")).collect::<String>();
        match self {
            Self::IssuerAndSerialNumber { issuer, serial } => {
                let issuer = pki::Name::from_der(issuer).map(|name| name.to_string()).unwrap_or_else(|_| "?".into());
                format!("serial {} of {issuer}", hex(serial))
            }
            Self::SubjectKeyIdentifier(identifier) => format!("key {}", hex(identifier)),
        }
    }
}

impl std::fmt::Debug for CertificateIdentifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.describe())
    }
}

/// Reads an OID from a parsed AlgorithmIdentifier's parameters, where one stands.
pub(crate) fn oid_in(parameters: &[u8]) -> Option<Oid> {
    Reader::new(parameters, Encoding::Ber).oid().ok()
}
