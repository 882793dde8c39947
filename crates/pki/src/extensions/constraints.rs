use asn1::{Because, Error, Oid, Reader, Tag};

use super::GeneralName;

/// Whether the subject is a CA, and how long a path may follow (RFC 5280 §4.2.1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BasicConstraints {
    /// The key may sign certificates.
    pub ca: bool,
    /// Non-self-issued intermediate certificates that may follow.
    pub path_length: Option<u32>,
}

impl BasicConstraints {
    /// `BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER (0..MAX) OPTIONAL }`
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<Self, Error> {
        let ca = if reader.peek() == Some(Tag::BOOLEAN) { reader.boolean()? } else { false };
        let path_length = if reader.is_empty() { None } else { Some(saturating(&mut reader)?) };
        reader.finish()?;
        Ok(Self { ca, path_length })
    }
}

// A number larger than we count is no limit that could bind; a negative one is malformed.
fn saturating(reader: &mut Reader<'_>) -> Result<u32, Error> {
    let here = reader.malformed(Because::BadValue);
    let integer = reader.integer()?;
    if integer.is_negative() {
        return Err(here);
    }
    Ok(integer.to_u64().and_then(|value| u32::try_from(value).ok()).unwrap_or(u32::MAX))
}

/// Which names may appear below a CA (RFC 5280 §4.2.1.10).
///
/// ```text
/// NameConstraints ::= SEQUENCE {
///   permittedSubtrees [0] SEQUENCE OF GeneralSubtree OPTIONAL,
///   excludedSubtrees  [1] SEQUENCE OF GeneralSubtree OPTIONAL }
/// GeneralSubtree ::= SEQUENCE { base GeneralName, minimum [0] DEFAULT 0, maximum [1] OPTIONAL }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameConstraints {
    /// Names of these types must be in one of them.
    pub permitted: Vec<GeneralName>,
    /// Names in these are forbidden.
    pub excluded: Vec<GeneralName>,
}

impl NameConstraints {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<Self, Error> {
        let empty = reader.malformed(Because::BadValue);
        let permitted = reader.context(0, "permittedSubtrees")?.map(subtrees).transpose()?;
        let excluded = reader.context(1, "excludedSubtrees")?.map(subtrees).transpose()?;
        reader.finish()?;
        // RFC 5280 §4.2.1.10: the extension MUST NOT be an empty sequence.
        if permitted.is_none() && excluded.is_none() {
            return Err(empty);
        }
        Ok(Self { permitted: permitted.unwrap_or_default(), excluded: excluded.unwrap_or_default() })
    }
}

fn subtrees(mut reader: Reader<'_>) -> Result<Vec<GeneralName>, Error> {
    let mut bases = Vec::new();
    if reader.is_empty() {
        return Err(reader.malformed(Because::BadValue));
    }
    while !reader.is_empty() {
        if bases.len() == GeneralName::MOST {
            let (offset, limit) = (reader.offset(), GeneralName::MOST as u64);
            return Err(Error::TooMuch { what: "GeneralSubtrees", offset, limit, of: "names" });
        }
        let mut subtree = reader.sequence("GeneralSubtree")?;
        bases.push(GeneralName::from_element(&subtree.element()?)?);
        // RFC 5280 §4.2.1.10: minimum is zero and maximum absent, always. An explicit zero is let pass.
        if let Some(minimum) = subtree.optional(Tag::context(0))?
            && minimum.to_integer()?.to_u64() != Some(0)
        {
            return Err(subtree.malformed(Because::BadValue));
        }
        subtree.finish()?;
    }
    Ok(bases)
}

/// RFC 5280 §4.2.1.11.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PolicyConstraints {
    /// Certificates that may follow before an explicit policy is required.
    pub require_explicit_policy: Option<u32>,
    /// Certificates that may follow before policies are no longer mapped.
    pub inhibit_policy_mapping: Option<u32>,
}

impl PolicyConstraints {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<Self, Error> {
        let mut skip_certs = |number| -> Result<Option<u32>, Error> {
            let here = reader.malformed(Because::BadValue);
            let Some(element) = reader.optional(Tag::context(number))? else { return Ok(None) };
            let integer = element.to_integer()?;
            if integer.is_negative() {
                return Err(here);
            }
            Ok(Some(integer.to_u64().and_then(|value| u32::try_from(value).ok()).unwrap_or(u32::MAX)))
        };
        let require_explicit_policy = skip_certs(0)?;
        let inhibit_policy_mapping = skip_certs(1)?;
        let empty = reader.malformed(Because::BadValue);
        reader.finish()?;
        if require_explicit_policy.is_none() && inhibit_policy_mapping.is_none() {
            return Err(empty);
        }
        Ok(Self { require_explicit_policy, inhibit_policy_mapping })
    }
}

/// `InhibitAnyPolicy ::= INTEGER (0..MAX)`, RFC 5280 §4.2.1.14.
pub(crate) fn parse_inhibit_any_policy(mut reader: Reader<'_>) -> Result<u32, Error> {
    let value = saturating(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// One entry of the certificatePolicies extension (RFC 5280 §4.2.1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyInformation {
    /// The policy.
    pub policy: Oid,
    /// Where the CA publishes its practice statement.
    pub practice_statements: Vec<String>,
    /// Explicit texts for people, unchecked.
    pub notices: Vec<String>,
}

/// Policies that one certificate may name (CASES T-48).
const MOST_POLICIES: usize = 1_000;

pub(crate) fn parse_policies(mut reader: Reader<'_>) -> Result<Vec<PolicyInformation>, Error> {
    const ID_QT_CPS: Oid = Oid::new("1.3.6.1.5.5.7.2.1");
    const ID_QT_UNOTICE: Oid = Oid::new("1.3.6.1.5.5.7.2.2");
    let mut policies: Vec<PolicyInformation> = Vec::new();
    if reader.is_empty() {
        return Err(reader.malformed(Because::BadValue));
    }
    while !reader.is_empty() {
        check_count(&reader, policies.len())?;
        let duplicate = reader.malformed(Because::BadValue);
        let mut information = reader.sequence("PolicyInformation")?;
        let policy = information.oid()?;
        // RFC 5280 §4.2.1.4: a policy MUST NOT appear more than once.
        if policies.iter().any(|known| known.policy == policy) {
            return Err(duplicate);
        }
        let (mut practice_statements, mut notices) = (Vec::new(), Vec::new());
        if !information.is_empty() {
            let mut qualifiers = information.sequence("PolicyQualifierInfo")?;
            while !qualifiers.is_empty() {
                let mut qualifier = qualifiers.sequence("PolicyQualifierInfo")?;
                match qualifier.oid()? {
                    ID_QT_CPS => practice_statements.extend(qualifier.element()?.to_text().ok().map(String::from)),
                    ID_QT_UNOTICE => notices.extend(notice_text(&mut qualifier)),
                    _ => {}
                }
            }
        }
        information.finish()?;
        policies.push(PolicyInformation { policy, practice_statements, notices });
    }
    Ok(policies)
}

// `UserNotice ::= SEQUENCE { noticeRef SEQUENCE OPTIONAL, explicitText DisplayText OPTIONAL }`
fn notice_text(qualifier: &mut Reader<'_>) -> Option<String> {
    let mut notice = qualifier.sequence("UserNotice").ok()?;
    notice.optional(Tag::SEQUENCE).ok()?;
    notice.element().ok()?.to_text().ok().map(String::from)
}

fn check_count(reader: &Reader<'_>, count: usize) -> Result<(), Error> {
    if count < MOST_POLICIES {
        return Ok(());
    }
    let (offset, limit) = (reader.offset(), MOST_POLICIES as u64);
    Err(Error::TooMuch { what: "PolicyInformation", offset, limit, of: "policies" })
}

/// `PolicyMappings ::= SEQUENCE SIZE (1..MAX) OF SEQUENCE { issuerDomainPolicy, subjectDomainPolicy }`,
/// RFC 5280 §4.2.1.5.
pub(crate) fn parse_policy_mappings(mut reader: Reader<'_>) -> Result<Vec<(Oid, Oid)>, Error> {
    let mut mappings = Vec::new();
    if reader.is_empty() {
        return Err(reader.malformed(Because::BadValue));
    }
    while !reader.is_empty() {
        check_count(&reader, mappings.len())?;
        let mut mapping = reader.sequence("PolicyMapping")?;
        mappings.push((mapping.oid()?, mapping.oid()?));
        mapping.finish()?;
    }
    Ok(mappings)
}
