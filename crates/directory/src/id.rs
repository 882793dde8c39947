use std::fmt;
use std::str::FromStr;

use crate::Error;

/// A random, positive number: unguessable, and made before the row that it names, so that a row can be asked for
/// after a commit whose answer was lost (CASES R-06).
pub(crate) fn random_id() -> Result<i64, Error> {
    let octets = crypto::random_array::<8>()?;
    Ok(i64::from_be_bytes(octets) & i64::MAX)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) i64);

        impl $name {
            #[allow(dead_code, reason = "not every kind of thing is made here")]
            pub(crate) fn random() -> Result<Self, Error> {
                random_id().map(Self)
            }

            /// As a number, for [`crate::TokenInfo::subject`].
            pub fn number(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                let plain = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
                let parsed = i64::from_str_radix(text, 16).ok().filter(|_| plain);
                parsed.map(Self).ok_or(Error::NotFound { what: stringify!($name) })
            }
        }
    )*};
}

ids! {
    /// A person.
    PersonId
    /// A request for a certificate to be used.
    RequestId
    /// A message in the webmailer.
    MessageId
    /// A mail that waits to be delivered.
    OutboxId
    /// A private key with its certificate.
    CredentialId
    /// A private key that waits for its certificate.
    KeyRequestId
    /// A CA of the house.
    AuthorityId
    /// An account with a CA that speaks ACME.
    AcmeAccountId
    /// An order with such a CA.
    AcmeOrderId
    /// The re-issue of many certificates at once.
    IncidentId
    /// A token for programs.
    ApiTokenId
    /// A passkey.
    PasskeyId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_nothing_else_is_one() {
        let id = RequestId::random().unwrap();
        assert_eq!(id.to_string().parse::<RequestId>().unwrap(), id);
        for odd in ["", "1", "+000000000000001", "ffffffffffffffff", "00000000000000001", "../../etc/passwd"] {
            assert!(odd.parse::<RequestId>().is_err(), "{odd}");
        }
    }
}
