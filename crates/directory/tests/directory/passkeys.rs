//! Passkeys and their challenges, on both databases.

use directory::{Actor, ChallengeFor, Directory, Error, NewPasskey};

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
        let first = directory.add_passkey(id, &new(&[1; 16]), &codes, &Actor::Person(id)).await.unwrap();
        let again = directory.add_passkey(house.officer.id, &new(&[1; 16]), &[], &Actor::System).await;
        assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
        let second = directory.add_passkey(id, &new(&[2; 16]), &[], &Actor::Person(id)).await.unwrap();
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
        let foreign = directory.remove_passkey(house.officer.id, first, &Actor::System).await;
        assert!(matches!(foreign, Err(Error::NotFound { .. })), "{foreign:?}");
        directory.remove_passkey(id, first, &Actor::Person(id)).await.unwrap();
        assert_eq!(directory.recovery_codes(id).await.unwrap(), 8);
        directory.set_second_factor(id, b"secret", 1, &codes, &Actor::Person(id)).await.unwrap();
        directory.remove_passkey(id, second, &Actor::Person(id)).await.unwrap();
        assert!(directory.has_second_factor(id).await.unwrap());
        assert_eq!(directory.recovery_codes(id).await.unwrap(), 8);
        directory.remove_second_factor(id, &Actor::Person(id)).await.unwrap();
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
