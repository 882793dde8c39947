use std::fmt;

use asn1::Oid;

use crate::Certificate;

/// The profile of the S/MIME Baseline Requirements that a certificate was issued under (§7.1.6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Profile {
    /// What the CA has verified.
    pub validation: Validation,
    /// How strict the profile is.
    pub generation: Generation,
}

/// What the CA has verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Validation {
    /// Control of the mailbox.
    Mailbox,
    /// The organisation.
    Organization,
    /// The organisation, and through it the person.
    Sponsor,
    /// The person.
    Individual,
}

/// How strict the profile is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Generation {
    /// The first one; not issued since 2025-07-15.
    Legacy,
    /// For mail and other uses.
    Multipurpose,
    /// For mail only.
    Strict,
}

impl Profile {
    /// The first reserved policy among the certificate's: `2.23.140.1.5.VALIDATION.GENERATION`.
    pub fn of(certificate: &Certificate) -> Option<Self> {
        certificate.extensions().policies()?.iter().find_map(|information| Self::from_policy(information.policy))
    }

    fn from_policy(policy: Oid) -> Option<Self> {
        const RESERVED: Oid = Oid::new("2.23.140.1.5");
        let [validation, generation] = policy.content().strip_prefix(RESERVED.content())? else { return None };
        let validation = match validation {
            1 => Validation::Mailbox,
            2 => Validation::Organization,
            3 => Validation::Sponsor,
            4 => Validation::Individual,
            _ => return None,
        };
        let generation = match generation {
            1 => Generation::Legacy,
            2 => Generation::Multipurpose,
            3 => Generation::Strict,
            _ => return None,
        };
        Some(Self { validation, generation })
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let validation = match self.validation {
            Validation::Mailbox => "mailbox-validated",
            Validation::Organization => "organization-validated",
            Validation::Sponsor => "sponsor-validated",
            Validation::Individual => "individual-validated",
        };
        let generation = match self.generation {
            Generation::Legacy => "legacy",
            Generation::Multipurpose => "multipurpose",
            Generation::Strict => "strict",
        };
        write!(f, "{validation} {generation}")
    }
}
