//! Outbox, keys, log-in and the record.

use directory::{
    Actor, Disposition, Error, Language, Limit, LogInWay, NewPerson, Outgoing, OutgoingKind, Purpose, RequestSearch,
    Role, Roles, SessionLimits,
};

use crate::house::{address, on_both};

fn mail(key: &str) -> Outgoing {
    Outgoing {
        sender: None,
        recipient: address("alice@partner.example"),
        content: b"Subject: x\r\n\r\ny".to_vec(),
        kind: OutgoingKind::Reply,
        not_before: None,
        key: Some(key.to_owned()),
    }
}

#[tokio::test]
async fn r_13_a_mail_is_with_one_worker_at_a_time() {
    on_both(|house| async move {
        let id = house.directory.enqueue(mail("a")).await.unwrap();
        assert_eq!(house.directory.enqueue(mail("a")).await.unwrap(), id);
        let other = house.again().await;
        let (one, two) = tokio::join!(house.directory.lease_outbox("one", 10, 60), other.lease_outbox("two", 10, 60));
        let mut leased: Vec<_> = one.unwrap().into_iter().chain(two.unwrap()).collect();
        assert_eq!(leased.len(), 1);
        let lost = leased.remove(0);
        assert_eq!(lost.outgoing.content, mail("a").content);
        // The worker dies: after its lease another one has the mail, and the first can say nothing more about it.
        house.clock.advance_seconds(61);
        let again = other.lease_outbox("two", 10, 60).await.unwrap().remove(0);
        assert!(matches!(house.directory.delivered(&lost).await, Err(Error::Conflict { .. })));
        assert!(matches!(other.postpone(&again, "later").await.unwrap(), Disposition::RetryAt(_)));
        // Twenty tries in five days, and then never.
        for _ in 1..20 {
            house.clock.advance_seconds(6 * 3_600 + 1);
            let again = other.lease_outbox("two", 10, 60).await.unwrap().remove(0);
            assert!(matches!(other.postpone(&again, "later").await.unwrap(), Disposition::RetryAt(_)));
        }
        house.clock.advance_days(1);
        let again = other.lease_outbox("two", 10, 60).await.unwrap().remove(0);
        assert_eq!(other.postpone(&again, "never").await.unwrap(), Disposition::GivenUp);
        assert_eq!(house.directory.outbox_counts().await.unwrap().given_up, 1);
    })
    .await;
}

#[tokio::test]
async fn r_10_a_clock_that_was_wrong_gives_nothing_up_and_puts_nothing_off() {
    on_both(|house| async move {
        let right = house.directory.now();
        let lease = async || house.directory.lease_outbox("one", 10, 60).await.unwrap();
        house.directory.enqueue(mail("before")).await.unwrap();
        // Ten years ahead: it is tried once more, not given up.
        house.clock.advance_days(3_650);
        let leased = lease().await.remove(0);
        assert!(matches!(house.directory.postpone(&leased, "later").await.unwrap(), Disposition::RetryAt(_)));
        house.directory.enqueue(mail("meanwhile")).await.unwrap();
        assert!(house.directory.take_lease("work", "one", 600).await.unwrap());
        assert_eq!(lease().await.len(), 1, "the other waits for its pause");
        // Back again: what waits, what came in between, and what a worker had that died, all are due.
        house.clock.set(right);
        let all = lease().await;
        assert_eq!(all.len(), 2);
        assert!(house.directory.take_lease("work", "two", 600).await.unwrap());
        assert!(!house.directory.take_lease("work", "one", 600).await.unwrap(), "and this one counts");
        // who ends gives back its own turns alone.
        house.directory.release_leases("one").await.unwrap();
        assert!(!house.directory.take_lease("work", "one", 600).await.unwrap());
        house.directory.release_leases("two").await.unwrap();
        assert!(house.directory.take_lease("work", "one", 600).await.unwrap());
        assert!(!house.directory.take_lease("work", "two", 600).await.unwrap());
        // Ten years back and forth again: nothing is due twice in its pause, nothing is lost.
        for leased in &all {
            assert!(matches!(house.directory.postpone(leased, "later").await.unwrap(), Disposition::RetryAt(_)));
        }
        assert!(lease().await.is_empty());
        house.clock.advance_days(-3_650);
        assert_eq!(lease().await.len(), 2);
        house.clock.set(right.plus_seconds(3_600));
        assert_eq!(lease().await.len(), 2);
        assert_eq!(house.directory.outbox_counts().await.unwrap().given_up, 0);
    })
    .await;
}

#[tokio::test]
async fn t_104_tries_are_counted_and_tokens_work_once() {
    on_both(|house| async move {
        for _ in 0..5 {
            let _ = house.directory.attempt(Limit::LogIn, &["alice", "network"]).await.unwrap();
        }
        let sixth = house.directory.attempt(Limit::LogIn, &["alice", "elsewhere"]).await;
        assert!(matches!(sixth, Err(Error::LimitReached { .. })));
        house.clock.advance_seconds(301);
        let good = house.directory.attempt(Limit::LogIn, &["alice"]).await.unwrap();
        house.directory.succeeded(good).await.unwrap();

        // Somebody with an account tries others' in between: the own successes do not hide that. Nor do they count. A
        // network has more tries than an account, for a whole office may be behind it.
        for round in 0..60 {
            let own = house.directory.attempt(Limit::LogIn, &["account:mallory", "network:192.0.2.1"]).await;
            if round < 50 {
                house.directory.succeeded(own.unwrap()).await.unwrap();
                let other = format!("account:victim{round}");
                let _ = house.directory.attempt(Limit::LogIn, &[&other, "network:192.0.2.1"]).await.unwrap();
            } else {
                assert!(matches!(own, Err(Error::LimitReached { .. })), "round {round}");
            }
        }
        for _ in 0..20 {
            let good = house.directory.attempt(Limit::LogIn, &["account:bob", "network:192.0.2.2"]).await.unwrap();
            house.directory.succeeded(good).await.unwrap();
        }

        let at = address("alice@partner.example");
        let token = house.directory.issue_token(Purpose::FirstLogIn, 7, &at, 60).await.unwrap();
        assert!(house.directory.use_token(token.as_str(), Purpose::ResetPassword).await.is_err());
        let (one, two) = tokio::join!(
            house.directory.use_token(token.as_str(), Purpose::FirstLogIn),
            house.directory.use_token(token.as_str(), Purpose::FirstLogIn)
        );
        assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1);

        let limits = SessionLimits::default();
        let (token, session) =
            house.directory.start_session(house.employee.id, &limits, LogInWay::Password).await.unwrap();
        assert_eq!(house.directory.session(token.as_str()).await.unwrap().unwrap().csrf, session.csrf);
        house.directory.set_password(house.employee.id, "$x", true, &Actor::System).await.unwrap();
        assert!(house.directory.session(token.as_str()).await.unwrap().is_none(), "a new password ends sessions");
        // A log-in that began before the change begins no session after it (T-102).
        let person = house.employee.id;
        assert!(house.directory.start_session_of_password(person, "$before", &limits).await.unwrap().is_none());
        let (token, _) = house.directory.start_session_of_password(person, "$x", &limits).await.unwrap().unwrap();
        assert!(house.directory.session(token.as_str()).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn the_record_tells_when_it_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("house.db").display());
    let house = crate::house::House::at(&url, false).await;
    let report = house.directory.verify_audit().await.unwrap();
    assert_eq!(report.rows, 2);
    for tamper in [
        "UPDATE audit_details SET why = 'officer' WHERE sequence = 2",
        "DELETE FROM audit_details WHERE sequence = 1",
        "UPDATE audit SET at = at + 1 WHERE sequence = 1",
        "DELETE FROM audit WHERE sequence = 2",
    ] {
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        let mut tx = pool.begin().await.unwrap();
        sqlx::query(tamper).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        pool.close().await;
        assert!(matches!(house.again().await.verify_audit().await, Err(Error::Corrupt { .. })), "{tamper}");
    }
}

#[tokio::test]
async fn s_73_traces_are_found_by_message_id_and_forgotten_after_two_weeks() {
    on_both(|house| async move {
        let trace = directory::Trace {
            message_id: "<1@muster.example>".into(),
            sender: Some(address("emma@muster.example")),
            recipient: address("alice@partner.example"),
            at: house.directory.now(),
            detail: serde_json::json!({ "rule": "default" }),
            queue_ids: [Some("4XyZ1k0Wmbz9r".into()), Some("B2F3C1A0".into())],
        };
        house.directory.add_traces(std::slice::from_ref(&trace)).await.unwrap();
        for id in ["4XyZ1k0Wmbz9r", "B2F3C1A0"] {
            assert_eq!(house.directory.traces(id).await.unwrap(), std::slice::from_ref(&trace), "{id}");
        }
        assert!(house.directory.traces("4XyZ1k0").await.unwrap().is_empty());
        assert_eq!(house.directory.traces("1@muster.example").await.unwrap(), std::slice::from_ref(&trace));
        house.directory.mark_confidential("<2@partner.example>").await.unwrap();
        assert!(house.directory.is_confidential(&["<x@y>", "2@partner.example"]).await.unwrap());
        assert!(!house.directory.is_confidential(&["<1@muster.example>"]).await.unwrap());
        // Wherever in a long conversation it stands.
        let mut many: Vec<String> = (0..20).map(|number| format!("<{number}@muster.example>")).collect();
        let asked = async |ids: &[String]| {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            house.directory.is_confidential(&ids).await.unwrap()
        };
        assert!(!asked(&many).await && !asked(&[]).await);
        for place in [0, 7, 8, 17, 19] {
            let other = std::mem::replace(&mut many[place], "<2@partner.example>".into());
            assert!(asked(&many).await, "{place}");
            many[place] = other;
        }
        house.clock.advance_days(15);
        house.directory.run_schedule("one").await.unwrap();
        assert!(house.directory.traces(&trace.message_id).await.unwrap().is_empty());
        // Somebody who is erased is in no trace either.
        house.directory.add_traces(&[directory::Trace { at: house.directory.now(), ..trace.clone() }]).await.unwrap();
        house.directory.erase_person(&trace.recipient, &Actor::System).await.unwrap();
        assert!(house.directory.traces(&trace.message_id).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn r_06_bodies_that_no_message_has_are_swept_and_no_others() {
    on_both(|house| async move {
        let folder = tempfile::tempdir().unwrap();
        let store = directory::MessageStore::open(folder.path(), house.directory.settings().store_key.clone()).unwrap();
        let (kept, orphan) = (store.put(b"kept").await.unwrap(), store.put(b"orphan").await.unwrap());
        std::fs::write(folder.path().join("README"), "not ours").unwrap();
        let new = directory::NewMessage {
            partner: address("alice@partner.example"),
            folder: directory::Folder::Inbox,
            correspondent: address("emma@muster.example"),
            subject: "x".into(),
            body: kept,
            bytes: 4,
        };
        house.directory.add_message(&new).await.unwrap();
        // A message may be on its way to its row.
        assert_eq!(house.directory.sweep_bodies(&store, 3_600).await.unwrap(), 0);
        assert_eq!(house.directory.sweep_bodies(&store, 0).await.unwrap(), 1);
        assert!(store.get(orphan).await.is_err());
        assert_eq!(store.get(kept).await.unwrap(), b"kept");
        assert!(folder.path().join("README").exists());
    })
    .await;
}

/// A database as a killed process leaves it: file and write-ahead log, in the middle of work.
async fn left_behind(folder: &std::path::Path) -> std::path::PathBuf {
    let first = folder.join("first");
    std::fs::create_dir(&first).unwrap();
    let url = format!("sqlite:{}", first.join("house.db").display());
    let house = crate::house::House::at(&url, false).await;
    for number in 0..20 {
        house.directory.enqueue(mail(&format!("mail {number}"))).await.unwrap();
    }
    let killed = folder.join("killed");
    std::fs::create_dir(&killed).unwrap();
    for name in ["house.db", "house.db-wal"] {
        std::fs::copy(first.join(name), killed.join(name)).unwrap();
    }
    assert!(std::fs::metadata(killed.join("house.db-wal")).unwrap().len() > 0, "the log is empty: nothing is tested");
    house.directory.close().await;
    killed
}

#[tokio::test]
async fn r_07_a_damaged_write_ahead_log_costs_nothing_that_was_before_the_damage() {
    let folder = tempfile::tempdir().unwrap();
    let killed = left_behind(folder.path()).await;
    let log = std::fs::read(killed.join("house.db-wal")).unwrap();
    let garbage: Vec<u8> = (0..9_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let (half, mut flipped) = (log.len() / 2, log.clone());
    let before_end = log.len() - 100;
    flipped[before_end] ^= 0xFF;
    // What is damaged, what the log is then, and whether all that was committed must be there.
    let cases: [(&str, Vec<u8>, bool); 5] = [
        ("nothing", log.clone(), true),
        ("garbage behind it", [log.clone(), garbage].concat(), true),
        ("cut off in the middle of a frame", log[..before_end].to_vec(), false),
        ("a flipped octet", flipped, false),
        ("half of it", log[..half].to_vec(), false),
    ];
    for (number, (what, damaged, all)) in cases.into_iter().enumerate() {
        let here = folder.path().join(number.to_string());
        std::fs::create_dir(&here).unwrap();
        std::fs::copy(killed.join("house.db"), here.join("house.db")).unwrap();
        std::fs::write(here.join("house.db-wal"), damaged).unwrap();
        let url = format!("sqlite:{}", here.join("house.db").display());
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        let integrity: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&pool).await.unwrap();
        assert_eq!(integrity, "ok", "{what}");
        let has_outbox: Option<String> = sqlx::query_scalar("SELECT name FROM sqlite_master WHERE name = 'outbox'")
            .fetch_optional(&pool)
            .await
            .unwrap();
        let keys: Vec<String> = match has_outbox {
            Some(_) => sqlx::query_scalar("SELECT idempotency_key FROM outbox WHERE idempotency_key LIKE 'mail %'")
                .fetch_all(&pool)
                .await
                .unwrap(),
            None => Vec::new(),
        };
        pool.close().await;
        // Commits are there in their order, or not at all.
        let expected: Vec<String> = (0..keys.len()).map(|number| format!("mail {number}")).collect();
        let mut sorted = keys.clone();
        sorted.sort_by_key(|key| key.trim_start_matches("mail ").parse::<usize>().unwrap());
        assert_eq!(sorted, expected, "{what}");
        assert!(!all || keys.len() == 20, "{what}: {} of 20", keys.len());
        assert!(all || keys.len() < 20, "{what}: the damage was not seen");
    }
}

#[tokio::test]
async fn t_108_what_people_write_is_never_sql() {
    on_both(|house| async move {
        let (hostile, at) = ("x'); DROP TABLE people; --", address("robert@partner.example"));
        let new = NewPerson {
            address: at.clone(),
            name: hostile.into(),
            company: Some(hostile.into()),
            language: Language::German,
            roles: Roles::of([Role::Partner]),
            contact: Some(house.employee.id),
        };
        house.directory.add_person(new, &Actor::System).await.unwrap();
        assert_eq!(house.directory.person_at(&at).await.unwrap().unwrap().name, hostile);
        for text in [hostile, "' OR '1'='1", "' OR 1=1 --", "') UNION SELECT 1 --"] {
            let search = RequestSearch { text: text.into(), ..RequestSearch::default() };
            assert!(house.directory.search_requests(&search, 10).await.unwrap().is_empty(), "{text}");
            house.directory.people(Role::Partner, Some(text), 10).await.unwrap();
        }
        assert!(house.directory.person_at(&at).await.unwrap().is_some());
    })
    .await;
}
