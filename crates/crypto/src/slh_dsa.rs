use slh_dsa::{
    ParameterSet, Sha2_128f, Sha2_128s, Sha2_192f, Sha2_192s, Sha2_256f, Sha2_256s, Shake128f, Shake128s, Shake192f,
    Shake192s, Shake256f, Shake256s, Signature, VerifyingKey,
};

use asn1::Oid;

use crate::{Error, oids};

/// An SLH-DSA parameter set (FIPS 205 §11, pure signatures of RFC 9814 §2), by the identifiers of RFC 9814 §3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum SlhDsaParameterSet {
    Sha2_128s,
    Sha2_128f,
    Sha2_192s,
    Sha2_192f,
    Sha2_256s,
    Sha2_256f,
    Shake128s,
    Shake128f,
    Shake192s,
    Shake192f,
    Shake256s,
    Shake256f,
}

impl SlhDsaParameterSet {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Sha2_128s,
        Self::Sha2_128f,
        Self::Sha2_192s,
        Self::Sha2_192f,
        Self::Sha2_256s,
        Self::Sha2_256f,
        Self::Shake128s,
        Self::Shake128f,
        Self::Shake192s,
        Self::Shake192f,
        Self::Shake256s,
        Self::Shake256f,
    ];

    /// From its object identifier.
    pub fn from_oid(oid: Oid) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.oid() == oid)
    }

    /// Its object identifier.
    pub fn oid(self) -> Oid {
        match self {
            Self::Sha2_128s => oids::SLH_DSA_SHA2_128S,
            Self::Sha2_128f => oids::SLH_DSA_SHA2_128F,
            Self::Sha2_192s => oids::SLH_DSA_SHA2_192S,
            Self::Sha2_192f => oids::SLH_DSA_SHA2_192F,
            Self::Sha2_256s => oids::SLH_DSA_SHA2_256S,
            Self::Sha2_256f => oids::SLH_DSA_SHA2_256F,
            Self::Shake128s => oids::SLH_DSA_SHAKE_128S,
            Self::Shake128f => oids::SLH_DSA_SHAKE_128F,
            Self::Shake192s => oids::SLH_DSA_SHAKE_192S,
            Self::Shake192f => oids::SLH_DSA_SHAKE_192F,
            Self::Shake256s => oids::SLH_DSA_SHAKE_256S,
            Self::Shake256f => oids::SLH_DSA_SHAKE_256F,
        }
    }

    /// The standard's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha2_128s => "SLH-DSA-SHA2-128s",
            Self::Sha2_128f => "SLH-DSA-SHA2-128f",
            Self::Sha2_192s => "SLH-DSA-SHA2-192s",
            Self::Sha2_192f => "SLH-DSA-SHA2-192f",
            Self::Sha2_256s => "SLH-DSA-SHA2-256s",
            Self::Sha2_256f => "SLH-DSA-SHA2-256f",
            Self::Shake128s => "SLH-DSA-SHAKE-128s",
            Self::Shake128f => "SLH-DSA-SHAKE-128f",
            Self::Shake192s => "SLH-DSA-SHAKE-192s",
            Self::Shake192f => "SLH-DSA-SHAKE-192f",
            Self::Shake256s => "SLH-DSA-SHAKE-256s",
            Self::Shake256f => "SLH-DSA-SHAKE-256f",
        }
    }

    pub(crate) fn public_key_length(self) -> usize {
        match self {
            Self::Sha2_128s | Self::Sha2_128f | Self::Shake128s | Self::Shake128f => 32,
            Self::Sha2_192s | Self::Sha2_192f | Self::Shake192s | Self::Shake192f => 48,
            Self::Sha2_256s | Self::Sha2_256f | Self::Shake256s | Self::Shake256f => 64,
        }
    }

    pub(crate) fn verify(self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Error> {
        let check = match self {
            Self::Sha2_128s => verify::<Sha2_128s>,
            Self::Sha2_128f => verify::<Sha2_128f>,
            Self::Sha2_192s => verify::<Sha2_192s>,
            Self::Sha2_192f => verify::<Sha2_192f>,
            Self::Sha2_256s => verify::<Sha2_256s>,
            Self::Sha2_256f => verify::<Sha2_256f>,
            Self::Shake128s => verify::<Shake128s>,
            Self::Shake128f => verify::<Shake128f>,
            Self::Shake192s => verify::<Shake192s>,
            Self::Shake192f => verify::<Shake192f>,
            Self::Shake256s => verify::<Shake256s>,
            Self::Shake256f => verify::<Shake256f>,
        };
        check(key, message, signature)
    }
}

// RFC 9814 §2: pure mode with an empty context.
fn verify<P: ParameterSet>(key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Error> {
    let key = VerifyingKey::<P>::try_from(key).map_err(|_| Error::BadValue)?;
    let signature = Signature::<P>::try_from(signature).map_err(|_| Error::BadValue)?;
    key.try_verify_with_context(message, b"", &signature).map_err(|_| Error::BadValue)
}
