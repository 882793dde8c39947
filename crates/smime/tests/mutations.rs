//! CASES N-05, N-22: no change of a good message is a panic, or other content that is accepted.
//!
//! A failure names the seed; `SEALPOST_SEED` sets it. The same 100,000 changes are made by every run with one seed.

use std::io::{Read as _, Write as _};

use cms::{
    CompressedDataReader, CompressedDataWriter, Content, DecryptionKeys, EncryptedDataReader, EncryptedDataWriter,
    Integrity, Recipient, SharedKey, SignedDataReader, SignedDataWriter, SignerSettings, SpoolLimits, oids,
};
use crypto::{ContentCipher, KeyKind};
use smime::{Encryptor, Limits, Policy, Sender, SignatureForm, Signer, Verifier};
use testkit::{Der, Mutator, TestPki};

const MAIL: &[u8] = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain\r\n\r\nPay 100 to Bob.\r\n";
const TEXT: &[u8] = b"Content-Type: text/plain\r\n\r\nPay 100 to Bob.\r\n";

fn seed() -> u64 {
    std::env::var("SEALPOST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_124)
}

fn mutator() -> Mutator {
    Mutator::new(seed())
}

fn spool_limits() -> SpoolLimits {
    SpoolLimits { total: 1 << 20, ..SpoolLimits::in_folder(std::env::temp_dir()) }
}

fn all(mut spool: cms::Spool) -> Vec<u8> {
    let mut out = Vec::new();
    spool.reader().unwrap().read_to_end(&mut out).unwrap();
    out
}

/// The content that every signer covers.
fn intact(der: &[u8]) -> Option<Vec<u8>> {
    let mut reader = SignedDataReader::open(der).ok()?;
    let mut content = Vec::new();
    reader.read_to_end(&mut content).ok()?;
    let reports = reader.finish(None).ok()?.verify(&[]);
    let good = !reports.is_empty() && reports.iter().all(|report| report.integrity == Integrity::Intact);
    good.then_some(content)
}

/// Runs `count` changes, half of them with lengths that are right.
fn run(mutator: &mut Mutator, good: &[u8], count: usize, accepted: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    assert_eq!(accepted(good).as_deref(), Some(TEXT));
    let der = Der::parse(good);
    for number in 0..count {
        let mutant = if number % 2 == 0 { mutator.mutate(good) } else { mutator.mutate_elements(&der) };
        if let Some(content) = accepted(&mutant) {
            assert!(content == TEXT, "seed {}, accepted: {:02X?}\nof {:02X?}", seed(), content, mutant);
        }
    }
}

#[test]
fn n_05_mutants_of_signed_data_never_carry_other_content() {
    let mut mutator = mutator();
    let alice = TestPki::shared().person("alice@example.org", KeyKind::P256).credential;
    let mut writer = SignedDataWriter::new(SignerSettings::new(&alice).unwrap(), vec![], oids::ID_DATA, Vec::new());
    writer.write_all(TEXT).unwrap();
    let good = writer.finish().unwrap();
    run(&mut mutator, &good, 30_000, intact);
}

#[test]
fn n_05_n_22_mutants_of_authenticated_encryption_open_as_they_were_or_not_at_all() {
    let mut mutator = mutator();
    let key = SharedKey::new(b"k", &[1; 32]).unwrap();
    let keys = [key.clone()];
    for cipher in [ContentCipher::Aes256Gcm, ContentCipher::ChaCha20Poly1305] {
        let mut writer =
            EncryptedDataWriter::new(&Recipient::shared_key(key.clone()), &[], cipher, oids::ID_DATA, Vec::new())
                .unwrap();
        writer.write_all(TEXT).unwrap();
        let good = writer.finish().unwrap();
        run(&mut mutator, &good, 25_000, |der| {
            let keys = DecryptionKeys { shared_keys: &keys, ..DecryptionKeys::default() };
            match EncryptedDataReader::open(der).ok()?.decrypt_with(keys, spool_limits()).ok()?.content {
                Content::Authenticated(spool) => Some(all(spool)),
                // Marked as what it is: a caller cannot read it by accident.
                Content::Unauthenticated(_) => None,
            }
        });
    }
}

#[test]
fn mutants_of_compressed_data_do_no_harm() {
    let mut mutator = mutator();
    let mut writer = CompressedDataWriter::new(oids::ID_DATA, Vec::new()).unwrap();
    writer.write_all(TEXT).unwrap();
    let good = writer.finish().unwrap();
    for _ in 0..10_000 {
        let mutant = mutator.mutate(&good);
        let _ = CompressedDataReader::open(&mutant[..]).and_then(|reader| reader.decompress(spool_limits()));
    }
}

#[test]
fn n_05_mutants_of_whole_mails_never_carry_other_content() {
    let mut mutator = mutator();
    let pki = TestPki::shared();
    let alice = pki.person("alice@example.org", KeyKind::P256).credential;
    let bob = [pki.person("bob@example.org", KeyKind::P256).credential];
    let mut policy = Policy::new(pki.anchors(), testkit::now(), Limits::in_folder(std::env::temp_dir()));
    policy.cache = Some(std::sync::Arc::default());
    let accepted = |mail: &[u8]| {
        let verification = Verifier::new(&policy).with_keys(&bob).verify(mail).ok()?;
        let mut content = verification.accept(&Sender::VisibleFrom).ok()?;
        let mut out = Vec::new();
        content.reader().unwrap().read_to_end(&mut out).unwrap();
        Some(out)
    };
    let signed = |form| Signer::new(&alice).unwrap().at(testkit::now()).form(form).sign(MAIL).unwrap();
    let clear = signed(SignatureForm::Clear);
    let encrypted = |cipher| Encryptor::to(bob[0].certificate()).unwrap().cipher(cipher).encrypt(&clear).unwrap();
    for good in [
        clear.clone(),
        signed(SignatureForm::Opaque),
        encrypted(ContentCipher::Aes256Gcm),
        encrypted(ContentCipher::Aes256Cbc),
    ] {
        let expected = accepted(&good).unwrap();
        assert_eq!(expected, TEXT);
        for _ in 0..2_500 {
            let mutant = mutator.mutate(&good);
            if let Some(content) = accepted(&mutant) {
                assert!(content == expected, "seed {}: {}", seed(), String::from_utf8_lossy(&mutant));
            }
        }
    }
}
