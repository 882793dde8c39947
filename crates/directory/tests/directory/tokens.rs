//! Keys, and the master key, in a PKCS #11 token.

use crypto::KeyKind;
use directory::{Actor, Error, KeyOrder, KeyPlace, KeyRing, KeyUse, Master, MasterKey};
use testkit::{SoftHsm, TestPki};

use crate::house::{House, address};

const EMMA: &str = "emma@muster.example";

async fn house(hsm: &SoftHsm) -> House {
    House::at(&format!("sqlite:{}", hsm.folder().join("house.db").display()), false).await
}

const MAIL: &[u8] = b"From: emma@muster.example\r\nTo: alice@partner.example\r\nSubject: x\r\n\r\nHello\r\n";

fn sign(credential: &pki::Credential) -> Result<Vec<u8>, smime::Error> {
    smime::Signer::new(credential)?.at(testkit::now()).sign(MAIL)
}

#[test]
fn t_129_mail_waits_for_a_token_that_is_away() {
    let Some(hsm) = SoftHsm::in_own_process("tokens::t_129_mail_waits_for_a_token_that_is_away") else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let house = house(&hsm).await;
        let master = MasterKey::generate().unwrap();
        let copy = MasterKey::from_base64(&master.to_base64()).unwrap();
        let ring = KeyRing::open_with(&house.directory, vec![master.into()], vec![hsm.token()]).await.unwrap();
        let pki = TestPki::shared();
        let order = KeyOrder {
            kind: KeyKind::Rsa2048,
            place: KeyPlace::Token(SoftHsm::LABEL.into()),
            ..KeyOrder::mailbox(&address(EMMA))
        };
        let waiting = ring.order_key(house.employee.id, &order, &Actor::System).await.unwrap();
        waiting.request.as_ref().unwrap().verify_possession().unwrap();
        let issued = pki.ca().issue(&pki.mailbox(EMMA), &waiting.public_key).unwrap();
        ring.answer(&[issued.clone(), pki.ca().certificate().clone()], &Actor::System).await.unwrap();

        let encrypted = smime::Encryptor::to(&issued).unwrap().encrypt(MAIL).unwrap();
        let limits = smime::Limits::in_folder(hsm.folder());
        for round in 0..2 {
            let signing = ring.signing_credential(&address(EMMA)).await.unwrap().unwrap();
            let keys = ring.decryption_credentials(&address(EMMA)).await.unwrap();
            let decrypt = || smime::Decryptor::new(&keys, &limits).decrypt(&encrypted[..]);
            sign(&signing).unwrap();
            assert!(decrypt().unwrap().is_ok());
            hsm.remove();
            // In the middle of the batch, and for whoever asks only now: both are told that it is not now.
            let later = ring.signing_credential(&address(EMMA)).await.unwrap().unwrap();
            for credential in [&signing, &later] {
                let refused = sign(credential).unwrap_err();
                assert!(refused.to_string().contains("cannot be reached"), "{round}: {refused}");
            }
            let Err(refused) = decrypt() else { panic!("{round}: decrypted without its key") };
            assert!(refused.to_string().contains("cannot be reached"), "{round}: {refused}");
            hsm.insert();
        }
        // Where the token is not configured any more, it is the same.
        let bare = KeyRing::open(&house.directory, copy).await.unwrap();
        assert!(bare.signing_credential(&address(EMMA)).await.unwrap_err().is_temporary());
    });
}

#[test]
fn t_125_the_master_key_stays_in_its_token() {
    let Some(hsm) = SoftHsm::in_own_process("tokens::t_125_the_master_key_stays_in_its_token") else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let (house, emma) = (house(&hsm).await, TestPki::shared().person(EMMA, KeyKind::P256));
        let token = hsm.token();
        let open = |name: &str| {
            let (master, directory) = (Master::from(token.secret(name)), house.directory.clone());
            async move { KeyRing::open(&directory, master).await }
        };
        token.generate_secret("first").unwrap();
        token.generate_secret("second").unwrap();
        let ring = open("first").await.unwrap();
        let (certificate, by) = (emma.certificate(), Actor::System);
        ring.import(house.employee.id, &emma.pkcs8, certificate, &[], KeyUse::Both, &by).await.unwrap();
        assert!(matches!(open("second").await, Err(Error::MasterKeyWrong)));
        assert!(open("none").await.unwrap_err().is_temporary());
        let fresh = open("first").await.unwrap();
        hsm.remove();
        // It is not wrong, it is away: mail waits.
        assert!(fresh.signing_credential(&address(EMMA)).await.unwrap_err().is_temporary());
        assert!(open("first").await.unwrap_err().is_temporary());
        hsm.insert();
        assert!(fresh.signing_credential(&address(EMMA)).await.unwrap().is_some());

        // From the token to another key in it, and from there to a file.
        let file = MasterKey::generate().unwrap();
        let masters = vec![
            Master::from(token.secret("first")),
            Master::from(token.secret("second")),
            Master::from(MasterKey::from_base64(&file.to_base64()).unwrap()),
        ];
        let all = KeyRing::open_with(&house.directory, masters, vec![]).await.unwrap();
        assert_eq!(all.rotate(&token.secret("second").into()).await.unwrap().keys, 1);
        assert!(matches!(open("first").await, Err(Error::MasterKeyWrong)));
        assert_eq!(open("second").await.unwrap().decryption_credentials(&address(EMMA)).await.unwrap().len(), 1);
        let copy = MasterKey::from_base64(&file.to_base64()).unwrap();
        assert_eq!(all.rotate(&copy.into()).await.unwrap().keys, 1);
        let ring = KeyRing::open(&house.directory, file).await.unwrap();
        assert_eq!(ring.decryption_credentials(&address(EMMA)).await.unwrap().len(), 1);
    });
}
