use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use asn1::Writer;
use crypto::{
    ContentCipher, ContentParameters, DigestAlgorithm, KeyTransportAlgorithm, PssParameters, SignatureAlgorithm,
};

use crate::keys;

/// Larger seeds only make slower runs.
const LARGEST: u64 = 64 * 1024;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors"))
}

/// A published file.
pub(crate) fn vector(name: &str) -> Vec<u8> {
    let path = folder().join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn of(name: &str, sources: &[&str]) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    sources.iter().for_each(|source| collect(&folder().join(source), &mut files));
    files.sort();
    let mut seeds: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    seeds.extend(made(name));
    assert!(!seeds.is_empty(), "{name} has no seeds");
    seeds
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap().flatten() {
            collect(&entry.path(), files);
        }
    } else if std::fs::metadata(path).unwrap().len() <= LARGEST {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.ends_with(".tsv") && !name.ends_with(".json") && !name.ends_with(".md") {
            files.push(path.to_path_buf());
        }
    }
}

/// What no vector holds by itself.
fn made(name: &str) -> Vec<Vec<u8>> {
    let encoded = |write: &dyn Fn(&mut Writer)| {
        let mut writer = Writer::new();
        write(&mut writer);
        writer.into_vec()
    };
    match name {
        "asn1_values" => vec![
            encoded(&|w| w.time(testkit::now())),
            encoded(&|w| w.unsigned(65_537)),
            encoded(&|w| w.bit_string(3, &[0xA8])),
            vec![0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D],
            b"2026-03-01T12:00:00Z".to_vec(),
        ],
        "crypto_public_key" => keys::all().iter().map(|key| key.key().public_key().spki().to_vec()).collect(),
        "crypto_algorithms" => {
            let pss = SignatureAlgorithm::RsaPss(PssParameters::standard(DigestAlgorithm::Sha256)).identifier();
            let oaep = KeyTransportAlgorithm::oaep(DigestAlgorithm::Sha512).identifier();
            let gcm = ContentParameters::new(ContentCipher::Aes256Gcm, &[1; 12]).identifier();
            let cbc = ContentParameters::new(ContentCipher::Aes128Cbc, &[1; 16]).identifier();
            [pss, oaep, gcm, cbc].iter().map(|identifier| encoded(&|w| identifier.encode(w))).collect()
        }
        "crypto_wrapped_keys" => vec![vec![1; 24], vec![2; 40], vec![3; 256]],
        "pki_names" => vec![
            keys::all()[0].certificate().issuer().as_der().to_vec(),
            b"alice@example.org".to_vec(),
            "ünï@xn--nxasmq6b.example".as_bytes().to_vec(),
            b"\"a b\"@example.org".to_vec(),
        ],
        "mime_address" => vec![
            b"Alice <alice@example.org>, \"B, C\" <b@example.org>".to_vec(),
            b"group: a@example.org, b@example.org;, =?utf-8?q?=C3=BC?= <u@example.org> (comment)".to_vec(),
        ],
        "milter_commands" => vec![
            [
                &b"\0\0\0\x0DO\0\0\0\x06\0\0\x01\xFF\0\x1F\xFF\xFF"[..],
                b"\0\0\0\x14Clocalhost\x004\0\x19::1\0",
                b"\0\0\0\x10DM{auth_authen}\0",
                b"\0\0\0\x0DM<a@b.test>\0\0\0\0\x0DR<c@d.test>\0",
                b"\0\0\0\x0CLSubject\0 x\0\0\0\0\x01N\0\0\0\x07Btext\r\n\0\0\0\x01E\0\0\0\x01Q",
            ]
            .concat(),
            b"\0\0\0\x05DRi\0x\0\0\0\x03Hx\0\0\0\0\x01A\0\0\0\x01K\0\0\0\x02Ux".to_vec(),
        ],
        "milter_changes" => vec![
            b"From: a\nSubject: x\nReceived: y\n\nReceived: z\nFrom: a\nSubject: [signed] x\n".to_vec(),
            b"A: 1\nA: 2\na: 3\n\nB: 1\nA: 3\n".to_vec(),
        ],
        "cms_receipt" => vec![encoded(&|w| {
            w.sequence(|w| {
                w.unsigned(1);
                w.oid(&cms::oids::ID_DATA);
                w.octet_string(b"identifier");
                w.octet_string(b"signature");
            });
        })],
        "smime_capabilities" => vec![smime::Capabilities::ours().der().to_vec()],
        "acme_objects" => crate::acme_entries::objects_seeds(),
        "acme_challenge_mail" => crate::acme_entries::challenge_mail_seeds(),
        "webauthn_answers" => crate::webauthn_entries::seeds(),
        _ => Vec::new(),
    }
}

/// Whether this is what the people of the samples signed: the payloads of the mails that are accepted as they are.
pub(crate) fn was_signed(content: &[u8]) -> bool {
    static SIGNED: OnceLock<HashSet<Vec<u8>>> = OnceLock::new();
    SIGNED.get_or_init(crate::smime_entries::accepted_samples).contains(content)
}
