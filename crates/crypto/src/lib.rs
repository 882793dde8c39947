//! The only door to cryptographic primitives, and the private-key trait.
//!
//! Primitives come from `aws-lc-rs`; where it has none, from the RustCrypto generation. There is one fixed choice per
//! algorithm and no provider trait: what a message may use is policy, and policy lives above.
//!
//! A [`PrivateKey`] does work and never gives itself away, so it can live in this process ([`SoftwareKey`]), in a
//! PKCS #11 token ([`TokenKey`]), or behind a service.

mod algorithm_identifier;
mod brainpool;
mod cipher;
mod digest;
mod error;
mod kdf;
mod key_agreement;
mod key_transport;
mod key_wrap;
pub mod oids;
mod password;
mod private_key;
mod public_key;
mod random;
mod rsa_fallback;
mod signature;
mod slh_dsa;
mod software_key;
mod token;
mod wiped;

pub use algorithm_identifier::AlgorithmIdentifier;
pub use cipher::{BlockTags, ContentCipher, ContentParameters, LocalKey, Opener, Sealer, UnverifiedOpener};
pub use digest::{DigestAlgorithm, DigestValue, Hasher};
pub use error::Error;
pub use kdf::{cek_hkdf_sha256, hkdf, hmac, pbkdf2, verify_hmac, x963_kdf};
pub use key_agreement::{EphemeralKey, SharedSecret};
pub use key_transport::KeyTransportAlgorithm;
pub use key_wrap::KeyWrapAlgorithm;
pub use password::{PasswordEncryption, PasswordForm, PasswordMac, PasswordWork, Pkcs12Purpose, pkcs12_kdf};
pub use private_key::PrivateKey;
pub use public_key::{Curve, MlDsaLevel, MlKemLevel, PublicKey, PublicKeyKind};
pub use random::{constant_time_eq, random, random_array};
pub use signature::{PssParameters, SignatureAlgorithm};
pub use slh_dsa::SlhDsaParameterSet;
pub use software_key::{KeyKind, SoftwareKey};
pub use token::{Token, TokenEntry, TokenKey, TokenReference, TokenSecret, TokenSettings};
pub use wiped::Wiped;
