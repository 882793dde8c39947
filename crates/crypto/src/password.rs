//! Encryption and authentication by password, as PKCS #5, PKCS #8 and PKCS #12 have them.
//!
//! Old algorithms are read, because keys that are ten years old are in them; two are written.

mod derivation;
mod encryption;
mod legacy;
mod mac;

use zeroize::Zeroizing;

use crate::Error;

pub use derivation::{Pkcs12Purpose, pkcs12_kdf};
pub use encryption::PasswordEncryption;
pub use mac::PasswordMac;

/// How much work a file may ask for before it has shown that the password is right (CASES T-47).
///
/// One round is one application of a digest or of its HMAC. All derivations for one file share one of these.
#[derive(Debug, Clone)]
pub struct PasswordWork {
    rounds_left: u64,
}

impl PasswordWork {
    /// Rounds for one file: enough for three derivations of a million rounds, and under two seconds.
    pub const ROUNDS: u64 = 4_000_000;
    /// Octets of a salt. Longer ones serve no purpose.
    pub const SALT: usize = 1024;

    /// For one file.
    pub fn new() -> Self {
        Self { rounds_left: Self::ROUNDS }
    }

    fn take(&mut self, iterations: u32, blocks: usize) -> Result<(), Error> {
        let rounds = u64::from(iterations).saturating_mul(u64::try_from(blocks).unwrap_or(u64::MAX));
        self.rounds_left = self.rounds_left.checked_sub(rounds).ok_or(Error::TooMuchWork { limit: Self::ROUNDS })?;
        Ok(())
    }
}

impl Default for PasswordWork {
    fn default() -> Self {
        Self::new()
    }
}

/// In which octets a password enters a derivation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordForm {
    /// UTF-16, big-endian, with two zero octets at the end (RFC 7292 §B.1).
    Utf16,
    /// UTF-8 (RFC 8018 §3, RFC 9579 §4).
    Utf8,
}

impl PasswordForm {
    /// The octets of `password`.
    pub fn octets(self, password: &str) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Utf16 => password.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect(),
            Self::Utf8 => password.as_bytes().to_vec(),
        })
    }
}

// A salt is an OCTET STRING of any length; an empty one is legal and unwise, a giant one an attack.
fn check_salt(salt: &[u8]) -> Result<(), Error> {
    if salt.len() <= PasswordWork::SALT {
        Ok(())
    } else {
        Err(Error::MalformedParameters { algorithm: "password salt" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_47_work_is_bounded_before_it_begins() {
        let mut work = PasswordWork::new();
        assert_eq!(work.take(u32::MAX, 1), Err(Error::TooMuchWork { limit: PasswordWork::ROUNDS }));
        assert_eq!(work.take(1_000_000, 4), Ok(()));
        assert!(work.take(1, 1).is_err());
        assert!(check_salt(&[0; PasswordWork::SALT]).is_ok());
        assert!(check_salt(&[0; PasswordWork::SALT + 1]).is_err());
    }

    #[test]
    fn passwords_have_two_forms() {
        assert_eq!(*PasswordForm::Utf16.octets("a€"), [0, b'a', 0x20, 0xAC, 0, 0]);
        assert_eq!(*PasswordForm::Utf16.octets(""), [0, 0]);
        assert_eq!(*PasswordForm::Utf8.octets("é"), [0xC3, 0xA9]);
    }
}
