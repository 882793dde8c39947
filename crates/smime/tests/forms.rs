//! Forms of mail: triple wrapped, compressed, certificates alone, receipts, odd labels; and who chooses which algorithm.

use std::io::{Read as _, Write as _};

use cms::{ContentType, SignedDataWriter, SignerSettings, oids};
use crypto::{ContentCipher, KeyKind, KeyTransportAlgorithm, MlDsaLevel, MlKemLevel};
use pki::Credential;
use smime::{
    Capabilities, Check, Decryptor, Encryptor, LayerReport, Limits, Node, Pins, Policy, Profile, Sender, SignatureForm,
    Signer, Verification, Verifier, inspect,
};
use testkit::TestPki;

const MAIL: &[u8] = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain\r\n\r\nPay 100 to Bob.\r\n";
const ENTITY: &[u8] = b"Content-Type: text/plain\r\n\r\nPay 100 to Bob.\r\n";

fn limits() -> Limits {
    Limits::in_folder(std::env::temp_dir())
}

fn policy() -> Policy {
    Policy::new(TestPki::shared().anchors(), testkit::now(), limits())
}

fn person(address: &str, kind: KeyKind) -> Credential {
    TestPki::shared().person(address, kind).credential
}

fn verify(mail: &[u8], keys: &[Credential]) -> Verification<'static> {
    Verifier::new(&policy()).with_keys(keys).verify(mail).unwrap()
}

fn accepted(mail: &[u8], keys: &[Credential]) -> Vec<u8> {
    let mut content = verify(mail, keys).accept(&Sender::VisibleFrom).unwrap();
    let mut out = Vec::new();
    content.reader().unwrap().read_to_end(&mut out).unwrap();
    out
}

fn signer(credential: &Credential) -> Signer {
    Signer::new(credential).unwrap().at(testkit::now())
}

/// The CMS layer of a mail that has one at its root.
fn layer(mail: &[u8]) -> Node {
    inspect(mail, &limits()).unwrap().children.remove(0)
}

#[test]
fn a_triple_wrapped_mail_is_written_and_every_layer_counts() {
    let (alice, bob) = (person("alice@example.org", KeyKind::P256), person("bob@example.org", KeyKind::P256));
    let keys = [bob.clone()];
    for (inner, outer) in [
        (SignatureForm::Clear, SignatureForm::Clear),
        (SignatureForm::Clear, SignatureForm::Opaque),
        (SignatureForm::Opaque, SignatureForm::Clear),
        (SignatureForm::Opaque, SignatureForm::Opaque),
    ] {
        let signed = signer(&alice).form(inner).sign(MAIL).unwrap();
        let encrypted = Encryptor::to(bob.certificate()).unwrap().encrypt(&signed).unwrap();
        let wrapped = signer(&alice).form(outer).sign(&encrypted).unwrap();
        let verification = verify(&wrapped, &keys);
        assert!(matches!(
            verification.layers(),
            [LayerReport::Signed(_), LayerReport::Encrypted(_), LayerReport::Signed(_)]
        ));
        assert_eq!(accepted(&wrapped, &keys), ENTITY);
        // The outermost signature alone is no answer to what is inside.
        assert!(verify(&wrapped, &[]).accept(&Sender::VisibleFrom).is_err());
    }
}

#[test]
fn compressed_mails_come_back_signed_or_not() {
    let alice = person("alice@example.org", KeyKind::P256);
    let text = [MAIL, &b"the same again and again\r\n".repeat(1000)].concat();
    let (mut compressed, mut outside) = (Vec::new(), Vec::new());
    smime::compress(&mut &text[..], &mut compressed).unwrap();
    assert!(compressed.len() < text.len() / 10);
    let signed = signer(&alice).sign(&compressed).unwrap();
    assert!(accepted(&signed, &[]).ends_with(b"the same again and again\r\n"));
    smime::compress(&mut &signer(&alice).sign(&text).unwrap()[..], &mut outside).unwrap();
    assert!(accepted(&outside, &[]).ends_with(b"the same again and again\r\n"));
    let node = layer(&compressed);
    assert_eq!((node.kind.as_str(), node.children.len()), ("CompressedData", 1));
}

#[test]
fn t_03_certificates_alone_are_no_signature() {
    let alice = person("alice@example.org", KeyKind::P256);
    let mut mail = b"From: alice@example.org\r\nMIME-Version: 1.0\r\n".to_vec();
    mail.extend(smime::certificates_only(&[alice.certificate().clone()]).unwrap());
    let verification = verify(&mail, &[]);
    let [LayerReport::Signed(report)] = verification.layers() else { panic!("{:?}", verification.layers()) };
    assert_eq!(report.certificates, [alice.certificate().clone()]);
    assert!(verification.accept(&Sender::VisibleFrom).is_err());
    assert!(String::from_utf8(mail).unwrap().contains("smime-type=certs-only; name=\"smime.p7c\""));
}

#[test]
fn s_09_labels_and_file_names_may_lie() {
    let alice = person("alice@example.org", KeyKind::P256);
    let signed = String::from_utf8(signer(&alice).form(SignatureForm::Opaque).sign(MAIL).unwrap()).unwrap();
    let label = "application/pkcs7-mime; smime-type=signed-data; name=\"smime.p7m\"";
    assert!(signed.contains(label));
    for other in [
        "application/x-pkcs7-mime; smime-type=signed-data; name=smime.p7m",
        "application/x-pkcs7-mime; name=\"smime.p7s\"",
        "application/pkcs7-mime",
        "application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7z",
        "application/octet-stream; name=smime.p7m",
        "application/octet-stream",
        "application/pkcs7-signature",
        "Application/PKCS7-MIME; SMIME-TYPE=Signed-Data",
        "application/x-unknown; name=smime.p7m",
    ] {
        assert_eq!(accepted(signed.replace(label, other).as_bytes(), &[]), ENTITY, "{other}");
    }
    // Any line ends, and base64 in one line.
    assert_eq!(accepted(signed.replace("\r\n", "\n").as_bytes(), &[]), ENTITY);
    let (header, body) = signed.split_once("\r\n\r\n").unwrap();
    let one_line = format!("{header}\r\n\r\n{}", body.replace("\r\n", ""));
    assert_eq!(accepted(one_line.as_bytes(), &[]), ENTITY);
}

#[test]
fn files_are_recognised_in_der_pem_and_base64() {
    let alice = person("alice@example.org", KeyKind::P256);
    let settings = SignerSettings::new(&alice).unwrap();
    let mut writer = SignedDataWriter::new(settings, vec![], oids::ID_DATA, Vec::new());
    writer.write_all(ENTITY).unwrap();
    let der = writer.finish().unwrap();
    let sender = Sender::Address("alice@example.org".parse().unwrap());
    let base64 = mime::encode_base64(&der);
    for file in [
        der.clone(),
        asn1::encode_pem("CMS", &der).into_bytes(),
        asn1::encode_pem("PKCS7", &der).into_bytes(),
        base64.clone().into_bytes(),
        base64.replace("\r\n", "\n").into_bytes(),
        base64.replace("\r\n", "").into_bytes(),
    ] {
        verify(&file, &[]).accept(&sender).unwrap();
    }
}

#[test]
fn content_that_is_no_mail_is_not_passed_off_as_one() {
    let alice = person("alice@example.org", KeyKind::P256);
    let sign_as = |content_type| {
        let mut writer = SignedDataWriter::new(SignerSettings::new(&alice).unwrap(), vec![], content_type, Vec::new());
        writer.write_all(ENTITY).unwrap();
        let der = writer.finish().unwrap();
        assert_eq!(cms::sniff(&der), Some(ContentType::SignedData));
        format!(
            "From: alice@example.org\r\nContent-Type: application/pkcs7-mime\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}",
            mime::encode_base64(&der)
        )
    };
    let outcome = |content_type| {
        verify(sign_as(content_type).as_bytes(), &[])
            .accept(&Sender::VisibleFrom)
            .map(|_| ())
            .map_err(|e| e.to_string())
    };
    assert_eq!(outcome(oids::ID_DATA), Ok(()));
    // id-ct-TSTInfo: a time stamp.
    let reason = outcome(asn1::Oid::new("1.2.840.113549.1.9.16.1.4")).unwrap_err();
    assert!(reason.contains("is no mail"), "{reason}");
}

#[test]
fn t_08_an_address_that_is_asked_for_does_not_settle_two_from_fields() {
    let alice = person("alice@example.org", KeyKind::P256);
    let signed = signer(&alice).sign(MAIL).unwrap();
    let sender = Sender::Address("alice@example.org".parse().unwrap());
    verify(&signed, &[]).accept(&sender).unwrap();
    let two = [b"From: chief@example.org\r\n", &signed[..]].concat();
    let rejected = verify(&two, &[]).accept(&sender).unwrap_err();
    assert_eq!(rejected.reason(), "there are several From fields");
}

#[test]
fn profiles_choose_and_pins_prevail() {
    let (rsa, ec) = (person("bob@example.org", KeyKind::Rsa2048), person("carol@example.org", KeyKind::P256));
    let kem = person("dave@example.org", KeyKind::MlKem(MlKemLevel::MlKem768));
    let chosen = |encryptor: Encryptor| {
        let mail = encryptor.encrypt(MAIL).unwrap();
        let node = layer(&mail);
        let algorithms: Vec<String> = node.recipients.iter().map(|recipient| recipient.algorithm.clone()).collect();
        (node.facts[0].1.clone(), algorithms)
    };
    for (profile, cipher, transport) in [
        (Profile::Modern, "AES-256-GCM", "RSAES-OAEP (SHA-256)"),
        (Profile::Compatible, "AES-256-CBC", "RSAES-PKCS1-v1_5"),
        (Profile::Energy, "AES-256-CBC", "RSAES-OAEP (SHA-256)"),
        (Profile::Bsi, "AES-256-GCM", "RSAES-OAEP (SHA-256)"),
        (Profile::Pq, "AES-256-GCM", "RSAES-OAEP (SHA-256)"),
    ] {
        let encryptor = Encryptor::to(rsa.certificate()).unwrap().profile(profile);
        assert_eq!(chosen(encryptor), (cipher.into(), vec![transport.to_owned()]), "{profile:?}");
    }
    // Nobody with such a key has an old program.
    let encryptor = Encryptor::to(kem.certificate()).unwrap().profile(Profile::Compatible);
    assert_eq!(chosen(encryptor), ("AES-256-GCM".into(), vec!["ML-KEM-768".to_owned()]));
    // A partner's program can do no better; the others are not in it.
    let pins = Pins { cipher: Some(ContentCipher::Aes128Cbc), transport: Some(KeyTransportAlgorithm::RsaPkcs1) };
    let encryptor = Encryptor::to(ec.certificate()).unwrap().and(rsa.certificate()).unwrap();
    let pinned = encryptor.clone().pin(rsa.certificate(), pins.clone());
    let (cipher, algorithms) = chosen(pinned.clone());
    assert_eq!(cipher, "AES-128-CBC");
    assert!(algorithms.contains(&"RSAES-PKCS1-v1_5".to_owned()), "{algorithms:?}");
    // Two recipients with different pins need two messages.
    let other = Pins { cipher: Some(ContentCipher::Aes256Gcm), ..Pins::default() };
    assert!(pinned.pin(ec.certificate(), other).encrypt(MAIL).is_err());
    // What is never written cannot be pinned either (CASES T-69).
    let outdated = Pins { cipher: Some(ContentCipher::DesEde3Cbc), ..Pins::default() };
    assert!(encryptor.pin(rsa.certificate(), outdated).encrypt(MAIL).is_err());
}

#[test]
fn s_50_content_keys_are_derived_for_those_who_can_read_it() {
    let (bob, carol) = (person("bob@example.org", KeyKind::P256), person("carol@example.org", KeyKind::P256));
    let ours = || Some(Capabilities::ours());
    let derived = |mail: &[u8]| {
        let body = String::from_utf8_lossy(mail).split_once("\r\n\r\n").unwrap().1.to_owned();
        let der = mime::decode_base64(body.as_bytes()).unwrap();
        let mut oid = asn1::Writer::new();
        oid.oid(&crypto::oids::CEK_HKDF_SHA256);
        der.windows(oid.as_slice().len()).any(|window| window == oid.as_slice())
    };
    let both = Encryptor::to_capable(bob.certificate(), ours()).unwrap().and_capable(carol.certificate(), ours());
    let both = both.unwrap().encrypt(MAIL).unwrap();
    assert!(derived(&both));
    let one = Encryptor::to_capable(bob.certificate(), ours()).unwrap().and(carol.certificate()).unwrap();
    assert!(!derived(&one.encrypt(MAIL).unwrap()));
    for key in [bob, carol] {
        let mut content = Decryptor::new(&[key], &limits()).decrypt(&both[..]).unwrap().unwrap();
        let mut out = Vec::new();
        content.reader().unwrap().read_to_end(&mut out).unwrap();
        assert_eq!(out, ENTITY);
    }
}

#[test]
fn s_71_the_energy_profile_signs_with_pss_only() {
    let alice = person("alice@example.org", KeyKind::Rsa2048);
    for (profile, name) in
        [(Profile::Energy, "RSASSA-PSS"), (Profile::Bsi, "RSASSA-PSS"), (Profile::Modern, "RSASSA-PKCS1-v1_5")]
    {
        let signed = signer(&alice).profile(profile).form(SignatureForm::Opaque).sign(MAIL).unwrap();
        assert_eq!(layer(&signed).signers[0].algorithm, name);
        assert_eq!(accepted(&signed, &[]), ENTITY);
    }
}

#[test]
fn several_signers_of_different_kinds_sign_one_mail() {
    let kinds = [KeyKind::P256, KeyKind::Ed25519, KeyKind::Rsa2048, KeyKind::MlDsa(MlDsaLevel::MlDsa65)];
    let people: Vec<Credential> = kinds.into_iter().map(|kind| person("alice@example.org", kind)).collect();
    for form in [SignatureForm::Clear, SignatureForm::Opaque] {
        let all = people[1..].iter().try_fold(signer(&people[0]), Signer::and).unwrap();
        let signed = all.at(testkit::now()).form(form).sign(MAIL).unwrap();
        assert_eq!(accepted(&signed, &[]), ENTITY);
        assert_eq!(verify(&signed, &[]).accept(&Sender::VisibleFrom).unwrap().signers().count(), people.len());
    }
    let clear = people[1..].iter().try_fold(signer(&people[0]), Signer::and).unwrap().sign(MAIL).unwrap();
    assert!(String::from_utf8_lossy(&clear).contains("micalg=sha-256,sha-512;"));
}

#[test]
fn t_01_what_has_content_of_its_own_is_no_detached_signature() {
    let alice = person("alice@example.org", KeyKind::P256);
    let (policy, keys) = (policy(), [alice.clone()]);
    let clear = signer(&alice).sign(MAIL).unwrap();
    let opaque = signer(&alice).form(SignatureForm::Opaque).sign(MAIL).unwrap();
    let sealed = Encryptor::to(alice.certificate()).unwrap().encrypt_content(&clear).unwrap();
    for signature in [&clear[..], &opaque, &sealed, MAIL] {
        let judged = Verifier::new(&policy).with_keys(&keys).verify_detached(signature, &b"Pay 900 to Eve.\r\n"[..]);
        assert!(matches!(judged, Err(smime::Error::NotDetached)), "{judged:?}");
    }
}

#[test]
fn a_detached_signature_without_its_content_says_what_is_missing() {
    let alice = person("alice@example.org", KeyKind::P256);
    let der = signer(&alice).sign_detached(ENTITY).unwrap();
    let sender = Sender::Address("alice@example.org".parse().unwrap());
    let rejected = verify(&der, &[]).accept(&sender).unwrap_err();
    assert_eq!(rejected.reason(), "the content that was signed is not in the message");
    let policy = policy();
    Verifier::new(&policy).verify_detached(&der[..], ENTITY).unwrap().accept(&sender).unwrap();
}

#[test]
fn s_54_a_receipt_is_read_when_its_signature_is_accepted() {
    let bob = person("bob@example.org", KeyKind::P256);
    let mut receipt = asn1::Writer::new();
    receipt.sequence(|w| {
        w.unsigned(1);
        w.oid(&oids::ID_DATA);
        w.octet_string(b"identifier");
        w.octet_string(b"signature");
    });
    let sign = |content: &[u8]| {
        let settings = SignerSettings::new(&bob).unwrap();
        let mut writer = SignedDataWriter::new(settings, vec![], oids::ID_CT_RECEIPT, Vec::new());
        writer.write_all(content).unwrap();
        format!(
            "From: bob@example.org\r\nContent-Type: application/pkcs7-mime; smime-type=signed-receipt\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}",
            mime::encode_base64(&writer.finish().unwrap())
        )
    };
    let mail = sign(receipt.as_slice());
    let mut content = verify(mail.as_bytes(), &[]).accept(&Sender::VisibleFrom).unwrap();
    assert_eq!(content.receipt().unwrap().unwrap().identifier(), b"identifier");
    let mut content = verify(sign(b"no receipt").as_bytes(), &[]).accept(&Sender::VisibleFrom).unwrap();
    assert!(content.receipt().is_err());
    let mail = signer(&person("alice@example.org", KeyKind::P256)).sign(MAIL).unwrap();
    assert_eq!(verify(&mail, &[]).accept(&Sender::VisibleFrom).unwrap().receipt().unwrap(), None);
}

#[test]
fn t_33_what_is_inside_of_the_last_layer_that_is_judged_is_not_silent() {
    let alice = person("alice@example.org", KeyKind::P256);
    let policy = policy();
    let verdict = |mail: &[u8]| {
        let verification = Verifier::new(&policy).verify(mail).unwrap();
        let layers = verification.layers().len();
        (layers, verification.accept(&Sender::VisibleFrom).map(drop).map_err(|rejected| rejected.to_string()))
    };
    for form in [SignatureForm::Clear, SignatureForm::Opaque] {
        let mut mail = b"From: alice@example.org\r\nSubject: x\r\n\r\nText\r\n".to_vec();
        for _ in 0..policy.limits.layers {
            mail = signer(&alice).form(form).sign(&mail).unwrap();
        }
        assert_eq!(verdict(&mail), (10, Ok(())));
        mail = signer(&alice).form(form).sign(&mail).unwrap();
        let (layers, outcome) = verdict(&mail);
        assert_eq!(layers, 10);
        assert!(outcome.unwrap_err().contains("more than 10 layers inside each other"), "{form:?}");
    }
}

#[test]
fn a_triple_wrap_is_decrypted_when_that_is_asked_for() {
    let (alice, bob) = (person("alice@example.org", KeyKind::P256), person("bob@example.org", KeyKind::Rsa2048));
    let mail = b"From: alice@example.org\r\nSubject: x\r\n\r\nText\r\n";
    let inner = signer(&alice).sign(mail).unwrap();
    let encrypted = Encryptor::to(bob.certificate()).unwrap().encrypt(&inner).unwrap();
    let (keys, limits) = ([bob], limits());
    for form in [SignatureForm::Clear, SignatureForm::Opaque] {
        let wrapped = signer(&alice).form(form).sign(&encrypted).unwrap();
        let decryptor = Decryptor::new(&keys, &limits);
        let refused = decryptor.decrypt(&wrapped[..]).unwrap_err();
        assert!(matches!(refused, smime::Error::NotSmime { .. }), "{refused}");
        for mut decrypted in [
            decryptor.from_inside().decrypt(&wrapped[..]).unwrap().unwrap(),
            decryptor.from_inside().decrypt_source(&wrapped[..]).unwrap().unwrap(),
        ] {
            let mut text = String::new();
            decrypted.reader().unwrap().read_to_string(&mut text).unwrap();
            // The signature inside stays as it is.
            assert!(text.contains("multipart/signed") && text.contains("Text\r\n"), "{text}");
            let [LayerReport::Signed(report)] = &decrypted.outside[..] else { panic!("{:?}", decrypted.outside) };
            let [signer] = &report.signers[..] else { panic!("{report:?}") };
            assert_eq!(
                (signer.integrity, signer.path, signer.address),
                (Check::Unchecked, Check::Unchecked, Check::Unchecked)
            );
            assert_eq!(signer.addresses, ["alice@example.org"]);
        }
    }
    let once = Decryptor::new(&keys, &limits).from_inside().decrypt(&encrypted[..]).unwrap().unwrap();
    assert!(once.outside.is_empty());
}

#[test]
fn a_byte_order_mark_before_a_file_is_passed_over() {
    let alice = person("alice@example.org", KeyKind::P256);
    let signed = signer(&alice).sign(b"From: alice@example.org\r\nSubject: x\r\n\r\nText\r\n").unwrap();
    let marked = |file: &[u8]| [b"\xEF\xBB\xBF", file].concat();
    assert_eq!(accepted(&marked(&signed), &[]), accepted(&signed, &[]));
    let policy = policy();
    let source =
        Verifier::new(&policy).verify_source(&marked(&signed)[..]).unwrap().accept(&Sender::VisibleFrom).map(drop);
    source.unwrap();
    assert_eq!(layer(&marked(&signed)).kind, layer(&signed).kind);
    let opaque = signer(&alice).form(SignatureForm::Opaque).sign(b"From: alice@example.org\r\n\r\nText\r\n").unwrap();
    let at = opaque.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    let pem = asn1::encode_pem("CMS", &mime::decode_base64(&opaque[at..]).unwrap());
    let address = Sender::Address("alice@example.org".parse().unwrap());
    for file in [pem.as_bytes(), &opaque[at..]] {
        Verifier::new(&policy).verify(&marked(file)[..]).unwrap().accept(&address).map(drop).unwrap();
    }
    // CASES T-08: whoever passes over a field with a mark must not be shown another sender than whoever does not.
    let eve = marked(
        &[
            b"From: alice@example.org\r\n".as_slice(),
            &String::from_utf8(signed).unwrap().replace("From: alice", "From: eve").into_bytes(),
        ]
        .concat(),
    );
    let refused = Verifier::new(&policy).verify(&eve[..]).unwrap().accept(&Sender::VisibleFrom).map(drop).unwrap_err();
    assert!(refused.to_string().contains("From"), "{refused}");
}
