//! The object identifiers of certificates.

use asn1::Oid;

// RFC 5280 §4.2: extensions.
pub(crate) const SUBJECT_DIRECTORY_ATTRIBUTES: Oid = Oid::new("2.5.29.9");
pub(crate) const SUBJECT_KEY_IDENTIFIER: Oid = Oid::new("2.5.29.14");
pub(crate) const KEY_USAGE: Oid = Oid::new("2.5.29.15");
pub(crate) const SUBJECT_ALT_NAME: Oid = Oid::new("2.5.29.17");
pub(crate) const ISSUER_ALT_NAME: Oid = Oid::new("2.5.29.18");
pub(crate) const BASIC_CONSTRAINTS: Oid = Oid::new("2.5.29.19");
pub(crate) const CRL_NUMBER: Oid = Oid::new("2.5.29.20");
pub(crate) const REASON_CODE: Oid = Oid::new("2.5.29.21");
pub(crate) const INVALIDITY_DATE: Oid = Oid::new("2.5.29.24");
pub(crate) const DELTA_CRL_INDICATOR: Oid = Oid::new("2.5.29.27");
pub(crate) const ISSUING_DISTRIBUTION_POINT: Oid = Oid::new("2.5.29.28");
pub(crate) const CERTIFICATE_ISSUER: Oid = Oid::new("2.5.29.29");
pub(crate) const NAME_CONSTRAINTS: Oid = Oid::new("2.5.29.30");
pub(crate) const CRL_DISTRIBUTION_POINTS: Oid = Oid::new("2.5.29.31");
pub(crate) const CERTIFICATE_POLICIES: Oid = Oid::new("2.5.29.32");
pub(crate) const ANY_POLICY: Oid = Oid::new("2.5.29.32.0");
pub(crate) const POLICY_MAPPINGS: Oid = Oid::new("2.5.29.33");
pub(crate) const AUTHORITY_KEY_IDENTIFIER: Oid = Oid::new("2.5.29.35");
pub(crate) const POLICY_CONSTRAINTS: Oid = Oid::new("2.5.29.36");
pub(crate) const EXTENDED_KEY_USAGE: Oid = Oid::new("2.5.29.37");
pub(crate) const ANY_EXTENDED_KEY_USAGE: Oid = Oid::new("2.5.29.37.0");
pub(crate) const FRESHEST_CRL: Oid = Oid::new("2.5.29.46");
pub(crate) const INHIBIT_ANY_POLICY: Oid = Oid::new("2.5.29.54");
pub(crate) const AUTHORITY_INFO_ACCESS: Oid = Oid::new("1.3.6.1.5.5.7.1.1");
pub(crate) const QC_STATEMENTS: Oid = Oid::new("1.3.6.1.5.5.7.1.3");
pub(crate) const SUBJECT_INFO_ACCESS: Oid = Oid::new("1.3.6.1.5.5.7.1.11");
pub(crate) const SMIME_CAPABILITIES: Oid = Oid::new("1.2.840.113549.1.9.15");
pub(crate) const OCSP_NOCHECK: Oid = Oid::new("1.3.6.1.5.5.7.48.1.5");

// RFC 5280 §4.2.1.12: key purposes.
pub(crate) const SERVER_AUTH: Oid = Oid::new("1.3.6.1.5.5.7.3.1");
pub(crate) const CLIENT_AUTH: Oid = Oid::new("1.3.6.1.5.5.7.3.2");
pub(crate) const CODE_SIGNING: Oid = Oid::new("1.3.6.1.5.5.7.3.3");
pub(crate) const EMAIL_PROTECTION: Oid = Oid::new("1.3.6.1.5.5.7.3.4");
pub(crate) const TIME_STAMPING: Oid = Oid::new("1.3.6.1.5.5.7.3.8");
pub(crate) const OCSP_SIGNING: Oid = Oid::new("1.3.6.1.5.5.7.3.9");

// RFC 5280 §4.2.2.1: access methods.
pub(crate) const OCSP: Oid = Oid::new("1.3.6.1.5.5.7.48.1");
pub(crate) const CA_ISSUERS: Oid = Oid::new("1.3.6.1.5.5.7.48.2");

// RFC 6960 §4: OCSP.
pub(crate) const OCSP_BASIC: Oid = Oid::new("1.3.6.1.5.5.7.48.1.1");
pub(crate) const OCSP_NONCE: Oid = Oid::new("1.3.6.1.5.5.7.48.1.2");

// RFC 9598 §3: internationalised mailbox in an otherName.
pub(crate) const SMTP_UTF8_MAILBOX: Oid = Oid::new("1.3.6.1.5.5.7.8.9");

// RFC 4519, RFC 2985: attribute types.
pub(crate) const COMMON_NAME: Oid = Oid::new("2.5.4.3");
pub(crate) const SURNAME: Oid = Oid::new("2.5.4.4");
pub(crate) const SERIAL_NUMBER: Oid = Oid::new("2.5.4.5");
pub(crate) const COUNTRY: Oid = Oid::new("2.5.4.6");
pub(crate) const LOCALITY: Oid = Oid::new("2.5.4.7");
pub(crate) const STATE: Oid = Oid::new("2.5.4.8");
pub(crate) const STREET: Oid = Oid::new("2.5.4.9");
pub(crate) const ORGANIZATION: Oid = Oid::new("2.5.4.10");
pub(crate) const ORGANIZATIONAL_UNIT: Oid = Oid::new("2.5.4.11");
pub(crate) const TITLE: Oid = Oid::new("2.5.4.12");
pub(crate) const POSTAL_CODE: Oid = Oid::new("2.5.4.17");
pub(crate) const GIVEN_NAME: Oid = Oid::new("2.5.4.42");
pub(crate) const PSEUDONYM: Oid = Oid::new("2.5.4.65");
pub(crate) const ORGANIZATION_IDENTIFIER: Oid = Oid::new("2.5.4.97");
pub(crate) const EMAIL_ADDRESS: Oid = Oid::new("1.2.840.113549.1.9.1");
pub(crate) const DOMAIN_COMPONENT: Oid = Oid::new("0.9.2342.19200300.100.1.25");
pub(crate) const USER_ID: Oid = Oid::new("0.9.2342.19200300.100.1.1");

// RFC 2985 §5.4.2: extensions in a request, and the same under the number that Windows gives it.
pub(crate) const EXTENSION_REQUEST: Oid = Oid::new("1.2.840.113549.1.9.14");
pub(crate) const MICROSOFT_EXTENSION_REQUEST: Oid = Oid::new("1.3.6.1.4.1.311.2.1.14");
