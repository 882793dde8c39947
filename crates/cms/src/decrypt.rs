use std::io::{BufRead, Write as _};

use asn1::{Encoding, Oid, Reader, StreamReader, Tag};
use crypto::{AlgorithmIdentifier, ContentCipher, ContentParameters, Opener};
use pki::Credential;
use zeroize::Zeroizing;

use crate::shared_secret::PasswordBudget;
use crate::{Error, RecipientInfo, SharedKey, Spool, SpoolLimits, content_info, limits, oids};

/// Reads an EnvelopedData or AuthEnvelopedData up to its content; [`Self::decrypt`] does the rest.
#[derive(Debug)]
pub struct EncryptedDataReader<R> {
    reader: StreamReader<R>,
    authenticated: bool,
    recipients: Vec<RecipientInfo>,
    content_type: Oid,
    cipher: ContentCipher,
    nonce: Vec<u8>,
    /// What the parameters say of the tag's length; 0 without one.
    tag_length: usize,
    /// The cipher's own identifier in DER, where the content key is derived for it (RFC 9709 §2).
    derived_from: Option<Vec<u8>>,
}

/// What a message may be opened with.
#[derive(Debug, Clone, Copy, Default)]
pub struct DecryptionKeys<'a> {
    /// Key pairs.
    pub credentials: &'a [Credential],
    /// Passwords. Each is tried on each recipient that takes one, within a budget.
    pub passwords: &'a [&'a str],
    /// Keys that both have.
    pub shared_keys: &'a [SharedKey],
}

/// A message that was decrypted.
#[derive(Debug)]
pub struct Decrypted {
    /// The type of the content inside.
    pub content_type: Oid,
    /// The content cipher.
    pub cipher: ContentCipher,
    /// The content.
    pub content: Content,
    /// Which of the given credentials opened it; `None` when a shared key or a password did.
    pub opened_by: Option<usize>,
}

/// Decrypted content, by whether anything protected it against change.
#[derive(Debug)]
pub enum Content {
    /// A tag over all of it was right.
    Authenticated(Spool),
    /// Nothing protected it: anybody may have changed it on the way.
    Unauthenticated(UnauthenticatedContent),
}

/// Content of an EnvelopedData: decrypted, but nothing says that it is what was sent (CASES T-20, T-21).
///
/// It cannot be read like other content. What is inside may be a signature that protects it; to look for one,
/// [`Self::into_unverified`] says at the place of use what is done there.
#[derive(Debug)]
pub struct UnauthenticatedContent(Spool);

impl UnauthenticatedContent {
    /// The content, unverified. It is to be read only in search of a signature, or by a policy that says so.
    pub fn into_unverified(self) -> Spool {
        self.0
    }
}

impl<R: BufRead> EncryptedDataReader<R> {
    /// Reads up to the content.
    ///
    /// # Errors
    /// [`Error::OtherContentType`] when it is neither of the two.
    pub fn open(source: R) -> Result<Self, Error> {
        let (found, mut reader) = content_info::open(source)?;
        let authenticated = match found {
            oids::ID_ENVELOPED_DATA => false,
            oids::ID_CT_AUTH_ENVELOPED_DATA => true,
            _ => return Err(Error::OtherContentType { found }),
        };
        let outer = reader.expect(Tag::SEQUENCE, "EnvelopedData")?;
        reader.enter(&outer, "EnvelopedData")?;
        let version = reader.expect(Tag::INTEGER, "version")?;
        reader.skip(&version, "version")?;
        let mut next = reader.header("EnvelopedData")?;
        if let Some(originator) = next.filter(|header| header.tag == Tag::context_constructed(0)) {
            reader.skip(&originator, "originatorInfo")?;
            next = reader.header("EnvelopedData")?;
        }
        let Some(set) = next.filter(|header| header.tag == Tag::SET) else {
            let because = asn1::Because::Unexpected { found: next.map(|header| header.tag), expected: Some(Tag::SET) };
            return Err(asn1::Error::Malformed { what: "recipientInfos", offset: reader.offset(), because }.into());
        };
        let recipients = parse_recipients(&reader.element(&set, "recipientInfos")?)?;
        let info = reader.expect(Tag::SEQUENCE, "EncryptedContentInfo")?;
        reader.enter(&info, "EncryptedContentInfo")?;
        let content_type = reader.oid("contentType")?;
        let header = reader.expect(Tag::SEQUENCE, "contentEncryptionAlgorithm")?;
        let raw = reader.element(&header, "contentEncryptionAlgorithm")?;
        let algorithm = AlgorithmIdentifier::parse(&mut Reader::new(&raw, Encoding::Ber))?;
        let (algorithm, derived_from) = underived(algorithm)?;
        let ContentParameters { cipher, nonce, tag_length } =
            ContentParameters::from_identifier(&algorithm).map_err(|error| match error {
                crypto::Error::Unknown { oid } => Error::UnknownCipher { oid },
                _ => Error::DecryptionFailed,
            })?;
        // CASES T-23: a cipher that does not belong to the content type is a failure like any other.
        if cipher.is_authenticated() != authenticated {
            return Err(Error::DecryptionFailed);
        }
        Ok(Self { reader, authenticated, recipients, content_type, cipher, nonce, tag_length, derived_from })
    }

    /// Whom the message is encrypted to.
    pub fn recipients(&self) -> &[RecipientInfo] {
        &self.recipients
    }

    /// The content cipher.
    pub fn cipher(&self) -> ContentCipher {
        self.cipher
    }

    /// The type of the content inside.
    pub fn content_type(&self) -> Oid {
        self.content_type
    }

    /// Decrypts with whichever of `credentials` is named as a recipient.
    ///
    /// # Errors
    /// [`Error::NoMatchingRecipient`] when none is; [`Error::DecryptionFailed`] for everything that goes wrong after
    /// that; [`Error::Crypto`] with [`crypto::Error::Unavailable`] when a key cannot be reached.
    pub fn decrypt(self, credentials: &[Credential], spool: SpoolLimits) -> Result<Decrypted, Error> {
        self.decrypt_with(DecryptionKeys { credentials, ..DecryptionKeys::default() }, spool)
    }

    /// The same, also with keys that both have, and with passwords.
    ///
    /// # Errors
    /// As [`Self::decrypt`].
    pub fn decrypt_with(self, keys: DecryptionKeys<'_>, spool: SpoolLimits) -> Result<Decrypted, Error> {
        let (opened_by, mut content_key) = match self.content_key(keys.credentials) {
            Ok((index, key)) => (Some(index), key),
            Err(error @ Error::Crypto(_)) => return Err(error),
            Err(error) => (None, self.content_key_from_secrets(&keys, error)?),
        };
        if let Some(algorithm) = &self.derived_from {
            content_key = crypto::cek_hkdf_sha256(&content_key, algorithm).map_err(|_| Error::DecryptionFailed)?;
        }
        let (content_type, cipher, authenticated) = (self.content_type, self.cipher, self.authenticated);
        let spool = self.open_content(&content_key, spool)?;
        let content = if authenticated {
            Content::Authenticated(spool)
        } else {
            Content::Unauthenticated(UnauthenticatedContent(spool))
        };
        Ok(Decrypted { content_type, cipher, content, opened_by })
    }

    fn content_key(&self, credentials: &[Credential]) -> Result<(usize, Zeroizing<Vec<u8>>), Error> {
        let (mut failure, mut unavailable) = (Error::NoMatchingRecipient, None);
        for (index, credential) in credentials.iter().enumerate() {
            for recipient in &self.recipients {
                match recipient.content_key(credential.certificate(), credential.key(), self.cipher.key_length()) {
                    None => {}
                    Some(Ok(key)) if key.len() == self.cipher.key_length() => return Ok((index, key)),
                    // CASES T-129: another key may be at hand; that this one is not, is the answer only after that.
                    Some(Err(error @ crypto::Error::Unavailable { .. })) => unavailable = Some(error),
                    // CASES T-46: a RecipientInfo that cannot be used is passed over; another one may do.
                    Some(_) => failure = Error::DecryptionFailed,
                }
            }
        }
        Err(unavailable.map_or(failure, Error::from))
    }

    fn content_key_from_secrets(
        &self,
        keys: &DecryptionKeys<'_>,
        mut failure: Error,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut budget = PasswordBudget::default();
        for recipient in &self.recipients {
            let by_key = keys.shared_keys.iter().filter_map(|key| recipient.content_key_with(key));
            let by_password =
                keys.passwords.iter().filter_map(|password| recipient.content_key_by_password(password, &mut budget));
            for attempt in by_key.chain(by_password) {
                match attempt {
                    Ok(key) if key.len() == self.cipher.key_length() => return Ok(key),
                    _ => failure = Error::DecryptionFailed,
                }
            }
        }
        Err(failure)
    }

    fn open_content(self, content_key: &[u8], limits: SpoolLimits) -> Result<Spool, Error> {
        let Self { mut reader, authenticated, cipher, nonce, tag_length, .. } = self;
        let uniform = |_: crypto::Error| Error::DecryptionFailed;
        let mut opener = Opener::new(cipher, content_key, &nonce, b"").map_err(uniform)?;
        let mut spool = Spool::new(limits);
        let mut plain = Zeroizing::new(Vec::new());
        let header = reader.expect(Tag::context(0), "encryptedContent")?;
        let mut octets = reader.octets(&header, "encryptedContent")?;
        loop {
            // In cache-sized steps: each is hashed, decrypted and written while it is near.
            let available = octets.fill_buf()?;
            if available.is_empty() {
                break;
            }
            let step = available.len().min(32 * 1024);
            opener.update(available.get(..step).unwrap_or_default(), &mut plain).map_err(uniform)?;
            octets.consume(step);
            spool.write_all(&plain)?;
            plain.clear();
        }
        reader.leave("EncryptedContentInfo")?;
        let (mut additional, mut tag) = (Vec::new(), Vec::new());
        if authenticated {
            let mut next = reader.header("AuthEnvelopedData")?;
            if let Some(attributes) = next.filter(|header| header.tag == Tag::context_constructed(1)) {
                // RFC 5083 §2.2: the AAD is their DER as a SET OF. CASES S-47: the received octets, re-tagged.
                additional = reader.element(&attributes, "authAttrs")?;
                if let Some(tag) = additional.first_mut() {
                    *tag = 0x31;
                }
                next = reader.header("AuthEnvelopedData")?;
            }
            let Some(mac) = next.filter(|header| header.tag.is_like(Tag::OCTET_STRING)) else {
                return Err(Error::DecryptionFailed);
            };
            let raw = reader.element(&mac, "mac")?;
            tag = Reader::new(&raw, Encoding::Ber).octet_string()?.into_owned();
            // CASES T-22: the tag is as long as the parameters say.
            if tag.len() != tag_length {
                return Err(Error::DecryptionFailed);
            }
        }
        while let Some(header) = reader.header("EnvelopedData")? {
            reader.skip(&header, "unprotectedAttrs")?;
        }
        reader.finish("EnvelopedData")?;
        opener.finish_with_late_additional(&additional, &tag, &mut plain).map_err(uniform)?;
        spool.write_all(&plain)?;
        Ok(spool)
    }
}

// RFC 9709 §2: contentEncryptionAlgorithm id-alg-cek-hkdf-sha256 holds the cipher's own identifier. CASES T-23: whoever
// puts another cipher in its place gets another key.
fn underived(algorithm: AlgorithmIdentifier) -> Result<(AlgorithmIdentifier, Option<Vec<u8>>), Error> {
    if algorithm.oid != crypto::oids::CEK_HKDF_SHA256 {
        return Ok((algorithm, None));
    }
    let inner = algorithm.parameters.ok_or(Error::DecryptionFailed)?;
    let identifier = AlgorithmIdentifier::parse(&mut Reader::new(&inner, Encoding::Ber))?;
    Ok((identifier, Some(inner)))
}

fn parse_recipients(raw: &[u8]) -> Result<Vec<RecipientInfo>, Error> {
    let mut outer = Reader::new(raw, Encoding::Ber);
    let mut set = outer.set("recipientInfos")?;
    let (mut infos, mut recipients) = (Vec::new(), 0);
    while !set.is_empty() {
        let info = RecipientInfo::parse(&set.element()?)?;
        recipients += info.recipients().len().max(1);
        // CASES T-33, N-24: counted before any key is touched.
        if recipients > limits::RECIPIENTS {
            return Err(Error::TooMany { what: "recipients", limit: limits::RECIPIENTS });
        }
        infos.push(info);
    }
    Ok(infos)
}
