//! What RFC 5280 §4 and §5 say that a CA MUST do and a verifier need not insist on. Looked at under
//! [`Conformance::Strict`](super::Conformance) only.

use crate::certificate::Oddity;
use crate::extensions::{GeneralName, KeyUsage};
use crate::{Certificate, oids};

/// The first departure in a chain: whose, and which.
pub(super) fn check_chain(chain: &[Certificate]) -> Result<(), (usize, &'static str)> {
    for (index, certificate) in chain.iter().enumerate() {
        let is_anchor = index + 1 == chain.len();
        let found = check(certificate).or_else(|| if index > 0 { check_ca(certificate) } else { None }).or_else(|| {
            // RFC 5280 §4.2.1.1: self-signed certificates may do without, and an anchor's issuer is nobody's concern.
            let missing = certificate.authority_key_identifier().is_none();
            (missing && !is_anchor).then_some("the authority key identifier is missing (RFC 5280 §4.2.1.1)")
        });
        if let Some(what) = found {
            return Err((index, what));
        }
    }
    Ok(())
}

fn check(certificate: &Certificate) -> Option<&'static str> {
    let extensions = certificate.extensions();
    let critical = |oid| extensions.get(oid).is_some_and(|extension| extension.critical);
    let absent_or_critical = |oid| extensions.get(oid).is_none_or(|extension| extension.critical);
    let odd = |oddity| certificate.oddities().contains(&oddity);
    let ca = certificate.is_ca();
    let usage = certificate.key_usage();
    let rules = [
        (odd(Oddity::SerialNegative), "the serial number is negative (RFC 5280 §4.1.2.2)"),
        (odd(Oddity::SerialZero), "the serial number is zero (RFC 5280 §4.1.2.2)"),
        (odd(Oddity::SerialTooLong), "the serial number is longer than 20 octets (RFC 5280 §4.1.2.2)"),
        (odd(Oddity::NotDer), "the certificate is not DER (RFC 5280 §4.1)"),
        (odd(Oddity::ExtensionsEmpty), "the list of extensions is empty (RFC 5280 §4.1)"),
        (odd(Oddity::TimeForm), "a time is in the wrong form (RFC 5280 §4.1.2.5)"),
        (certificate.issuer().is_empty(), "the issuer is empty (RFC 5280 §4.1.2.4)"),
        (critical(oids::AUTHORITY_KEY_IDENTIFIER), "the authority key identifier is critical (RFC 5280 §4.2.1.1)"),
        (critical(oids::SUBJECT_KEY_IDENTIFIER), "the subject key identifier is critical (RFC 5280 §4.2.1.2)"),
        (critical(oids::AUTHORITY_INFO_ACCESS), "the authority information access is critical (RFC 5280 §4.2.2.1)"),
        (critical(oids::FRESHEST_CRL), "the freshest CRL is critical (RFC 5280 §4.2.1.15)"),
        (
            certificate.subject().is_empty() && !critical(oids::SUBJECT_ALT_NAME),
            "the subject is empty and the subject alternative name not critical (RFC 5280 §4.2.1.6)",
        ),
        (
            !ca && usage.is_some_and(|usage| usage.contains(KeyUsage::KEY_CERT_SIGN)),
            "the key usage allows signing certificates, but it is not a CA's (RFC 5280 §4.2.1.9)",
        ),
        (usage.is_some_and(KeyUsage::is_empty), "the key usage is empty (RFC 5280 §4.2.1.3)"),
        (
            !ca && extensions.name_constraints().is_some(),
            "there are name constraints, but it is not a CA's (RFC 5280 §4.2.1.10)",
        ),
        (!absent_or_critical(oids::NAME_CONSTRAINTS), "the name constraints are not critical (RFC 5280 §4.2.1.10)"),
        (!absent_or_critical(oids::POLICY_CONSTRAINTS), "the policy constraints are not critical (RFC 5280 §4.2.1.11)"),
        (
            certificate.subject_alternative_names().iter().any(|name| matches!(name, GeneralName::Malformed { .. })),
            "a subject alternative name is malformed (RFC 5280 §4.2.1.6)",
        ),
    ];
    rules.into_iter().find(|(broken, _)| *broken).map(|(_, what)| what)
}

fn check_ca(certificate: &Certificate) -> Option<&'static str> {
    let extensions = certificate.extensions();
    let rules = [
        (certificate.subject().is_empty(), "a CA has an empty subject (RFC 5280 §4.1.2.6)"),
        (
            extensions.get(oids::BASIC_CONSTRAINTS).is_none_or(|extension| !extension.critical),
            "a CA's basic constraints are missing or not critical (RFC 5280 §4.2.1.9)",
        ),
        (
            certificate.subject_key_identifier().is_none(),
            "a CA's subject key identifier is missing (RFC 5280 §4.2.1.2)",
        ),
    ];
    rules.into_iter().find(|(broken, _)| *broken).map(|(_, what)| what)
}
