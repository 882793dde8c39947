use asn1::{Because, BitString, Element, Encoding, Error, Reader, Tag};

use super::GeneralName;
use crate::Name;

/// Where CRLs that cover a certificate are found (RFC 5280 §4.2.1.13).
///
/// ```text
/// DistributionPoint ::= SEQUENCE {
///   distributionPoint [0] DistributionPointName OPTIONAL,
///   reasons           [1] ReasonFlags OPTIONAL,
///   cRLIssuer         [2] GeneralNames OPTIONAL }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributionPoint {
    /// Its name.
    pub name: Option<DistributionPointName>,
    /// The reasons that the CRLs there cover; `None` is all of them.
    pub reasons: Option<ReasonFlags>,
    /// Who issues the CRLs, where it is not the certificate's issuer.
    pub crl_issuer: Vec<GeneralName>,
}

/// `DistributionPointName ::= CHOICE { fullName [0], nameRelativeToCRLIssuer [1] }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DistributionPointName {
    /// Names in full.
    Full(Vec<GeneralName>),
    /// The content of an RDN that completes the CRL issuer's name.
    Relative(Vec<u8>),
}

impl DistributionPointName {
    /// The names in full, where `issuer` is the CRL issuer.
    pub(crate) fn resolve(&self, issuer: &Name) -> Vec<GeneralName> {
        match self {
            Self::Full(names) => names.clone(),
            Self::Relative(rdn) => Name::with_relative(issuer, Reader::new(rdn, Encoding::Ber))
                .map(|name| vec![GeneralName::DirectoryName(name)])
                .unwrap_or_default(),
        }
    }

    fn parse(mut reader: Reader<'_>) -> Result<Self, Error> {
        let full = reader.context(0, "fullName")?;
        let name = match full {
            Some(names) => Self::Full(GeneralName::parse_all(names)?),
            None => match reader.context(1, "nameRelativeToCRLIssuer")? {
                Some(rdn) => Self::Relative(rdn.rest().to_vec()),
                None => return Err(reader.malformed(Because::BadValue)),
            },
        };
        reader.finish()?;
        Ok(name)
    }
}

impl DistributionPoint {
    /// `CRLDistributionPoints ::= SEQUENCE SIZE (1..MAX) OF DistributionPoint`, its inside.
    pub(crate) fn parse_all(mut reader: Reader<'_>) -> Result<Vec<Self>, Error> {
        const MOST: usize = 100;
        let mut points = Vec::new();
        while !reader.is_empty() {
            if points.len() == MOST {
                let (offset, limit) = (reader.offset(), MOST as u64);
                return Err(Error::TooMuch { what: "CRLDistributionPoints", offset, limit, of: "entries" });
            }
            let mut point = reader.sequence("DistributionPoint")?;
            let name = point.context(0, "DistributionPointName")?.map(DistributionPointName::parse).transpose()?;
            let reasons = point.optional(Tag::context(1))?.map(|bits| ReasonFlags::parse(&bits)).transpose()?;
            let crl_issuer = point.context(2, "cRLIssuer")?.map(GeneralName::parse_all).transpose()?;
            point.finish()?;
            points.push(Self { name, reasons, crl_issuer: crl_issuer.unwrap_or_default() });
        }
        Ok(points)
    }

    /// The HTTP addresses in it.
    pub fn http_uris(&self) -> impl Iterator<Item = &str> {
        let names = match &self.name {
            Some(DistributionPointName::Full(names)) => names.as_slice(),
            _ => &[],
        };
        names.iter().filter_map(|name| match name {
            GeneralName::Uri(uri) if uri.starts_with("http://") => Some(uri.as_str()),
            _ => None,
        })
    }
}

/// A set of reasons for which CRLs revoke (RFC 5280 §4.2.1.13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReasonFlags(u16);

impl ReasonFlags {
    /// Every reason that there is: bits 1 to 8.
    pub const ALL: Self = Self(0b1_1111_1110);
    /// None.
    pub const NONE: Self = Self(0);

    fn parse(element: &Element<'_>) -> Result<Self, Error> {
        Ok(Self::from_bits(element.to_bit_string()?))
    }

    fn from_bits(bits: BitString<'_>) -> Self {
        // Bit 0 is unused (RFC 5280 §4.2.1.13).
        Self((1..9).filter(|&bit| bits.bit(bit)).fold(0, |flags, bit| flags | 1 << bit))
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether everything in `other` is in `self` too.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What a CRL covers (RFC 5280 §5.2.5).
///
/// ```text
/// IssuingDistributionPoint ::= SEQUENCE {
///   distributionPoint          [0] DistributionPointName OPTIONAL,
///   onlyContainsUserCerts      [1] BOOLEAN DEFAULT FALSE,
///   onlyContainsCACerts        [2] BOOLEAN DEFAULT FALSE,
///   onlySomeReasons            [3] ReasonFlags OPTIONAL,
///   indirectCRL                [4] BOOLEAN DEFAULT FALSE,
///   onlyContainsAttributeCerts [5] BOOLEAN DEFAULT FALSE }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IssuingDistributionPoint {
    /// The distribution point's name.
    pub name: Option<DistributionPointName>,
    /// Only end-entity certificates.
    pub only_user_certificates: bool,
    /// Only CA certificates.
    pub only_ca_certificates: bool,
    /// Only these reasons.
    pub only_some_reasons: Option<ReasonFlags>,
    /// Entries may name other issuers.
    pub indirect: bool,
    /// Only attribute certificates.
    pub only_attribute_certificates: bool,
}

impl IssuingDistributionPoint {
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<Self, Error> {
        fn flag(reader: &mut Reader<'_>, number: u32) -> Result<bool, Error> {
            reader.optional(Tag::context(number))?.map_or(Ok(false), |element| element.to_boolean())
        }
        let name = reader.context(0, "DistributionPointName")?.map(DistributionPointName::parse).transpose()?;
        let only_user_certificates = flag(&mut reader, 1)?;
        let only_ca_certificates = flag(&mut reader, 2)?;
        let only_some_reasons = reader.optional(Tag::context(3))?.map(|bits| ReasonFlags::parse(&bits)).transpose()?;
        let indirect = flag(&mut reader, 4)?;
        let only_attribute_certificates = flag(&mut reader, 5)?;
        reader.finish()?;
        Ok(Self {
            name,
            only_user_certificates,
            only_ca_certificates,
            only_some_reasons,
            indirect,
            only_attribute_certificates,
        })
    }
}
