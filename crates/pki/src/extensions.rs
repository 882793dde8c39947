//! The extensions of certificates and CRLs (RFC 5280 §4.2, §5.2), each as its own type.

mod access;
mod constraints;
mod distribution_points;
mod general_name;
mod key_usage;

use std::borrow::Cow;

use asn1::{Because, Encoding, Error, Oid, Reader, Tag};
use crypto::AlgorithmIdentifier;

pub use access::{AccessDescription, AuthorityKeyIdentifier, QcStatement};
pub use constraints::{BasicConstraints, NameConstraints, PolicyConstraints, PolicyInformation};
pub use distribution_points::{DistributionPoint, DistributionPointName, IssuingDistributionPoint, ReasonFlags};
pub use general_name::GeneralName;
pub(crate) use general_name::write_hex;
pub use key_usage::{ExtendedKeyUsage, KeyUsage};

use crate::oids;

/// One extension as it came.
///
/// ```text
/// Extension ::= SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Its type.
    pub oid: Oid,
    /// Whether who does not understand it must refuse.
    pub critical: bool,
    /// The DER inside the OCTET STRING.
    pub value: Vec<u8>,
}

/// All extensions of a certificate: as they came, and the known ones parsed.
///
/// A known one that cannot be parsed is listed in [`Extensions::malformed`]; path validation refuses it where
/// it matters.
#[derive(Debug, Clone, Default)]
pub struct Extensions {
    list: Vec<Extension>,
    malformed: Vec<Oid>,
    duplicated: Vec<Oid>,
    pub(crate) explicit_default: bool,
    authority_info_access: Vec<AccessDescription>,
    authority_key_identifier: Option<AuthorityKeyIdentifier>,
    basic_constraints: Option<BasicConstraints>,
    crl_distribution_points: Vec<DistributionPoint>,
    extended_key_usage: Option<ExtendedKeyUsage>,
    freshest_crl: Vec<DistributionPoint>,
    inhibit_any_policy: Option<u32>,
    issuer_alternative_names: Vec<GeneralName>,
    key_usage: Option<KeyUsage>,
    name_constraints: Option<NameConstraints>,
    policies: Option<Vec<PolicyInformation>>,
    policy_constraints: Option<PolicyConstraints>,
    policy_mappings: Vec<(Oid, Oid)>,
    qc_statements: Vec<QcStatement>,
    smime_capabilities: Option<Vec<AlgorithmIdentifier>>,
    subject_alternative_names: Option<Vec<GeneralName>>,
    subject_key_identifier: Option<Vec<u8>>,
}

/// Extensions that one certificate or CRL may have.
const MOST: usize = 100;

/// `Extensions ::= SEQUENCE SIZE (1..MAX) OF Extension`, as they came. The flag says whether one had
/// `critical FALSE` written out, against DER.
pub(crate) fn parse_list(mut reader: Reader<'_>) -> Result<(Vec<Extension>, bool), Error> {
    let (mut list, mut explicit_default) = (Vec::with_capacity(10), false);
    while !reader.is_empty() {
        if list.len() == MOST {
            let (offset, limit) = (reader.offset(), MOST as u64);
            return Err(Error::TooMuch { what: "Extensions", offset, limit, of: "extensions" });
        }
        let mut extension = reader.sequence("Extension")?;
        let oid = extension.oid()?;
        let mut critical = false;
        if extension.peek() == Some(Tag::BOOLEAN) {
            critical = extension.boolean()?;
            explicit_default |= !critical;
        }
        let value = extension.octet_string().map(Cow::into_owned)?;
        extension.finish()?;
        list.push(Extension { oid, critical, value });
    }
    Ok((list, explicit_default))
}

impl Extensions {
    pub(crate) fn parse(reader: Reader<'_>, encoding: Encoding) -> Result<Self, Error> {
        let (list, explicit_default) = parse_list(reader)?;
        let mut parsed = Self { explicit_default, ..Self::default() };
        for (index, extension) in list.iter().enumerate() {
            if list.iter().take(index).any(|earlier| earlier.oid == extension.oid) {
                parsed.duplicated.push(extension.oid);
                continue;
            }
            if parsed.parse_one(extension, encoding).is_err() {
                parsed.malformed.push(extension.oid);
            }
        }
        parsed.list = list;
        Ok(parsed)
    }

    fn parse_one(&mut self, extension: &Extension, encoding: Encoding) -> Result<(), Error> {
        let mut reader = Reader::new(&extension.value, encoding).named("Extension");
        let value = &mut reader;
        match extension.oid {
            oids::AUTHORITY_INFO_ACCESS => {
                self.authority_info_access = AccessDescription::parse_all(value.sequence("AuthorityInfoAccess")?)?;
            }
            oids::AUTHORITY_KEY_IDENTIFIER => {
                let inside = value.sequence("AuthorityKeyIdentifier")?;
                self.authority_key_identifier = Some(AuthorityKeyIdentifier::parse(inside)?);
            }
            oids::BASIC_CONSTRAINTS => {
                self.basic_constraints = Some(BasicConstraints::parse(value.sequence("BasicConstraints")?)?);
            }
            oids::CRL_DISTRIBUTION_POINTS => {
                let inside = value.sequence("CRLDistributionPoints")?;
                self.crl_distribution_points = DistributionPoint::parse_all(inside)?;
            }
            oids::EXTENDED_KEY_USAGE => {
                self.extended_key_usage = Some(ExtendedKeyUsage::parse(value.sequence("ExtKeyUsageSyntax")?)?);
            }
            oids::FRESHEST_CRL => {
                self.freshest_crl = DistributionPoint::parse_all(value.sequence("FreshestCRL")?)?;
            }
            oids::INHIBIT_ANY_POLICY => {
                self.inhibit_any_policy = Some(constraints::parse_inhibit_any_policy(value.clone())?);
                return Ok(());
            }
            oids::ISSUER_ALT_NAME => {
                self.issuer_alternative_names = GeneralName::parse_all(value.sequence("GeneralNames")?)?;
            }
            oids::KEY_USAGE => self.key_usage = Some(KeyUsage::from_bits(value.bit_string()?)),
            oids::NAME_CONSTRAINTS => {
                self.name_constraints = Some(NameConstraints::parse(value.sequence("NameConstraints")?)?);
            }
            oids::CERTIFICATE_POLICIES => {
                self.policies = Some(constraints::parse_policies(value.sequence("CertificatePolicies")?)?);
            }
            oids::POLICY_CONSTRAINTS => {
                self.policy_constraints = Some(PolicyConstraints::parse(value.sequence("PolicyConstraints")?)?);
            }
            oids::POLICY_MAPPINGS => {
                self.policy_mappings = constraints::parse_policy_mappings(value.sequence("PolicyMappings")?)?;
            }
            oids::QC_STATEMENTS => {
                self.qc_statements = QcStatement::parse_all(value.sequence("QCStatements")?)?;
            }
            oids::SMIME_CAPABILITIES => {
                self.smime_capabilities = Some(parse_capabilities(value.sequence("SMIMECapabilities")?)?);
            }
            oids::SUBJECT_ALT_NAME => {
                self.subject_alternative_names = Some(GeneralName::parse_all(value.sequence("GeneralNames")?)?);
            }
            oids::SUBJECT_KEY_IDENTIFIER => {
                let octets = value.octet_string()?;
                if octets.is_empty() {
                    return Err(value.malformed(Because::BadValue));
                }
                self.subject_key_identifier = Some(octets.into_owned());
            }
            _ => return Ok(()),
        }
        reader.finish()
    }

    /// All of them as they came, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Extension> {
        self.list.iter()
    }

    /// The first of this type as it came.
    pub fn get(&self, oid: Oid) -> Option<&Extension> {
        self.list.iter().find(|extension| extension.oid == oid)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Known ones whose value cannot be parsed.
    pub fn malformed(&self) -> &[Oid] {
        &self.malformed
    }

    /// Ones that came more than once, against RFC 5280 §4.2; the first is the one parsed.
    pub fn duplicated(&self) -> &[Oid] {
        &self.duplicated
    }

    /// authorityInfoAccess.
    pub fn authority_info_access(&self) -> &[AccessDescription] {
        &self.authority_info_access
    }

    /// authorityKeyIdentifier.
    pub fn authority_key_identifier(&self) -> Option<&AuthorityKeyIdentifier> {
        self.authority_key_identifier.as_ref()
    }

    /// basicConstraints.
    pub fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.basic_constraints
    }

    /// cRLDistributionPoints.
    pub fn crl_distribution_points(&self) -> &[DistributionPoint] {
        &self.crl_distribution_points
    }

    /// extKeyUsage.
    pub fn extended_key_usage(&self) -> Option<&ExtendedKeyUsage> {
        self.extended_key_usage.as_ref()
    }

    /// freshestCRL: where delta CRLs are found.
    pub fn freshest_crl(&self) -> &[DistributionPoint] {
        &self.freshest_crl
    }

    /// inhibitAnyPolicy: certificates that may follow before anyPolicy stops matching.
    pub fn inhibit_any_policy(&self) -> Option<u32> {
        self.inhibit_any_policy
    }

    /// issuerAltName.
    pub fn issuer_alternative_names(&self) -> &[GeneralName] {
        &self.issuer_alternative_names
    }

    /// keyUsage; `None` where the extension is absent, which allows everything.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.key_usage
    }

    /// nameConstraints.
    pub fn name_constraints(&self) -> Option<&NameConstraints> {
        self.name_constraints.as_ref()
    }

    /// certificatePolicies; `None` where the extension is absent.
    pub fn policies(&self) -> Option<&[PolicyInformation]> {
        self.policies.as_deref()
    }

    /// policyConstraints.
    pub fn policy_constraints(&self) -> Option<PolicyConstraints> {
        self.policy_constraints
    }

    /// policyMappings: issuer's policy, subject's policy.
    pub fn policy_mappings(&self) -> &[(Oid, Oid)] {
        &self.policy_mappings
    }

    /// qcStatements: the CA's claims.
    pub fn qc_statements(&self) -> &[QcStatement] {
        &self.qc_statements
    }

    /// smimeCapabilities in the certificate (RFC 4262).
    pub fn smime_capabilities(&self) -> Option<&[AlgorithmIdentifier]> {
        self.smime_capabilities.as_deref()
    }

    /// subjectAltName; empty where the extension is absent.
    pub fn subject_alternative_names(&self) -> &[GeneralName] {
        self.subject_alternative_names.as_deref().unwrap_or_default()
    }

    /// subjectKeyIdentifier.
    pub fn subject_key_identifier(&self) -> Option<&[u8]> {
        self.subject_key_identifier.as_deref()
    }
}

// RFC 4262 §2: the extension has the syntax of the SMIMECapabilities attribute.
fn parse_capabilities(mut reader: Reader<'_>) -> Result<Vec<AlgorithmIdentifier>, Error> {
    let mut capabilities = Vec::new();
    while !reader.is_empty() && capabilities.len() < MOST {
        let mut capability = reader.sequence("SMIMECapability")?;
        let oid = capability.oid()?;
        let parameters = if capability.is_empty() { None } else { Some(capability.rest().to_vec()) };
        capabilities.push(AlgorithmIdentifier { oid, parameters });
    }
    Ok(capabilities)
}
