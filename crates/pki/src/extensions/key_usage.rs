use std::fmt;

use asn1::{Because, BitString, Error, Oid, Reader};

use crate::oids;

/// What a key may be used for (RFC 5280 §4.2.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyUsage(u16);

impl KeyUsage {
    /// digitalSignature (0)
    pub const DIGITAL_SIGNATURE: Self = Self(1);
    /// nonRepudiation or contentCommitment (1)
    pub const NON_REPUDIATION: Self = Self(1 << 1);
    /// keyEncipherment (2)
    pub const KEY_ENCIPHERMENT: Self = Self(1 << 2);
    /// dataEncipherment (3)
    pub const DATA_ENCIPHERMENT: Self = Self(1 << 3);
    /// keyAgreement (4)
    pub const KEY_AGREEMENT: Self = Self(1 << 4);
    /// keyCertSign (5)
    pub const KEY_CERT_SIGN: Self = Self(1 << 5);
    /// cRLSign (6)
    pub const CRL_SIGN: Self = Self(1 << 6);
    /// encipherOnly (7)
    pub const ENCIPHER_ONLY: Self = Self(1 << 7);
    /// decipherOnly (8)
    pub const DECIPHER_ONLY: Self = Self(1 << 8);

    const ALL: [(Self, &'static str); 9] = [
        (Self::DIGITAL_SIGNATURE, "digitalSignature"),
        (Self::NON_REPUDIATION, "nonRepudiation"),
        (Self::KEY_ENCIPHERMENT, "keyEncipherment"),
        (Self::DATA_ENCIPHERMENT, "dataEncipherment"),
        (Self::KEY_AGREEMENT, "keyAgreement"),
        (Self::KEY_CERT_SIGN, "keyCertSign"),
        (Self::CRL_SIGN, "cRLSign"),
        (Self::ENCIPHER_ONLY, "encipherOnly"),
        (Self::DECIPHER_ONLY, "decipherOnly"),
    ];

    pub(crate) fn from_bits(bits: BitString<'_>) -> Self {
        Self::ALL
            .iter()
            .enumerate()
            .filter(|(index, _)| bits.bit(*index))
            .fold(Self(0), |usage, (_, (flag, _))| usage.with(*flag))
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every usage in `other` is allowed.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any usage in `other` is allowed.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether no usage is allowed at all.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The numbers of the bits that are set, for encoding.
    pub fn bits(self) -> Vec<usize> {
        (0..9).filter(|bit| self.0 & (1 << bit) != 0).collect()
    }

    /// The RFC's words for what is allowed.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| name)
    }
}

impl fmt::Display for KeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names().enumerate() {
            write!(f, "{}{name}", if index > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for KeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The purposes a certificate is for (RFC 5280 §4.2.1.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedKeyUsage(Vec<Oid>);

impl ExtendedKeyUsage {
    /// `ExtKeyUsageSyntax ::= SEQUENCE SIZE (1..MAX) OF KeyPurposeId`, its inside.
    pub(crate) fn parse(mut reader: Reader<'_>) -> Result<Self, Error> {
        let mut purposes = Vec::new();
        if reader.is_empty() {
            return Err(reader.malformed(Because::BadValue));
        }
        while !reader.is_empty() {
            purposes.push(reader.oid()?);
        }
        Ok(Self(purposes))
    }

    /// The purposes, in order.
    pub fn purposes(&self) -> &[Oid] {
        &self.0
    }

    /// Whether it names this purpose.
    pub fn contains(&self, purpose: Oid) -> bool {
        self.0.contains(&purpose)
    }

    /// Whether it allows mail: `id-kp-emailProtection` or `anyExtendedKeyUsage` (RFC 8550 §4.4.4).
    pub fn allows_email(&self) -> bool {
        self.contains(oids::EMAIL_PROTECTION) || self.contains(oids::ANY_EXTENDED_KEY_USAGE)
    }
}

impl fmt::Display for ExtendedKeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, oid) in self.0.iter().enumerate() {
            f.write_str(if index > 0 { ", " } else { "" })?;
            match *oid {
                oids::EMAIL_PROTECTION => f.write_str("emailProtection")?,
                oids::ANY_EXTENDED_KEY_USAGE => f.write_str("anyExtendedKeyUsage")?,
                oids::SERVER_AUTH => f.write_str("serverAuth")?,
                oids::CLIENT_AUTH => f.write_str("clientAuth")?,
                oids::CODE_SIGNING => f.write_str("codeSigning")?,
                oids::TIME_STAMPING => f.write_str("timeStamping")?,
                oids::OCSP_SIGNING => f.write_str("OCSPSigning")?,
                other => write!(f, "{other}")?,
            }
        }
        Ok(())
    }
}
