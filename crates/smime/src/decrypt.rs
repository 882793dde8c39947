use std::io::{self, BufRead};

use cms::{SignedData, SignerInfo, Spool};
use mime::Header;
use pki::{Credential, RevocationStatus};

use crate::layers::{Layer, LayerOpener, Opened, Until};
use crate::{
    Check, Content, ContentReader, EncryptedReport, Error, LayerReport, Limits, SignedReport, SignerVerdict, Source,
};

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
    /// How many layers may be taken off.
    most: usize,
}

/// A decrypted message.
#[derive(Debug)]
pub struct DecryptedContent<'s> {
    /// The header of the mail as it came; empty when it was no mail.
    pub header: Header,
    /// The layer that was decrypted.
    pub report: EncryptedReport,
    /// What was taken off around it, outermost first: nothing, unless that was [asked for](Decryptor::from_inside).
    pub outside: Vec<LayerReport>,
    content: Content<'s>,
}

/// What decryption gives: content that a tag protected, or content that nothing did.
pub type Decrypted<'s> = Result<DecryptedContent<'s>, (DecryptedContent<'s>, UnprotectedContent<'s>)>;

/// Content that nothing protected against change on its way, unless a signature inside does.
///
/// It is not readable like the rest; see [`Self::into_unprotected`].
#[derive(Debug)]
pub struct UnprotectedContent<'s>(Content<'s>);

impl<'s> UnprotectedContent<'s> {
    /// The content. Anybody may have changed it (CASES T-21): show nothing active of it, and trust nothing in it.
    pub fn into_unprotected(self) -> Content<'s> {
        self.0
    }
}

impl<'a> Decryptor<'a> {
    /// With whichever of these keys the message is encrypted to.
    pub fn new(credentials: &'a [Credential], limits: &'a Limits) -> Self {
        Self { credentials, limits, most: 1 }
    }

    /// Also takes off the signatures and the compression around the encrypted layer, as a triple wrap has them (RFC 2634
    /// §1.1). No signature is judged by that: [`DecryptedContent::outside`] says what there was.
    pub fn from_inside(self) -> Self {
        Self { most: self.limits.layers, ..self }
    }

    /// Decrypts (RFC 8551 §4.5).
    ///
    /// # Errors
    /// [`Error::NotSmime`] when it is not encrypted; [`cms::Error::NoMatchingRecipient`] when it is to others;
    /// [`cms::Error::DecryptionFailed`] for everything else that goes wrong.
    pub fn decrypt(&self, message: impl BufRead) -> Result<Decrypted<'static>, Error> {
        self.decrypt_opened(self.opener().open(message, None)?)
    }

    /// The same for a message that can be read more than once, such as a file: large content is not put down anywhere
    /// while it waits for its tag, but decrypted once more when it is wanted. A file that was changed in between gives
    /// an error there, and nothing that was not checked.
    ///
    /// # Errors
    /// As [`Self::decrypt`].
    pub fn decrypt_source<'s>(&self, message: impl Source + 's) -> Result<Decrypted<'s>, Error> {
        self.decrypt_opened(self.opener().open_source(message)?)
    }

    fn opener(&self) -> LayerOpener<'_> {
        LayerOpener { limits: self.limits, credentials: self.credentials, most: self.most, until: Until::Encrypted }
    }

    fn decrypt_opened<'s>(&self, mut opened: Opened<'s>) -> Result<Decrypted<'s>, Error> {
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
        let mut decrypted = DecryptedContent {
            header: opened.header,
            report,
            outside: opened.layers.iter().map(unjudged).collect(),
            content: opened.content,
        };
        if authenticated {
            return Ok(Ok(decrypted));
        }
        let empty = Spool::new(self.limits.spool.clone()).into();
        let content = std::mem::replace(&mut decrypted.content, empty);
        Ok(Err((decrypted, UnprotectedContent(content))))
    }
}

fn unjudged(layer: &Layer) -> LayerReport {
    match layer {
        Layer::Signed { data, bare_line_feeds } => LayerReport::Signed(SignedReport {
            signers: data.signers().iter().map(|signer| unjudged_signer(signer, data)).collect(),
            certificates: data.certificates().to_vec(),
            bare_line_feeds: *bare_line_feeds,
            content_type: Some(data.content_type()),
        }),
        Layer::Encrypted { report, .. } => LayerReport::Encrypted(report.clone()),
        Layer::Compressed => LayerReport::Compressed,
    }
}

fn unjudged_signer(signer: &SignerInfo, data: &SignedData) -> SignerVerdict {
    let identifier = signer.identifier();
    // By its name alone: that it made the signature is not known.
    let named = data.certificates().iter().find(|certificate| identifier.names(certificate));
    SignerVerdict {
        subject: named.map_or_else(|| identifier.describe(), |certificate| certificate.subject().to_string()),
        addresses: named
            .map(|certificate| certificate.email_addresses().iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
        certificate: named.cloned(),
        algorithm: signer
            .signature_algorithm()
            .map_or_else(|error| error.to_string(), |algorithm| algorithm.name().into()),
        digest: signer.digest_algorithm().map_or_else(|error| error.to_string(), |digest| digest.name().into()),
        signing_time: signer.signed_attributes().and_then(cms::Attributes::signing_time),
        integrity: Check::Unchecked,
        path: Check::Unchecked,
        revocation: RevocationStatus::Unchecked,
        address: Check::Unchecked,
        reason: None,
        countersigners: Vec::new(),
        awaits_revocation: false,
        capabilities: None,
    }
}

impl DecryptedContent<'_> {
    /// The content, to be kept.
    ///
    /// # Errors
    /// When it is not held yet, and cannot be read or put down.
    pub fn into_spool(self) -> io::Result<Spool> {
        self.content.into_spool()
    }

    /// Reads the content.
    ///
    /// # Errors
    /// When what it is in cannot be read.
    pub fn reader(&mut self) -> io::Result<ContentReader<'_>> {
        self.content.reader()
    }
}
