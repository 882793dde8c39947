//! Passkeys and their challenges, on both databases.

use directory::{Actor, ChallengeFor, Directory, Error, Language, Last, NewPasskey, OutgoingKind};

use crate::house::on_both;

fn new(credential: &[u8; 16]) -> NewPasskey<'_> {
    NewPasskey { name: "Phone", credential, key: b"a key", sign_count: 0 }
}

#[tokio::test]
async fn t_105_a_challenge_is_good_once_for_one_thing_from_one_visitor() {
    on_both(|house| async move {
        let (directory, other) = (&house.directory, house.again().await);
        let challenge = directory.challenge(ChallengeFor::SecondFactor, "visitor").unwrap();
        assert_ne!(challenge, directory.challenge(ChallengeFor::SecondFactor, "visitor").unwrap());
        for (what, given_to) in [
            (ChallengeFor::LogIn, "visitor"),
            (ChallengeFor::Registration, "visitor"),
            (ChallengeFor::SecondFactor, "somebody else"),
        ] {
            assert!(!directory.use_challenge(&challenge, what, given_to).await.unwrap(), "{what:?} {given_to}");
        }
        let changed = format!("A{}", &challenge[1..]);
        for wrong in ["", "A", "AAAA", "!", &changed, &challenge[..challenge.len() - 4], &format!("{challenge}AAAA")] {
            if wrong != challenge {
                let used = directory.use_challenge(wrong, ChallengeFor::SecondFactor, "visitor").await.unwrap();
                assert!(!used, "{wrong}");
            }
        }
        // Of two processes at once, one succeeds, and none afterwards.
        let (one, two) = tokio::join!(
            directory.use_challenge(&challenge, ChallengeFor::SecondFactor, "visitor"),
            other.use_challenge(&challenge, ChallengeFor::SecondFactor, "visitor")
        );
        assert_ne!(one.unwrap(), two.unwrap());
        assert!(!other.use_challenge(&challenge, ChallengeFor::SecondFactor, "visitor").await.unwrap());
        // It is over after five minutes; what was used is forgotten later, and is over by then.
        let late = directory.challenge(ChallengeFor::LogIn, "visitor").unwrap();
        house.clock.advance_seconds(300);
        assert!(!directory.use_challenge(&late, ChallengeFor::LogIn, "visitor").await.unwrap());
        house.clock.advance_days(2);
        directory.run_schedule("one").await.unwrap();
        assert!(!directory.use_challenge(&challenge, ChallengeFor::SecondFactor, "visitor").await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn t_105_passkeys_count_on_and_recovery_codes_go_with_the_last() {
    on_both(|house| async move {
        let (directory, id) = (&house.directory, house.employee.id);
        let codes: Vec<String> = (0..8).map(|number| format!("code{number}")).collect();
        let (first, taken) = directory.add_passkey(id, &new(&[1; 16]), &codes, &Actor::Person(id)).await.unwrap();
        assert!(taken);
        let again = directory.add_passkey(house.officer.id, &new(&[1; 16]), &[], &Actor::System).await;
        assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
        // Of two that come at once, the second shows no codes: those of the first are good.
        let late = ["late1-late1".to_owned()];
        let (second, taken) = directory.add_passkey(id, &new(&[2; 16]), &late, &Actor::Person(id)).await.unwrap();
        assert!(!taken && !directory.use_recovery_code(id, "late1-late1").await.unwrap());
        assert_eq!(directory.recovery_codes(id).await.unwrap(), 8);
        let kept = directory.passkey(&[1; 16]).await.unwrap().unwrap();
        assert_eq!((kept.id, kept.person, kept.key.as_slice(), kept.used), (first, id, &b"a key"[..], None));
        assert!(directory.passkey(&[3; 16]).await.unwrap().is_none());

        // One that does not count may answer for ever; one that counts goes on, and of two at once one succeeds.
        assert!(directory.use_passkey(second, 0).await.unwrap() && directory.use_passkey(second, 0).await.unwrap());
        let (one, two) = tokio::join!(directory.use_passkey(first, 7), directory.use_passkey(first, 7));
        assert_ne!(one.unwrap(), two.unwrap());
        assert!(!directory.use_passkey(first, 0).await.unwrap() && !directory.use_passkey(first, 6).await.unwrap());
        assert!(directory.use_passkey(first, u32::MAX).await.unwrap());
        assert_eq!(directory.passkey(&[1; 16]).await.unwrap().unwrap().sign_count, u32::MAX);

        // Nobody else takes it away; the codes stay while there is anything that they stand in for.
        let foreign = directory.remove_passkey(house.officer.id, first, Last::Goes, &Actor::System).await;
        assert!(matches!(foreign, Err(Error::NotFound { .. })), "{foreign:?}");
        directory.remove_passkey(id, first, Last::Stays, &Actor::Person(id)).await.unwrap();
        assert_eq!(directory.recovery_codes(id).await.unwrap(), 8);
        directory.set_second_factor(id, b"secret", 1, &codes, &Actor::Person(id)).await.unwrap();
        directory.remove_passkey(id, second, Last::Stays, &Actor::Person(id)).await.unwrap();
        assert!(directory.has_second_factor(id).await.unwrap());
        assert_eq!(directory.recovery_codes(id).await.unwrap(), 8);
        directory.remove_second_factor(id, Last::Goes, &Actor::Person(id)).await.unwrap();
        assert!(!directory.has_second_factor(id).await.unwrap());
        assert_eq!(directory.recovery_codes(id).await.unwrap(), 0);

        // All at once.
        directory.add_passkey(id, &new(&[4; 16]), &codes, &Actor::Person(id)).await.unwrap();
        directory.set_second_factor(id, b"secret", 1, &codes, &Actor::Person(id)).await.unwrap();
        directory.set_password(id, "$hash", false, &Actor::Person(id)).await.unwrap();
        assert!(directory.has_second_factor(id).await.unwrap(), "who changes the password keeps the rest");
        // CASES T-105: a first password is the answer to a taken account, whoever gives it.
        directory.set_password(id, "$hash", true, &Actor::System).await.unwrap();
        assert!(!directory.has_second_factor(id).await.unwrap());
        assert!(directory.passkey(&[4; 16]).await.unwrap().is_none());
        assert_eq!(directory.recovery_codes(id).await.unwrap(), 0);
        assert_eq!(Directory::user_handle(id).len(), 32);
        assert_ne!(Directory::user_handle(id), Directory::user_handle(house.officer.id));
    })
    .await;
}

#[tokio::test]
async fn t_105_of_the_last_two_removed_at_once_one_stays_where_one_has_to() {
    on_both(|house| async move {
        let (directory, id) = (&house.directory, house.employee.id);
        let by = Actor::Person(id);
        let (passkey, _) = directory.add_passkey(id, &new(&[1; 16]), &[], &by).await.unwrap();
        directory.set_second_factor(id, b"secret", 1, &["code".to_owned()], &by).await.unwrap();
        let (one, two) = tokio::join!(
            directory.remove_passkey(id, passkey, Last::Stays, &by),
            directory.remove_second_factor(id, Last::Stays, &by),
        );
        assert_ne!(one.is_ok(), two.is_ok(), "{one:?} {two:?}");
        assert!(matches!(one.and(two), Err(Error::NotAllowed { .. })));
        assert!(directory.has_second_factor(id).await.unwrap());
        assert_eq!(directory.recovery_codes(id).await.unwrap(), 1, "what was refused changed nothing");
    })
    .await;
}

#[tokio::test]
async fn t_105_the_owner_hears_of_every_change_to_the_log_in() {
    on_both(|house| async move {
        let (directory, id) = (&house.directory, house.employee.id);
        let by = Actor::Person(id);
        // Each of them, and what the one mail about it says.
        let news = async |words: &str| {
            let leased = directory.lease_outbox("test", 9, 60).await.unwrap();
            let mails = leased.iter().filter(|mail| mail.outgoing.kind == OutgoingKind::AccountNews);
            let mails: Vec<_> = mails.map(|mail| &mail.outgoing).collect();
            assert_eq!(mails.len(), usize::from(!words.is_empty()), "{words}");
            for mail in mails {
                assert_eq!(mail.recipient, house.employee.address);
                let text = mime::Entity::parse(&mail.content, &mime::Limits::default()).unwrap().first_text().unwrap();
                let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(text.contains(words), "{words}: {text}");
                assert!(!text.contains("CANARY") && text.contains("/keys?what=password"), "{text}");
            }
        };
        directory.set_password(id, "$first", true, &Actor::System).await.unwrap();
        // The invitation says so, on another way.
        news("").await;
        directory.set_password(id, "$own", false, &by).await.unwrap();
        news("das Kennwort ist ein neues. Waren").await;
        let named = NewPasskey { name: "CANARY", ..new(&[1; 16]) };
        let (passkey, _) = directory.add_passkey(id, &named, &[], &by).await.unwrap();
        news("ein Passkey ist hinzugekommen").await;
        directory.set_password(id, "$another", false, &by).await.unwrap();
        news("Ein Passkey von vorher gilt weiter").await;
        directory.set_second_factor(id, b"secret", 1, &[], &by).await.unwrap();
        news("Codes vom Telefon sind jetzt").await;
        directory.remove_second_factor(id, Last::Goes, &by).await.unwrap();
        news("Codes vom Telefon werden nicht mehr").await;
        directory.remove_passkey(id, passkey, Last::Goes, &by).await.unwrap();
        news("ein Passkey wurde entfernt").await;
        directory.set_language(id, Language::English, &by).await.unwrap();
        directory.set_password(id, "$first", true, &Actor::System).await.unwrap();
        news("there is a new first password").await;
    })
    .await;
}
