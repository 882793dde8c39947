use aws_lc_rs::signature as aws;
use aws_lc_rs::signature::KeyPair as _;

use super::Operations;
use crate::{AlgorithmIdentifier, Error, MlDsaLevel, PublicKey, PublicKeyKind};

pub(super) fn signing(level: MlDsaLevel) -> &'static aws::PqdsaSigningAlgorithm {
    match level {
        MlDsaLevel::MlDsa44 => &aws::ML_DSA_44_SIGNING,
        MlDsaLevel::MlDsa65 => &aws::ML_DSA_65_SIGNING,
        MlDsaLevel::MlDsa87 => &aws::ML_DSA_87_SIGNING,
    }
}

// RFC 9881 §6: seed, expanded key, or both; where both are there, aws-lc checks that they agree.
pub(super) fn read(level: MlDsaLevel, der: &[u8]) -> Result<(PublicKey, Operations), Error> {
    let pair = aws::PqdsaKeyPair::from_pkcs8(signing(level), der)?;
    let public = PublicKey::from_parts(&AlgorithmIdentifier::new(level.oid()), pair.public_key().as_ref())?;
    Ok((public, Operations::MlDsa(pair)))
}

pub(super) fn sign(
    pair: &aws::PqdsaKeyPair,
    level: MlDsaLevel,
    own: PublicKeyKind,
    message: &[u8],
) -> Result<Vec<u8>, Error> {
    if own != PublicKeyKind::MlDsa(level) {
        return Err(Error::NotForThisKey { operation: "sign" });
    }
    let mut signature = vec![0; pair.algorithm().signature_len()];
    let length = pair.sign(message, &mut signature)?;
    signature.truncate(length);
    Ok(signature)
}
