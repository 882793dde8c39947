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

/// Bounds of [`harvest`] (CASES T-72).
pub mod limits {
    /// Octets of one file, and of everything in an archive together.
    pub const OCTETS: u64 = 10 << 20;
    /// Files in an archive or a mail.
    pub const FILES: usize = 100;
    /// How many times larger than itself an archive may unpack.
    pub const RATIO: u64 = 100;
}

/// Looks into a file: certificate, chain, signed mail, mail with attachments, vCard, or a zip of those.
pub fn harvest(name: &str, bytes: &[u8]) -> Vec<FoundFile> {
    look(name, bytes, 1)
}

fn look(name: &str, bytes: &[u8], archives_left: u32) -> Vec<FoundFile> {
    let one = |finding| vec![FoundFile { name: name.to_owned(), finding }];
    if bytes.is_empty() {
        return one(Finding::Empty);
    }
    if bytes.len() as u64 > limits::OCTETS {
        return one(Finding::TooMuch);
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return if archives_left > 0 { look_into_zip(name, bytes) } else { one(Finding::UnreadableArchive) };
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
        smime::Form::Mail => look_into_mail(name, bytes, archives_left),
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

fn look_into_mail(name: &str, bytes: &[u8], archives_left: u32) -> Vec<FoundFile> {
    let Ok(mail) = Entity::parse(bytes, &mime::Limits::default()) else {
        return vec![FoundFile { name: name.to_owned(), finding: Finding::TooMuch }];
    };
    let mut found = Vec::new();
    for part in mail.walk() {
        if found.len() >= limits::FILES {
            found.push(FoundFile { name: name.to_owned(), finding: Finding::TooMuch });
            break;
        }
        let part_name = part.file_name().unwrap_or_else(|| part.essence());
        let body = part.decoded_body();
        let interesting =
            part.parts().is_empty() && (part.file_name().is_some() || part.essence().starts_with("application/"));
        if part.essence() == "message/rfc822" {
            if let Ok(inner) = Entity::parse(&body, &mime::Limits::default()) {
                let parts = inner.walk();
                let files = parts
                    .iter()
                    .filter(|part| part.parts().is_empty() && part.file_name().is_some())
                    .take(limits::FILES);
                found.extend(
                    files.flat_map(|part| {
                        look(&part.file_name().unwrap_or_default(), &part.decoded_body(), archives_left)
                    }),
                );
            }
        } else if interesting || contains_private_key(&body) {
            found.extend(look(&part_name, &body, archives_left));
        } else if body.windows(27).any(|window| window == b"-----BEGIN CERTIFICATE-----") {
            found.extend(look(&part_name, &body, 0));
        }
    }
    if found.is_empty() {
        found.push(FoundFile { name: name.to_owned(), finding: Finding::NoCertificate });
    }
    found
}

fn look_into_zip(name: &str, bytes: &[u8]) -> Vec<FoundFile> {
    let one = |finding| vec![FoundFile { name: name.to_owned(), finding }];
    let Ok(mut archive) = zip::ZipArchive::new(Cursor::new(bytes)) else { return one(Finding::UnreadableArchive) };
    if archive.len() > limits::FILES {
        return one(Finding::TooMuch);
    }
    let mut left = limits::OCTETS.min((bytes.len() as u64).saturating_mul(limits::RATIO));
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let Ok(entry) = archive.by_index(index) else {
            found.extend(one(Finding::UnreadableArchive));
            continue;
        };
        if entry.is_dir() {
            continue;
        }
        let entry_name = entry.name().unwrap_or_default().rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        let mut content = Vec::new();
        // What the directory of the archive claims about sizes is not believed.
        if entry.take(left + 1).read_to_end(&mut content).is_err() {
            found.push(FoundFile { name: entry_name, finding: Finding::UnreadableArchive });
            continue;
        }
        if content.len() as u64 > left {
            found.push(FoundFile { name: entry_name, finding: Finding::TooMuch });
            return found;
        }
        left -= content.len() as u64;
        found.extend(look(&entry_name, &content, 0));
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
        for bytes in [certificate.der(), pem.as_bytes(), card.as_bytes(), &mail, &signed, &zip, &bag] {
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
