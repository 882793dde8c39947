//! The private keys of the people inside: sealed, matched, found again, and sealed anew.

use std::io::{Read as _, Write as _};

use cms::{CertificateIdentifier, EncryptedDataReader, EncryptedDataWriter, Recipient};
use crypto::{ContentCipher, KeyKind, MlDsaLevel, MlKemLevel};
use directory::{Actor, CredentialFilter, CredentialState, Error, KeyOrder, KeyRing, KeyUse, Master, MasterKey};
use pki::{Certificate, KeyUsage, Subject};
use testkit::TestPki;

use crate::house::{House, address, on_both, person};

const EMMA: &str = "emma@muster.example";

async fn ring(house: &House) -> KeyRing {
    KeyRing::open(&house.directory, MasterKey::generate().unwrap()).await.unwrap()
}

async fn import(ring: &KeyRing, house: &House, person: &testkit::Person, key_use: KeyUse) -> Result<(), Error> {
    let (certificate, chain) = (person.certificate(), person.credential.chain());
    let id = house.employee.id;
    ring.import(id, &person.pkcs8, certificate, chain, key_use, &Actor::System).await.map(drop)
}

fn copy(master: &MasterKey) -> MasterKey {
    MasterKey::from_base64(&master.to_base64()).unwrap()
}

#[tokio::test]
async fn t_125_another_master_key_opens_nothing() {
    on_both(|house| async move {
        let ring = ring(&house).await;
        let wrong = KeyRing::open(&house.directory, MasterKey::generate().unwrap()).await;
        assert!(matches!(wrong, Err(Error::MasterKeyWrong)));
        let emma = person(EMMA);
        import(&ring, &house, &emma, KeyUse::Both).await.unwrap();
        let credential = ring.signing_credential(&address(EMMA)).await.unwrap().unwrap();
        assert_eq!(credential.certificate(), emma.certificate());
    })
    .await;
}

/// Everything that a thief of the database has.
async fn dump(url: &str) -> Vec<u8> {
    use sqlx::{Column as _, Row as _, SqlSafeStr as _};
    let pool = sqlx::SqlitePool::connect(url).await.unwrap();
    let mut all = Vec::new();
    for table in sqlx::query("SELECT name FROM sqlite_master WHERE type = 'table'").fetch_all(&pool).await.unwrap() {
        let statement = format!("SELECT * FROM {}", table.get::<String, _>(0));
        let statement = sqlx::AssertSqlSafe(statement).into_sql_str();
        for row in sqlx::query(statement).fetch_all(&pool).await.unwrap() {
            for column in row.columns() {
                if let Ok(octets) = row.try_get::<Vec<u8>, _>(column.ordinal()) {
                    all.extend_from_slice(&octets);
                    all.extend_from_slice(b"\n\n");
                }
            }
        }
    }
    pool.close().await;
    all
}

#[tokio::test]
async fn t_125_a_stolen_database_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("house.db").display());
    let house = House::at(&url, false).await;
    let ring = ring(&house).await;
    let emma = person(EMMA);
    import(&ring, &house, &emma, KeyUse::Both).await.unwrap();
    let order = KeyOrder { kind: KeyKind::P256, ..KeyOrder::mailbox(&address(EMMA)) };
    ring.order_key(house.employee.id, &order, &Actor::System).await.unwrap();
    let stolen = dump(&url).await;
    let holds = |wanted: &[u8]| stolen.windows(wanted.len()).any(|window| window == wanted);
    assert!(holds(emma.certificate().der()), "the dump is no dump");
    // No piece of the key: neither its numbers nor what frames them.
    let pieces = emma.pkcs8.chunks_exact(16).skip(3);
    assert!(pieces.clone().count() > 60);
    let public = emma.certificate().der();
    for piece in pieces.filter(|piece| !public.windows(16).any(|window| window == *piece)) {
        assert!(!holds(piece), "a piece of the private key");
    }
    for at in 0..stolen.len() {
        let rest = &stolen[at..];
        assert!(!(rest.starts_with(&[0x30]) && pki::private_key_from_der(rest, None).is_ok()), "octet {at}");
    }
}

#[tokio::test]
async fn t_128_a_key_is_its_certificates_and_one_persons() {
    on_both(|house| async move {
        let ring = ring(&house).await;
        let (emma, other) = (person(EMMA), person(EMMA));
        let mixed = testkit::Person { pkcs8: other.pkcs8.clone(), ..emma.clone() };
        assert!(matches!(import(&ring, &house, &mixed, KeyUse::Both).await, Err(Error::Malformed { .. })));
        let elsewhere = person("otto@muster.example");
        assert!(matches!(import(&ring, &house, &elsewhere, KeyUse::Both).await, Err(Error::Malformed { .. })));
        import(&ring, &house, &emma, KeyUse::Both).await.unwrap();

        // A second person with the same key is refused …
        let pki = TestPki::shared();
        let key = emma.certificate().public_key().unwrap();
        let for_otto = |certificate: Certificate| {
            let (ring, officer, pkcs8) = (ring.clone(), house.officer.id, emma.pkcs8.clone());
            async move { ring.import(officer, &pkcs8, &certificate, &[], KeyUse::Both, &Actor::System).await }
        };
        let same_key = pki.ca().issue(&pki.mailbox("otto@muster.example"), key).unwrap();
        let refused = for_otto(same_key).await;
        assert!(matches!(&refused, Err(Error::Conflict { what }) if what.contains(EMMA)), "{refused:?}");
        // … unless the certificate itself says that they share a mailbox.
        let both = pki.mailbox("otto@muster.example").also_for(address(EMMA).email().clone());
        for_otto(pki.ca().issue(&both, key).unwrap()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_certificate_does_what_it_allows() {
    on_both(|house| async move {
        let ring = ring(&house).await;
        let pki = TestPki::shared();
        let only = |usage, kind| pki.issue(&pki.mailbox(EMMA).key_usage(usage), kind);
        let signs = only(KeyUsage::DIGITAL_SIGNATURE, KeyKind::P256);
        let decrypts = only(KeyUsage::KEY_AGREEMENT, KeyKind::P256);
        let (ed, x) = (pki.person(EMMA, KeyKind::Ed25519), pki.person(EMMA, KeyKind::X25519));
        for (person, wrong) in
            [(&signs, KeyUse::Both), (&signs, KeyUse::Encrypt), (&decrypts, KeyUse::Sign), (&ed, KeyUse::Both)]
        {
            assert!(matches!(import(&ring, &house, person, wrong).await, Err(Error::Malformed { .. })), "{wrong:?}");
        }
        // A pair of certificates takes the place of one for both, and a newer one of each of the older.
        let both = person(EMMA);
        let mut states = Vec::new();
        for (person, key_use) in [
            (&both, KeyUse::Both),
            (&signs, KeyUse::Sign),
            (&decrypts, KeyUse::Encrypt),
            (&ed, KeyUse::Sign),
            (&x, KeyUse::Encrypt),
        ] {
            import(&ring, &house, person, key_use).await.unwrap();
            let all = house.directory.credentials(&CredentialFilter::For(address(EMMA)), 10).await.unwrap();
            let active = all.iter().filter(|credential| credential.state == CredentialState::Active);
            states.push(active.map(|credential| credential.key_use).collect::<Vec<_>>());
            assert_eq!(
                house.directory.employee_certificates(&address(EMMA)).await.unwrap().len(),
                states.last().unwrap().len()
            );
        }
        use KeyUse::{Both, Encrypt, Sign};
        assert_eq!(
            states,
            [vec![Both], vec![Sign, Both], vec![Encrypt, Sign], vec![Sign, Encrypt], vec![Encrypt, Sign]]
        );
        let signing = ring.signing_credential(&address(EMMA)).await.unwrap().unwrap();
        assert_eq!(signing.certificate(), ed.certificate());
        // F5: each signed mail carries the certificate to encrypt to, and says that it is that one.
        let signature = smime::Signer::new(&signing).unwrap().sign_detached(b"text").unwrap();
        let signed = cms::SignedDataReader::open(signature.as_slice()).unwrap().finish(None).unwrap();
        assert!(signed.certificates().contains(x.certificate()));
        let attributes = signed.signers()[0].signed_attributes().unwrap();
        let preference = attributes.value(asn1::Oid::new("1.2.840.113549.1.9.16.2.11")).unwrap();
        let serial = x.certificate().serial().content();
        assert!(preference.windows(serial.len()).any(|window| window == serial), "the key preference");
        let decrypting = ring.decryption_credentials(&address(EMMA)).await.unwrap();
        let decrypting: Vec<&Certificate> = decrypting.iter().map(pki::Credential::certificate).collect();
        assert_eq!(decrypting, [x.certificate(), decrypts.certificate(), both.certificate()]);
        house.directory.deactivate(house.employee.id, &Actor::System).await.unwrap();
        assert!(ring.signing_credential(&address(EMMA)).await.unwrap().is_none(), "signed for somebody who has left");
        assert_eq!(ring.decryption_credentials(&address(EMMA)).await.unwrap().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn t_126_mail_to_a_key_of_ten_years_ago_is_read() {
    on_both(|house| async move {
        let ring = ring(&house).await;
        let pki = TestPki::shared();
        let year = |back: i64| {
            let from = testkit::now().plus_days(-365 * back);
            pki.issue(&pki.mailbox(EMMA).valid(from, from.plus_days(365)), KeyKind::P256)
        };
        // One key a year; the oldest is ten years old.
        let people: Vec<testkit::Person> = (0..=10).rev().map(year).collect();
        for person in &people {
            import(&ring, &house, person, KeyUse::Both).await.unwrap();
        }
        for old in &people {
            let mut writer = EncryptedDataWriter::new(
                &Recipient::new(old.certificate()).unwrap(),
                &[],
                ContentCipher::Aes256Gcm,
                asn1::Oid::new("1.2.840.113549.1.7.1"),
                Vec::new(),
            )
            .unwrap();
            writer.write_all(b"from long ago").unwrap();
            let mail = writer.finish().unwrap();
            let reader = EncryptedDataReader::open(mail.as_slice()).unwrap();
            let recipients: Vec<CertificateIdentifier> =
                reader.recipients().iter().flat_map(|recipient| recipient.recipients().to_vec()).collect();
            let found = ring.decryption_credentials_for(&address(EMMA), &recipients).await.unwrap();
            assert_eq!(found.len(), 1, "one key, and not all of them, is opened");
            assert_eq!(found[0].certificate(), old.certificate());
            let decrypted = reader.decrypt(&found, cms::SpoolLimits::in_folder(std::env::temp_dir())).unwrap();
            let cms::Content::Authenticated(mut spool) = decrypted.content else { panic!("not authenticated") };
            let mut text = Vec::new();
            spool.reader().unwrap().read_to_end(&mut text).unwrap();
            assert_eq!(text, b"from long ago");
            // By key identifier, as other programs name their recipients.
            let by_key = [CertificateIdentifier::by_key(old.certificate()).unwrap()];
            assert_eq!(ring.decryption_credentials_for(&address(EMMA), &by_key).await.unwrap().len(), 1);
        }
        let nobody = [CertificateIdentifier::of(person(EMMA).certificate())];
        assert!(ring.decryption_credentials_for(&address(EMMA), &nobody).await.unwrap().is_empty());
        // Signing stops cleanly with the end of the newest one.
        assert!(ring.signing_credential(&address(EMMA)).await.unwrap().is_some());
        house.clock.advance_days(366);
        assert!(ring.signing_credential(&address(EMMA)).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn t_126_a_certificate_that_is_not_valid_yet_replaces_nothing() {
    on_both(|house| async move {
        let ring = ring(&house).await;
        let pki = TestPki::shared();
        let (now, next) = (testkit::now(), testkit::now().plus_days(10));
        let current = pki.issue(&pki.mailbox(EMMA).valid(now, now.plus_days(30)), KeyKind::P256);
        let coming = pki.issue(&pki.mailbox(EMMA).valid(next, now.plus_days(300)), KeyKind::P256);
        import(&ring, &house, &current, KeyUse::Both).await.unwrap();
        import(&ring, &house, &coming, KeyUse::Both).await.unwrap();
        let signing = || async { ring.signing_credential(&address(EMMA)).await.unwrap().unwrap() };
        assert_eq!(signing().await.certificate(), current.certificate());
        assert_eq!(
            house.directory.employee_certificates(&address(EMMA)).await.unwrap(),
            [current.certificate().clone()]
        );
        house.clock.advance_days(11);
        assert_eq!(signing().await.certificate(), coming.certificate());
        assert_eq!(house.directory.employee_certificates(&address(EMMA)).await.unwrap()[0], *coming.certificate());
        assert_eq!(ring.decryption_credentials(&address(EMMA)).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn keys_wait_for_what_the_ca_returns() {
    on_both(|house| async move {
        let ring = ring(&house).await;
        let pki = TestPki::shared();
        let by = Actor::System;
        let order = |kind, key_use| KeyOrder {
            kind,
            key_use,
            subject: pki::Validation::Individual
                .subject(Subject::person("Emma", "Muster"), address(EMMA).email())
                .unwrap(),
            ..KeyOrder::mailbox(&address(EMMA))
        };
        // A pair that any program knows, one of curves, and one for after quantum computers.
        for (sign, encrypt) in [
            (KeyKind::Rsa3072, KeyKind::Rsa3072),
            (KeyKind::P384, KeyKind::P256),
            (KeyKind::Ed25519, KeyKind::X25519),
            (KeyKind::MlDsa(MlDsaLevel::MlDsa65), KeyKind::MlKem(MlKemLevel::MlKem768)),
        ] {
            let signing = ring.order_key(house.employee.id, &order(sign, KeyUse::Sign), &by).await.unwrap();
            let encrypting = ring.order_key(house.employee.id, &order(encrypt, KeyUse::Encrypt), &by).await.unwrap();
            assert_eq!(house.directory.key_requests(10).await.unwrap().len(), 2);
            let request = signing.request.as_ref().unwrap();
            request.verify_possession().unwrap();
            assert_eq!(request.subject().to_string(), "CN=Emma Muster,givenName=Emma,SN=Muster");
            assert_eq!(request.email_addresses(), [address(EMMA).email().clone()]);
            assert_eq!(request.key_usage(), Some(KeyUsage::DIGITAL_SIGNATURE));
            // The CA returns a bag: the root, the other certificate, the chain, all in disorder.
            let issue = |key, usage| pki.ca().issue(&pki.mailbox(EMMA).key_usage(usage), key).unwrap();
            let usage = encrypting.request.as_ref().and_then(|request| request.key_usage());
            let encrypted = issue(
                &encrypting.public_key,
                usage.unwrap_or(match encrypt {
                    KeyKind::X25519 => KeyUsage::KEY_AGREEMENT,
                    _ => KeyUsage::KEY_ENCIPHERMENT,
                }),
            );
            let signed = issue(&signing.public_key, KeyUsage::DIGITAL_SIGNATURE);
            let stranger = person("stranger@elsewhere.example");
            let bag = [
                pki.root().certificate().clone(),
                encrypted.clone(),
                stranger.certificate().clone(),
                pki.ca().certificate().clone(),
                signed.clone(),
            ];
            let answered = ring.answer(&bag, &by).await.unwrap();
            assert_eq!(answered.len(), 2);
            assert!(house.directory.key_requests(10).await.unwrap().is_empty());
            let credential = ring.signing_credential(&address(EMMA)).await.unwrap().unwrap();
            assert_eq!(credential.certificate(), &signed);
            assert_eq!(credential.chain()[0], *pki.ca().certificate());
            let newest = ring.decryption_credentials(&address(EMMA)).await.unwrap().remove(0);
            assert_eq!(newest.certificate(), &encrypted);
            assert!(matches!(ring.answer(&bag, &by).await, Err(Error::NotFound { .. })), "answered twice");
        }
        // CASES T-128: a certificate for a key that is not here, and one for somebody else's mailbox.
        assert!(matches!(ring.answer(&[person(EMMA).certificate().clone()], &by).await, Err(Error::NotFound { .. })));
        let waiting = ring.order_key(house.employee.id, &order(KeyKind::P256, KeyUse::Both), &by).await.unwrap();
        let of_otto = pki.ca().issue(&pki.mailbox("otto@muster.example"), &waiting.public_key).unwrap();
        assert!(matches!(ring.answer(&[of_otto], &by).await, Err(Error::Malformed { .. })));
        house.directory.withdraw_key_request(waiting.id, &by).await.unwrap();
        assert!(house.directory.key_requests(10).await.unwrap().is_empty());
        let no = ring.order_key(house.employee.id, &order(KeyKind::X25519, KeyUse::Sign), &by).await;
        assert!(matches!(no, Err(Error::NotAllowed { .. })));
    })
    .await;
}

#[tokio::test]
async fn another_master_key_while_two_processes_work() {
    on_both(|house| async move {
        let (old, new) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
        let masters = |keys: &[&MasterKey]| keys.iter().map(|key| Master::from(copy(key))).collect::<Vec<_>>();
        let (one_house, two_house) = (house.directory.clone(), house.again().await);
        let one = KeyRing::open_with(&one_house, masters(&[&old]), vec![]).await.unwrap();
        for _ in 0..120 {
            let emma = TestPki::shared().person(EMMA, KeyKind::P256);
            import(&one, &house, &emma, KeyUse::Both).await.unwrap();
        }
        let order = KeyOrder { kind: KeyKind::P256, ..KeyOrder::mailbox(&address(EMMA)) };
        let waiting = one.order_key(house.employee.id, &order, &Actor::System).await.unwrap();

        // A process that has only the old key stands against it.
        one.report("one").await.unwrap();
        let two = KeyRing::open_with(&two_house, masters(&[&old, &new]), vec![]).await.unwrap();
        two.report("two").await.unwrap();
        let refused = two.rotate(&copy(&new).into()).await;
        assert!(matches!(&refused, Err(Error::Conflict { what }) if what.contains("one")), "{refused:?}");
        assert!(matches!(one.rotate(&copy(&new).into()).await, Err(Error::NotAllowed { .. })));

        // Once both have both, the one rotates while the other reads and adds.
        let one = KeyRing::open_with(&one_house, masters(&[&old, &new]), vec![]).await.unwrap();
        one.report("one").await.unwrap();
        let new_master = Master::from(copy(&new));
        let work = async {
            for _ in 0..10 {
                // Opened afresh, so that nothing is remembered.
                let reader = KeyRing::open_with(&one_house, masters(&[&old, &new]), vec![]).await.unwrap();
                assert!(reader.decryption_credentials(&address(EMMA)).await.unwrap().len() >= 120);
                let emma = TestPki::shared().person(EMMA, KeyKind::P256);
                import(&one, &house, &emma, KeyUse::Both).await.unwrap();
            }
        };
        let (rotation, ()) = tokio::join!(two.rotate(&new_master), work);
        assert!(rotation.unwrap().keys >= 121);
        assert_eq!(two.rotate(&new_master).await.unwrap().keys, 0, "rotated again, nothing is left to do");

        // Whoever still runs with both goes on; the old one alone opens nothing, the new one everything.
        let emma = TestPki::shared().person(EMMA, KeyKind::P256);
        import(&one, &house, &emma, KeyUse::Both).await.unwrap();
        let with_old = KeyRing::open_with(&one_house, masters(&[&old]), vec![]).await;
        assert!(matches!(with_old, Err(Error::MasterKeyWrong)));
        let with_new = KeyRing::open(&one_house, copy(&new)).await.unwrap();
        assert_eq!(with_new.decryption_credentials(&address(EMMA)).await.unwrap().len(), 131);
        let answer = TestPki::shared().ca().issue(&TestPki::shared().mailbox(EMMA), &waiting.public_key).unwrap();
        with_new.answer(&[answer], &Actor::System).await.unwrap();
        // And there is no way back to it.
        let back = KeyRing::open_with(&one_house, masters(&[&new, &old]), vec![]).await.unwrap();
        assert!(matches!(back.rotate(&copy(&old).into()).await, Err(Error::Conflict { .. })));
    })
    .await;
}
