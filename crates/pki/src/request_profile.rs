//! Which names a certificate for mail may carry, by what the CA verifies.

use std::fmt;

use crate::lint::Validation;
use crate::{EmailAddress, Subject};

/// What is wrong with the names that were given for a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectError {
    /// No country: two capital letters.
    Country {
        /// What was given.
        text: String,
    },
    /// There, but nothing in it.
    Empty {
        /// The attribute.
        attribute: SubjectAttribute,
    },
    /// No register with a number in it.
    Identifier {
        /// What was given.
        text: String,
    },
    /// The type asks for it.
    Missing {
        /// The type.
        validation: Validation,
        /// The attribute.
        attribute: SubjectAttribute,
    },
    /// The type has no place for it.
    NotAllowed {
        /// The type.
        validation: Validation,
        /// The attribute.
        attribute: SubjectAttribute,
    },
    /// Longer than 64 characters.
    TooLong {
        /// What was given.
        text: String,
    },
}

/// An attribute of a subject that somebody fills in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum SubjectAttribute {
    Country,
    GivenName,
    Organization,
    OrganizationIdentifier,
    Surname,
}

impl Validation {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Mailbox, Self::Individual, Self::Sponsor, Self::Organization];

    /// One word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mailbox => "mailbox",
            Self::Individual => "individual",
            Self::Sponsor => "sponsor",
            Self::Organization => "organization",
        }
    }

    /// From its word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|validation| validation.name() == name)
    }

    /// The attributes that it asks for, and those that it also allows (CA/B S/MIME BR §7.1.4.2.3 to §7.1.4.2.6).
    pub fn attributes(self) -> (&'static [SubjectAttribute], &'static [SubjectAttribute]) {
        use SubjectAttribute::{Country, GivenName, Organization, OrganizationIdentifier, Surname};
        match self {
            Self::Mailbox => (&[], &[]),
            Self::Individual => (&[GivenName, Surname], &[Country]),
            Self::Sponsor => (&[GivenName, Surname, Organization, OrganizationIdentifier], &[Country]),
            Self::Organization => (&[Organization, OrganizationIdentifier], &[Country]),
        }
    }

    /// The subject for `address`, with what was filled in; its common name follows from the type.
    pub fn subject(self, given: Subject, address: &EmailAddress) -> Result<Subject, SubjectError> {
        use SubjectAttribute::{Country, GivenName, Organization, OrganizationIdentifier, Surname};
        let (needed, allowed) = self.attributes();
        for (attribute, value) in [
            (GivenName, &given.given_name),
            (Surname, &given.surname),
            (Organization, &given.organization),
            (OrganizationIdentifier, &given.organization_identifier),
            (Country, &given.country),
        ] {
            let is_needed = needed.contains(&attribute);
            match value {
                None if is_needed => return Err(SubjectError::Missing { validation: self, attribute }),
                Some(_) if !is_needed && !allowed.contains(&attribute) => {
                    return Err(SubjectError::NotAllowed { validation: self, attribute });
                }
                Some(text) if text.trim().is_empty() => return Err(SubjectError::Empty { attribute }),
                // RFC 5280 §A.1: ub-organization-name is 64, as are those of names for people.
                Some(text) if text.chars().count() > 64 => return Err(SubjectError::TooLong { text: text.clone() }),
                _ => {}
            }
        }
        if let Some(country) = &given.country
            && !(country.len() == 2 && country.bytes().all(|letter| letter.is_ascii_uppercase()))
        {
            return Err(SubjectError::Country { text: country.clone() });
        }
        if let Some(identifier) = &given.organization_identifier
            && !is_organization_identifier(identifier)
        {
            return Err(SubjectError::Identifier { text: identifier.clone() });
        }
        let common_name = match self {
            Self::Mailbox => address.to_string(),
            Self::Organization => given.organization.clone().unwrap_or_default(),
            Self::Individual | Self::Sponsor => {
                let names = [&given.given_name, &given.surname].into_iter().flatten();
                names.map(String::as_str).collect::<Vec<_>>().join(" ")
            }
        };
        // RFC 5280 §A.1: ub-common-name is 64. A mailbox stands in subjectAltName anyway.
        let common_name = match self {
            _ if common_name.chars().count() <= 64 => common_name,
            Self::Mailbox => String::new(),
            _ => return Err(SubjectError::TooLong { text: common_name }),
        };
        Ok(Subject { common_name, ..given })
    }
}

// CA/B S/MIME BR §7.1.4.2.2 (d) and Appendix A: three letters of the scheme, two of the country, maybe a state, and
// the reference.
fn is_organization_identifier(text: &str) -> bool {
    let Some((scheme, reference)) = text.split_once('-') else { return false };
    let (letters, state) = scheme.split_once('+').unwrap_or((scheme, "X"));
    letters.len() == 5
        && letters.bytes().all(|letter| letter.is_ascii_uppercase())
        && (1..=3).contains(&state.len())
        && state.bytes().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit())
        && !reference.trim().is_empty()
}

impl fmt::Display for SubjectAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Country => "country",
            Self::GivenName => "given name",
            Self::Organization => "organization",
            Self::OrganizationIdentifier => "organization identifier",
            Self::Surname => "surname",
        })
    }
}

impl fmt::Display for SubjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Country { text } => write!(f, "{text} is not a country"),
            Self::Empty { attribute } => write!(f, "the {attribute} is empty"),
            Self::Identifier { text } => write!(f, "{text} is not an organisation's identifier"),
            Self::Missing { validation, attribute } => {
                write!(f, "the profile {} needs the {attribute}", validation.name())
            }
            Self::NotAllowed { validation, attribute } => {
                write!(f, "the profile {} has no place for the {attribute}", validation.name())
            }
            Self::TooLong { text } => write!(f, "{text} is longer than 64 characters"),
        }
    }
}

impl std::error::Error for SubjectError {}
