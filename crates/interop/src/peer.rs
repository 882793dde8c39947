use pki::Certificate;

use crate::cases::{Layer, Work};
use crate::matrix::protected_entity;
use crate::scene::address;
use crate::task::{Encrypting, Form, Signing, To};

/// What was found in a PKCS #12 file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pkcs12Content {
    /// SHA-256 of the certificates that have a key, in order.
    pub(crate) owners: Vec<String>,
    /// Whether the issuer's certificate is there, too; `None` when the peer does not say.
    pub(crate) issuer: Option<bool>,
}

impl Pkcs12Content {
    pub(crate) fn new(mut owners: Vec<String>, issuer: Option<bool>) -> Self {
        owners.sort();
        Self { owners, issuer }
    }
}

/// Somebody who writes and reads messages. Errors are the peer's own words.
///
/// What is left out here a peer has no command for.
pub(crate) trait Peer {
    fn name(&self) -> &'static str;

    fn version(&mut self) -> String;

    fn sign(&mut self, task: &Signing, content: &[u8]) -> Result<Vec<u8>, String>;

    /// Gives the content that was verified. `content` is what is elsewhere, for detached signatures.
    fn verify(&mut self, task: &Signing, message: &[u8], content: &[u8]) -> Result<Vec<u8>, String> {
        let _ = (task, message, content);
        Err(self.without("verifying"))
    }

    fn encrypt(&mut self, task: &Encrypting, content: &[u8]) -> Result<Vec<u8>, String> {
        let _ = (task, content);
        Err(self.without("encrypting"))
    }

    /// Decrypts as one of the recipients.
    fn decrypt(&mut self, task: &Encrypting, whom: &To, message: &[u8]) -> Result<Vec<u8>, String> {
        let _ = (task, whom, message);
        Err(self.without("decrypting"))
    }

    fn compress(&mut self, form: Form, content: &[u8]) -> Result<Vec<u8>, String> {
        let _ = (form, content);
        Err(self.without("compressing"))
    }

    fn decompress(&mut self, form: Form, message: &[u8]) -> Result<Vec<u8>, String> {
        let _ = (form, message);
        Err(self.without("decompressing"))
    }

    /// Certificates without a signature.
    fn write_certificates(&mut self, form: Form, people: &[&'static str]) -> Result<Vec<u8>, String> {
        let _ = (form, people);
        Err(self.without("certificates alone"))
    }

    fn read_certificates(&mut self, form: Form, message: &[u8]) -> Result<Vec<Certificate>, String> {
        let _ = (form, message);
        Err(self.without("certificates alone"))
    }

    /// A mail with its header fields under the signature (RFC 9788), to be encrypted next or not.
    fn sign_protected(&mut self, task: &Signing, encrypted: bool) -> Result<Vec<u8>, String> {
        let from = task.signers.first().map(|(name, _)| address(name)).unwrap_or_default();
        self.sign(task, &protected_entity(&from, encrypted))
    }

    /// Opens all layers of a mail at once, for whoever does that.
    fn open(&mut self, message: &[u8], layers: &[Layer]) -> Option<Result<Vec<u8>, String>> {
        let _ = (message, layers);
        None
    }

    /// The subject under the signature, for whoever knows of that.
    fn protected_subject(&mut self, message: &[u8], layers: &[Layer]) -> Option<Result<String, String>> {
        let _ = (message, layers);
        None
    }

    /// A PKCS #12 file with these people's keys, certificates and issuer; `legacy` with RC2, 3DES and SHA-1.
    fn write_pkcs12(&mut self, people: &[&'static str], legacy: bool) -> Result<Vec<u8>, String> {
        let _ = (people, legacy);
        Err(self.without("PKCS #12"))
    }

    /// Whether it puts the issuer's certificate in.
    fn writes_issuer(&self) -> bool {
        true
    }

    /// Whose keys are in a PKCS #12 file, with how many certificates of an issuer beside them.
    fn read_pkcs12(&mut self, file: &[u8], password: &str) -> Result<Pkcs12Content, String> {
        let _ = (file, password);
        Err(self.without("PKCS #12"))
    }

    /// Whether there is anything to try: what a peer has no part in at all makes no cells.
    fn takes_part(&self, work: &Work, reading: bool) -> bool {
        let _ = (work, reading);
        true
    }

    /// The words for what there is no command or option for.
    fn without(&self, what: &str) -> String {
        format!("{} has no option for {what}", self.name())
    }
}
