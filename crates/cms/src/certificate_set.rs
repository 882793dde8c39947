use asn1::{Encoding, Reader, Tag};
use pki::Certificate;

use crate::{Error, limits};

/// Reads a `CertificateSet` under its IMPLICIT tag: the certificates, and how many others there are.
///
/// ```text
/// CertificateSet ::= SET OF CertificateChoices
/// CertificateChoices ::= CHOICE {
///   certificate Certificate, extendedCertificate [0], v1AttrCert [1], v2AttrCert [2], other [3] }
/// ```
/// RFC 5652 §10.2.2, §10.2.3; RFC 8550 §2.2, §2.3: all kinds are taken, in any number and order.
pub(crate) fn parse(raw: &[u8]) -> Result<(Vec<Certificate>, usize), Error> {
    let mut outer = Reader::new(raw, Encoding::Ber);
    let mut set = outer.element()?.reader("certificates")?;
    let (mut certificates, mut others) = (Vec::new(), 0);
    while !set.is_empty() {
        if certificates.len() + others >= limits::CERTIFICATES {
            return Err(Error::TooMany { what: "certificates", limit: limits::CERTIFICATES });
        }
        let choice = set.element()?;
        match Certificate::from_der(choice.raw()) {
            Ok(certificate) if choice.tag() == Tag::SEQUENCE => certificates.push(certificate),
            _ => others += 1,
        }
    }
    Ok((certificates, others))
}
