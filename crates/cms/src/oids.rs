//! Object identifiers of CMS, under their standards' own names.
#![allow(missing_docs, reason = "the names are the documentation")]

use asn1::Oid;

pub const ID_DATA: Oid = Oid::new("1.2.840.113549.1.7.1");
pub const ID_SIGNED_DATA: Oid = Oid::new("1.2.840.113549.1.7.2");
pub const ID_ENVELOPED_DATA: Oid = Oid::new("1.2.840.113549.1.7.3");
pub const ID_DIGESTED_DATA: Oid = Oid::new("1.2.840.113549.1.7.5");
pub const ID_ENCRYPTED_DATA: Oid = Oid::new("1.2.840.113549.1.7.6");
pub const ID_CT_AUTH_DATA: Oid = Oid::new("1.2.840.113549.1.9.16.1.2");
pub const ID_CT_COMPRESSED_DATA: Oid = Oid::new("1.2.840.113549.1.9.16.1.9");
pub const ID_CT_AUTH_ENVELOPED_DATA: Oid = Oid::new("1.2.840.113549.1.9.16.1.23");
pub const ID_CT_RECEIPT: Oid = Oid::new("1.2.840.113549.1.9.16.1.1");

pub const ID_CONTENT_TYPE: Oid = Oid::new("1.2.840.113549.1.9.3");
pub const ID_MESSAGE_DIGEST: Oid = Oid::new("1.2.840.113549.1.9.4");
pub const ID_SIGNING_TIME: Oid = Oid::new("1.2.840.113549.1.9.5");
pub const ID_COUNTERSIGNATURE: Oid = Oid::new("1.2.840.113549.1.9.6");
pub const SMIME_CAPABILITIES: Oid = Oid::new("1.2.840.113549.1.9.15");
pub const ID_AA_RECEIPT_REQUEST: Oid = Oid::new("1.2.840.113549.1.9.16.2.1");
pub const ID_AA_ENCRYP_KEY_PREF: Oid = Oid::new("1.2.840.113549.1.9.16.2.11");
pub const ID_AA_SIGNING_CERTIFICATE: Oid = Oid::new("1.2.840.113549.1.9.16.2.12");
pub const ID_AA_SIGNING_CERTIFICATE_V2: Oid = Oid::new("1.2.840.113549.1.9.16.2.47");
pub const ID_AA_CMS_ALGORITHM_PROTECT: Oid = Oid::new("1.2.840.113549.1.9.52");

pub const ID_ORI_KEM: Oid = Oid::new("1.2.840.113549.1.9.16.13.3");
pub const ID_ALG_PWRI_KEK: Oid = Oid::new("1.2.840.113549.1.9.16.3.9");
pub const ID_ALG_ZLIB_COMPRESS: Oid = Oid::new("1.2.840.113549.1.9.16.3.8");
/// id-ri-ocsp-response (RFC 5940 §2.1)
pub(crate) const RI_OCSP_RESPONSE: Oid = Oid::new("1.3.6.1.5.5.7.16.2");
