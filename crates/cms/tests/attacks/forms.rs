//! Forms that are rare and legal, each with the forgery beside it.

use cms::{DetachedSigner, Receipt, SignerReport};
use crypto::{DigestAlgorithm, KeyWrapAlgorithm, MlDsaLevel};
use testkit::Peer;

use super::*;

fn person(address: &str, kind: KeyKind) -> Credential {
    TestPki::shared().person(address, kind).credential
}

/// A SignedData whose one signer has signed the content itself.
fn sign_bare(credential: &Credential, content: &[u8]) -> Der {
    let mut message = sign(credential, content);
    let algorithm = credential.key().default_signature_algorithm().unwrap();
    let signer = message.at(&SIGNERS).at(&[0]);
    signer.children.remove(3);
    signer.at(&[4]).content = credential.key().sign(&algorithm, content).unwrap();
    message
}

fn verify_whole(message: &Der, content: &[u8]) -> Option<IntegrityFailure> {
    let data = read(&message.encode()).unwrap();
    assert!(data.needs_whole_content());
    match data.with_whole_content(content.to_vec()).verify(&[]).remove(0).integrity {
        Integrity::Intact => None,
        Integrity::Broken(failure) => Some(failure),
    }
}

#[test]
fn s_52_signatures_over_the_content_itself_are_read() {
    for kind in [KeyKind::Ed25519, KeyKind::MlDsa(MlDsaLevel::MlDsa65)] {
        let alice = person("alice@example.org", kind);
        let mut message = sign_bare(&alice, TEXT);
        assert_eq!(verify_whole(&message, TEXT), None, "{kind:?}");
        // RFC 9882 §3.3: the digest is left out of account.
        message.at(&SIGNERS).at(&[0, 2, 0]).content = content_of(crypto::oids::SHA1);
        assert_eq!(verify_whole(&message, TEXT), None, "{kind:?}");
        assert_eq!(verify_whole(&message, b"other"), Some(IntegrityFailure::SignatureWrong), "{kind:?}");
        // Without the content nothing is known.
        assert!(matches!(failures(&message)[..], [Some(IntegrityFailure::Unacceptable { .. })]), "{kind:?}");
    }
}

#[test]
fn t_05_s_41_content_of_another_type_is_not_signed_without_attributes() {
    // RFC 5652 §5.3: the type is under no signature then.
    for kind in [KeyKind::P256, KeyKind::Rsa2048, KeyKind::Ed25519] {
        let alice = person("alice@example.org", kind);
        let mut message = sign_bare(&alice, TEXT);
        let failure = |message: &Der| match kind {
            KeyKind::Ed25519 => verify_whole(message, TEXT),
            _ => failures(message).remove(0),
        };
        assert_eq!(failure(&message), None, "{kind:?}");
        for other in [oids::ID_ENVELOPED_DATA, oids::ID_CT_RECEIPT] {
            message.at(&CONTENT_TYPE).content = content_of(other);
            assert_eq!(
                failure(&message),
                Some(IntegrityFailure::AttributeCount { attribute: "content-type" }),
                "{kind:?}"
            );
        }
    }
}

#[test]
fn t_06_signed_attributes_are_no_content_without_a_digest_either() {
    let alice = person("alice@example.org", KeyKind::Ed25519);
    let mut message = sign(&alice, TEXT);
    let mut attributes = message.at(&SIGNERS).at(&[0]).children.remove(3);
    attributes.tag = 0x31;
    message.at(&CONTENT).content = attributes.encode();
    assert_eq!(verify_whole(&message, &attributes.encode()), Some(IntegrityFailure::LooksLikeAttributes));
}

#[test]
fn n_24_signature_checks_are_bounded() {
    let pki = TestPki::shared();
    let key: Arc<dyn PrivateKey> = Arc::new(SoftwareKey::generate(KeyKind::P256).unwrap());
    let issue = |number: usize| {
        pki.ca().issue_credential(&pki.mailbox(&format!("a{number}@example.org")), Arc::clone(&key)).unwrap()
    };
    let settings = SignerSettings::new(&issue(0)).unwrap().by_key_identifier();
    let mut writer = SignedDataWriter::new(settings, vec![], oids::ID_DATA, Vec::new());
    writer.write_all(TEXT).unwrap();
    let mut message = Der::parse(&writer.finish().unwrap());
    let at = position_of(&mut message, oids::ID_AA_SIGNING_CERTIFICATE_V2);
    message.at(&SIGNERS).at(&[0, 3]).children.remove(at);
    let signer = message.at(&SIGNERS).at(&[0]).clone();
    message.at(&SIGNERS).children = vec![signer; 50];
    for number in 1..50 {
        message.at(&CERTIFICATES).children.push(Der::parse(issue(number).certificate().der()));
    }
    let failures = failures(&message);
    assert_eq!(failures.last(), Some(&Some(IntegrityFailure::TooMuchWork)));
    assert!(failures.iter().all(Option::is_some));
}

/// Adds somebody's signature over the first signer's.
fn countersign(message: &mut Der, by: &Credential) {
    let signature = message.at(&SIGNERS).at(&[0, 5]).content.clone();
    let mut other = sign(by, &signature);
    let at = position_of(&mut other, oids::ID_CONTENT_TYPE);
    other.at(&SIGNERS).at(&[0, 3]).children.remove(at);
    sign_again(&mut other, by);
    let mut writer = asn1::Writer::new();
    writer.oid(&oids::ID_COUNTERSIGNATURE);
    let attribute =
        vec![Der::parse(writer.as_slice()), Der::constructed(0x31, vec![other.at(&SIGNERS).at(&[0]).clone()])];
    let unsigned = Der::constructed(0xA1, vec![Der::constructed(0x30, attribute)]);
    message.at(&SIGNERS).at(&[0]).children.push(unsigned);
    let certificates = other.at(&CERTIFICATES).children.clone();
    message.at(&CERTIFICATES).children.extend(certificates);
}

fn countersigners(message: &Der) -> Vec<SignerReport> {
    let data = read(&message.encode()).unwrap();
    data.signers()[0].verify_countersigners(&data.candidates(&[])).unwrap()
}

#[test]
fn s_46_countersignatures_are_read_and_never_count() {
    let notary = person("notary@example.org", KeyKind::P256);
    let mut message = sign(&alice(), TEXT);
    countersign(&mut message, &notary);
    let [report] = &countersigners(&message)[..] else { panic!("one countersigner") };
    assert_eq!((&report.integrity, report.certificate.as_ref()), (&Integrity::Intact, Some(notary.certificate())));
    assert_eq!(failures(&message), [None]);

    // A broken one changes nothing for the signer.
    let mut broken = message.clone();
    broken.at(&SIGNERS).at(&[0, 6, 0, 1, 0, 5]).content[9] ^= 1;
    assert!(matches!(countersigners(&broken)[0].integrity, Integrity::Broken(_)));
    assert_eq!(failures(&broken), [None]);

    // It is over that signature, and over no other.
    let mut moved = sign(&alice(), b"another text");
    let unsigned = message.at(&SIGNERS).at(&[0, 6]).clone();
    moved.at(&SIGNERS).at(&[0]).children.push(unsigned);
    let certificates = message.at(&CERTIFICATES).children.clone();
    moved.at(&CERTIFICATES).children.extend(certificates);
    assert_eq!(countersigners(&moved)[0].integrity, Integrity::Broken(IntegrityFailure::ContentChanged));

    // RFC 5652 §11.4: it has no content-type.
    let mut message = sign(&alice(), TEXT);
    countersign(&mut message, &notary);
    let mut wrong = sign(&notary, TEXT);
    let at = position_of(&mut wrong, oids::ID_CONTENT_TYPE);
    let content_type = wrong.at(&SIGNERS).at(&[0, 3, at]).clone();
    message.at(&SIGNERS).at(&[0, 6, 0, 1, 0, 3]).children.push(content_type);
    let failure = &countersigners(&message)[0].integrity;
    assert_eq!(*failure, Integrity::Broken(IntegrityFailure::AttributeCount { attribute: "content-type" }));
}

/// A message to bob whose content key is agreed on with alice's own key.
fn seal_with_own_key(alice: &Credential, bob: &Credential, identifier: Der, scheme: asn1::Oid) -> Der {
    let mut message = seal(&[Recipient::new(bob.certificate()).unwrap()], ContentCipher::Aes256Gcm);
    let content_key = [9; 32];
    let wrap = KeyWrapAlgorithm::Aes256;
    let mut info = asn1::Writer::new();
    info.sequence(|w| {
        wrap.identifier().encode(w);
        w.context(2, |w| w.octet_string(&256u32.to_be_bytes()));
    });
    let secret = alice.key().agree(bob.certificate().public_key().unwrap()).unwrap();
    let kek = crypto::x963_kdf(DigestAlgorithm::Sha256, secret.octets(), info.as_slice(), 32);
    let recipient = message.at(&RECIPIENTS).at(&[0]);
    *recipient.at(&[1]) = Der::constructed(0xA0, vec![identifier]);
    recipient.at(&[2, 0]).content = content_of(scheme);
    recipient.at(&[3, 0, 1]).content = wrap.wrap(&kek, &content_key).unwrap();
    // The content again, under the key that was agreed on.
    let nonce = message.at(&CIPHER).at(&[1, 0]).content.clone();
    let mut sealer = crypto::Sealer::new(ContentCipher::Aes256Gcm, &content_key, &nonce, b"").unwrap();
    let mut sealed = Vec::new();
    sealer.update(TEXT, &mut sealed).unwrap();
    let tag = sealer.finish(&mut sealed).unwrap().unwrap();
    message.at(&[1, 0, 2, 2]).content = sealed;
    message.at(&MAC).content = tag.to_vec();
    message
}

#[test]
fn originators_by_certificate_are_found_in_the_message_or_at_hand() {
    let (alice, bob) = (alice(), person("bob@example.org", KeyKind::P256));
    let certificate = Der::parse(alice.certificate().der());
    let key_identifier = alice.certificate().subject_key_identifier().unwrap().to_vec();
    let mut by_issuer = asn1::Writer::new();
    by_issuer.sequence(|w| {
        w.raw(alice.certificate().issuer().as_der());
        w.integer_content(alice.certificate().serial().content());
    });
    let (keys, originators) = ([bob.clone()], [alice.certificate().clone()]);
    let credentials = DecryptionKeys { credentials: &keys, ..DecryptionKeys::default() };
    for identifier in [Der::parse(by_issuer.as_slice()), Der::primitive(0x80, key_identifier)] {
        for scheme in
            [crypto::oids::DH_SINGLE_PASS_STD_DH_SHA256KDF, crypto::oids::DH_SINGLE_PASS_COFACTOR_DH_SHA256KDF]
        {
            let mut message = seal_with_own_key(&alice, &bob, identifier.clone(), scheme);
            assert!(fails_alike(open(&message.encode(), credentials)));
            assert_eq!(
                open(&message.encode(), DecryptionKeys { originators: &originators, ..credentials }).unwrap(),
                TEXT
            );
            let info = Der::constructed(0xA0, vec![Der::constructed(0xA0, vec![certificate.clone()])]);
            message.at(&[1, 0]).children.insert(1, info);
            assert_eq!(open(&message.encode(), credentials).unwrap(), TEXT);
        }
    }
    // An originator on another curve is a failure like any other.
    let dave = person("dave@example.org", KeyKind::P384);
    let identifier = Der::primitive(0x80, dave.certificate().subject_key_identifier().unwrap());
    let message = seal_with_own_key(&alice, &bob, identifier, crypto::oids::DH_SINGLE_PASS_STD_DH_SHA256KDF);
    let originators = [dave.certificate().clone()];
    assert!(fails_alike(open(&message.encode(), DecryptionKeys { originators: &originators, ..credentials })));
}

#[test]
fn receipts_of_openssl_are_read_and_answer_one_signature() {
    let pki = TestPki::shared();
    let (alice, bob) = (pki.person("alice@example.org", KeyKind::P256), pki.person("bob@example.org", KeyKind::P256));
    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::in_folder(folder.path());
    for (name, person) in [("alice", &alice), ("bob", &bob)] {
        peer.write_person(name, person);
    }
    peer.write("root.pem", pki.root().certificate().to_pem());
    peer.write("text", TEXT);
    peer.run(
        "openssl cms -sign -binary -nodetach -outform DER -in text -out mail.der -signer alice.pem -certfile alice-chain.pem \
         -receipt_request_all -receipt_request_to alice@example.org",
    )
    .unwrap();
    peer.run("openssl cms -sign_receipt -inform DER -in mail.der -outform DER -out receipt.der -signer bob.pem")
        .unwrap();
    let sent = read(&peer.read("mail.der")).unwrap();
    assert_eq!(failures(&Der::parse(&peer.read("mail.der"))), [None]);
    let request = sent.signers()[0].receipt_request().unwrap().unwrap();
    assert_eq!(request.receipts_to(), ["alice@example.org"]);

    let mut reader = SignedDataReader::open(&peer.read("receipt.der")[..]).unwrap().read_content();
    let receipt = Receipt::parse(&reader.0).unwrap();
    assert_eq!(reader.1.content_type(), oids::ID_CT_RECEIPT);
    assert_eq!(reader.1.verify(&[]).remove(0).integrity, Integrity::Intact);
    assert_eq!((receipt.content_type(), receipt.identifier()), (oids::ID_DATA, request.identifier()));
    assert!(receipt.answers(&sent.signers()[0]));
    // The same text sent again is another signature.
    peer.run(
        "openssl cms -sign -binary -nodetach -outform DER -in text -out mail.der -signer alice.pem \
         -receipt_request_all -receipt_request_to alice@example.org",
    )
    .unwrap();
    assert!(!receipt.answers(&read(&peer.read("mail.der")).unwrap().signers()[0]));
    reader.0.pop();
    assert!(Receipt::parse(&reader.0).is_err());
}

trait ReadContent {
    fn read_content(self) -> (Vec<u8>, SignedData);
}

impl<R: std::io::BufRead> ReadContent for SignedDataReader<R> {
    fn read_content(mut self) -> (Vec<u8>, SignedData) {
        let mut content = Vec::new();
        self.read_to_end(&mut content).unwrap();
        (content, self.finish(None).unwrap())
    }
}

#[test]
fn several_signers_sign_detached_each_with_an_algorithm_of_its_own() {
    let signers: Vec<Credential> =
        [KeyKind::P256, KeyKind::P521, KeyKind::Ed25519, KeyKind::Rsa2048, KeyKind::MlDsa(MlDsaLevel::MlDsa44)]
            .into_iter()
            .map(|kind| person("alice@example.org", kind))
            .collect();
    let mut settings: Vec<SignerSettings> = signers.iter().map(|signer| SignerSettings::new(signer).unwrap()).collect();
    let mut signer = DetachedSigner::new(settings.remove(0), settings);
    signer.update(TEXT);
    let der = signer.finish().unwrap();
    let reader = SignedDataReader::open(&der[..]).unwrap();
    let mut digests = cms::ContentDigests::new(reader.announced_digests());
    digests.update(TEXT);
    let reports = reader.finish(Some(digests)).unwrap().verify(&[]);
    assert_eq!(reports.len(), signers.len());
    assert!(reports.iter().all(|report| report.integrity == Integrity::Intact), "{reports:?}");
}
