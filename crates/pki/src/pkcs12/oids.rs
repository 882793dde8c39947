//! The object identifiers of PKCS #12.

use asn1::Oid;

pub(super) const DATA: Oid = Oid::new("1.2.840.113549.1.7.1");
pub(super) const SIGNED_DATA: Oid = Oid::new("1.2.840.113549.1.7.2");
pub(super) const ENCRYPTED_DATA: Oid = Oid::new("1.2.840.113549.1.7.6");

// RFC 7292 §4.2: bags.
pub(super) const KEY_BAG: Oid = Oid::new("1.2.840.113549.1.12.10.1.1");
pub(super) const SHROUDED_KEY_BAG: Oid = Oid::new("1.2.840.113549.1.12.10.1.2");
pub(super) const CERT_BAG: Oid = Oid::new("1.2.840.113549.1.12.10.1.3");
pub(super) const SAFE_CONTENTS_BAG: Oid = Oid::new("1.2.840.113549.1.12.10.1.6");
pub(super) const X509_CERTIFICATE: Oid = Oid::new("1.2.840.113549.1.9.22.1");

// RFC 2985 §5.5: attributes of bags.
pub(super) const FRIENDLY_NAME: Oid = Oid::new("1.2.840.113549.1.9.20");
pub(super) const LOCAL_KEY_ID: Oid = Oid::new("1.2.840.113549.1.9.21");
