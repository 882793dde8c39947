//! Finds the cryptographic layers of a message and opens them, one after the other, outermost first.

use std::io::{BufRead, Read, Write};

use cms::{
    CompressedDataReader, ContentDigests, ContentType, DecryptionKeys, EncryptedDataReader, SignedData,
    SignedDataReader, Spool,
};
use crypto::DigestAlgorithm;
use mime::{Base64Reader, CrlfWriter, Header, PartEnd, PartReader};
use pki::Credential;

use crate::content::{Content, Peel};
use crate::recognise::{BYTE_ORDER_MARK, unarmour};
use crate::source::{Both, pass};
use crate::{EncryptedReport, Error, Form, Limits, Source, recognise};

/// One layer as it was found.
#[derive(Debug)]
pub(crate) enum Layer {
    Signed { data: SignedData, bare_line_feeds: bool },
    Encrypted { report: EncryptedReport, failed: bool },
    Compressed,
}

/// A message with its layers taken off.
#[derive(Debug)]
pub(crate) struct Opened<'s> {
    /// The header of the mail as it came; empty when it is no mail.
    pub(crate) header: Header,
    pub(crate) layers: Vec<Layer>,
    /// The innermost entity that was reached.
    pub(crate) content: Content<'s>,
    /// Whether each encrypted layer on the way was protected by a tag.
    pub(crate) authenticated: bool,
    /// A key that could not be reached: the caller holds the message.
    pub(crate) unavailable: Option<crypto::Error>,
    /// There is a layer inside of the last one that was taken off, and the limit was reached.
    pub(crate) has_more: bool,
}

impl Opened<'_> {
    fn has_failed_decryption(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer, Layer::Encrypted { failed: true, .. }))
    }

    // CASES N-22, T-21: what comes out of a cipher without a tag and cannot be read is no other failure than what does
    // not come out at all; otherwise whoever changes a message on its way learns which of the two it was. What a tag
    // protected is as it was sent, and content that nobody signed.
    fn fail_behind_encryption(&mut self, error: Error) -> Result<(), Error> {
        let encrypted =
            |layer: &Layer| matches!(layer, Layer::Encrypted { report, .. } if report.opened && !report.authenticated);
        if let Some(at) = self.layers.iter().position(encrypted) {
            self.layers.truncate(at + 1);
            if let Some(Layer::Encrypted { report, failed }) = self.layers.last_mut() {
                report.opened = false;
                *failed = true;
            }
            return Ok(());
        }
        if self.layers.iter().any(|layer| matches!(layer, Layer::Encrypted { .. })) { Ok(()) } else { Err(error) }
    }
}

/// What taking off one layer led to.
enum Step {
    /// The entity has no layer of ours.
    NoLayer,
    /// The entity inside.
    Inside(Spool),
    /// The layer cannot be opened.
    Stopped,
    /// The layer can be opened when what is inside is held, however large it is.
    MustBeHeld,
}

/// Where what is inside of a layer goes until it may be shown.
#[derive(Debug, Default)]
struct Waiting {
    /// Whether the layer can be read once more, so that what does not fit in memory need not be held.
    again: bool,
    /// How it is found then, from the layer's outside.
    peels: Vec<Peel>,
}

pub(crate) struct LayerOpener<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) credentials: &'a [Credential],
    /// How many layers to take off.
    pub(crate) most: usize,
    /// Which layer is the last one to be taken off, if not the innermost.
    pub(crate) until: Until,
}

/// Up to where a message is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// The content.
    Content,
    /// The first layer that is encrypted.
    Encrypted,
}

impl LayerOpener<'_> {
    /// Opens a message in any [`Form`] that is read once. `detached` is the content of a detached signature.
    pub(crate) fn open(
        &self,
        mut source: impl BufRead,
        detached: Option<&mut dyn BufRead>,
    ) -> Result<Opened<'static>, Error> {
        let mut opened = self.nothing_opened();
        match self.take_off_first(&mut source, detached, &mut Waiting::default(), &mut opened)? {
            Step::Inside(spool) => self.open_inside(spool.into(), opened),
            _ => Ok(opened),
        }
    }

    /// Opens a message that can be read more than once: what does not fit in memory is not put down.
    pub(crate) fn open_source<'s>(&self, source: impl Source + 's) -> Result<Opened<'s>, Error> {
        let mut message = Content::of_source(source, self.limits.spool.clone())?;
        for again in [true, false] {
            let mut waiting = Waiting { again, peels: Vec::new() };
            let mut opened = self.nothing_opened();
            let step = self.take_off_first(&mut message.reader()?, None, &mut waiting, &mut opened)?;
            match step {
                Step::MustBeHeld => {}
                Step::Inside(spool) if spool.has_let_go() => {
                    return self.open_inside(message.inside(waiting.peels), opened);
                }
                Step::Inside(spool) => return self.open_inside(spool.into(), opened),
                Step::NoLayer | Step::Stopped => return Ok(opened),
            }
        }
        Err(Error::Unrecognised)
    }

    fn nothing_opened<'s>(&self) -> Opened<'s> {
        Opened {
            header: Header::default(),
            layers: Vec::new(),
            content: Spool::new(self.limits.spool.clone()).into(),
            authenticated: true,
            unavailable: None,
            has_more: false,
        }
    }

    fn take_off_first(
        &self,
        source: &mut dyn BufRead,
        detached: Option<&mut dyn BufRead>,
        waiting: &mut Waiting,
        opened: &mut Opened<'_>,
    ) -> Result<Step, Error> {
        match recognise(source.fill_buf()?) {
            // CASES T-01: it would be judged by what it says itself, whatever the content elsewhere is.
            Form::Mail if detached.is_some() => Err(Error::NotDetached),
            Form::Mail => {
                let before = skip_byte_order_mark(source)? + skip_mbox_line(source)?;
                opened.header = Header::read(&mut &mut *source, &self.limits.mime)?;
                let header = opened.header.clone();
                waiting.peels.push(Peel::Behind(before + header.octets_read()));
                let step = self.take_off(&header, source, waiting, opened)?;
                if let Step::NoLayer = step {
                    // What is not protected is the content as it stands.
                    let mut content = Spool::new(self.limits.spool.clone());
                    content.write_all(&header.to_bytes())?;
                    content.write_all(b"\r\n")?;
                    pass(source, &mut content)?;
                    opened.content = content.into();
                }
                Ok(step)
            }
            Form::Der => self.take_off_cms(source, detached, waiting, opened),
            form @ (Form::Pem | Form::Base64) => {
                let mut text = Vec::new();
                source.take(self.limits.signature * 2).read_to_end(&mut text)?;
                let der = unarmour(form, &text).ok_or(Error::Unrecognised)?;
                self.take_off_cms(&mut &der[..], detached, &mut Waiting::default(), opened)
            }
            Form::Other if source.fill_buf()?.is_empty() => Err(Error::Empty),
            Form::Other => Err(Error::Unrecognised),
        }
    }

    // What is inside of the first layer can be read again, whether it is held or not.
    fn open_inside<'s>(&self, mut inside: Content<'s>, mut opened: Opened<'s>) -> Result<Opened<'s>, Error> {
        // CASES N-24: each layer that is not held is taken off anew for all that is inside of it.
        const MOST_ANEW: usize = 3;
        let mut held = false;
        // CASES T-33: more layers than the limit are content that nobody opens.
        while opened.layers.len() < self.most && !self.has_come_to_its_end(&opened.layers) {
            let again = !held && inside.depth() < MOST_ANEW;
            let mut waiting = Waiting { again, peels: Vec::new() };
            match self.take_off_inner(&mut inside, &mut waiting, &mut opened) {
                Ok(Step::Inside(spool)) => {
                    inside = if spool.has_let_go() { inside.inside(waiting.peels) } else { spool.into() };
                    held = false;
                }
                Ok(Step::MustBeHeld) if again => held = true,
                Ok(Step::NoLayer | Step::Stopped | Step::MustBeHeld) => break,
                Err(error) if error.is_local() => return Err(error),
                Err(error) => {
                    opened.fail_behind_encryption(error)?;
                    break;
                }
            }
        }
        if !opened.has_failed_decryption() {
            opened.has_more = self.until == Until::Content
                && opened.layers.len() == self.most
                && self.has_another_layer(&mut inside)?;
            opened.content = inside;
        }
        Ok(opened)
    }

    fn has_come_to_its_end(&self, layers: &[Layer]) -> bool {
        self.until == Until::Encrypted && matches!(layers.last(), Some(Layer::Encrypted { .. }))
    }

    // What cannot be read may be anything.
    fn has_another_layer(&self, inside: &mut Content<'_>) -> Result<bool, Error> {
        let mut reader = inside.reader()?;
        let look = |reader: &mut dyn BufRead| -> Result<bool, Error> {
            if recognise(reader.fill_buf()?) != Form::Mail {
                return Ok(false);
            }
            let header = Header::read(&mut &mut *reader, &self.limits.mime)?;
            Ok(match outside_of(&header) {
                None => false,
                Some(Outside::Clear { .. }) => true,
                Some(Outside::Cms) => match header.transfer_encoding().as_str() {
                    "base64" => is_layer(Base64Reader::new(reader).fill_buf()?),
                    "quoted-printable" => is_layer(&mime::decode_quoted_printable(reader.fill_buf()?)),
                    _ => is_layer(reader.fill_buf()?),
                },
            })
        };
        match look(&mut reader) {
            Err(error) if error.is_local() => Err(error),
            found => Ok(found.unwrap_or(true)),
        }
    }

    fn take_off_inner(
        &self,
        inside: &mut Content<'_>,
        waiting: &mut Waiting,
        opened: &mut Opened<'_>,
    ) -> Result<Step, Error> {
        let mut reader = inside.reader()?;
        let beginning = reader.fill_buf()?;
        if recognise(beginning) != Form::Mail || beginning.starts_with(BYTE_ORDER_MARK) {
            return Ok(Step::NoLayer);
        }
        let header = Header::read(&mut reader, &self.limits.mime)?;
        waiting.peels.push(Peel::Behind(header.octets_read()));
        self.take_off(&header, &mut reader, waiting, opened)
    }

    fn spool(&self, waiting: &Waiting) -> Spool {
        let limits = self.limits.spool.clone();
        if waiting.again { Spool::letting_go(limits) } else { Spool::new(limits) }
    }

    // CASES T-20: only the root of what is looked at is a layer; parts of a multipart never are.
    fn take_off(
        &self,
        header: &Header,
        body: &mut dyn BufRead,
        waiting: &mut Waiting,
        opened: &mut Opened<'_>,
    ) -> Result<Step, Error> {
        match outside_of(header) {
            None => return Ok(Step::NoLayer),
            Some(Outside::Clear { boundary, micalg }) => {
                return self.take_off_clear(&boundary, micalg.as_deref(), body, waiting, opened);
            }
            Some(Outside::Cms) => {}
        }
        match header.transfer_encoding().as_str() {
            "base64" => {
                waiting.peels.push(Peel::Base64);
                self.take_off_cms(&mut Base64Reader::new(body), None, waiting, opened)
            }
            "quoted-printable" => {
                let mut text = Vec::new();
                body.take(self.limits.signature * 4).read_to_end(&mut text)?;
                let decoded = mime::decode_quoted_printable(&text);
                self.take_off_cms(&mut &decoded[..], None, &mut Waiting::default(), opened)
            }
            _ => self.take_off_cms(body, None, waiting, opened),
        }
    }

    fn take_off_cms(
        &self,
        source: &mut dyn BufRead,
        detached: Option<&mut dyn BufRead>,
        waiting: &mut Waiting,
        opened: &mut Opened<'_>,
    ) -> Result<Step, Error> {
        // RFC 8551 §2.4.2, §2.4.3, §2.4.4, §2.4.5; in any order inside each other (RFC 8551 §3.7, RFC 2634 §1.1, §1.2).
        match cms::sniff(source.fill_buf()?) {
            found if detached.is_some() && found != Some(ContentType::SignedData) => Err(Error::NotDetached),
            Some(ContentType::SignedData) => self.take_off_signed(source, detached, waiting, opened),
            Some(ContentType::EnvelopedData | ContentType::AuthEnvelopedData) => {
                self.take_off_encrypted(source, waiting, opened)
            }
            Some(ContentType::CompressedData) => {
                // CASES T-53: what grows beyond the caps is an error, never content; and nothing grows twice.
                if opened.layers.iter().any(|layer| matches!(layer, Layer::Compressed)) {
                    return Err(cms::Error::TooCompressed { limit: cms::MOST_COMPRESSION }.into());
                }
                let spool = CompressedDataReader::open(source)?.decompress(self.limits.spool.clone())?;
                opened.layers.push(Layer::Compressed);
                Ok(Step::Inside(spool))
            }
            _ => Ok(Step::NoLayer),
        }
    }

    // multipart/signed (RFC 1847 §2.1, RFC 8551 §3.5.3): the digest is over the first part, whatever else the second
    // carries (CASES T-01).
    fn take_off_clear(
        &self,
        boundary: &str,
        micalg: Option<&str>,
        body: &mut dyn BufRead,
        waiting: &mut Waiting,
        opened: &mut Opened<'_>,
    ) -> Result<Step, Error> {
        let mut part = PartReader::new(body, boundary).next_part()?;
        let mut sink = CrlfWriter::new(Both(ContentDigests::new(&announced(micalg)), self.spool(waiting)));
        pass(&mut part, &mut sink)?;
        if part.end() != Some(PartEnd::Delimiter) {
            return Ok(Step::Stopped);
        }
        let bare_line_feeds = sink.has_changed();
        let Both(digests, mut spool) = sink.finish();
        let mut signature = part.next_part()?;
        let mut text = Vec::new();
        (&mut signature).take(self.limits.signature).read_to_end(&mut text)?;
        // What is no signature is not taken apart: it may be a tree of parts, and large.
        let (header, body) = Header::parse(&text, &self.limits.mime)?;
        // RFC 1847 §2.1: it is a signature, and nothing that people are shown as text.
        let kind = header.content_type().map(|content_type| content_type.essence).unwrap_or_default();
        let is_signature = kind.starts_with("application/") && header.ambiguity().is_none();
        let der = mime::decode_body(&header, body);
        // CASES T-07: exactly two parts for everybody, or nobody can say what was signed.
        let closed = matches!(signature.end(), Some(PartEnd::Close | PartEnd::EndOfInput));
        let alone = closed && !signature.has_near_miss() && {
            let epilogue = PartReader::new(signature.into_rest()?, boundary).next_part()?;
            epilogue.end() == Some(PartEnd::EndOfInput) && !epilogue.has_near_miss()
        };
        if !alone || !is_signature || cms::sniff(&der) != Some(ContentType::SignedData) {
            return Ok(Step::Stopped);
        }
        let data = SignedDataReader::open(&der[..])?.finish(Some(digests))?;
        // What is signed is then another text than what is found there.
        if spool.has_let_go() && (bare_line_feeds || !is_complete(&data)) {
            return Ok(Step::MustBeHeld);
        }
        waiting.peels.push(Peel::FirstPart { boundary: boundary.to_owned() });
        let data = complete_digests(data, &mut spool)?;
        opened.layers.push(Layer::Signed { data, bare_line_feeds });
        Ok(Step::Inside(spool))
    }

    fn take_off_signed(
        &self,
        source: &mut dyn BufRead,
        detached: Option<&mut dyn BufRead>,
        waiting: &mut Waiting,
        opened: &mut Opened<'_>,
    ) -> Result<Step, Error> {
        let mut reader = SignedDataReader::open(source)?;
        let mut spool = self.spool(waiting);
        let has_content = reader.has_content();
        let data = match detached {
            Some(detached) => {
                let mut sink = Both(ContentDigests::new(reader.announced_digests()), spool);
                pass(detached, &mut sink)?;
                let Both(digests, content) = sink;
                spool = content;
                reader.finish(Some(digests))?
            }
            None => {
                pass(&mut reader, &mut spool)?;
                reader.finish(None)?
            }
        };
        // CASES T-03: a bag of certificates, or a signature without its content, is not "signed".
        let nothing_signed = data.signers().is_empty() || (!has_content && spool.is_empty());
        if spool.has_let_go() && !is_complete(&data) {
            return Ok(Step::MustBeHeld);
        }
        waiting.peels.push(Peel::Signed);
        let data = complete_digests(data, &mut spool)?;
        opened.layers.push(Layer::Signed { data, bare_line_feeds: false });
        Ok(if nothing_signed { Step::Stopped } else { Step::Inside(spool) })
    }

    fn take_off_encrypted(
        &self,
        source: &mut dyn BufRead,
        waiting: &mut Waiting,
        opened: &mut Opened<'_>,
    ) -> Result<Step, Error> {
        let reader = match EncryptedDataReader::open(source) {
            Ok(reader) => reader,
            Err(error) if error.is_local() => return Err(error.into()),
            // CASES N-22: nobody is told at which octet.
            Err(_) => {
                opened.layers.push(Layer::Encrypted { report: EncryptedReport::default(), failed: true });
                return Ok(Step::Stopped);
            }
        };
        let mut report = EncryptedReport {
            recipients: Some(reader.shared_recipients()),
            cipher: reader.cipher_name(),
            authenticated: reader.is_authenticated(),
            opened: false,
            opened_by: None,
        };
        if self.credentials.is_empty() {
            opened.layers.push(Layer::Encrypted { report, failed: false });
            return Ok(Step::Stopped);
        }
        waiting.again &= reader.can_be_read_again();
        let keys = DecryptionKeys { credentials: self.credentials, ..DecryptionKeys::default() };
        let (step, failed) = match reader.decrypt_into(keys, self.spool(waiting)) {
            Ok(decrypted) => {
                waiting.peels.extend(decrypted.again.map(Peel::Encrypted));
                report.opened = true;
                let key = decrypted.opened_by.and_then(|index| self.credentials.get(index));
                report.opened_by = key.map(|key| key.certificate().clone());
                opened.authenticated &= report.authenticated;
                let spool = match decrypted.content {
                    cms::Content::Authenticated(spool) => spool,
                    // Read in search of a signature; without one it stays marked, and `UnprotectedContent` keeps it.
                    cms::Content::Unauthenticated(content) => content.into_unverified(),
                };
                (Step::Inside(spool), false)
            }
            Err(cms::Error::NoMatchingRecipient) => (Step::Stopped, false),
            Err(cms::Error::Crypto(error @ crypto::Error::Unavailable { .. })) => {
                opened.unavailable = Some(error);
                (Step::Stopped, false)
            }
            Err(error) if error.is_local() => return Err(error.into()),
            // CASES T-24, N-22: whatever went wrong, it is one failure.
            Err(_) => (Step::Stopped, true),
        };
        opened.layers.push(Layer::Encrypted { report, failed });
        Ok(step)
    }
}

/// What a header says of the layer under it.
enum Outside {
    /// multipart/signed.
    Clear { boundary: String, micalg: Option<String> },
    /// A candidate: its ASN.1 decides.
    Cms,
}

fn outside_of(header: &Header) -> Option<Outside> {
    let content_type = header.content_type()?;
    if content_type.essence == "multipart/signed" {
        let protocol = content_type.parameter("protocol").map(str::to_ascii_lowercase);
        let boundary = content_type.parameter("boundary").filter(|_| !protocol.is_some_and(|it| it.contains("pgp")))?;
        let micalg = content_type.parameter("micalg").map(str::to_owned);
        return Some(Outside::Clear { boundary: boundary.to_owned(), micalg });
    }
    let file_name = header.disposition().and_then(|disposition| disposition.file_name().map(str::to_owned));
    let named = file_name
        .or_else(|| content_type.parameter("name").map(str::to_owned))
        .unwrap_or_default()
        .to_ascii_lowercase();
    let labelled = content_type.essence.starts_with("application/pkcs7-")
        || content_type.essence.starts_with("application/x-pkcs7-");
    // RFC 8551 §3.10, CASES S-09: a label or a file name makes it a candidate, its ASN.1 decides. What others show as text
    // or as a picture is none, whatever it is called: they show what stands in the structure beside the content.
    let is_unlabelled = content_type.essence == "application/octet-stream"
        || (content_type.essence.starts_with("application/") || header.get("Content-Type").is_none())
            && [".p7m", ".p7s", ".p7c", ".p7z"].iter().any(|end| named.ends_with(end));
    (labelled || is_unlabelled).then_some(Outside::Cms)
}

/// Whether these octets begin a layer that is taken off.
fn is_layer(beginning: &[u8]) -> bool {
    use ContentType::{AuthEnvelopedData, CompressedData, EnvelopedData, SignedData};
    matches!(cms::sniff(beginning), Some(AuthEnvelopedData | CompressedData | EnvelopedData | SignedData))
}

// Whether nothing of the content is needed any more to verify the signatures.
fn is_complete(data: &SignedData) -> bool {
    !data.needs_whole_content() && data.missing_digests().is_empty()
}

// CASES S-43, T-04: a digest that nobody announced is computed now, from what was spooled. A signature over the content
// itself gets the content, as long as it fits in memory.
fn complete_digests(data: SignedData, spool: &mut Spool) -> Result<SignedData, Error> {
    const MOST_WHOLE: u64 = 16 << 20;
    let mut data = data;
    if data.needs_whole_content() && spool.len() <= MOST_WHOLE {
        let mut content = Vec::new();
        spool.reader()?.read_to_end(&mut content)?;
        data = data.with_whole_content(content);
    }
    let missing = data.missing_digests();
    if missing.is_empty() || spool.is_empty() {
        return Ok(data);
    }
    let used: Vec<DigestAlgorithm> =
        data.signers().iter().filter_map(|signer| signer.digest_algorithm().ok()).collect();
    let mut digests = ContentDigests::new(&used);
    let mut reader = spool.reader()?;
    loop {
        let available = reader.fill_buf()?;
        if available.is_empty() {
            break;
        }
        digests.update(available);
        let count = available.len();
        reader.consume(count);
    }
    Ok(data.with_digests(digests))
}

// RFC 8551 §3.5.3.2; older names without the dash are seen.
fn announced(micalg: Option<&str>) -> Vec<DigestAlgorithm> {
    let names = micalg.unwrap_or_default().to_ascii_lowercase();
    names
        .split(',')
        .filter_map(|name| match name.trim() {
            "sha-256" | "sha256" => Some(DigestAlgorithm::Sha256),
            "sha-384" | "sha384" => Some(DigestAlgorithm::Sha384),
            "sha-512" | "sha512" => Some(DigestAlgorithm::Sha512),
            _ => None,
        })
        .collect()
}

// Everything that is read as a field then is one that another reader may pass over: it is one more, never one less.
fn skip_byte_order_mark(source: &mut dyn BufRead) -> Result<usize, Error> {
    let octets = if source.fill_buf()?.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    source.consume(octets);
    Ok(octets)
}

/// Gives the octets that it took.
// CASES T-08: what others take for the rest of a long line is never read as header fields.
fn skip_mbox_line(source: &mut dyn BufRead) -> Result<usize, Error> {
    const LONGEST: u64 = 1_000;
    let mut line = Vec::new();
    if source.fill_buf()?.starts_with(b"From ") {
        source.take(LONGEST).read_until(b'\n', &mut line)?;
        // For everybody else `From :` is a sender.
        let is_field = line.strip_prefix(b"From").is_some_and(|rest| rest.trim_ascii_start().starts_with(b":"));
        if !line.ends_with(b"\n") || is_field {
            return Err(Error::Unrecognised);
        }
    }
    Ok(line.len())
}
