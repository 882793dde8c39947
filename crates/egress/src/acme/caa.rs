//! Whether a domain lets a CA issue certificates for its mailboxes (RFC 9495): told before the CA finds out.

use std::fmt;

use crate::Records;

/// What a domain's CAA records say about certificates for mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssueMail {
    /// Nothing: every CA may issue.
    Open,
    /// This CA may issue.
    Allowed {
        /// Where the records are.
        domain: String,
    },
    /// This CA may not issue, and will say so.
    Forbidden {
        /// Where the records are.
        domain: String,
        /// Who may.
        issuers: Vec<String>,
    },
    /// DNS gave no answer.
    Unknown {
        /// What it said.
        because: String,
    },
}

impl fmt::Display for IssueMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("no CAA record restricts certificates for mail"),
            Self::Allowed { domain } => write!(f, "the CAA records of {domain} let this CA issue for mail"),
            Self::Forbidden { domain, issuers } if issuers.is_empty() => {
                write!(f, "the CAA records of {domain} let no CA issue for mail (issuemail)")
            }
            Self::Forbidden { domain, issuers } => {
                write!(
                    f,
                    "the CAA records of {domain} let other CAs issue for mail (issuemail): {}",
                    issuers.join(", ")
                )
            }
            Self::Unknown { because } => write!(f, "the CAA records cannot be asked for: {because}"),
        }
    }
}

/// Looks at the records of a mailbox's domain, and where it has none at those above it (RFC 9495 §4, RFC 8659 §3).
/// `identities` are the names under which the CA stands in such records.
pub async fn check_issue_mail(records: &dyn Records, domain: &str, identities: &[String]) -> IssueMail {
    let labels: Vec<&str> = domain.trim_end_matches('.').split('.').collect();
    for first in 0..labels.len().min(MOST_LABELS) {
        let name = labels.get(first..).unwrap_or_default().join(".");
        let set = match records.caa(&name).await {
            Ok(set) => set,
            Err(error) => return IssueMail::Unknown { because: error.to_string() },
        };
        if set.is_empty() {
            continue;
        }
        // RFC 8659 §4.1: a critical property that is not known forbids everything.
        let unknown = |tag: &str| !matches!(tag, "issue" | "issuewild" | "issuemail" | "iodef");
        if set.iter().any(|record| record.critical && unknown(&record.tag)) {
            return IssueMail::Forbidden { domain: name, issuers: Vec::new() };
        }
        let mut issuers: Vec<String> = set.iter().filter(|record| record.tag == "issuemail").map(issuer).collect();
        if issuers.is_empty() {
            // RFC 9495 §4: `issue` and `issuewild` say nothing about mail.
            return IssueMail::Open;
        }
        let own = |issuer: &String| identities.iter().any(|identity| identity.eq_ignore_ascii_case(issuer));
        if issuers.iter().any(own) {
            return IssueMail::Allowed { domain: name };
        }
        issuers.retain(|issuer| !issuer.is_empty());
        return IssueMail::Forbidden { domain: name, issuers };
    }
    IssueMail::Open
}

// RFC 8659 §4.2: the issuer's domain name, before its parameters.
fn issuer(record: &crate::CaaRecord) -> String {
    let name = record.value.split(';').next().unwrap_or_default().trim();
    name.chars().filter(|c| c.is_ascii_graphic()).take(253).collect::<String>().to_ascii_lowercase()
}

const MOST_LABELS: usize = 10;
