//! What somebody sent in: certificates are found in whatever file they come, and private keys are recognised to be
//! dropped (F2, CASES T-72, T-73).
//!
//! Everything happens in memory, and nothing that is not a certificate leaves this module.

use std::io::{Cursor, Read as _};

use cms::SignedDataReader;
use mime::Entity;
use pki::{Certificate, contains_private_key};

/// One file and what was in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Its name as it came: data for people, never a path.
    pub name: String,
    /// What was in it.
    pub finding: Finding,
}

/// What was in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// These certificates: at least one.
    Certificates(Vec<Certificate>),
    /// Nothing at all.
    Empty,
    /// An archive that is not opened: another format, encrypted, or inside another archive.
    UnreadableArchive,
    /// No certificate.
    NoCertificate,
    /// A private key. It was dropped; its owner has to be told that it is burnt.
    PrivateKey,
    /// More files or octets than are looked at.
    TooMuch,
}

/// Bounds of [`harvest`] (CASES T-72, T-54).
pub mod limits {
    /// Octets of one file, and of everything in an archive together.
    pub const OCTETS: u64 = 10 << 20;
    /// Octets of everything that is looked at for one file: itself, what is inside, and what is inside that.
    pub const OCTETS_IN_ALL: u64 = 5 * OCTETS;
    /// Files in an archive or a mail, and in all of them together.
    pub const FILES: usize = 100;
    /// How many times larger than itself an archive may unpack.
    pub const RATIO: u64 = 100;
    /// Mails inside each other: one that was passed on as an attachment, of one that was passed on.
    pub const MAILS: u32 = 3;
    /// Archives inside each other.
    pub const ARCHIVES: u32 = 1;
}

/// Looks into a file: certificate, chain, signed mail, mail with attachments, vCard, or a zip of those.
pub fn harvest(name: &str, bytes: &[u8]) -> Vec<FoundFile> {
    harvest_within(name, bytes, Left { octets: limits::OCTETS_IN_ALL, files: limits::FILES, exceeded: false })
}

fn harvest_within(name: &str, bytes: &[u8], mut left: Left) -> Vec<FoundFile> {
    let mut found = look(name, bytes, Depth { mails: limits::MAILS, archives: limits::ARCHIVES }, &mut left);
    if left.exceeded {
        found.push(FoundFile { name: name.to_owned(), finding: Finding::TooMuch });
    }
    found
}

/// How much deeper it may go.
#[derive(Clone, Copy)]
struct Depth {
    mails: u32,
    archives: u32,
}

/// What may still be looked at.
struct Left {
    octets: u64,
    files: usize,
    /// There were more files.
    exceeded: bool,
}

impl Left {
    /// Whether one more file is looked at.
    fn take_file(&mut self) -> bool {
        self.exceeded |= self.files == 0;
        self.files = self.files.saturating_sub(1);
        !self.exceeded
    }
}

fn look(name: &str, bytes: &[u8], depth: Depth, left: &mut Left) -> Vec<FoundFile> {
    let one = |finding| vec![FoundFile { name: name.to_owned(), finding }];
    // Seen in the wild: what an editor has saved.
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if bytes.is_empty() {
        return one(Finding::Empty);
    }
    // CASES T-72: one budget for all, so that many archives in a mail cost no more than one.
    let octets = bytes.len() as u64;
    let Some(rest) = left.octets.checked_sub(octets).filter(|_| octets <= limits::OCTETS) else {
        return one(Finding::TooMuch);
    };
    left.octets = rest;
    if bytes.starts_with(b"PK\x03\x04") {
        let Some(archives) = depth.archives.checked_sub(1) else { return one(Finding::UnreadableArchive) };
        return look_into_zip(name, bytes, Depth { archives, ..depth }, left);
    }
    if bytes.starts_with(b"7z\xBC\xAF\x27\x1C") || bytes.starts_with(b"Rar!") {
        return one(Finding::UnreadableArchive);
    }
    // CASES T-73: a certificate beside a private key does not save the key.
    if contains_private_key(bytes) {
        return one(Finding::PrivateKey);
    }
    if let Ok(certificates) = Certificate::all_from(bytes)
        && !certificates.is_empty()
    {
        return one(Finding::Certificates(certificates));
    }
    match smime::recognise(bytes) {
        smime::Form::Mail if is_card(bytes) => one(in_card(bytes)),
        smime::Form::Mail => match depth.mails.checked_sub(1) {
            Some(mails) => look_into_mail(name, bytes, Depth { mails, ..depth }, left),
            // CASES T-54: a mail in a mail in a mail costs a stack, and all of it again at each level.
            None => one(Finding::TooMuch),
        },
        smime::Form::Der => one(in_cms(bytes)),
        smime::Form::Pem => {
            let blocks = asn1::parse_pem(bytes).unwrap_or_default();
            one(blocks.iter().map(|block| in_cms(&block.der)).find(is_success).unwrap_or(Finding::NoCertificate))
        }
        smime::Form::Base64 => one(mime::decode_base64(bytes).map_or(Finding::NoCertificate, |der| in_cms(&der))),
        smime::Form::Other => one(Finding::NoCertificate),
    }
}

fn is_success(finding: &Finding) -> bool {
    matches!(finding, Finding::Certificates(_))
}

// CASES T-61: with signers, only what they name as theirs; a bag without signers is a chain file.
fn in_cms(der: &[u8]) -> Finding {
    let Ok(data) = SignedDataReader::open(der).and_then(|reader| reader.finish(None)) else {
        return Finding::NoCertificate;
    };
    let certificates: Vec<Certificate> = if data.signers().is_empty() {
        data.certificates().to_vec()
    } else {
        let named =
            |certificate: &&Certificate| data.signers().iter().any(|signer| signer.identifier().names(certificate));
        let (own, others): (Vec<&Certificate>, Vec<&Certificate>) =
            data.certificates().iter().partition(|certificate| named(certificate));
        own.into_iter().chain(others.into_iter().filter(|other| other.is_ca())).cloned().collect()
    };
    if certificates.is_empty() { Finding::NoCertificate } else { Finding::Certificates(certificates) }
}

fn look_into_mail(name: &str, bytes: &[u8], depth: Depth, left: &mut Left) -> Vec<FoundFile> {
    let too_much = || FoundFile { name: name.to_owned(), finding: Finding::TooMuch };
    let Ok(mail) = Entity::parse(bytes, &mime::Limits::default()) else { return vec![too_much()] };
    let mut found = Vec::new();
    for part in mail.walk() {
        if left.exceeded {
            break;
        }
        let part_name = part.file_name().unwrap_or_else(|| part.essence());
        let body = part.decoded_body();
        let interesting =
            part.parts().is_empty() && (part.file_name().is_some() || part.essence().starts_with("application/"));
        if part.essence() == "message/rfc822" {
            let Some(mails) = depth.mails.checked_sub(1) else {
                found.push(too_much());
                continue;
            };
            found.extend(look_into_passed_on(&body, Depth { mails, ..depth }, left));
        } else if interesting || contains_private_key(&body) {
            if left.take_file() {
                found.extend(look(&part_name, &body, depth, left));
            }
        } else if body.windows(27).any(|window| window == b"-----BEGIN CERTIFICATE-----") && left.take_file() {
            found.extend(look(&part_name, &body, Depth { archives: 0, ..depth }, left));
        }
    }
    if found.is_empty() {
        found.push(FoundFile { name: name.to_owned(), finding: Finding::NoCertificate });
    }
    found
}

/// The files of a mail that was passed on.
fn look_into_passed_on(mail: &[u8], depth: Depth, left: &mut Left) -> Vec<FoundFile> {
    let Ok(inner) = Entity::parse(mail, &mime::Limits::default()) else { return Vec::new() };
    let mut found = Vec::new();
    for part in inner.walk().into_iter().filter(|part| part.parts().is_empty()) {
        let Some(name) = part.file_name() else { continue };
        if !left.take_file() {
            break;
        }
        found.extend(look(&name, &part.decoded_body(), depth, left));
    }
    found
}

fn look_into_zip(name: &str, bytes: &[u8], depth: Depth, left: &mut Left) -> Vec<FoundFile> {
    let one = |finding| vec![FoundFile { name: name.to_owned(), finding }];
    let Ok(mut archive) = zip::ZipArchive::new(Cursor::new(bytes)) else { return one(Finding::UnreadableArchive) };
    if archive.len() > limits::FILES {
        return one(Finding::TooMuch);
    }
    let most = limits::OCTETS.min((bytes.len() as u64).saturating_mul(limits::RATIO));
    let mut unpacked = 0;
    let mut found = Vec::new();
    for index in 0..archive.len() {
        if left.exceeded {
            break;
        }
        let Ok(entry) = archive.by_index(index) else {
            found.extend(one(Finding::UnreadableArchive));
            continue;
        };
        if entry.is_dir() {
            continue;
        }
        if !left.take_file() {
            break;
        }
        let entry_name = entry.name().unwrap_or_default().rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        let mut content = Vec::new();
        let room = (most - unpacked).min(left.octets);
        // What the directory of the archive claims about sizes is not believed.
        if entry.take(room + 1).read_to_end(&mut content).is_err() {
            found.push(FoundFile { name: entry_name, finding: Finding::UnreadableArchive });
            continue;
        }
        if content.len() as u64 > room {
            // What was unpacked in vain has cost as much.
            left.octets -= room;
            found.push(FoundFile { name: entry_name, finding: Finding::TooMuch });
            return found;
        }
        unpacked += content.len() as u64;
        found.extend(look(&entry_name, &content, depth, left));
    }
    if found.is_empty() { one(Finding::Empty) } else { found }
}

fn is_card(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().get(..11).is_some_and(|start| start.eq_ignore_ascii_case(b"BEGIN:VCARD"))
}

// KEY in vCard 3 (base64 after the colon) and 4 (a data URL), RFC 6350 §6.8.1.
fn in_card(bytes: &[u8]) -> Finding {
    let text = String::from_utf8_lossy(bytes)
        .replace("\r\n ", "")
        .replace("\n ", "")
        .replace("\r\n\t", "")
        .replace("\n\t", "");
    let mut certificates = Vec::new();
    for line in text.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let property = name.split(';').next().unwrap_or_default();
        if !property.eq_ignore_ascii_case("KEY") && !property.to_ascii_uppercase().ends_with(".KEY") {
            continue;
        }
        let encoded = value.split_once("base64,").map_or(value, |(_, data)| data);
        if let Some(found) = mime::decode_base64(encoded.as_bytes()).and_then(|der| Certificate::all_from(&der).ok()) {
            certificates.extend(found);
        }
    }
    if certificates.is_empty() { Finding::NoCertificate } else { Finding::Certificates(certificates) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use crypto::KeyKind;
    use testkit::TestPki;

    use super::*;

    fn partner() -> testkit::Person {
        TestPki::shared().person("partner@example.org", KeyKind::P256)
    }

    fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn certificates_are_found_in_every_kind_of_file() {
        let partner = partner();
        let certificate = partner.certificate();
        let card = format!(
            "BEGIN:VCARD\r\nVERSION:4.0\r\nKEY:data:application/pkix-cert;base64,{}\r\nEND:VCARD\r\n",
            mime::encode_base64(certificate.der())
        );
        let mail = mime::MessageBuilder::new()
            .field("From", "partner@example.org")
            .text("see below")
            .attach(mime::Attachment {
                content_type: "application/pkix-cert".into(),
                file_name: "p.cer".into(),
                content: certificate.der().to_vec(),
            })
            .build();
        let signed =
            smime::Signer::new(&partner.credential).unwrap().sign(b"From: partner@example.org\r\n\r\nx\r\n").unwrap();
        let zip = zip_of(&[("folder/p.cer", certificate.der())]);
        let bag = cms::certificates_only(std::slice::from_ref(certificate));
        let pem = certificate.to_pem();
        let marked = [b"\xEF\xBB\xBF", mime::encode_base64(certificate.der()).as_bytes()].concat();
        for bytes in [certificate.der(), pem.as_bytes(), card.as_bytes(), &mail, &signed, &zip, &bag, &marked] {
            let found = harvest("file", bytes);
            let all = found
                .iter()
                .any(|file| matches!(&file.finding, Finding::Certificates(list) if list.contains(certificate)));
            assert!(all, "{found:?}");
        }
    }

    #[test]
    fn t_73_private_keys_are_recognised_and_nothing_of_them_is_kept() {
        let partner = partner();
        let pem = format!("{}{}", partner.certificate().to_pem(), asn1::encode_pem("PRIVATE KEY", &partner.pkcs8));
        let zip = zip_of(&[("k.pem", pem.as_bytes())]);
        for bytes in [&partner.pkcs8[..], pem.as_bytes(), &zip] {
            assert!(harvest("key", bytes).iter().all(|file| file.finding == Finding::PrivateKey));
        }
    }

    #[test]
    fn t_72_archives_are_bounded() {
        let bomb = zip_of(&[("zeros", &vec![0; 20 << 20])]);
        assert_eq!(harvest("bomb.zip", &bomb)[0].finding, Finding::TooMuch);
        let nested = zip_of(&[("inner.zip", &zip_of(&[("x", b"y")]))]);
        assert_eq!(harvest("nested.zip", &nested)[0].finding, Finding::UnreadableArchive);
        let many: Vec<(String, &[u8])> = (0..200).map(|i| (format!("{i}"), &b"x"[..])).collect();
        let many: Vec<(&str, &[u8])> = many.iter().map(|(name, content)| (name.as_str(), *content)).collect();
        assert_eq!(harvest("many.zip", &zip_of(&many))[0].finding, Finding::TooMuch);
        assert_eq!(harvest("x.7z", b"7z\xBC\xAF\x27\x1C....")[0].finding, Finding::UnreadableArchive);
    }

    #[test]
    fn t_54_mails_inside_mails_end_somewhere() {
        // Deep enough to use up any stack, were each level looked into.
        let deep = "Content-Type: application/x\r\n\r\n".repeat(20_000);
        assert_eq!(harvest("deep.eml", deep.as_bytes())[0].finding, Finding::TooMuch);
        let attached = |level: usize, mail: &str| {
            format!(
                "Content-Type: multipart/mixed; boundary=b{level}x\r\n\r\n--b{level}x\r\n\
                 Content-Type: application/octet-stream; name=a.eml\r\n\r\n{mail}\r\n--b{level}x--\r\n"
            )
        };
        let passed_on = |mail: &str| format!("Content-Type: message/rfc822\r\n\r\n{mail}");
        let file = format!(
            "Content-Type: application/pkix-cert; name=p.cer\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            mime::encode_base64(partner().certificate().der())
        );
        let has = |mail: &str| {
            let found = harvest("m.eml", mail.as_bytes());
            (found.iter().any(is_certificate), found.iter().any(|file| file.finding == Finding::TooMuch))
        };
        let mut mail = file.clone();
        for level in 0..5 {
            assert_eq!(has(&mail), (level < 3, level >= 3), "attached, {level}");
            mail = attached(level, &mail);
        }
        assert_eq!(has(&passed_on(&file)), (true, false));
        assert_eq!(has(&passed_on(&attached(2, &attached(1, &attached(0, &file))))), (false, true));
    }

    fn is_certificate(file: &FoundFile) -> bool {
        matches!(file.finding, Finding::Certificates(_))
    }

    #[test]
    fn t_72_all_archives_of_a_mail_have_one_budget() {
        let names: Vec<String> = (0..50).map(|i| i.to_string()).collect();
        let content = |octets: usize| (0..octets / 8).map(|i| format!("{i:07}\n")).collect::<String>();
        let mail = |files: usize, octets: usize| {
            let content = content(octets);
            let files: Vec<(&str, &[u8])> =
                names.iter().take(files).map(|name| (name.as_str(), content.as_bytes())).collect();
            let part = format!(
                "--b\r\nContent-Type: application/zip; name=z.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
                mime::encode_base64(&zip_of(&files))
            );
            format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n", part.repeat(10))
        };
        let large = mail(1, 200_000);
        let room = large.len() as u64 * 2 + 500_000;
        let found = harvest_within("m.eml", large.as_bytes(), Left { octets: room, files: 100, exceeded: false });
        let within = found.iter().filter(|file| file.finding != Finding::TooMuch).count();
        assert!((1..=4).contains(&within) && found.len() == 10, "{found:?}");
        // Nor are there more files in ten archives than in one.
        let found = harvest("m.eml", mail(50, 16).as_bytes());
        assert!(found.len() <= limits::FILES + 1 && found.last().unwrap().finding == Finding::TooMuch, "{found:?}");
    }

    #[test]
    fn t_61_only_the_signers_own_certificate_counts() {
        let pki = TestPki::shared();
        let (partner, victim) = (partner(), pki.person("victim@example.org", KeyKind::P256));
        let credential = pki::Credential::new(
            partner.credential.shared_key(),
            [partner.certificate().clone(), victim.certificate().clone()],
        )
        .unwrap();
        let signed = smime::Signer::new(&credential).unwrap().sign(b"From: partner@example.org\r\n\r\nx\r\n").unwrap();
        let found = harvest("mail.eml", &signed);
        assert!(
            !found.iter().any(
                |file| matches!(&file.finding, Finding::Certificates(list) if list.contains(victim.certificate()))
            )
        );
    }
}
