//! CMS structures and one-pass processors (RFC 5652 and its family).
//!
//! It has never heard of email: content goes in and comes out as a stream, and what may be trusted is decided above.
//!
//! | | writes | reads |
//! |---|---|---|
//! | SignedData | [`SignedDataWriter`], [`DetachedSigner`] | [`SignedDataReader`] → [`SignedData`] |
//! | CompressedData | [`CompressedDataWriter`] | [`CompressedDataReader`] |
//! | EnvelopedData, AuthEnvelopedData | [`EncryptedDataWriter`] | [`EncryptedDataReader`] → [`Decrypted`] |
//!
//! Small content is written in DER. Content beyond [`DEFINITE_LIMIT`] is written in BER with indefinite lengths, in one
//! pass and flat memory.

mod attributes;
mod certificate_set;
mod compressed_data;
mod content_info;
mod decrypt;
mod encrypt;
mod error;
mod identifier;
mod kem;
mod key_agree;
mod key_trans;
pub mod oids;
mod receipt;
mod recipient_info;
mod shared_secret;
mod sign;
mod signed_data;
mod signer_info;
mod spool;

pub use attributes::{Attribute, Attributes, SigningCertificateReference};
pub use compressed_data::{CompressedDataReader, CompressedDataWriter, MOST_COMPRESSION};
pub use content_info::{ContentType, sniff};
pub use decrypt::{
    Content, ContentKey, Decrypted, DecryptionKeys, EncryptedDataReader, UnauthenticatedContent,
    UnverifiedContentReader,
};
pub use encrypt::{EncryptedDataWriter, EncryptionSettings, Recipient};
pub use error::Error;
pub use identifier::CertificateIdentifier;
pub use receipt::{Receipt, ReceiptRequest};
pub use recipient_info::{RecipientInfo, RecipientKind};
pub use shared_secret::SharedKey;
pub use sign::{DetachedSigner, SignedDataWriter, SignerSettings, certificates_only};
pub use signed_data::{ContentDigests, SignedData, SignedDataReader};
pub use signer_info::{Integrity, IntegrityFailure, SignerInfo, SignerReport};
pub use spool::{Spool, SpoolLimits, SpoolReader};

/// Content up to so many octets is held and written in DER, beyond that streamed in BER.
pub const DEFINITE_LIMIT: usize = 256 * 1024;

/// What is refused unread (CASES N-24).
pub mod limits {
    /// RecipientInfos, and RecipientEncryptedKeys inside them, in one message.
    pub const RECIPIENTS: usize = 2_000;
    /// Certificates in one message.
    pub const CERTIFICATES: usize = 100;
    /// SignerInfos in one message.
    pub const SIGNERS: usize = 100;
    /// CRLs and other revocation information in one message.
    pub const REVOCATION_INFOS: usize = 100;
    /// Signature checks in one message: signers times the certificates that they could mean.
    pub const SIGNATURE_CHECKS: usize = 200;
    /// Octets of the parts of a message that are held in memory whole.
    pub const STRUCTURES: u64 = 16 << 20;
}
