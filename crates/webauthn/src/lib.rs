//! Passkeys: what a browser and its authenticator answer, verified as Web Authentication Level 2 has it in §7.1 (a new
//! passkey) and §7.2 (a log-in).
//!
//! A [`RelyingParty`] is one web site. It knows no session, no clock and no database: whoever asks says which challenge
//! was given to whom and what is known of a passkey, and gets a [`NewPasskey`] or a [`Proof`] that only a verification
//! makes, or the step at which it stopped, as [`Rejected`].
//!
//! ```
//! use webauthn::{Asked, RegistrationAnswer, Rejected, RelyingParty, UserVerification};
//!
//! let party = RelyingParty::at("https://webmail.example").unwrap();
//! let asked = Asked { challenge: "c2Vzc2lvbg", verification: UserVerification::Preferred };
//! let answer = RegistrationAnswer { client_data: b"{}", attestation_object: b"" };
//! assert!(matches!(party.register(&asked, &answer), Err(Rejected::Malformed { what: "CollectedClientData", .. })));
//! ```
//!
//! Attestation is not asked for, and none is believed: statements are `none`, or what `packed` calls self attestation,
//! which browsers let through because it says nothing about the device.

mod attestation;
mod authenticator_data;
mod cbor;
mod client_data;
mod cose;
mod rejected;
mod relying_party;

pub use attestation::AttestationObject;
pub use authenticator_data::{AttestedCredential, AuthenticatorData};
pub use client_data::ClientData;
pub use cose::{CoseAlgorithm, CoseKey};
pub use rejected::Rejected;
pub use relying_party::{
    Asked, Assertion, KnownPasskey, NewPasskey, Proof, RegistrationAnswer, RelyingParty, UserVerification,
};
