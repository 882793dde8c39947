use std::io::{self, BufRead};

use cms::{Spool, SpoolReader};
use mime::Header;
use pki::Credential;

use crate::layers::{Layer, LayerOpener};
use crate::{EncryptedReport, Error, Limits};

/// Decrypts the outermost layer of a message. A signature inside stays as it is, to be verified.
///
/// ```
/// # use crypto::KeyKind;
/// # let pki = testkit::TestPki::shared();
/// # let now = testkit::now();
/// # let alice = pki.person("alice@example.org", KeyKind::P256).credential;
/// # let bob = pki.person("bob@example.org", KeyKind::Rsa2048).credential;
/// # let mail = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Offer\r\n\r\nHello Bob\r\n";
/// # let encrypted = smime::Encryptor::to(bob.certificate())?.encrypt(mail)?;
/// use std::io::Read as _;
///
/// use smime::{Decryptor, Limits};
///
/// let (keys, limits) = ([bob], Limits::in_folder(std::env::temp_dir()));
/// match Decryptor::new(&keys, &limits).decrypt(&encrypted[..])? {
///     Ok(mut content) => {
///         let mut text = String::new();
///         content.reader()?.read_to_string(&mut text)?;
///         assert!(text.contains("Hello Bob"));
///     }
///     // No tag protected it: it has a type of its own, and is for whoever looks for a signature inside.
///     Err((_, unprotected)) => drop(unprotected),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```compile_fail
/// fn show(content: &mut smime::UnprotectedContent) {
///     // Nobody reads it by accident.
///     content.reader();
/// }
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Decryptor<'a> {
    credentials: &'a [Credential],
    limits: &'a Limits,
}

/// A decrypted message.
#[derive(Debug)]
pub struct DecryptedContent {
    /// The header of the mail as it came; empty when it was no mail.
    pub header: Header,
    /// The layer that was taken off.
    pub report: EncryptedReport,
    content: Spool,
}

/// Content that nothing protected against change on its way, unless a signature inside does.
///
/// It is not readable like the rest; see [`Self::into_unprotected`].
#[derive(Debug)]
pub struct UnprotectedContent(Spool);

impl UnprotectedContent {
    /// The content. Anybody may have changed it (CASES T-21): show nothing active of it, and trust nothing in it.
    pub fn into_unprotected(self) -> Spool {
        self.0
    }
}

impl<'a> Decryptor<'a> {
    /// With whichever of these keys the message is encrypted to.
    pub fn new(credentials: &'a [Credential], limits: &'a Limits) -> Self {
        Self { credentials, limits }
    }

    /// Decrypts (RFC 8551 §4.5).
    ///
    /// # Errors
    /// [`Error::NotSmime`] when it is not encrypted; [`cms::Error::NoMatchingRecipient`] when it is to others;
    /// [`cms::Error::DecryptionFailed`] for everything else that goes wrong.
    pub fn decrypt(
        &self,
        message: impl BufRead,
    ) -> Result<Result<DecryptedContent, (DecryptedContent, UnprotectedContent)>, Error> {
        let opener = LayerOpener { limits: self.limits, credentials: self.credentials, most: 1 };
        let mut opened = opener.open(message, None)?;
        if let Some(error) = opened.unavailable {
            return Err(error.into());
        }
        let Some(Layer::Encrypted { report, failed }) = opened.layers.pop() else {
            return Err(Error::NotSmime { wanted: "encrypted" });
        };
        if !report.opened {
            let error = if failed { cms::Error::DecryptionFailed } else { cms::Error::NoMatchingRecipient };
            return Err(error.into());
        }
        let authenticated = report.authenticated;
        let mut decrypted = DecryptedContent { header: opened.header, report, content: opened.content };
        if authenticated {
            return Ok(Ok(decrypted));
        }
        let empty = Spool::new(self.limits.spool.clone());
        let content = std::mem::replace(&mut decrypted.content, empty);
        Ok(Err((decrypted, UnprotectedContent(content))))
    }
}

impl DecryptedContent {
    /// The content, to be kept.
    pub fn into_spool(self) -> Spool {
        self.content
    }

    /// Reads the content.
    pub fn reader(&mut self) -> io::Result<SpoolReader<'_>> {
        self.content.reader()
    }
}
