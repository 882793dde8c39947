//! Published CMS messages and what they must lead to.

mod openssl;
mod post_quantum;
mod rfc4134;
mod rustcrypto;

use std::io::Read as _;

use cms::{
    Content, EncryptedDataReader, Error, Integrity, SignedData, SignedDataReader, SignerReport, Spool, SpoolLimits,
};
use pki::{Certificate, Credential};

/// The content of a SignedData, and the rest of it.
fn read_signed(der: &[u8]) -> Result<(Vec<u8>, SignedData), Error> {
    let mut reader = SignedDataReader::open(der)?;
    let mut content = Vec::new();
    reader.read_to_end(&mut content)?;
    Ok((content, reader.finish(None)?))
}

/// The reports of a message that has signers.
fn signers(data: &SignedData, more: &[Certificate]) -> Result<Vec<SignerReport>, String> {
    let reports = data.verify(more);
    if reports.is_empty() { Err("it has no signer".into()) } else { Ok(reports) }
}

/// Every signature is right.
fn all_intact(data: &SignedData, more: &[Certificate]) -> Result<(), String> {
    match signers(data, more)?.into_iter().find_map(|report| match report.integrity {
        Integrity::Broken(failure) => Some(failure.to_string()),
        Integrity::Intact => None,
    }) {
        None => Ok(()),
        Some(failure) => Err(failure),
    }
}

fn spool_limits() -> SpoolLimits {
    SpoolLimits::in_folder(std::env::temp_dir())
}

fn all_of(mut spool: Spool) -> Vec<u8> {
    let mut out = Vec::new();
    spool.reader().unwrap().read_to_end(&mut out).unwrap();
    out
}

/// The content of an encrypted message.
fn decrypt(der: &[u8], credential: &Credential) -> Result<Vec<u8>, Error> {
    let decrypted = EncryptedDataReader::open(der)?.decrypt(std::slice::from_ref(credential), spool_limits())?;
    Ok(all_of(match decrypted.content {
        Content::Authenticated(spool) => spool,
        Content::Unauthenticated(content) => content.into_unverified(),
    }))
}

fn same(found: &[u8], expected: &[u8]) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{} octets, not the {} expected", found.len(), expected.len())) }
}

/// An error that says what is wrong is what is expected.
fn fails<T>(outcome: Result<T, impl std::fmt::Display>) -> Result<(), String> {
    outcome.map_or(Ok(()), |_| Err("it was read".into()))
}

fn pem(text: &[u8]) -> Vec<u8> {
    asn1::parse_pem(text).unwrap().swap_remove(0).der
}
