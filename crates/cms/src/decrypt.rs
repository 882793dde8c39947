use std::io::{BufRead, Write as _};

use asn1::{Encoding, Oid, Reader, StreamReader, Tag};
use crypto::{AlgorithmIdentifier, ContentCipher, Opener};
use pki::Credential;
use zeroize::Zeroizing;

use crate::{Error, RecipientInfo, Spool, SpoolLimits, content_info, limits, oids};

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
    /// Which of the given credentials opened it.
    pub opened_by: usize,
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
        let cipher = ContentCipher::from_oid(algorithm.oid).ok_or(Error::UnknownCipher { oid: algorithm.oid })?;
        // CASES T-23: a cipher that does not belong to the content type is a failure like any other.
        if cipher.is_authenticated() != authenticated {
            return Err(Error::DecryptionFailed);
        }
        let (nonce, tag_length) = parse_parameters(cipher, algorithm.parameters.as_deref().unwrap_or_default())?;
        Ok(Self { reader, authenticated, recipients, content_type, cipher, nonce, tag_length })
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
        let (opened_by, content_key) = self.content_key(credentials)?;
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
        let mut failure = Error::NoMatchingRecipient;
        for (index, credential) in credentials.iter().enumerate() {
            for recipient in &self.recipients {
                match recipient.content_key(credential.certificate(), credential.key(), self.cipher.key_length()) {
                    None => {}
                    Some(Ok(key)) if key.len() == self.cipher.key_length() => return Ok((index, key)),
                    Some(Err(error @ crypto::Error::Unavailable { .. })) => return Err(error.into()),
                    // CASES T-46: a RecipientInfo that cannot be used is passed over; another one may do.
                    Some(_) => failure = Error::DecryptionFailed,
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

fn parse_parameters(cipher: ContentCipher, parameters: &[u8]) -> Result<(Vec<u8>, usize), Error> {
    let mut reader = Reader::new(parameters, Encoding::Ber).named("contentEncryptionAlgorithm");
    if !cipher.is_authenticated() {
        return Ok((reader.octet_string()?.into_owned(), 0));
    }
    let mut inside = reader.sequence("GCMParameters")?;
    let nonce = inside.octet_string()?.into_owned();
    // RFC 5084 §3.2: the default is 12 octets.
    let tag_length = if inside.is_empty() { 12 } else { inside.small_integer()? };
    let tag_length = usize::try_from(tag_length).unwrap_or(usize::MAX);
    if !(12..=16).contains(&tag_length) || nonce.len() != cipher.nonce_length() {
        return Err(Error::DecryptionFailed);
    }
    Ok((nonce, tag_length))
}
