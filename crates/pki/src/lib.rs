//! Certificates, CRLs, OCSP, CSRs, PKCS #8 and #12, path validation for email.
//!
//! The question this crate answers is always "may this certificate be used for this address, for this purpose,
//! at this time, and why (not)?". [`PathChecker::check`] answers it with a [`Path`], which nothing else can make, or
//! with [`Rejected`], which names the most telling [`Reason`] and explains itself.
//!
//! What is verified is always what was received: a [`Certificate`], [`CertificateList`] or [`OcspResponse`] keeps
//! its bytes. No clock, network or environment is read: time, revocation lists and anchors come from the caller.

mod builder;
mod certificate;
mod credential;
mod crl;
mod email_address;
mod error;
pub mod extensions;
mod keys;
pub mod lint;
mod name;
mod ocsp;
mod ocsp_answer;
mod oids;
mod path;
mod pem;
mod pkcs12;
mod private_key;
mod reason;
mod request;
mod request_profile;
mod subject;
mod trust;

pub use builder::{CertificateBuilder, Issuer, RevocationListBuilder};
pub use certificate::{Certificate, Fingerprint, Oddity, SerialNumber, Validity};
pub use credential::{Credential, CredentialError, contains_private_key};
pub use crl::{CertificateList, Number, RevocationReason, Revoked};
pub use email_address::EmailAddress;
pub use error::{BadAddress, Error};
pub use extensions::{ExtendedKeyUsage, GeneralName, KeyUsage};
pub use lint::Validation;
pub use name::{Attribute, Name};
pub use ocsp::{OcspRefusal, OcspRequest, OcspResponse};
pub use ocsp_answer::{OcspCertificateId, OcspQuestion, OcspResponseBuilder};
pub use path::{
    Budget, Conformance, Explanation, Outcome, Path, PathCache, PathChecker, PathLimits, PathPolicy, Purpose, Rejected,
    Revocation, RevocationSource, RevocationSourceKind, RevocationStatus, Step, Verdict,
};
pub use pkcs12::{Integrity, Pkcs12, Pkcs12Builder, StoredCertificate, StoredKey};
pub use private_key::{Protection, encrypt_private_key, private_key_from_der};
pub use reason::Reason;
pub use request::{CertificateRequest, CertificateRequestBuilder};
pub use request_profile::{SubjectAttribute, SubjectError};
pub use subject::Subject;
pub use trust::TrustAnchors;
