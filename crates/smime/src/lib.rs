//! An email in, a decision out: S/MIME for programs (RFC 8551, RFC 8550).
//!
//! ```no_run
//! # fn explain(_: &[smime::LayerReport]) {}
//! # fn run(policy: &smime::Policy, message: &[u8], out: &mut Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
//! use smime::{Sender, Verifier};
//!
//! match Verifier::new(policy).verify(message)?.accept(&Sender::VisibleFrom) {
//!     Ok(mut content) => {
//!         std::io::copy(&mut content.reader()?, out)?; // the bytes that were signed
//!     }
//!     Err(rejected) => explain(rejected.layers()), // each layer and signer: how far it got, why it stopped
//! }
//! # Ok(()) }
//! ```
//!
//! There is no `is_valid()`. A [`Verification`] is no bool and cannot be read from; only [`Verification::accept`] makes
//! a [`VerifiedContent`]. What skips that stands in [`danger`].
//!
//! Producing: [`Signer`] and [`Encryptor`] take a mail and give one back.
//!
//! ```no_run
//! # fn run(alice: &pki::Credential, bob: &pki::Certificate, mail: &[u8], now: asn1::Time) -> Result<(), smime::Error> {
//! use smime::{Encryptor, Signer};
//!
//! let signed = Signer::new(alice)?.at(now).sign(mail)?;
//! let encrypted = Encryptor::to(bob)?.encrypt(&signed)?; // "to nobody" cannot be written
//! # let _ = encrypted; Ok(()) }
//! ```

mod capabilities;
mod content;
pub mod danger;
mod decrypt;
mod encrypt;
mod error;
mod header_confidentiality;
mod inspect;
mod layers;
mod policy;
mod profile;
mod protected_header;
mod recipient;
mod recognise;
mod report;
mod sign;
mod source;
mod split;
mod unchanging;
mod verify;
mod wrap;

pub use capabilities::Capabilities;
pub use content::{Content, ContentReader};
pub use decrypt::{Decrypted, DecryptedContent, Decryptor, UnprotectedContent};
pub use encrypt::Encryptor;
pub use error::Error;
pub use header_confidentiality::HeaderConfidentiality;
pub use inspect::{Node, RecipientNode, SignerNode, inspect};
pub use policy::{Limits, Policy, RevocationMaterial, Revocations};
pub use profile::Profile;
pub use protected_header::{FieldProtection, HeaderDifference, HeaderScheme, ProtectedHeader, without_legacy_display};
pub use recipient::Pins;
pub use recognise::{Form, recognise};
pub use report::{Check, Countersigner, EncryptedReport, LayerReport, SignedReport, SignerVerdict};
pub use sign::{SignatureForm, Signer};
pub use source::Source;
pub use verify::{Rejected, Sender, Verification, VerifiedContent, Verifier};
pub use wrap::{certificates_only, compress};
