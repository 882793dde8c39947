//! Certificates that come to their end, and many that have to go at once.

use crypto::KeyKind;
use directory::{
    Actor, CredentialFilter, Error, IncidentSelection, IncidentState, KeyOrder, KeyRing, KeyUse, Language, MasterKey,
    NewAuthority, NewIncident, NewPerson, OutgoingKind, Person, RenewalSettings, Role, Roles,
};
use pki::{Certificate, RevocationReason, TrustAnchors};
use testkit::TestPki;

use crate::house::{House, address, on_both};

const EMMA: &str = "emma@muster.example";
const BY: Actor = Actor::System;

async fn ring(house: &House) -> KeyRing {
    KeyRing::open(&house.directory, MasterKey::generate().unwrap()).await.unwrap()
}

async fn import(ring: &KeyRing, house: &House, person: &testkit::Person) {
    let (certificate, chain) = (person.certificate(), person.credential.chain());
    ring.import(house.employee.id, &person.pkcs8, certificate, chain, KeyUse::Both, &BY).await.unwrap();
}

/// The mails that wait, each as its recipient and its octets.
async fn mails(house: &House, kind: OutgoingKind) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for leased in house.directory.lease_outbox("test", 100, 60).await.unwrap() {
        house.directory.delivered(&leased).await.unwrap();
        assert_eq!(leased.outgoing.kind, kind);
        found.push((leased.outgoing.recipient.to_string(), leased.outgoing.content));
    }
    found
}

async fn issued(house: &House) -> Certificate {
    let all = house.directory.credentials(&CredentialFilter::For(address(EMMA)), 10).await.unwrap();
    all[0].certificate.clone()
}

#[tokio::test]
async fn t_126_who_has_to_act_is_told_at_every_stage_and_once() {
    on_both(|house| async move {
        let ring = ring(&house).await;
        let pki = TestPki::shared();
        let (from, end) = (testkit::now(), testkit::now().plus_days(70));
        let emma = pki.issue(&pki.mailbox(EMMA).valid(from, end), KeyKind::P256);
        import(&ring, &house, &emma).await;
        let mut told = Vec::new();
        for day in 0..75_i64 {
            for hour in [1, 6] {
                let report = ring.renew_due("one", &RenewalSettings::default()).await.unwrap();
                assert!(report.failures.is_empty() && report.renewed == 0);
                house.clock.advance_seconds(hour * 3_600);
            }
            house.clock.advance_seconds(86_400 - 7 * 3_600);
            for (recipient, _) in mails(&house, OutgoingKind::Reminder).await {
                told.push((70 - day, recipient));
            }
        }
        let expected: Vec<(i64, String)> = [
            (60, "otto@muster.example"),
            (30, "otto@muster.example"),
            (14, EMMA),
            (14, "otto@muster.example"),
            (7, EMMA),
            (7, "otto@muster.example"),
            (1, EMMA),
            (1, "otto@muster.example"),
            (0, EMMA),
            (0, "otto@muster.example"),
        ]
        .map(|(day, recipient)| (day, recipient.to_owned()))
        .to_vec();
        told.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        // A stage is reached when that many days are left, and somewhat less.
        assert_eq!(told, expected);
        assert!(ring.signing_credential(&address(EMMA)).await.unwrap().is_none(), "signing stops cleanly");
        assert_eq!(ring.decryption_credentials(&address(EMMA)).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn t_126_a_successor_ends_the_alerts() {
    on_both(|house| async move {
        let ring = ring(&house).await;
        let pki = TestPki::shared();
        let valid = |from: i64, to: i64| {
            let builder = pki.mailbox(EMMA).valid(testkit::now().plus_days(from), testkit::now().plus_days(to));
            pki.issue(&builder, KeyKind::P256)
        };
        import(&ring, &house, &valid(-100, 20)).await;
        let due = house.directory.renewals_due().await.unwrap();
        assert_eq!(due.len(), 1);
        assert_eq!((due[0].days_left, due[0].stage, due[0].of_house), (20, 30, false));
        // It is here and not valid yet: nobody has to do anything.
        import(&ring, &house, &valid(10, 300)).await;
        assert!(house.directory.renewals_due().await.unwrap().is_empty());
        // Nor does anybody for somebody who has left: no alert, no renewal, no new key.
        house.clock.advance_days(250);
        assert_eq!(house.directory.renewals_due().await.unwrap().len(), 1);
        house.directory.deactivate(house.employee.id, &BY).await.unwrap();
        assert!(house.directory.renewals_due().await.unwrap().is_empty());
        let order = KeyOrder { kind: KeyKind::P256, ..KeyOrder::mailbox(&address(EMMA)) };
        let refused = ring.order_key(house.employee.id, &order, &BY).await;
        assert!(matches!(refused, Err(Error::NotAllowed { .. })));
    })
    .await;
}

#[tokio::test]
async fn the_house_renews_by_itself_and_partners_learn_of_it() {
    on_both(|house| async move {
        let ring = ring(&house).await;
        let [root, _] = ring.create_authority(&NewAuthority::named("Muster"), &BY).await.unwrap();
        let order = KeyOrder { kind: KeyKind::P256, ..KeyOrder::mailbox(&address(EMMA)) };
        ring.issue(house.employee.id, &order, 90, &BY).await.unwrap();
        let (alice, bob) = (address("alice@partner.example"), address("bob@partner.example"));
        for partner in [&alice, &bob, &address("otto@muster.example")] {
            house.directory.record_contact(&address(EMMA), partner).await.unwrap();
        }
        let new = NewPerson {
            address: bob.clone(),
            name: "Bob".into(),
            company: None,
            language: Language::English,
            roles: Roles::of([Role::Partner]),
            contact: None,
        };
        house.directory.add_person(new, &BY).await.unwrap();
        let settings = RenewalSettings::default();
        let first = ring.renew_due("one", &settings).await.unwrap();
        assert_eq!((first.notices, first.renewed, first.announced), (0, 0, 0), "a first certificate is not announced");
        let old = issued(&house).await;
        house.directory.record_key_use(&address(EMMA), &old, &alice).await.unwrap();

        house.clock.advance_days(59);
        let early = ring.renew_due("one", &settings).await.unwrap();
        assert_eq!((early.renewed, early.announced), (0, 0));
        let told: Vec<String> = mails(&house, OutgoingKind::Reminder).await.into_iter().map(|mail| mail.0).collect();
        assert_eq!(told, ["otto@muster.example"]);
        house.clock.advance_days(2);
        let report = ring.renew_due("one", &settings).await.unwrap();
        assert_eq!((report.notices, report.renewed, report.announced), (0, 1, 2), "{:?}", report.failures);
        house.clock.advance_seconds(600);
        let again = ring.renew_due("one", &settings).await.unwrap();
        assert_eq!((again.renewed, again.announced), (0, 0));

        // The new one signs and is given out; the old one still decrypts.
        let renewed = issued(&house).await;
        assert!(renewed != old && renewed.subject() == old.subject());
        assert_ne!(renewed.public_key().unwrap(), old.public_key().unwrap());
        let signing = ring.signing_credential(&address(EMMA)).await.unwrap().unwrap();
        assert_eq!(signing.certificate(), &renewed);
        let given_out = house.directory.employee_certificates(&address(EMMA)).await.unwrap();
        assert_eq!(given_out, std::slice::from_ref(&renewed));
        assert_eq!(ring.decryption_credentials(&address(EMMA)).await.unwrap().len(), 2);

        // The announcement is a mail of hers, signed with it, good for whoever trusts the root, with the file in it.
        let mut anchors = TrustAnchors::new();
        anchors.add(root.certificate.clone());
        let mut letters = mails(&house, OutgoingKind::Letter).await;
        letters.sort();
        let texts = ["ein neues Zertifikat", "a new certificate"];
        assert_eq!(letters.len(), 2);
        for ((recipient, mail), (partner, text)) in letters.iter().zip([&alice, &bob].into_iter().zip(texts)) {
            assert_eq!(*recipient, partner.to_string());
            let mut policy = smime::Policy::new(
                anchors.clone(),
                house.directory.now(),
                smime::Limits::in_folder(std::env::temp_dir()),
            );
            policy.revocation = pki::Revocation::Off;
            let verification = smime::Verifier::new(&policy).verify(&mail[..]).unwrap();
            let sender = smime::Sender::Address(address(EMMA).email().clone());
            let mut content = verification.accept(&sender).unwrap_or_else(|rejected| panic!("{}", rejected.reason()));
            let mut inside = Vec::new();
            std::io::Read::read_to_end(&mut content.reader().unwrap(), &mut inside).unwrap();
            let entity = mime::Entity::parse(&inside, &mime::Limits::default()).unwrap();
            assert!(entity.first_text().unwrap().contains(text));
            let found = directory::harvest::harvest("mail", mail);
            let found = found.iter().filter_map(|file| match &file.finding {
                directory::harvest::Finding::Certificates(certificates) => Some(certificates),
                _ => None,
            });
            assert!(found.flatten().any(|certificate| *certificate == renewed));
        }

        // Alice goes on with the old one until her program has learned the new one.
        house.clock.advance_days(1);
        house.directory.record_key_use(&address(EMMA), &old, &alice).await.unwrap();
        house.directory.record_key_use(&address(EMMA), &renewed, &bob).await.unwrap();
        let behind = house.directory.still_on_old_keys(&address(EMMA)).await.unwrap();
        assert_eq!(behind.len(), 1);
        assert_eq!((&behind[0].partner, behind[0].last_used), (&alice, house.directory.now()));
        house.clock.advance_days(1);
        house.directory.record_key_use(&address(EMMA), &renewed, &alice).await.unwrap();
        assert!(house.directory.still_on_old_keys(&address(EMMA)).await.unwrap().is_empty());
    })
    .await;
}

/// Somebody else inside.
async fn employee(house: &House, number: usize) -> Person {
    let new = NewPerson {
        address: address(&format!("e{number}@muster.example")),
        name: format!("E{number}"),
        company: None,
        language: Language::German,
        roles: Roles::of([Role::Employee]),
        contact: None,
    };
    house.directory.add_person(new, &BY).await.unwrap()
}

#[tokio::test]
async fn an_issuer_is_replaced_in_stages_before_an_hour() {
    on_both(|house| async move {
        let ring = ring(&house).await;
        let (pki, other) = (TestPki::shared(), TestPki::new());
        let mut people = Vec::new();
        for number in 0..7 {
            let person = employee(&house, number).await;
            let bad = pki.person(&person.address.to_string(), KeyKind::P256);
            ring.import(person.id, &bad.pkcs8, bad.certificate(), &[], KeyUse::Both, &BY).await.unwrap();
            people.push(person);
        }
        let kept = employee(&house, 99).await;
        let good = other.issue(
            &other.mailbox("e99@muster.example").valid(testkit::now().plus_days(-1), testkit::now().plus_days(9)),
            KeyKind::P256,
        );
        ring.import(kept.id, &good.pkcs8, good.certificate(), &[], KeyUse::Both, &BY).await.unwrap();

        let serials: Vec<String> = house
            .directory
            .credentials(&CredentialFilter::InUseAfter(None), 100)
            .await
            .unwrap()
            .iter()
            .filter(|credential| credential.address != kept.address)
            .map(|credential| credential.certificate.serial().to_string())
            .collect();
        let mut new = NewIncident {
            name: "weak keys".into(),
            selection: IncidentSelection {
                issuer: Some("Test Issuing CA".into()),
                validation: None,
                serials: serials.clone(),
            },
            before: house.directory.now().plus_seconds(4 * 3_600),
            per_hour: 2,
            revoke: None,
        };
        for odd in [
            NewIncident { selection: IncidentSelection::default(), ..new.clone() },
            NewIncident { per_hour: 0, ..new.clone() },
            NewIncident { before: house.directory.now(), ..new.clone() },
        ] {
            assert!(matches!(house.directory.open_incident(&odd, &BY).await, Err(Error::Malformed { .. })));
        }
        let nobody = IncidentSelection { validation: Some(pki::Validation::Sponsor), ..new.selection.clone() };
        let nobody = NewIncident { selection: nobody, ..new.clone() };
        assert!(matches!(house.directory.open_incident(&nobody, &BY).await, Err(Error::NotFound { .. })));

        let report = house.directory.open_incident(&new, &BY).await.unwrap();
        let id = report.incident.id;
        assert_eq!((report.waiting, report.needed_per_hour, report.is_in_time()), (7, Some(2), true));
        let mut begun = Vec::new();
        for _ in 0..4 {
            // Asked as often as one likes, an hour begins two.
            for _ in 0..3 {
                house.clock.advance_seconds(180);
                ring.work_on_incident(id, "one", &BY).await.unwrap();
            }
            let report = house.directory.incident(id).await.unwrap();
            begun.push(report.requested + report.replaced);
            // The CA answers one of them.
            let waiting = house.directory.key_requests(10).await.unwrap();
            if let Some(request) = waiting.first() {
                let asked = request.request.as_ref().unwrap();
                asked.verify_possession().unwrap();
                let builder = other.mailbox(&request.address.to_string());
                let answer = other.ca().issue(&builder, asked.public_key()).unwrap();
                ring.answer(&[answer], &BY).await.unwrap();
            }
            house.clock.advance_seconds(3_600 - 3 * 180);
        }
        assert_eq!(begun, [2, 4, 6, 7]);
        let report = ring.work_on_incident(id, "one", &BY).await.unwrap();
        assert_eq!((report.replaced, report.requested, report.left.len()), (4, 3, 3));
        assert_eq!(report.needed_per_hour, None, "the hour has come");
        assert!(report.is_in_time() && report.incident.closed.is_none());
        for request in house.directory.key_requests(10).await.unwrap() {
            let builder = other.mailbox(&request.address.to_string());
            let answer = other.ca().issue(&builder, &request.public_key).unwrap();
            ring.answer(&[answer], &BY).await.unwrap();
        }
        house.clock.advance_seconds(180);
        let report = ring.work_on_incident(id, "one", &BY).await.unwrap();
        assert_eq!((report.replaced, report.left.len()), (7, 0));
        assert!(report.incident.closed.is_some());
        for person in &people {
            let signing = ring.signing_credential(&person.address).await.unwrap().unwrap();
            assert_eq!(signing.certificate().issuer(), other.ca().certificate().subject());
        }
        let untouched = ring.signing_credential(&kept.address).await.unwrap().unwrap();
        assert_eq!(untouched.certificate(), good.certificate());
        new.before = house.directory.now().plus_days(1);
        assert!(matches!(house.directory.open_incident(&new, &BY).await, Err(Error::NotFound { .. })), "all replaced");
    })
    .await;
}

#[tokio::test]
async fn the_houses_own_are_replaced_and_revoked_at_once() {
    on_both(|house| async move {
        let ring = ring(&house).await;
        ring.create_authority(&NewAuthority::named("Muster"), &BY).await.unwrap();
        let mut olds = Vec::new();
        for number in 0..3 {
            let person = employee(&house, number).await;
            let order = KeyOrder { kind: KeyKind::P256, ..KeyOrder::mailbox(&person.address) };
            let id = ring.issue(person.id, &order, 100, &BY).await.unwrap();
            olds.push(house.directory.credential(id).await.unwrap().certificate);
        }
        let new = NewIncident {
            name: "laptop lost".into(),
            selection: IncidentSelection {
                serials: olds[..2].iter().map(|old| old.serial().to_string()).collect(),
                ..IncidentSelection::default()
            },
            before: house.directory.now().plus_days(1),
            per_hour: 100,
            revoke: Some(RevocationReason::KeyCompromise),
        };
        let id = house.directory.open_incident(&new, &BY).await.unwrap().incident.id;
        // The CA has been retired meanwhile: it is said, and it can be tried again.
        let authorities = house.directory.house_authorities().await.unwrap();
        let issuing = authorities.iter().find(|authority| authority.role.name() == "issuing").unwrap();
        ring.retire_authority(issuing.id, &BY).await.unwrap();
        let report = ring.work_on_incident(id, "one", &BY).await.unwrap();
        assert_eq!(report.failed, 2);
        assert!(report.left.iter().all(|item| item.state == IncidentState::Failed && item.detail.contains("CA")));
        ring.create_authority(&NewAuthority::named("Muster 2"), &BY).await.unwrap();
        assert_eq!(house.directory.retry_incident(id).await.unwrap(), 2);
        let report = ring.work_on_incident(id, "one", &BY).await.unwrap();
        assert_eq!((report.replaced, report.left.len()), (2, 0));
        assert!(report.incident.closed.is_some());
        let revoked = house.directory.house_certificates(None, 100).await.unwrap();
        let mut revoked: Vec<_> = revoked
            .iter()
            .filter(|issued| issued.revoked.is_some_and(|(_, reason)| reason == RevocationReason::KeyCompromise))
            .map(|issued| issued.certificate.serial().clone())
            .collect();
        revoked.sort();
        let mut expected: Vec<_> = olds[..2].iter().map(|old| old.serial().clone()).collect();
        expected.sort();
        assert_eq!(revoked, expected);
    })
    .await;
}
