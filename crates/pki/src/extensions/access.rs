use asn1::{Error, Oid, Reader};

use super::GeneralName;
use crate::oids;

/// One line of authorityInfoAccess (RFC 5280 §4.2.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessDescription {
    /// `id-ad-ocsp`, `id-ad-caIssuers`, …
    pub method: Oid,
    /// Where.
    pub location: GeneralName,
}

impl AccessDescription {
    pub(crate) fn parse_all(mut reader: Reader<'_>) -> Result<Vec<Self>, Error> {
        const MOST: usize = 100;
        let mut descriptions = Vec::new();
        while !reader.is_empty() {
            if descriptions.len() == MOST {
                let (offset, limit) = (reader.offset(), MOST as u64);
                return Err(Error::TooMuch { what: "AuthorityInfoAccess", offset, limit, of: "entries" });
            }
            let mut description = reader.sequence("AccessDescription")?;
            let method = description.oid()?;
            let location = GeneralName::from_element(&description.element()?)?;
            description.finish()?;
            descriptions.push(Self { method, location });
        }
        Ok(descriptions)
    }

    fn http_uri(&self, method: Oid) -> Option<&str> {
        match &self.location {
            GeneralName::Uri(uri) if self.method == method && uri.starts_with("http://") => Some(uri),
            _ => None,
        }
    }

    /// The address of an OCSP responder, if it is one over HTTP.
    pub fn ocsp_uri(&self) -> Option<&str> {
        self.http_uri(oids::OCSP)
    }

    /// The address of the issuer's certificate, if it is one over HTTP.
    pub fn ca_issuers_uri(&self) -> Option<&str> {
        self.http_uri(oids::CA_ISSUERS)
    }
}

/// authorityKeyIdentifier (RFC 5280 §4.2.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuthorityKeyIdentifier {
    /// The issuer's subjectKeyIdentifier.
    pub key_identifier: Option<Vec<u8>>,
    /// The names of the issuer's issuer.
    pub issuer: Vec<GeneralName>,
    /// The content octets of the issuer's serial number.
    pub serial: Option<Vec<u8>>,
}

impl AuthorityKeyIdentifier {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<Self, Error> {
        let key_identifier = reader.optional(asn1::Tag::context(0))?.map(|element| element.content().to_vec());
        let issuer = reader.context(1, "authorityCertIssuer")?.map(GeneralName::parse_all).transpose()?;
        let serial = reader.optional(asn1::Tag::context(2))?.map(|element| element.content().to_vec());
        reader.finish()?;
        Ok(Self { key_identifier, issuer: issuer.unwrap_or_default(), serial })
    }
}

/// One statement of a qualified certificate (RFC 3739 §3.2.6): the CA's claim, nothing more (CASES S-29).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QcStatement {
    /// Which statement, such as `0.4.0.1862.1.1` (EN 319 412-5: EU qualified).
    pub id: Oid,
    /// Its DER, where it has any.
    pub info: Option<Vec<u8>>,
}

impl QcStatement {
    pub(crate) fn parse_all(mut reader: Reader<'_>) -> Result<Vec<Self>, Error> {
        let mut statements = Vec::new();
        while !reader.is_empty() {
            let mut statement = reader.sequence("QCStatement")?;
            let id = statement.oid()?;
            let info = if statement.is_empty() { None } else { Some(statement.rest().to_vec()) };
            statements.push(Self { id, info });
        }
        Ok(statements)
    }
}
