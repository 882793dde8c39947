use asn1::{Oid, Time};
use crypto::PublicKeyKind;

use super::profile::{Generation, Profile, Validation};
use crate::email_address::is_host_name;
use crate::extensions::{DistributionPointName, GeneralName, KeyUsage};
use crate::{Certificate, EmailAddress, oids};

/// One rule of the S/MIME Baseline Requirements.
pub struct Rule {
    id: &'static str,
    section: &'static str,
    text: &'static str,
    severity: Severity,
    from: Time,
    // `None` where the rule does not concern the certificate.
    check: fn(&Certificate, Profile) -> Option<bool>,
}

/// How a departure is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// SHALL, MUST
    Error,
    /// SHOULD
    Warning,
}

/// How a certificate fares under a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The rule is not kept.
    Broken,
    /// The rule is kept.
    Kept,
    /// The rule does not concern such certificates.
    NotApplicable,
    /// The certificate was issued before the rule came into force.
    NotInForce,
}

impl Rule {
    /// A name that stays.
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// Where it stands.
    pub fn section(&self) -> &'static str {
        self.section
    }

    /// What was not kept, as a sentence.
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// How a departure is to be taken.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// How this certificate fares.
    pub fn judge(&self, certificate: &Certificate) -> Verdict {
        // The Baseline Requirements bind those who claim them, and here end-entity certificates only.
        let Some(profile) = Profile::of(certificate).filter(|_| !certificate.is_ca()) else {
            return Verdict::NotApplicable;
        };
        match (self.check)(certificate, profile) {
            None => Verdict::NotApplicable,
            Some(_) if certificate.validity().not_before < self.from => Verdict::NotInForce,
            Some(true) => Verdict::Kept,
            Some(false) => Verdict::Broken,
        }
    }
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.id, self.section)
    }
}

/// Every rule that is looked at.
pub fn rules() -> &'static [Rule] {
    RULES
}

/// 2023-09-01, when version 1.0.0 came into force.
const FIRST: Time = Time::from_unix(1_693_526_400);
/// 2025-07-15, since when the legacy generation is no longer issued.
const LEGACY_ENDS: Time = Time::from_unix(1_752_537_600);

type Check = fn(&Certificate, Profile) -> Option<bool>;

const fn rule(id: &'static str, section: &'static str, severity: Severity, text: &'static str, check: Check) -> Rule {
    Rule { id, section, text, severity, from: FIRST, check }
}

const RULES: &[Rule] = &[
    rule(
        "adobe-extensions-legacy-multipurpose-criticality",
        "S/MIME BR §7.1.2.3 m",
        Severity::Error,
        "the Adobe extensions are not critical",
        |certificate, profile| {
            let mut found = ADOBE.iter().filter_map(|&oid| certificate.extensions().get(oid)).peekable();
            found.peek()?;
            (profile.generation != Generation::Strict).then(|| found.all(|extension| !extension.critical))
        },
    ),
    rule(
        "adobe-extensions-strict-presence",
        "S/MIME BR §7.1.2.3 m",
        Severity::Error,
        "a strict certificate has no Adobe extensions",
        |certificate, profile| {
            (profile.generation == Generation::Strict)
                .then(|| ADOBE.iter().all(|&oid| certificate.extensions().get(oid).is_none()))
        },
    ),
    rule(
        "any-extended-key-usage",
        "S/MIME BR §7.1.2.3 f",
        Severity::Error,
        "the extended key usage does not name any purpose",
        |certificate, _| Some(!certificate.extended_key_usage()?.contains(oids::ANY_EXTENDED_KEY_USAGE)),
    ),
    rule(
        "authority-key-identifier-correct",
        "S/MIME BR §7.1.2.3 g",
        Severity::Error,
        "the authority key identifier has the key's identifier and nothing else",
        |certificate, _| {
            Some(certificate.extensions().authority_key_identifier().is_some_and(|identifier| {
                identifier.key_identifier.is_some() && identifier.issuer.is_empty() && identifier.serial.is_none()
            }))
        },
    ),
    rule(
        "commonname-mailbox-validated",
        "S/MIME BR §7.1.4.2.2 a",
        Severity::Error,
        "the common name of a mailbox-validated certificate is an address out of it",
        |certificate, profile| {
            (profile.validation == Validation::Mailbox).then(|| {
                certificate
                    .subject()
                    .attributes()
                    .filter(|attribute| attribute.oid() == oids::COMMON_NAME)
                    .all(|attribute| attribute.text().is_some_and(|text| EmailAddress::parse(text).is_ok()))
            })
        },
    ),
    rule(
        "ec-other-key-usages",
        "S/MIME BR §7.1.2.3 e",
        Severity::Error,
        "the key usage of an EC key is signing or key agreement",
        |certificate, _| key_usage_other(certificate, is_ec(certificate)?, KeyUsage::KEY_AGREEMENT),
    ),
    rule(
        "ecpublickey-key-usages",
        "S/MIME BR §7.1.2.3 e",
        Severity::Error,
        "the key usage of an EC key has no bits beside those for signing and key agreement",
        |certificate, _| {
            let extra = KeyUsage::ENCIPHER_ONLY.with(KeyUsage::DECIPHER_ONLY);
            key_usage_kept(certificate, is_ec(certificate)?, KeyUsage::KEY_AGREEMENT, extra)
        },
    ),
    rule(
        "edwardspublickey-key-usages",
        "S/MIME BR §7.1.2.3 e",
        Severity::Error,
        "the key usage of an Edwards key is digital signature, with non-repudiation at most",
        |certificate, _| {
            let is_edwards = certificate.public_key().is_ok_and(|key| key.kind() == PublicKeyKind::Ed25519);
            let usage = certificate.key_usage().filter(|_| is_edwards)?;
            Some(usage.contains(KeyUsage::DIGITAL_SIGNATURE) && SIGNING.contains(usage))
        },
    ),
    rule(
        "key-usage-presence",
        "S/MIME BR §7.1.2.3 e",
        Severity::Error,
        "the key usage is present",
        |certificate, _| Some(certificate.key_usage().is_some()),
    ),
    rule(
        "key-usage-criticality",
        "S/MIME BR §7.1.2.3 e",
        Severity::Warning,
        "the key usage is critical",
        |certificate, _| Some(certificate.extensions().get(oids::KEY_USAGE)?.critical),
    ),
    Rule {
        from: LEGACY_ENDS,
        ..rule(
            "legacy-generation-ended",
            "S/MIME BR §7.1.2.3",
            Severity::Error,
            "the legacy generation is not issued after 2025-07-15",
            |_, profile| Some(profile.generation != Generation::Legacy),
        )
    },
    rule(
        "legal-entity-identifier",
        "S/MIME BR §7.1.2.3 l",
        Severity::Error,
        "an LEI stands only where the organisation was validated, a role only where it sponsors, neither critical",
        |certificate, profile| {
            let [lei, role] = [LEI, LEI_ROLE].map(|oid| certificate.extensions().get(oid));
            let critical = [lei, role].into_iter().flatten().any(|extension| extension.critical);
            Some(match profile.validation {
                Validation::Mailbox | Validation::Individual => lei.is_none() && role.is_none(),
                Validation::Organization => role.is_none() && !critical,
                Validation::Sponsor => !critical,
            })
        },
    ),
    rule(
        "mailbox-validated-allowed-subjectdn-attributes",
        "S/MIME BR §7.1.4.2.3",
        Severity::Error,
        "the subject of a mailbox-validated certificate has common name, serial number and email address only",
        mailbox_subject,
    ),
    rule(
        "mailbox-validated-enforce-subject-field-restrictions",
        "S/MIME BR §7.1.4.2.3",
        Severity::Error,
        "the subject of a mailbox-validated certificate names no person, place or organisation",
        mailbox_subject,
    ),
    rule(
        "registration-scheme-id-matches-subject-country",
        "S/MIME BR Appendix A.1",
        Severity::Error,
        "the country in the organisation's identifier is the subject's",
        registration_country,
    ),
    rule(
        "rsa-key-usage-legacy-multipurpose",
        "S/MIME BR §7.1.2.3 e",
        Severity::Error,
        "the key usage of an RSA key has no bits beside those for signing and encryption",
        |certificate, profile| {
            let applies = is_rsa(certificate) && profile.generation != Generation::Strict;
            key_usage_kept(certificate, applies, KeyUsage::KEY_ENCIPHERMENT, KeyUsage::DATA_ENCIPHERMENT)
        },
    ),
    rule(
        "rsa-key-usage-strict",
        "S/MIME BR §7.1.2.3 e",
        Severity::Error,
        "the key usage of an RSA key has no bits beside those for signing and key encipherment",
        |certificate, profile| {
            let applies = is_rsa(certificate) && profile.generation == Generation::Strict;
            key_usage_kept(certificate, applies, KeyUsage::KEY_ENCIPHERMENT, KeyUsage::KEY_ENCIPHERMENT)
        },
    ),
    rule(
        "rsa-other-key-usages",
        "S/MIME BR §7.1.2.3 e",
        Severity::Error,
        "the key usage of an RSA key is signing or key encipherment",
        |certificate, _| key_usage_other(certificate, is_rsa(certificate), KeyUsage::KEY_ENCIPHERMENT),
    ),
    rule(
        "san-shall-be-present",
        "S/MIME BR §7.1.2.3 h",
        Severity::Error,
        "the subject alternative name is present",
        |certificate, _| Some(certificate.extensions().get(oids::SUBJECT_ALT_NAME).is_some()),
    ),
    rule(
        "san-should-not-be-critical",
        "S/MIME BR §7.1.2.3 h",
        Severity::Warning,
        "the subject alternative name is critical only beside an empty subject",
        |certificate, _| {
            let san = certificate.extensions().get(oids::SUBJECT_ALT_NAME)?;
            (!certificate.subject().is_empty()).then_some(!san.critical)
        },
    ),
    rule(
        "single-email-if-present",
        "S/MIME BR §7.1.4.2.1",
        Severity::Error,
        "each address in the subject alternative name is one mailbox",
        |certificate, _| {
            let mut addresses = certificate
                .subject_alternative_names()
                .iter()
                .filter_map(|name| match name {
                    GeneralName::Rfc822Name(text) => Some(EmailAddress::from_ascii(text).is_ok()),
                    GeneralName::SmtpUtf8Mailbox(text) => Some(EmailAddress::from_smtp_utf8(text).is_ok()),
                    GeneralName::Malformed { kind: 1, .. } => Some(false),
                    _ => None,
                })
                .peekable();
            addresses.peek()?;
            Some(addresses.all(|good| good))
        },
    ),
    rule(
        "single-email-subject-if-present",
        "S/MIME BR §7.1.4.2.2 h",
        Severity::Error,
        "the subject's email address is one mailbox",
        |certificate, _| {
            let attributes: Vec<_> = certificate.subject().email_attributes().collect();
            let one = match attributes.as_slice() {
                [] => return None,
                [attribute] => attribute.text().is_some_and(|text| EmailAddress::parse(text).is_ok()),
                _ => false,
            };
            Some(one)
        },
    ),
    rule(
        "smime-aia-contains-internal-names",
        "S/MIME BR §7.1.2.3 c",
        Severity::Warning,
        "the authority information access names hosts that everybody can reach",
        |certificate, _| {
            let access = certificate.extensions().authority_info_access();
            (!access.is_empty()).then(|| {
                access.iter().all(|description| match &description.location {
                    GeneralName::Uri(uri) => !is_internal(uri),
                    _ => true,
                })
            })
        },
    ),
    rule(
        "smime-legacy-aia-shall-have-one-http",
        "S/MIME BR §7.1.2.3 c",
        Severity::Error,
        "the authority information access has an HTTP address of each kind that it has",
        |certificate, profile| {
            let access = certificate.extensions().authority_info_access();
            (profile.generation == Generation::Legacy && !access.is_empty()).then(|| {
                [oids::OCSP, oids::CA_ISSUERS].into_iter().all(|method| {
                    let mut of_kind = access.iter().filter(|description| description.method == method).peekable();
                    of_kind.peek().is_none() || of_kind.any(|description| is_http(&description.location))
                })
            })
        },
    ),
    rule(
        "smime-legacy-multipurpose-eku-check",
        "S/MIME BR §7.1.2.3 f",
        Severity::Error,
        "the extended key usage has email protection, and no server authentication, code signing or time stamping",
        |certificate, profile| {
            (profile.generation != Generation::Strict).then(|| {
                certificate.extended_key_usage().is_some_and(|usage| {
                    let forbidden =
                        [oids::SERVER_AUTH, oids::CODE_SIGNING, oids::TIME_STAMPING, oids::ANY_EXTENDED_KEY_USAGE];
                    usage.contains(oids::EMAIL_PROTECTION) && !forbidden.iter().any(|&purpose| usage.contains(purpose))
                })
            })
        },
    ),
    rule(
        "smime-qc-statements-must-not-be-critical",
        "S/MIME BR §7.1.2.3 k",
        Severity::Error,
        "the QC statements are not critical",
        |certificate, _| Some(!certificate.extensions().get(oids::QC_STATEMENTS)?.critical),
    ),
    rule(
        "smime-strict-aia-shall-have-http-only",
        "S/MIME BR §7.1.2.3 c",
        Severity::Error,
        "the authority information access has HTTP addresses only",
        |certificate, profile| {
            let access = certificate.extensions().authority_info_access();
            (profile.generation != Generation::Legacy && !access.is_empty())
                .then(|| access.iter().all(|description| is_http(&description.location)))
        },
    ),
    rule(
        "smime-strict-eku-check",
        "S/MIME BR §7.1.2.3 f",
        Severity::Error,
        "the extended key usage is email protection alone",
        |certificate, profile| {
            (profile.generation == Generation::Strict).then(|| {
                certificate.extended_key_usage().is_some_and(|usage| usage.purposes() == [oids::EMAIL_PROTECTION])
            })
        },
    ),
    rule(
        "strict-multipurpose-smime-ext-subject-directory-attr",
        "S/MIME BR §7.1.2.3 j",
        Severity::Error,
        "there are no subject directory attributes",
        |certificate, profile| {
            (profile.generation != Generation::Legacy)
                .then(|| certificate.extensions().get(oids::SUBJECT_DIRECTORY_ATTRIBUTES).is_none())
        },
    ),
    rule(
        "subject-country-name",
        "S/MIME BR §7.1.4.2.2 n",
        Severity::Error,
        "the country is one of ISO 3166-1, or XX",
        |certificate, profile| {
            let country = certificate.subject().country().filter(|_| profile.validation != Validation::Mailbox)?;
            let [first, second] = country.as_bytes() else { return Some(false) };
            let code = [*first, *second];
            Some(COUNTRIES.split(' ').any(|known| known.as_bytes() == code))
        },
    ),
    rule(
        "subscribers-crl-distribution-points-are-http",
        "S/MIME BR §7.1.2.3 b",
        Severity::Error,
        "the CRL distribution points are HTTP addresses, under legacy one of them at least",
        |certificate, profile| {
            let mut uris = distribution_names(certificate).peekable();
            uris.peek()?;
            Some(match profile.generation {
                Generation::Legacy => uris.any(is_http),
                _ => uris.all(is_http),
            })
        },
    ),
    rule(
        "subscribers-shall-have-crl-distribution-points",
        "S/MIME BR §7.1.2.3 b",
        Severity::Error,
        "there are CRL distribution points",
        |certificate, _| Some(!certificate.extensions().crl_distribution_points().is_empty()),
    ),
    rule(
        "validity-period",
        "S/MIME BR §6.3.2",
        Severity::Error,
        "the validity is at most 825 days, under legacy 1185",
        |certificate, profile| {
            let days = if profile.generation == Generation::Legacy { 1_185 } else { 825 };
            let validity = certificate.validity();
            // The last second counts.
            Some(validity.not_after.to_unix() - validity.not_before.to_unix() < days * 86_400)
        },
    ),
];

const ADOBE: [Oid; 2] = [Oid::new("1.2.840.113583.1.1.9.1"), Oid::new("1.2.840.113583.1.1.9.2")];
const LEI: Oid = Oid::new("1.3.6.1.4.1.52266.1");
const LEI_ROLE: Oid = Oid::new("1.3.6.1.4.1.52266.2");
const SIGNING: KeyUsage = KeyUsage::DIGITAL_SIGNATURE.with(KeyUsage::NON_REPUDIATION);

fn is_rsa(certificate: &Certificate) -> bool {
    certificate.public_key().is_ok_and(|key| matches!(key.kind(), PublicKeyKind::Rsa { .. }))
}

fn is_ec(certificate: &Certificate) -> Option<bool> {
    certificate.public_key().ok().map(|key| matches!(key.kind(), PublicKeyKind::Ec(_)))
}

/// Where signing or `encrypting` is set: nothing beside the bits that go with what is set.
fn key_usage_kept(certificate: &Certificate, applies: bool, encrypting: KeyUsage, extra: KeyUsage) -> Option<bool> {
    let usage = certificate.key_usage().filter(|_| applies)?;
    let allowed = match (usage.contains(KeyUsage::DIGITAL_SIGNATURE), usage.contains(encrypting)) {
        (true, true) => SIGNING.with(encrypting).with(extra),
        (true, false) => SIGNING,
        (false, true) => encrypting.with(extra),
        (false, false) => return None,
    };
    Some(allowed.contains(usage))
}

/// Where something is set: signing or `encrypting` is among it.
fn key_usage_other(certificate: &Certificate, applies: bool, encrypting: KeyUsage) -> Option<bool> {
    let usage = certificate.key_usage().filter(|usage| applies && !usage.is_empty())?;
    Some(usage.intersects(KeyUsage::DIGITAL_SIGNATURE.with(encrypting)))
}

fn mailbox_subject(certificate: &Certificate, profile: Profile) -> Option<bool> {
    (profile.validation == Validation::Mailbox).then(|| {
        certificate
            .subject()
            .attributes()
            .all(|attribute| matches!(attribute.oid(), oids::COMMON_NAME | oids::SERIAL_NUMBER | oids::EMAIL_ADDRESS))
    })
}

/// `GOVUS-123456`: three letters for the scheme, two for the country.
fn registration_country(certificate: &Certificate, profile: Profile) -> Option<bool> {
    if !matches!(profile.validation, Validation::Organization | Validation::Sponsor) {
        return None;
    }
    let country = certificate.subject().country().filter(|country| country.len() == 2)?;
    let mut national = Vec::new();
    for attribute in certificate.subject().attributes() {
        if attribute.oid() != oids::ORGANIZATION_IDENTIFIER {
            continue;
        }
        let (scheme, rest) = attribute.text()?.split_at_checked(3)?;
        let (place, _) = rest.split_at_checked(2)?;
        if !scheme.bytes().chain(place.bytes()).all(|b| b.is_ascii_uppercase()) {
            return None;
        }
        // International registers name no country.
        if !matches!(scheme, "INT" | "LEI") {
            national.push(place);
        }
    }
    if national.is_empty() { None } else { Some(national.iter().all(|place| *place == country)) }
}

fn distribution_names(certificate: &Certificate) -> impl Iterator<Item = &GeneralName> {
    certificate.extensions().crl_distribution_points().iter().flat_map(|point| match &point.name {
        Some(DistributionPointName::Full(names)) => names.as_slice(),
        _ => &[],
    })
}

fn is_http(name: &GeneralName) -> bool {
    matches!(name, GeneralName::Uri(uri) if uri.starts_with("http://"))
}

/// A host without a dot, or under a name that is not in the public DNS (RFC 6761, RFC 9476).
fn is_internal(uri: &str) -> bool {
    let Some((_, rest)) = uri.split_once("://") else { return false };
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or_default().to_ascii_lowercase();
    if !is_host_name(&host) {
        return false;
    }
    match host.rsplit_once('.') {
        None => true,
        Some((_, last)) => {
            matches!(
                last,
                "alt"
                    | "corp"
                    | "home"
                    | "internal"
                    | "intranet"
                    | "invalid"
                    | "lan"
                    | "local"
                    | "localhost"
                    | "onion"
                    | "private"
                    | "test"
            )
        }
    }
}

/// ISO 3166-1 alpha-2, and XX.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV \
BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA \
GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI \
KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA \
NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK \
SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS \
YE YT ZA ZM ZW XX";
