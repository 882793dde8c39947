//! Large messages are read twice: once to check them, once to hand them out. Nothing comes out that was not checked.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read as _, Write as _};

use crypto::{ContentCipher, KeyKind};
use pki::Credential;
use smime::{Decryptor, Encryptor, Limits, Policy, Sender, SignatureForm, Signer, Source, Verifier};
use testkit::{Mutator, TestPki};

/// Gives one message in the first readings, and another from then on.
struct Fickle {
    readings: usize,
    honest: usize,
    first: Vec<u8>,
    then: Vec<u8>,
}

impl Source for Fickle {
    fn reread(&mut self) -> io::Result<Box<dyn BufRead + '_>> {
        self.readings += 1;
        let text = if self.readings <= self.honest { &self.first } else { &self.then };
        Ok(Box::new(BufReader::with_capacity(5000, Cursor::new(text))))
    }
}

struct Scene {
    alice: Credential,
    bob: [Credential; 1],
}

impl Scene {
    fn new() -> Self {
        let person = |address| TestPki::shared().person(address, KeyKind::P256).credential;
        Self { alice: person("alice@example.org"), bob: [person("bob@example.org")] }
    }

    fn sign(&self, form: SignatureForm, mail: &[u8]) -> Vec<u8> {
        Signer::new(&self.alice).unwrap().at(testkit::now()).form(form).sign(mail).unwrap()
    }

    fn encrypt(&self, cipher: ContentCipher, mail: &[u8]) -> Vec<u8> {
        Encryptor::to(self.bob[0].certificate()).unwrap().cipher(cipher).encrypt(mail).unwrap()
    }

    fn mails(&self, lines: usize) -> Vec<(&'static str, Vec<u8>)> {
        let mail = mail(lines);
        let (clear, opaque) = (self.sign(SignatureForm::Clear, &mail), self.sign(SignatureForm::Opaque, &mail));
        let gcm = self.encrypt(ContentCipher::Aes256Gcm, &clear);
        vec![
            ("GCM around opaque", self.encrypt(ContentCipher::Aes128Gcm, &opaque)),
            ("CBC around clear", self.encrypt(ContentCipher::Aes256Cbc, &clear)),
            ("ChaCha20 around clear", self.encrypt(ContentCipher::ChaCha20Poly1305, &clear)),
            ("triple", self.sign(SignatureForm::Clear, &gcm)),
            ("clear", clear),
            ("opaque", opaque),
            ("GCM around clear", gcm),
        ]
    }

    fn judge(&self, limits: Limits, message: Message<'_>) -> Result<Vec<u8>, String> {
        let policy = Policy::new(TestPki::shared().anchors(), testkit::now(), limits);
        let verifier = Verifier::new(&policy).with_keys(&self.bob);
        let verification = match message {
            Message::Once(mail) => verifier.verify(mail),
            Message::Again(source) => verifier.verify_source(source),
        };
        let verification = verification.map_err(|error| error.to_string())?;
        let mut content = verification.accept(&Sender::VisibleFrom).map_err(|rejected| rejected.reason().to_owned())?;
        let mut out = Vec::new();
        let read = content.reader().and_then(|mut reader| reader.read_to_end(&mut out));
        read.map(|_| out).map_err(|error| error.to_string())
    }
}

enum Message<'m> {
    Once(&'m [u8]),
    Again(&'m mut dyn Source),
}

fn mail(lines: usize) -> Vec<u8> {
    let mut mail = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n\
        Content-Type: text/plain\r\n\r\n"
        .to_vec();
    (0..lines).for_each(|line| write!(mail, "Pay {line} to Bob, and nothing to anybody else.\r\n").unwrap());
    mail
}

/// Hardly anything fits in memory, and there is nowhere to put it down.
fn nowhere() -> Limits {
    let mut limits = Limits::in_folder("/nowhere/at/all");
    limits.spool.memory = 1000;
    limits
}

fn anywhere() -> Limits {
    let mut limits = Limits::in_folder(std::env::temp_dir());
    limits.spool.memory = 1000;
    limits
}

#[test]
fn t_35_large_content_of_a_file_is_put_down_nowhere() {
    let scene = Scene::new();
    for (form, mail) in scene.mails(6_000) {
        let held = scene.judge(anywhere(), Message::Once(&mail)).unwrap();
        assert!(held.len() > 250_000, "{form}");
        assert!(scene.judge(nowhere(), Message::Once(&mail)).is_err(), "{form}");
        assert!(scene.judge(nowhere(), Message::Again(&mut &mail[..])) == Ok(held.clone()), "{form}");
        let mut file: File = tempfile::tempfile().unwrap();
        file.write_all(&mail).unwrap();
        assert!(scene.judge(nowhere(), Message::Again(&mut file)) == Ok(held), "{form}");
    }
}

#[test]
fn t_22_a_message_that_changes_between_the_readings_gives_what_was_checked_or_nothing() {
    let scene = Scene::new();
    for (form, mail) in scene.mails(6_000) {
        let expected = scene.judge(nowhere(), Message::Again(&mut &mail[..])).unwrap();
        let mut failed = 0;
        for (honest, step) in [(1, 5), (2, 2), (3, 1)] {
            for place in 0..step {
                let mut then = mail.clone();
                let at = mail.len() / step * place + mail.len() / (2 * step);
                then[at] ^= 1;
                let mut source = Fickle { readings: 0, honest, first: mail.clone(), then };
                match scene.judge(nowhere(), Message::Again(&mut source)) {
                    Ok(content) => assert!(content == expected, "{form} {honest} {at}"),
                    Err(error) => {
                        assert_eq!(error, "the file was changed while it was read", "{form} {honest} {at}");
                        failed += 1;
                    }
                }
            }
        }
        assert!(failed > 2, "{form}");
        // All of it is another message, which is good as well.
        let other = scene.mails(5_999).into_iter().find(|(other, _)| *other == form).unwrap().1;
        let mut source = Fickle { readings: 0, honest: 1, first: mail, then: other };
        assert!(scene.judge(nowhere(), Message::Again(&mut source)).is_err(), "{form}");
    }
}

#[test]
fn what_is_read_before_a_change_shows_is_what_was_checked() {
    let scene = Scene::new();
    let mail = scene.sign(SignatureForm::Clear, &mail(8_000));
    let mut then = mail.clone();
    let at = mail.len() - 20_000;
    then[at] ^= 1;
    let policy = Policy::new(TestPki::shared().anchors(), testkit::now(), nowhere());
    let mut source = Fickle { readings: 0, honest: 1, first: mail.clone(), then };
    let verification = Verifier::new(&policy).verify_source(&mut source).unwrap();
    let mut content = verification.accept(&Sender::VisibleFrom).unwrap();
    let mut out = Vec::new();
    assert!(content.reader().unwrap().read_to_end(&mut out).is_err());
    let signed = mail.windows(20).position(|window| window == b"Content-Type: text/p").unwrap();
    assert!(out.len() > 100_000 && mail[signed..at].starts_with(&out));
    assert!(content.into_spool().is_err());
}

#[test]
fn s_43_t_04_what_cannot_be_read_again_as_it_was_signed_is_held() {
    let scene = Scene::new();
    let clear = scene.sign(SignatureForm::Clear, &mail(3_000));
    let text = String::from_utf8(clear.clone()).unwrap();
    let bare = text.replace("\r\n", "\n").into_bytes();
    let misnamed = text.replace("micalg=\"sha-256\"", "micalg=\"sha-512\"").replace("micalg=sha-256", "micalg=sha-512");
    assert!(misnamed != text);
    let mut compressed = Vec::new();
    smime::compress(&mut &clear[..], &mut compressed).unwrap();
    let ccm = scene.encrypt(ContentCipher::Aes256Ccm, &clear);
    let expected = scene.judge(anywhere(), Message::Once(&clear)).unwrap();
    for (form, mail) in [("bare", bare), ("misnamed", misnamed.into_bytes()), ("compressed", compressed), ("CCM", ccm)]
    {
        let outer = scene.encrypt(ContentCipher::Aes256Gcm, &mail);
        for (form, mail) in [(form, mail), (&format!("{form}, encrypted"), outer)] {
            assert!(scene.judge(anywhere(), Message::Once(&mail)) == Ok(expected.clone()), "{form}");
            assert!(scene.judge(anywhere(), Message::Again(&mut &mail[..])) == Ok(expected.clone()), "{form}");
            // Encrypting completes the lines.
            let held = form != "bare, encrypted";
            assert_eq!(scene.judge(nowhere(), Message::Again(&mut &mail[..])).is_err(), held, "{form}");
        }
    }
}

#[test]
fn n_22_a_changed_message_fares_the_same_in_one_reading_and_in_two() {
    let scene = Scene::new();
    let mut mutator = Mutator::new(20_261_125);
    let mut nothing_held = anywhere();
    nothing_held.spool.memory = 0;
    for (form, mail) in scene.mails(3) {
        for _ in 0..60 {
            let mutant = mutator.mutate(&mail);
            let once = scene.judge(anywhere(), Message::Once(&mutant));
            let again = scene.judge(nothing_held.clone(), Message::Again(&mut &mutant[..]));
            assert_eq!(once, again, "{form}: {}", String::from_utf8_lossy(&mutant));
            let decrypt = |limits: &Limits, twice: bool| {
                let decryptor = Decryptor::new(&scene.bob, limits);
                let decrypted =
                    if twice { decryptor.decrypt_source(&mutant[..]) } else { decryptor.decrypt(&mutant[..]) };
                let mut out = Vec::new();
                match decrypted.map_err(|error| error.to_string())? {
                    Ok(mut content) => content.reader().and_then(|mut reader| reader.read_to_end(&mut out)),
                    Err((_, content)) => {
                        content.into_unprotected().reader().and_then(|mut reader| reader.read_to_end(&mut out))
                    }
                }
                .map(|_| out)
                .map_err(|error| error.to_string())
            };
            assert_eq!(decrypt(&anywhere(), false), decrypt(&nothing_held, true), "{form}");
        }
    }
}
