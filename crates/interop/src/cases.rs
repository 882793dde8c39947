//! What is tried: each case is one row and one column of a table.

mod encryption;
mod layers;
mod pkcs12;
mod signatures;

use crypto::SoftwareKey;
use pki::{Pkcs12Builder, Protection};
use testkit::Person;

use crate::task::{Encrypting, Form, Signing};

/// One row and one column.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) table: &'static str,
    pub(crate) row: String,
    pub(crate) column: String,
    pub(crate) work: Work,
    /// Whether we write it for the peer.
    pub(crate) ours: bool,
    /// Whether the peer writes it for us.
    pub(crate) theirs: bool,
    /// Whether it is also tried at the prompt.
    pub(crate) prompt: bool,
}

impl Case {
    fn new(table: &'static str, row: impl Into<String>, column: impl Into<String>, work: Work) -> Self {
        Self { table, row: row.into(), column: column.into(), work, ours: true, theirs: true, prompt: false }
    }

    fn only_theirs(self) -> Self {
        Self { ours: false, ..self }
    }

    fn only_ours(self) -> Self {
        Self { theirs: false, ..self }
    }

    fn at_the_prompt(self, prompt: bool) -> Self {
        Self { prompt, ..self }
    }
}

/// What is written and read.
#[derive(Debug)]
pub(crate) enum Work {
    Sign(Signing),
    /// Signed, and changed on the way: it must be refused.
    ChangedSignature(Signing),
    Encrypt(Encrypting),
    /// Encrypted, and changed on the way: it must be refused.
    ChangedCiphertext(Encrypting),
    Compress(Form),
    Certificates(Form),
    Layers(Vec<Layer>),
    /// Header fields under the signature (RFC 9788), then encrypted or not.
    /// A key file for these people, `legacy` or not; a wrong password is said as such.
    Pkcs12 {
        people: Vec<&'static str>,
        legacy: bool,
    },
    ProtectedHeaders {
        signing: Signing,
        encrypting: Option<Encrypting>,
    },
}

/// One layer of several, innermost first.
#[derive(Debug, Clone)]
pub(crate) enum Layer {
    Sign(Signing),
    Encrypt(Encrypting),
    Compress,
}

/// Every case, in the order of the report.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = signatures::cases();
    cases.extend(encryption::cases());
    cases.extend(layers::cases());
    cases.extend(pkcs12::cases());
    cases
}

/// A file that every peer imports.
pub(crate) fn pkcs12_for_import(person: &Person, name: &str) -> Result<Vec<u8>, String> {
    let key = SoftwareKey::from_pkcs8(&person.pkcs8).map_err(|error| error.to_string())?;
    Pkcs12Builder::new(Protection::Compatible)
        .key(&key, person.certificate(), Some(name))
        .map_err(|error| error.to_string())?
        .chain(person.credential.chain())
        .iterations(1)
        .build("x")
        .map_err(|error| error.to_string())
}
