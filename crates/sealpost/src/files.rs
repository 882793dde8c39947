//! Reading and writing what the command line names: files, or `-`.

use std::fs::{File, Permissions};
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use asn1::Time;
use cms::{Spool, SpoolLimits};
use crypto::SoftwareKey;
use pki::{Certificate, CertificateList, Credential, CredentialError, KeyUsage, OcspResponse, TrustAnchors};
use smime::Source;
use zeroize::Zeroizing;

use crate::cli::Identity;
use crate::outcome::{Doing, Stop};

/// Largest file that is read whole: keys, certificates, revocation lists.
const LARGEST: u64 = 4 << 30;

pub(crate) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Opens an input as a stream.
pub(crate) fn open(path: &Path) -> Result<Box<dyn BufRead>, Stop> {
    if is_standard(path) {
        return Ok(Box::new(BufReader::with_capacity(1 << 16, io::stdin())));
    }
    let file = File::open(path).doing(format_args!("read {}", path.display()))?;
    Ok(Box::new(BufReader::with_capacity(1 << 16, file)))
}

/// A message to be opened.
pub(crate) enum Message {
    /// A file, which can be read again.
    File(File),
    /// What is read once.
    Stream(Box<dyn BufRead>),
}

/// Opens a message: a file as one that can be read again.
pub(crate) fn message(path: &Path) -> Result<Message, Stop> {
    if !is_standard(path) {
        let doing = format!("read {}", path.display());
        let file = File::open(path).doing(&doing)?;
        if file.metadata().doing(&doing)?.is_file() {
            return Ok(Message::File(file));
        }
    }
    Ok(Message::Stream(open(path)?))
}

/// Reads an input whole.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    open(path)?.take(LARGEST).read_to_end(&mut bytes).doing(format_args!("read {}", path.display()))?;
    Ok(bytes)
}

/// Opens a mail or file that is read more than once. What is no regular file is put down first.
pub(crate) fn source(path: &Path) -> Result<Box<dyn Source>, Stop> {
    match message(path)? {
        Message::File(file) => Ok(Box::new(file)),
        Message::Stream(mut stream) => {
            let mut spool = Spool::new(SpoolLimits::in_folder(std::env::temp_dir()));
            pass(&mut stream, &mut spool).doing(format_args!("read {}", path.display()))?;
            Ok(Box::new(spool))
        }
    }
}

/// Hands over what is buffered, as it is.
fn pass(source: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<()> {
    loop {
        let available = source.fill_buf()?;
        let count = available.len();
        if count == 0 {
            return out.flush();
        }
        out.write_all(available)?;
        source.consume(count);
    }
}

/// Who may read what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Whoever the umask lets: certificates, lists, signed and encrypted mail.
    Usual,
    /// The owner alone: what was encrypted, and what is kept about somebody.
    Owner,
}

/// Writes an output in one piece: a file appears when it is complete, never half.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), Stop> {
    write_from(path, Readers::Usual, &mut &content[..])
}

/// The same from a stream.
pub(crate) fn write_from(path: &Path, readers: Readers, content: &mut dyn BufRead) -> Result<(), Stop> {
    let doing = format!("write {}", path.display());
    write_with(path, readers, |out| pass(content, out).doing(doing))
}

/// The same by whoever knows how to go on writing.
pub(crate) fn write_with(
    path: &Path,
    readers: Readers,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Stop>,
) -> Result<(), Stop> {
    const BUFFER: usize = 1 << 16;
    let doing = format!("write {}", path.display());
    if is_standard(path) {
        let mut out = BufWriter::with_capacity(BUFFER, io::stdout().lock());
        write(&mut out)?;
        return out.flush().doing(doing);
    }
    // What is no regular file (a device, a pipe) is written to directly.
    if path.exists() && !path.is_file() {
        let mut out = BufWriter::with_capacity(BUFFER, File::create(path).doing(&doing)?);
        write(&mut out)?;
        return out.flush().doing(doing);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Made with mode 0600 unless something else is said; the umask has the last word.
    let mut builder = tempfile::Builder::new();
    if readers == Readers::Usual {
        builder.permissions(Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(folder).doing(&doing)?;
    let mut out = BufWriter::with_capacity(BUFFER, file);
    write(&mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error).doing(&doing)?;
    file.persist(path).map_err(|error| error.error).doing(doing)?;
    Ok(())
}

/// Writes a private key: a file that only its owner reads, and never over one that exists.
pub(crate) fn write_secret(path: &Path, content: &[u8]) -> Result<(), Stop> {
    if is_standard(path) {
        return write(path, content);
    }
    let doing = format!("write {}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Made with mode 0600, complete before it appears.
    let mut file = tempfile::NamedTempFile::new_in(folder).doing(&doing)?;
    file.write_all(content).and_then(|()| file.as_file().sync_all()).doing(&doing)?;
    file.persist_noclobber(path).map(drop).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => Stop::failed(format_args!("{} exists already", path.display()))
            .hint("a key is never written over; give another name, or move the old file away"),
        kind => Stop::failed(format_args!("cannot {doing}: {kind}")),
    })
}

/// The moment that `--at` names, or now.
pub(crate) fn moment(at: Option<&str>) -> Result<Time, Stop> {
    match at {
        Some(text) => Time::parse_rfc3339(text).ok_or_else(|| {
            Stop::failed(format_args!("--at {text} is not a time")).hint("write 2026-03-01 or 2026-03-01T12:00:00Z")
        }),
        None => Ok(now()),
    }
}

/// The program's clock, read here and nowhere in the libraries.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// The one certificate that a command is about: the first of the file that is not a CA's, or the first.
pub(crate) fn certificate(path: &Path) -> Result<Certificate, Stop> {
    let mut all = certificates_in(path)?;
    let leaf = all.iter().position(|certificate| !certificate.is_ca()).unwrap_or(0);
    if all.is_empty() { Err(no_certificate(path)) } else { Ok(all.swap_remove(leaf)) }
}

/// All certificates of files and folders: PEM, DER, base64, or certs-only CMS (`.p7b`).
pub(crate) fn certificates(paths: &[PathBuf]) -> Result<Vec<Certificate>, Stop> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(certificates_in(path)?);
    }
    Ok(all)
}

pub(crate) fn certificates_in(path: &Path) -> Result<Vec<Certificate>, Stop> {
    if path.is_dir() {
        // A folder may hold other things as well.
        return Ok(files_in(path)?.iter().filter_map(|file| certificates_in(file).ok()).flatten().collect());
    }
    certificates_from(path, &read(path)?)
}

/// The same of what was read already; the path is for what is said about it.
pub(crate) fn certificates_from(path: &Path, bytes: &[u8]) -> Result<Vec<Certificate>, Stop> {
    if let Some(certificates) = certs_only(bytes) {
        return Ok(certificates);
    }
    Certificate::all_from(bytes).map_err(|error| match error {
        pki::Error::NotFound { .. } => no_certificate(path),
        error => unreadable(path, &error),
    })
}

// RFC 8551 §3.8: a SignedData whose certificates are all that counts.
fn certs_only(bytes: &[u8]) -> Option<Vec<Certificate>> {
    Some(signed_data(bytes)?.certificates().to_vec())
}

fn signed_data(bytes: &[u8]) -> Option<cms::SignedData> {
    let blocks = asn1::parse_pem(bytes).ok()?;
    let unarmoured = blocks.into_iter().find(|block| matches!(block.label.as_str(), "PKCS7" | "CMS"));
    let der = unarmoured.map_or_else(|| bytes.to_vec(), |block| block.der);
    cms::sniff(&der)?;
    cms::SignedDataReader::open(der.as_slice()).ok()?.finish(None).ok()
}

/// Whether somebody has signed with this: its certificates are what its sender put there.
pub(crate) fn is_signature(bytes: &[u8]) -> bool {
    signed_data(bytes).is_some_and(|signed| !signed.signers().is_empty())
}

pub(crate) fn no_certificate(path: &Path) -> Stop {
    Stop::failed(format_args!("{} holds no certificate", path.display()))
        .hint("a certificate file ends in .cer, .crt, .pem, .der or .p7b; a .p12 holds a private key, too")
}

/// Whether this is a mail: it has header fields that each mail has. Text before certificates may look like a field, too.
pub(crate) fn is_mail(bytes: &[u8]) -> bool {
    const FIELDS: [&str; 7] = ["Content-Type", "Date", "From", "Message-ID", "MIME-Version", "Received", "Return-Path"];
    smime::recognise(bytes) == smime::Form::Mail
        && mime::Header::parse(bytes, &mime::Limits::default())
            .is_ok_and(|(header, _)| FIELDS.iter().any(|name| header.get(name).is_some()))
}

/// What is said where a mail is named in a place for certificates.
pub(crate) fn mail_for_certificates(path: &Path, option: &str) -> Stop {
    Stop::failed(format_args!("{} is a mail, and {option} takes certificates alone", path.display()))
        .hint("one mail at a time, and it comes last; certificates of a mail are shown by: sealpost inspect")
}

fn unreadable(path: &Path, error: &pki::Error) -> Stop {
    Stop::failed(format_args!("cannot read {}: {error}", path.display()))
}

/// Trusted roots from files and folders: certificates, or bundles that say what they are trusted for.
pub(crate) fn anchors(paths: &[PathBuf]) -> Result<TrustAnchors, Stop> {
    let mut anchors = TrustAnchors::new();
    let add = |anchors: &mut TrustAnchors, file: &Path| {
        let bytes = read(file)?;
        // Whoever gives two mails to `verify` has named the first as trusted, and a stranger wrote what is in it.
        if is_mail(&bytes) {
            return Err(mail_for_certificates(file, "--trust"));
        }
        if is_signature(&bytes) {
            return Err(Stop::failed(format_args!("{} is somebody's signature, not a list of roots", file.display()))
                .hint("give files or folders with root certificates in PEM or DER"));
        }
        match TrustAnchors::all_from(&bytes) {
            Ok(found) => anchors.merge(&found),
            Err(_) => certificates_in(file)?.into_iter().for_each(|certificate| anchors.add(certificate)),
        }
        Ok(())
    };
    for path in paths {
        if path.is_dir() {
            // A folder may hold other files; a file that was named may not.
            files_in(path)?.iter().for_each(|file| drop(add(&mut anchors, file)));
        } else {
            add(&mut anchors, path)?;
        }
    }
    if anchors.is_empty() {
        return Err(Stop::failed("there is no trusted root in what --trust names")
            .hint("give files or folders with root certificates in PEM or DER"));
    }
    Ok(anchors)
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Stop> {
    let entries = std::fs::read_dir(folder).doing(format_args!("read {}", folder.display()))?;
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}

/// Revocation lists from files and folders: DER, PEM, base64.
pub(crate) fn crls(paths: &[PathBuf]) -> Result<Vec<CertificateList>, Stop> {
    gather(paths, "revocation list", CertificateList::all_from)
}

/// OCSP responses from files and folders: DER, PEM, base64.
pub(crate) fn ocsp(paths: &[PathBuf]) -> Result<Vec<OcspResponse>, Stop> {
    gather(paths, "OCSP response", OcspResponse::all_from)
}

/// A folder may hold other things as well; a file that was named may not.
fn gather<T>(
    paths: &[PathBuf],
    what: &str,
    all_from: impl Fn(&[u8]) -> Result<Vec<T>, pki::Error>,
) -> Result<Vec<T>, Stop> {
    let mut all = Vec::new();
    for path in paths {
        if path.is_dir() {
            let files = files_in(path)?;
            all.extend(files.iter().filter_map(|file| all_from(&read(file).ok()?).ok()).flatten());
            continue;
        }
        let found = all_from(&read(path)?)
            .map_err(|error| Stop::failed(format_args!("{} holds no {what}: {error}", path.display())))?;
        all.extend(found);
    }
    Ok(all)
}

/// The first line of a password file.
pub(crate) fn password(path: Option<&Path>) -> Result<Option<String>, Stop> {
    let Some(path) = path else { return Ok(None) };
    let bytes = read(path)?;
    let text = String::from_utf8(bytes).map_err(|_| Stop::failed(format_args!("{} is not UTF-8", path.display())))?;
    // Editors of Windows put a byte order mark before it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
}

/// Key, certificate and chain to sign with: of several the one whose certificate is for signatures.
pub(crate) fn signing_credential(identity: &Identity, with: &[PathBuf]) -> Result<Credential, Stop> {
    let mut all = credentials(identity)?;
    let signatures = KeyUsage::DIGITAL_SIGNATURE.with(KeyUsage::NON_REPUDIATION);
    let signs = |credential: &Credential| {
        let usage = credential.certificate().key_usage();
        usage.is_none_or(|usage| usage.intersects(signatures))
            && credential.key().default_signature_algorithm().is_some()
    };
    let credential = all.swap_remove(all.iter().position(signs).unwrap_or(0));
    if with.is_empty() {
        return Ok(credential);
    }
    let all = [credential.certificate()].into_iter().chain(credential.chain()).cloned().chain(certificates(with)?);
    Credential::new(credential.shared_key(), all.collect::<Vec<_>>()).map_err(Stop::failed)
}

/// Every key of the files with its certificate: a `.p12` may hold several. There is at least one.
pub(crate) fn credentials(identity: &Identity) -> Result<Vec<Credential>, Stop> {
    Ok(exportable(identity)?.into_iter().map(|(_, credential)| credential).collect())
}

/// The same, each with its key as one that can be written out again.
pub(crate) fn exportable(identity: &Identity) -> Result<Vec<(Arc<SoftwareKey>, Credential)>, Stop> {
    let password = password(identity.password_file.as_deref())?.map(Zeroizing::new);
    let password = password.as_deref().map(String::as_str);
    let named =
        identity.identity.as_ref().or(identity.key.as_ref()).map(|path| path.display().to_string()).unwrap_or_default();
    let failed = |error: CredentialError| key_error(&named, &error);
    // What is named for itself counts: no key comes out of another file then, and no certificate stands for the one.
    let mut files = Vec::new();
    for path in [&identity.identity, &identity.key].into_iter().flatten() {
        let bytes = Zeroizing::new(read(path)?);
        files.push(if identity.key.is_some() && identity.key.as_ref() != Some(path) {
            Zeroizing::new(certificates_beside_keys(path, &bytes, password)?)
        } else {
            bytes
        });
    }
    let mut explicit = Vec::new();
    if let Some(path) = &identity.cert {
        let bytes = Zeroizing::new(read(path)?);
        let pem = certificates_beside_keys(path, &bytes, password)?;
        explicit = Certificate::all_from(&pem).map_err(|_| no_certificate(path))?;
        files.push(Zeroizing::new(pem));
    }
    let found = Credential::load_exportable(files.iter().map(|bytes| bytes.as_slice()), password).map_err(failed)?;
    if explicit.is_empty() {
        return Ok(found);
    }
    let mut chosen = Vec::new();
    for (key, credential) in found {
        let bits = credential.key().public_key().bits().to_vec();
        let own = |certificate: &&Certificate| certificate.public_key().is_ok_and(|public| public.bits() == bits);
        let Some(latest) = explicit.iter().filter(own).max_by_key(|certificate| certificate.validity().not_after)
        else {
            continue;
        };
        let others = explicit.iter().chain(credential.chain()).filter(|certificate| !own(certificate));
        let all: Vec<Certificate> = std::iter::once(latest).chain(others).cloned().collect();
        let shared = credential.shared_key();
        chosen.push((key, Credential::new(shared, all).map_err(failed)?));
    }
    if chosen.is_empty() { Err(failed(CredentialError::Mismatch)) } else { Ok(chosen) }
}

/// The certificates of a file, as PEM, whatever keys are beside them.
fn certificates_beside_keys(path: &Path, bytes: &[u8], password: Option<&str>) -> Result<Vec<u8>, Stop> {
    let mut found = Vec::new();
    match certificates_from(path, bytes) {
        Ok(certificates) => found = certificates,
        Err(stop) => match Credential::load_all([bytes], password) {
            Ok(all) => all.iter().for_each(|credential| {
                found.push(credential.certificate().clone());
                found.extend_from_slice(credential.chain());
            }),
            Err(error @ (CredentialError::Encrypted | CredentialError::WrongPassword)) => {
                return Err(key_error(&path.display().to_string(), &error));
            }
            Err(_) => return Err(stop),
        },
    }
    Ok(found.iter().map(Certificate::to_pem).collect::<String>().into_bytes())
}

/// What is wrong with a file that should hold a key, and the way out.
pub(crate) fn key_error(named: &str, error: &CredentialError) -> Stop {
    let stop = Stop::failed(format_args!("{named}: {error}"));
    match error {
        CredentialError::Encrypted => stop.hint("give the password's file with --password-file"),
        CredentialError::Mismatch => stop.hint("the certificate must be the one that was issued for this key"),
        CredentialError::NoCertificate => stop.hint("give the certificate with --cert"),
        CredentialError::NoKey => stop.hint("give the private key with --key"),
        CredentialError::WrongPassword => {
            stop.hint("the password is the first line of the file that --password-file names, in UTF-8")
        }
        _ => stop,
    }
}
