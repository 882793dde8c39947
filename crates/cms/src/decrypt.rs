use std::io::{self, BufRead, Read, Write as _};
use std::sync::Arc;

use asn1::{Encoding, OctetsProgress, Oid, Reader, StreamReader, Tag};
use crypto::{AlgorithmIdentifier, ContentCipher, ContentParameters, Opener, UnverifiedOpener, Wiped};
use pki::{Certificate, Credential};
use zeroize::Zeroizing;

use crate::shared_secret::PasswordBudget;
use crate::{Error, RecipientInfo, SharedKey, Spool, SpoolLimits, certificate_set, content_info, limits, oids};

/// Ciphers that others write and nobody here reads, by the names that people know.
const UNREAD: [(Oid, &str); 14] = [
    (Oid::new("1.2.410.200046.1.1.2"), "aria128-cbc"),
    (Oid::new("1.2.410.200046.1.1.7"), "aria192-cbc"),
    (Oid::new("1.2.410.200046.1.1.12"), "aria256-cbc"),
    (Oid::new("1.2.392.200011.61.1.1.1.2"), "camellia128-cbc"),
    (Oid::new("1.2.392.200011.61.1.1.1.3"), "camellia192-cbc"),
    (Oid::new("1.2.392.200011.61.1.1.1.4"), "camellia256-cbc"),
    (Oid::new("1.2.840.113533.7.66.10"), "cast5-cbc"),
    (Oid::new("1.3.14.3.2.7"), "des-cbc"),
    (Oid::new("1.3.6.1.4.1.188.7.1.1.2"), "idea-cbc"),
    (Oid::new("1.2.840.113549.3.2"), "rc2-cbc"),
    (Oid::new("1.2.840.113549.3.4"), "rc4"),
    (Oid::new("1.2.840.113549.3.9"), "rc5-cbc"),
    (Oid::new("1.2.410.200004.1.4"), "seed-cbc"),
    (Oid::new("1.2.156.10197.1.104.2"), "sm4-cbc"),
];

/// Private-key operations on one message.
const MOST_ATTEMPTS: usize = 20;

/// Reads an EnvelopedData or AuthEnvelopedData up to its content; [`Self::decrypt`] does the rest.
#[derive(Debug)]
pub struct EncryptedDataReader<R> {
    reader: StreamReader<R>,
    authenticated: bool,
    /// Certificates of senders whose own key agrees.
    originators: Vec<Certificate>,
    recipients: Arc<[RecipientInfo]>,
    content_type: Oid,
    algorithm: AlgorithmIdentifier,
    /// `None` when they cannot be used: the message then fails as any other does, and not before.
    parameters: Option<ContentParameters>,
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
    /// Certificates of senders whose own key agrees, where the message does not bring them.
    pub originators: &'a [Certificate],
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
    /// What decrypts it once more, when the spool has let go of it.
    pub again: Option<ContentKey>,
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
        let mut originators = Vec::new();
        if let Some(originator) = next.filter(|header| header.tag == Tag::context_constructed(0)) {
            originators = parse_originators(&reader.element(&originator, "originatorInfo")?)?;
            next = reader.header("EnvelopedData")?;
        }
        let Some(set) = next.filter(|header| header.tag == Tag::SET) else {
            let because = asn1::Because::Unexpected { found: next.map(|header| header.tag), expected: Some(Tag::SET) };
            return Err(asn1::Error::Malformed { what: "recipientInfos", offset: reader.offset(), because }.into());
        };
        let recipients = parse_recipients(&reader.element(&set, "recipientInfos")?)?.into();
        let info = reader.expect(Tag::SEQUENCE, "EncryptedContentInfo")?;
        reader.enter(&info, "EncryptedContentInfo")?;
        let content_type = reader.oid("contentType")?;
        let header = reader.expect(Tag::SEQUENCE, "contentEncryptionAlgorithm")?;
        let raw = reader.element(&header, "contentEncryptionAlgorithm")?;
        let algorithm = AlgorithmIdentifier::parse(&mut Reader::new(&raw, Encoding::Ber))?;
        let (algorithm, derived_from) = underived(algorithm);
        let parameters = ContentParameters::from_identifier(&algorithm).ok();
        // CASES T-23: a cipher that does not belong to the content type is a failure like any other.
        let parameters = parameters.filter(|parameters| parameters.cipher.is_authenticated() == authenticated);
        Ok(Self { reader, authenticated, originators, recipients, content_type, algorithm, parameters, derived_from })
    }

    /// Whom the message is encrypted to.
    pub fn recipients(&self) -> &[RecipientInfo] {
        &self.recipients
    }

    /// The same, to be kept: they are described when somebody asks.
    pub fn shared_recipients(&self) -> Arc<[RecipientInfo]> {
        Arc::clone(&self.recipients)
    }

    /// The content cipher; `None` when it is not known, or is not used as its standard says.
    pub fn cipher(&self) -> Option<ContentCipher> {
        self.parameters.as_ref().map(|parameters| parameters.cipher)
    }

    /// The content cipher's name, or its object identifier.
    pub fn cipher_name(&self) -> String {
        match (self.cipher(), ContentCipher::from_oid(self.algorithm.oid)) {
            (Some(cipher), _) => cipher.name().into(),
            (None, Some(cipher)) => format!("{} with unusable parameters", cipher.name()),
            (None, None) => match UNREAD.iter().find(|(oid, _)| *oid == self.algorithm.oid) {
                Some((_, name)) => (*name).into(),
                None => self.algorithm.oid.to_string(),
            },
        }
    }

    /// Whether it is an AuthEnvelopedData.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// Whether content that a spool lets go of can be decrypted once more: all but CCM's, which is short.
    pub fn can_be_read_again(&self) -> bool {
        use ContentCipher::{Aes128Ccm, Aes192Ccm, Aes256Ccm};
        !matches!(self.cipher(), Some(Aes128Ccm | Aes192Ccm | Aes256Ccm))
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
        self.decrypt_into(keys, Spool::new(spool))
    }

    /// The same into an empty spool. One that has let go of the content ([`Spool::letting_go`]) gives
    /// [`Decrypted::again`] in its place: the message was read to its end, and tag or padding are right. It is not for
    /// content that [cannot be read again](Self::can_be_read_again).
    ///
    /// # Errors
    /// As [`Self::decrypt`].
    pub fn decrypt_into(self, keys: DecryptionKeys<'_>, spool: Spool) -> Result<Decrypted, Error> {
        let key_length = self.parameters.as_ref().map(|parameters| parameters.cipher.key_length());
        let (opened_by, mut content_key) = match self.content_key(&keys, key_length) {
            Ok((index, key)) => (Some(index), key),
            Err(error @ Error::Crypto(_)) => return Err(error),
            Err(error) => (None, self.content_key_from_secrets(&keys, key_length, error)?),
        };
        if let Some(algorithm) = &self.derived_from {
            content_key = crypto::cek_hkdf_sha256(&content_key, algorithm).map_err(|_| Error::DecryptionFailed)?;
        }
        let (content_type, authenticated) = (self.content_type, self.authenticated);
        let ContentParameters { cipher, nonce, .. } = self.parameters.clone().ok_or(Error::DecryptionFailed)?;
        // CASES N-22: whatever is wrong with the message from here on, it is one failure.
        let spool = self.open_content(&content_key, spool);
        let spool = spool.map_err(|error| if error.is_local() { error } else { Error::DecryptionFailed })?;
        let again = spool.has_let_go().then(|| ContentKey { cipher, key: content_key, nonce });
        let content = if authenticated {
            Content::Authenticated(spool)
        } else {
            Content::Unauthenticated(UnauthenticatedContent(spool))
        };
        Ok(Decrypted { content_type, cipher, content, opened_by, again })
    }

    fn content_key(
        &self,
        keys: &DecryptionKeys<'_>,
        key_length: Option<usize>,
    ) -> Result<(usize, Zeroizing<Vec<u8>>), Error> {
        let (mut failure, mut unavailable) = (Error::NoMatchingRecipient, None);
        let mut attempts = 0;
        let originators: Vec<Certificate> = self.originators.iter().chain(keys.originators).cloned().collect();
        for (index, credential) in keys.credentials.iter().enumerate() {
            for recipient in self.recipients.iter() {
                if !recipient.is_for(credential.certificate()) {
                    continue;
                }
                let Some(key_length) = key_length else { return Err(Error::DecryptionFailed) };
                // CASES N-24: a sender names a recipient once; a thousand times is work for nothing.
                attempts += 1;
                if attempts > MOST_ATTEMPTS {
                    return Err(Error::DecryptionFailed);
                }
                match recipient.content_key(credential.certificate(), credential.key(), key_length, &originators) {
                    Ok(key) if key.len() == key_length => return Ok((index, key)),
                    // CASES T-129: another key may be at hand; that this one is not, is the answer only after that.
                    Err(error @ crypto::Error::Unavailable { .. }) => unavailable = Some(error),
                    // CASES T-46: a RecipientInfo that cannot be used is passed over; another one may do.
                    _ => failure = Error::DecryptionFailed,
                }
            }
        }
        Err(unavailable.map_or(failure, Error::from))
    }

    fn content_key_from_secrets(
        &self,
        keys: &DecryptionKeys<'_>,
        key_length: Option<usize>,
        mut failure: Error,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut budget = PasswordBudget::default();
        for recipient in self.recipients.iter() {
            let by_key = keys.shared_keys.iter().filter_map(|key| recipient.content_key_with(key));
            let by_password =
                keys.passwords.iter().filter_map(|password| recipient.content_key_by_password(password, &mut budget));
            for attempt in by_key.chain(by_password) {
                match attempt {
                    Ok(key) if Some(key.len()) == key_length => return Ok(key),
                    _ => failure = Error::DecryptionFailed,
                }
            }
        }
        Err(failure)
    }

    fn open_content(self, content_key: &[u8], mut spool: Spool) -> Result<Spool, Error> {
        let Self { mut reader, authenticated, parameters, .. } = self;
        let ContentParameters { cipher, nonce, tag_length } = parameters.ok_or(Error::DecryptionFailed)?;
        let uniform = |_: crypto::Error| Error::DecryptionFailed;
        let mut opener = Opener::new(cipher, content_key, &nonce, b"").map_err(uniform)?;
        let mut plain = Wiped::with_capacity(STEP + 32);
        let header = reader.expect(Tag::context(0), "encryptedContent")?;
        let mut octets = reader.octets(&header, "encryptedContent")?;
        loop {
            // In cache-sized steps: each is hashed, decrypted and written while it is near.
            let available = octets.fill_buf()?;
            if available.is_empty() {
                break;
            }
            let step = available.len().min(STEP);
            let ciphertext = available.get(..step).unwrap_or_default();
            if spool.has_let_go() {
                opener.pass_over(ciphertext).map_err(uniform)?;
            } else {
                opener.update(ciphertext, &mut plain).map_err(uniform)?;
                spool.write_all(&plain)?;
                plain.clear();
            }
            octets.consume(step);
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
        // unprotectedAttrs [1] and unauthAttrs [2] influence nothing (CASES S-46).
        if let Some(header) = reader.header("EnvelopedData")? {
            let tag = Tag::context_constructed(if authenticated { 2 } else { 1 });
            if header.tag != tag {
                return Err(Error::DecryptionFailed);
            }
            reader.skip(&header, "unprotectedAttrs")?;
        }
        reader.finish("EnvelopedData")?;
        opener.finish_with_late_additional(&additional, &tag, &mut plain).map_err(uniform)?;
        spool.write_all(&plain)?;
        Ok(spool)
    }
}

/// Decrypts the content of a message once more that was decrypted already, when it could not be held.
pub struct ContentKey {
    cipher: ContentCipher,
    key: Zeroizing<Vec<u8>>,
    nonce: Vec<u8>,
}

impl ContentKey {
    /// Decrypts the same message again, as it is read. Nothing is checked any more: whoever calls this vouches that
    /// `source` gives octet for octet what it gave when the tag was found right.
    ///
    /// # Errors
    /// When it cannot be read, or is another message.
    pub fn decrypt_unverified<R: BufRead>(&self, source: R) -> Result<UnverifiedContentReader<R>, Error> {
        let EncryptedDataReader { mut reader, parameters, .. } = EncryptedDataReader::open(source)?;
        let same = |found: &ContentParameters| found.cipher == self.cipher && found.nonce == self.nonce;
        if !parameters.as_ref().is_some_and(same) {
            return Err(Error::DecryptionFailed);
        }
        let header = reader.expect(Tag::context(0), "encryptedContent")?;
        let progress = reader.begin_octets(&header, "encryptedContent")?;
        let opener = UnverifiedOpener::new(self.cipher, &self.key, &self.nonce)?;
        let plain = Wiped::with_capacity(STEP + 32);
        Ok(UnverifiedContentReader { reader, progress, opener: Some(opener), plain, position: 0 })
    }
}

impl std::fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ContentKey({})", self.cipher)
    }
}

/// Content as [`ContentKey::decrypt_unverified`] decrypts it.
#[derive(Debug)]
pub struct UnverifiedContentReader<R> {
    reader: StreamReader<R>,
    progress: OctetsProgress,
    opener: Option<UnverifiedOpener>,
    plain: Wiped,
    position: usize,
}

impl<R: BufRead> UnverifiedContentReader<R> {
    fn refill(&mut self) -> Result<(), Error> {
        self.plain.clear();
        self.position = 0;
        while self.plain.is_empty()
            && let Some(opener) = &mut self.opener
        {
            let available = self.reader.available_octets(&mut self.progress, "encryptedContent")?;
            let step = available.len().min(STEP);
            if step > 0 {
                opener.update(available.get(..step).unwrap_or_default(), &mut self.plain)?;
                self.reader.consume_octets(&mut self.progress, step);
            } else if let Some(opener) = self.opener.take() {
                opener.finish(&mut self.plain)?;
            }
        }
        Ok(())
    }
}

impl<R: BufRead> BufRead for UnverifiedContentReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.plain.len() {
            self.refill()?;
        }
        Ok(self.plain.get(self.position..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.position = self.plain.len().min(self.position + count);
    }
}

impl<R: BufRead> Read for UnverifiedContentReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let now = self.fill_buf()?.read(buffer)?;
        self.consume(now);
        Ok(now)
    }
}

/// What is decrypted at once: it fits the nearest cache.
const STEP: usize = 16 * 1024;

// RFC 9709 §3, §5.1, §5.3: contentEncryptionAlgorithm id-alg-cek-hkdf-sha256 holds the cipher's own identifier. CASES
// T-23: whoever puts another cipher in its place gets another key.
fn underived(algorithm: AlgorithmIdentifier) -> (AlgorithmIdentifier, Option<Vec<u8>>) {
    if algorithm.oid != crypto::oids::CEK_HKDF_SHA256 {
        return (algorithm, None);
    }
    let inner = algorithm.parameters.clone().unwrap_or_default();
    match AlgorithmIdentifier::parse(&mut Reader::new(&inner, Encoding::Ber)) {
        Ok(identifier) => (identifier, Some(inner)),
        Err(_) => (algorithm, None),
    }
}

// OriginatorInfo ::= SEQUENCE { certs [0] IMPLICIT CertificateSet OPTIONAL, crls [1] OPTIONAL } (RFC 5652 §6.1)
fn parse_originators(raw: &[u8]) -> Result<Vec<Certificate>, Error> {
    let mut outer = Reader::new(raw, Encoding::Ber);
    let mut inside = outer.element()?.reader("originatorInfo")?;
    match inside.optional(Tag::context_constructed(0))? {
        Some(certificates) => Ok(certificate_set::parse(certificates.raw())?.0),
        None => Ok(Vec::new()),
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
