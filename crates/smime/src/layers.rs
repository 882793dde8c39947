//! Finds the cryptographic layers of a message and opens them, one after the other, outermost first.

use std::io::{BufRead, Read, Write};

use cms::{
    CompressedDataReader, Content, ContentDigests, ContentType, EncryptedDataReader, SignedData, SignedDataReader,
    Spool,
};
use crypto::DigestAlgorithm;
use mime::{Base64Reader, CrlfWriter, Header, PartEnd, PartReader};
use pki::Credential;

use crate::recognise::unarmour;
use crate::source::{Both, pass};
use crate::{EncryptedReport, Error, Form, Limits, recognise};

/// One layer as it was found.
#[derive(Debug)]
pub(crate) enum Layer {
    Signed { data: SignedData, bare_line_feeds: bool },
    Encrypted { report: EncryptedReport, failed: bool },
    Compressed,
}

/// A message with its layers taken off.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The header of the mail as it came; empty when it is no mail.
    pub(crate) header: Header,
    pub(crate) layers: Vec<Layer>,
    /// The innermost entity that was reached.
    pub(crate) content: Spool,
    /// Whether each encrypted layer on the way was protected by a tag.
    pub(crate) authenticated: bool,
    /// A key that could not be reached: the caller holds the message.
    pub(crate) unavailable: Option<crypto::Error>,
}

impl Opened {
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
}

pub(crate) struct LayerOpener<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) credentials: &'a [Credential],
    /// How many layers to take off.
    pub(crate) most: usize,
}

impl LayerOpener<'_> {
    /// Opens a message in any [`Form`]. `detached` is the content of a detached signature.
    pub(crate) fn open(&self, mut source: impl BufRead, detached: Option<&mut dyn BufRead>) -> Result<Opened, Error> {
        let mut opened = Opened {
            header: Header::default(),
            layers: Vec::new(),
            content: Spool::new(self.limits.spool.clone()),
            authenticated: true,
            unavailable: None,
        };
        let form = recognise(source.fill_buf()?);
        let step = match form {
            Form::Mail => {
                skip_mbox_line(&mut source)?;
                opened.header = Header::read(&mut source, &self.limits.mime)?;
                let header = opened.header.clone();
                match self.take_off(&header, &mut source, &mut opened)? {
                    Step::NoLayer => {
                        // What is not protected is the content as it stands.
                        opened.content.write_all(&header.to_bytes())?;
                        opened.content.write_all(b"\r\n")?;
                        pass(&mut source, &mut opened.content)?;
                        return Ok(opened);
                    }
                    step => step,
                }
            }
            Form::Der => self.take_off_cms(&mut source, detached, &mut opened)?,
            Form::Pem | Form::Base64 => {
                let mut text = Vec::new();
                source.take(self.limits.signature * 2).read_to_end(&mut text)?;
                let der = unarmour(form, &text).ok_or(Error::Unrecognised)?;
                self.take_off_cms(&mut &der[..], detached, &mut opened)?
            }
            Form::Other => return Err(Error::Unrecognised),
        };
        let Step::Inside(mut inside) = step else { return Ok(opened) };
        // CASES T-33: more layers than the limit are content that nobody opens.
        while opened.layers.len() < self.most {
            match self.take_off_inner(&mut inside, &mut opened) {
                Ok(Step::Inside(next)) => inside = next,
                Ok(Step::NoLayer | Step::Stopped) => break,
                Err(error) if error.is_local() => return Err(error),
                Err(error) => {
                    opened.fail_behind_encryption(error)?;
                    break;
                }
            }
        }
        if !opened.has_failed_decryption() {
            opened.content = inside;
        }
        Ok(opened)
    }

    fn take_off_inner(&self, inside: &mut Spool, opened: &mut Opened) -> Result<Step, Error> {
        let mut reader = inside.reader()?;
        if recognise(reader.fill_buf()?) != Form::Mail {
            return Ok(Step::NoLayer);
        }
        let header = Header::read(&mut reader, &self.limits.mime)?;
        self.take_off(&header, &mut reader, opened)
    }

    // CASES T-20: only the root of what is looked at is a layer; parts of a multipart never are.
    fn take_off(&self, header: &Header, body: &mut dyn BufRead, opened: &mut Opened) -> Result<Step, Error> {
        let Some(content_type) = header.content_type() else { return Ok(Step::NoLayer) };
        if content_type.essence == "multipart/signed" {
            let pgp = content_type
                .parameter("protocol")
                .is_some_and(|protocol| protocol.to_ascii_lowercase().contains("pgp"));
            return match content_type.parameter("boundary") {
                Some(boundary) if !pgp => self.take_off_clear(boundary, content_type.parameter("micalg"), body, opened),
                _ => Ok(Step::NoLayer),
            };
        }
        let file_name = header.disposition().and_then(|disposition| disposition.file_name().map(str::to_owned));
        let named = file_name
            .or_else(|| content_type.parameter("name").map(str::to_owned))
            .unwrap_or_default()
            .to_ascii_lowercase();
        let labelled = content_type.essence.starts_with("application/pkcs7-")
            || content_type.essence.starts_with("application/x-pkcs7-");
        // RFC 8551 §3.10, CASES S-09: a label or a file name makes it a candidate, its ASN.1 decides.
        if !labelled
            && content_type.essence != "application/octet-stream"
            && ![".p7m", ".p7s", ".p7c", ".p7z"].iter().any(|end| named.ends_with(end))
        {
            return Ok(Step::NoLayer);
        }
        match header.transfer_encoding().as_str() {
            "base64" => self.take_off_cms(&mut Base64Reader::new(body), None, opened),
            "quoted-printable" => {
                let mut text = Vec::new();
                body.take(self.limits.signature * 4).read_to_end(&mut text)?;
                self.take_off_cms(&mut &mime::decode_quoted_printable(&text)[..], None, opened)
            }
            _ => self.take_off_cms(body, None, opened),
        }
    }

    fn take_off_cms(
        &self,
        source: &mut dyn BufRead,
        detached: Option<&mut dyn BufRead>,
        opened: &mut Opened,
    ) -> Result<Step, Error> {
        // RFC 8551 §2.4.2, §2.4.3, §2.4.4, §2.4.5; in any order inside each other (RFC 8551 §3.7, RFC 2634 §1.1, §1.2).
        match cms::sniff(source.fill_buf()?) {
            Some(ContentType::SignedData) => self.take_off_signed(source, detached, opened),
            Some(ContentType::EnvelopedData | ContentType::AuthEnvelopedData) => {
                self.take_off_encrypted(source, opened)
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
        opened: &mut Opened,
    ) -> Result<Step, Error> {
        let mut part = PartReader::new(body, boundary).next_part()?;
        let mut sink =
            CrlfWriter::new(Both(ContentDigests::new(&announced(micalg)), Spool::new(self.limits.spool.clone())));
        pass(&mut part, &mut sink)?;
        if part.end() != Some(PartEnd::Delimiter) {
            return Ok(Step::Stopped);
        }
        let bare_line_feeds = sink.has_changed();
        let Both(digests, mut spool) = sink.finish();
        let mut signature = part.next_part()?;
        let mut text = Vec::new();
        (&mut signature).take(self.limits.signature).read_to_end(&mut text)?;
        // CASES T-07: exactly two parts, or nobody can say what was signed.
        let closed = matches!(signature.end(), Some(PartEnd::Close | PartEnd::EndOfInput));
        // What is no signature is not taken apart: it may be a tree of parts, and large.
        let (header, body) = Header::parse(&text, &self.limits.mime)?;
        let der = mime::decode_body(&header, body);
        if !closed || cms::sniff(&der) != Some(ContentType::SignedData) {
            return Ok(Step::Stopped);
        }
        let data = SignedDataReader::open(&der[..])?.finish(Some(digests))?;
        let data = complete_digests(data, &mut spool)?;
        opened.layers.push(Layer::Signed { data, bare_line_feeds });
        Ok(Step::Inside(spool))
    }

    fn take_off_signed(
        &self,
        source: &mut dyn BufRead,
        detached: Option<&mut dyn BufRead>,
        opened: &mut Opened,
    ) -> Result<Step, Error> {
        let mut reader = SignedDataReader::open(source)?;
        let mut spool = Spool::new(self.limits.spool.clone());
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
        let data = complete_digests(data, &mut spool)?;
        opened.layers.push(Layer::Signed { data, bare_line_feeds: false });
        Ok(if nothing_signed { Step::Stopped } else { Step::Inside(spool) })
    }

    fn take_off_encrypted(&self, source: &mut dyn BufRead, opened: &mut Opened) -> Result<Step, Error> {
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
        let (step, failed) = match reader.decrypt(self.credentials, self.limits.spool.clone()) {
            Ok(decrypted) => {
                report.opened = true;
                let key = decrypted.opened_by.and_then(|index| self.credentials.get(index));
                report.opened_by = key.map(|key| key.certificate().clone());
                opened.authenticated &= report.authenticated;
                let spool = match decrypted.content {
                    Content::Authenticated(spool) => spool,
                    // Read in search of a signature; without one it stays marked, and `UnprotectedContent` keeps it.
                    Content::Unauthenticated(content) => content.into_unverified(),
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

fn skip_mbox_line(source: &mut impl BufRead) -> Result<(), Error> {
    if source.fill_buf()?.starts_with(b"From ") {
        let mut line = Vec::new();
        source.take(1000).read_until(b'\n', &mut line)?;
    }
    Ok(())
}
