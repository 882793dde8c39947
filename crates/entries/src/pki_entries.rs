use asn1::Time;
use pki::{
    Certificate, CertificateList, CertificateRequest, Credential, EmailAddress, Name, OcspResponse, PathChecker,
    PathPolicy, Pkcs12, Purpose, TrustAnchors,
};

use crate::keys;

fn now() -> Time {
    Time::parse_rfc3339("2026-11-24").unwrap()
}

pub(crate) fn certificate(bytes: &[u8]) {
    let mut found = Certificate::all_from(bytes).unwrap_or_default();
    found.extend(Certificate::from_der(bytes));
    for certificate in found.iter().take(20) {
        // What is verified later is what came.
        assert_eq!(Certificate::from_der(certificate.der()).ok().as_ref(), Some(certificate));
        let _ = (certificate.email_addresses(), certificate.subject().to_string(), certificate.to_pem());
        let _ = (pki::lint::lint(certificate, now()), certificate.public_key().map(|key| key.describe()));
    }
}

pub(crate) fn path(bytes: &[u8]) {
    let certificates = Certificate::all_from(bytes).unwrap_or_default();
    let Some((first, others)) = certificates.split_first() else { return };
    let policy = PathPolicy::at(now()).purpose(Purpose::Sign);
    let outcome = PathChecker::new(&keys::anchors(), &policy).intermediates(others.iter()).check(first);
    // Nobody here has issued anything for the sample root but the authors of RFC 9216.
    if let Err(rejected) = outcome {
        let _ = (rejected.to_string(), rejected.explanation().to_string());
    }
}

pub(crate) fn revocation_list(bytes: &[u8]) {
    for list in CertificateList::all_from(bytes).into_iter().flatten().chain(CertificateList::from_der(bytes)) {
        let certificates: Vec<Certificate> = keys::all().iter().map(|key| key.certificate().clone()).collect();
        let policy = PathPolicy::at(now()).purpose(Purpose::Any);
        let _ = PathChecker::new(&keys::anchors(), &policy).crls([&list]).check(&certificates[0]).is_ok();
    }
}

pub(crate) fn ocsp(bytes: &[u8]) {
    let _ = OcspResponse::from_der(bytes);
    let _ = pki::OcspQuestion::from_der(bytes);
    let _ = OcspResponse::all_from(bytes);
}

pub(crate) fn request(bytes: &[u8]) {
    if let Ok(request) = CertificateRequest::from_pem_or_der(bytes) {
        assert!(CertificateRequest::from_der(request.der()).is_ok());
    }
}

pub(crate) fn pkcs12(bytes: &[u8]) {
    for password in [None, Some(""), Some("password")] {
        if let Ok(file) = Pkcs12::from_der(bytes, password) {
            let _ = file.into_credentials();
        }
    }
}

pub(crate) fn credential(bytes: &[u8]) {
    let _ = (Credential::load([bytes], None), pki::contains_private_key(bytes), TrustAnchors::all_from(bytes));
}

pub(crate) fn names(bytes: &[u8]) {
    if let Ok(name) = Name::from_der(bytes) {
        assert!(!name.to_string().contains(['\r', '\n', '\0']));
        assert!(name == name.clone());
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(address) = EmailAddress::parse(text)
    {
        // An address that was read is written as one that is read the same (CASES T-09, T-67).
        assert_eq!(EmailAddress::parse(&address.to_string()).ok().as_ref(), Some(&address), "{text:?}");
    }
}
