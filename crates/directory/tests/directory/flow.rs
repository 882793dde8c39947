//! F4: the way of a certificate.

use directory::{Actor, Error, State};

use crate::house::{address, on_both, person};

#[tokio::test]
async fn f4_from_submission_to_use() {
    on_both(|house| async move {
        let alice = person("alice@partner.example");
        let at = address("alice@partner.example");
        let request = house.submit(&alice, "alice@partner.example").await;
        assert_eq!(request.state(), State::Checked);
        assert_eq!(request.days_left(house.directory.now()), 7);
        // T-75: the same again is the same request, with no second mail.
        assert_eq!(house.submit(&alice, "alice@partner.example").await.id(), request.id());
        let link = house.link(&alice).await;
        // T-63: GET uses nothing up.
        for _ in 0..3 {
            assert_eq!(house.directory.peek_confirmation(&link).await.unwrap().id(), request.id());
        }
        let early = house.directory.approve(request.id(), &request.fingerprint(), house.officer.id, "").await;
        assert!(matches!(early, Err(Error::Conflict { .. })), "{early:?}");
        assert_eq!(house.directory.confirm(&link).await.unwrap().state(), State::Confirmed);
        assert!(matches!(house.directory.confirm(&link).await, Err(Error::TokenInvalid)));
        assert!(house.directory.active_certificates(&at).await.unwrap().is_empty());
        let no_officer = house.directory.approve(request.id(), &request.fingerprint(), house.employee.id, "").await;
        assert!(matches!(no_officer, Err(Error::NotAllowed { .. })), "{no_officer:?}");
        let done =
            house.directory.approve(request.id(), &request.fingerprint(), house.officer.id, "known").await.unwrap();
        assert_eq!(done.state(), State::Active);
        let active = house.directory.active_certificates(&at).await.unwrap();
        assert_eq!(
            active.iter().map(|found| found.certificate.clone()).collect::<Vec<_>>(),
            [alice.certificate().clone()]
        );
        let actions: Vec<String> =
            house.directory.history(request.id()).await.unwrap().into_iter().map(|row| row.action).collect();
        let expected = ["received", "checked", "confirmed", "approved", "active"].map(|step| format!("request.{step}"));
        assert_eq!(actions, expected);
        house.directory.verify_audit().await.unwrap();
        house.directory.close().await;
    })
    .await;
}

#[tokio::test]
async fn whose_mailbox_it_is_hears_what_was_decided() {
    on_both(|house| async move {
        let alice = person("alice@partner.example");
        let told = async || {
            let leased = house.directory.lease_outbox("test", 100, 60).await.unwrap();
            let told = leased.into_iter().filter(|mail| mail.outgoing.kind == directory::OutgoingKind::Decision);
            told.map(|mail| {
                assert_eq!(mail.outgoing.recipient, address("alice@partner.example"));
                mime::Entity::parse(&mail.outgoing.content, &mime::Limits::default()).unwrap().first_text().unwrap()
            })
            .collect::<Vec<String>>()
        };
        let digits = |text: &str| text.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_uppercase();
        let request = house.submit(&alice, "alice@partner.example").await;
        house.directory.confirm(&house.link(&alice).await).await.unwrap();
        assert!(told().await.is_empty());
        let (shown, officer) = (request.fingerprint(), house.officer.id);
        house.directory.approve(request.id(), &shown, officer, "").await.unwrap();
        house.directory.approve(request.id(), &shown, officer, "").await.unwrap_err();
        let mails = told().await;
        assert_eq!(mails.len(), 1);
        assert!(mails[0].contains("eingerichtet") && digits(&mails[0]).contains(&digits(&shown.to_hex())), "{mails:?}");
        let request = house.submit(&person("alice@partner.example"), "alice@partner.example").await;
        let why = "Bitte ein Zertifikat Ihrer Firma.";
        house.directory.refuse(request.id(), &request.fingerprint(), officer, why).await.unwrap();
        let mails = told().await;
        assert_eq!(mails.len(), 1);
        assert!(mails[0].contains("nicht verwendet") && mails[0].contains(why), "{mails:?}");
    })
    .await;
}

#[tokio::test]
async fn a_confirmation_mail_that_came_back_is_in_the_history() {
    on_both(|house| async move {
        let request = house.submit(&person("alice@partner.example"), "alice@partner.example").await;
        let mail = house.directory.lease_outbox("test", 1, 60).await.unwrap().remove(0);
        house.directory.give_up(&mail, "550 5.1.1 no such\r\nmailbox").await.unwrap();
        // It is given up once.
        assert!(matches!(house.directory.give_up(&mail, "again").await, Err(Error::Conflict { .. })));
        let history = house.directory.history(request.id()).await.unwrap();
        let last = history.last().unwrap();
        assert_eq!(
            (last.action.as_str(), last.detail.as_ref().unwrap().why.as_str()),
            ("request.confirmation-failed", "550 5.1.1 no suchmailbox")
        );
        house.directory.resend_confirmation(request.id(), &directory::Actor::System).await.unwrap();
        let again = house.directory.lease_outbox("test", 1, 60).await.unwrap().remove(0);
        assert_ne!(again.id, mail.id);
        house.directory.verify_audit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn t_66_an_approval_is_bound_to_what_was_shown_and_counts_once() {
    on_both(|house| async move {
        let alice = person("alice@partner.example");
        let request = house.submit(&alice, "alice@partner.example").await;
        house.directory.confirm(&house.link(&alice).await).await.unwrap();
        let other = person("alice@partner.example").certificate().sha256();
        let stale = house.directory.approve(request.id(), &other, house.officer.id, "").await;
        assert!(matches!(stale, Err(Error::Conflict { .. })), "{stale:?}");
        let (one, two) = (house.directory.clone(), house.again().await);
        let shown = request.fingerprint();
        let (first, second) = tokio::join!(
            one.approve(request.id(), &shown, house.officer.id, ""),
            two.approve(request.id(), &shown, house.officer.id, "")
        );
        assert_eq!(usize::from(first.is_ok()) + usize::from(second.is_ok()), 1, "{first:?} {second:?}");
        house.directory.verify_audit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn t_60_a_certificate_in_use_is_replaced_by_an_officer_alone() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("house.db").display());
    let house = crate::house::House::at(&url, true).await;
    let (old, new) = (person("alice@partner.example"), person("alice@partner.example"));
    house.submit(&old, "alice@partner.example").await;
    // The rule: a trusted CA and a confirmation are enough for the first one.
    assert_eq!(house.directory.confirm(&house.link(&old).await).await.unwrap().state(), State::Active);
    let request = house.submit(&new, "alice@partner.example").await;
    assert_eq!(request.replaces(), Some(old.certificate().sha256()));
    assert_eq!(house.directory.confirm(&house.link(&new).await).await.unwrap().state(), State::Confirmed);
    let in_use = || async { house.directory.active_certificates(&address("alice@partner.example")).await.unwrap() };
    assert_eq!(in_use().await[0].certificate, *old.certificate());
    house.directory.approve(request.id(), &request.fingerprint(), house.officer.id, "").await.unwrap();
    let now = in_use().await;
    assert_eq!(now.len(), 1);
    assert_eq!(now[0].certificate, *new.certificate());
}

#[tokio::test]
async fn t_64_t_65_what_does_not_fit_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("house.db").display());
    let house = crate::house::House::at(&url, false).await;
    let code = |request: &directory::Request| request.refusal().map(|refusal| refusal.code.clone());
    let inside = house.submit(&person("emma@muster.example"), "emma@muster.example").await;
    assert_eq!((inside.state(), code(&inside)), (State::Refused, Some("own-domain".into())));
    let other = house.submit(&person("mallory@partner.example"), "alice@partner.example").await;
    assert_eq!(other.state(), State::Refused);
    assert!(house.directory.lease_outbox("test", 10, 60).await.unwrap().is_empty(), "a refusal sends no link");
}

#[tokio::test]
async fn t_68_what_ran_out_is_not_used_and_the_clock_says_so() {
    on_both(|house| async move {
        let alice = person("alice@partner.example");
        let request = house.submit(&alice, "alice@partner.example").await;
        house.directory.confirm(&house.link(&alice).await).await.unwrap();
        house.directory.approve(request.id(), &request.fingerprint(), house.officer.id, "").await.unwrap();
        house.clock.advance_days(301);
        assert!(house.directory.active_certificates(&address("alice@partner.example")).await.unwrap().is_empty());
        assert_eq!(house.directory.run_schedule("one").await.unwrap().expired, 1);
        assert_eq!(house.directory.request(request.id()).await.unwrap().unwrap().state(), State::Expired);
        // One of several processes does it.
        assert_eq!(house.directory.run_schedule("two").await.unwrap(), directory::ScheduleReport::default());
    })
    .await;
}

#[tokio::test]
async fn f4_officers_are_reminded_before_the_deadline_and_the_unconfirmed_end_after_it() {
    on_both(|house| async move {
        let request = house.submit(&person("alice@partner.example"), "alice@partner.example").await;
        assert_eq!(house.directory.run_schedule("one").await.unwrap().reminders, 0);
        house.clock.advance_days(6);
        assert_eq!(house.directory.run_schedule("one").await.unwrap().reminders, 1);
        assert_eq!(house.directory.run_schedule("one").await.unwrap().reminders, 0, "one mail a day");
        house.clock.advance_days(2);
        assert_eq!(house.directory.run_schedule("one").await.unwrap().escalations, 1);
        let request = house.directory.request(request.id()).await.unwrap().unwrap();
        assert_eq!(request.refusal().map(|refusal| refusal.code.as_str()), Some("not-confirmed"));
    })
    .await;
}

#[tokio::test]
async fn a_person_is_erased_and_the_record_still_verifies() {
    on_both(|house| async move {
        let at = address("alice@partner.example");
        house.submit(&person("alice@partner.example"), "alice@partner.example").await;
        house.submit(&person("bob@partner.example"), "bob@partner.example").await;
        let before = house.directory.export_person(&at).await.unwrap();
        assert_eq!(before["requests"].as_array().map(Vec::len), Some(1));
        house.directory.erase_person(&at, &directory::Actor::System).await.unwrap();
        let after = house.directory.export_person(&at).await.unwrap();
        assert_eq!(after["requests"].as_array().map(Vec::len), Some(0));
        assert_eq!(after["record"].as_array().map(Vec::len), Some(0));
        let report = house.directory.verify_audit().await.unwrap();
        assert_eq!(report.erased, 2);
        let bob = house.directory.export_person(&address("bob@partner.example")).await.unwrap();
        assert_eq!(bob["requests"].as_array().map(Vec::len), Some(1));
        let inside = house.directory.erase_person(&house.employee.address, &directory::Actor::System).await;
        assert!(matches!(inside, Err(Error::NotAllowed { .. })));
    })
    .await;
}

#[tokio::test]
async fn t_62_an_unknown_ca_waits_for_two_officers() {
    on_both(|house| async move {
        let foreign = testkit::TestPki::new();
        let alice = foreign.person("alice@partner.example", crypto::KeyKind::P256);
        let (at, by) = (address("alice@partner.example"), directory::Actor::System);
        let origin = directory::Origin::Officer;
        let mut submission = directory::Submission::new(at, alice.certificate().clone(), origin, by);
        let root = foreign.root().certificate().clone();
        submission.intermediates = vec![foreign.ca().certificate().clone(), root.clone()];
        let request = house.directory.submit(submission).await.unwrap();
        assert_eq!((request.state(), request.unknown_authority()), (State::Received, true));
        let waiting = house.directory.unknown_authorities().await.unwrap();
        assert_eq!(waiting.first().and_then(|found| found.certificate.clone()), Some(root.clone()));
        // Nobody's own certificate becomes an authority by a slip.
        let person = house.directory.propose_anchor(alice.certificate(), house.officer.id, "a slip").await;
        assert!(matches!(person, Err(Error::NotAllowed { .. })), "{person:?}");
        house.directory.propose_anchor(&root, house.officer.id, "seen their audit").await.unwrap();
        let alone = house.directory.confirm_anchor(&root.sha256(), house.officer.id).await;
        assert!(matches!(alone, Err(Error::NotAllowed { .. })), "{alone:?}");
        let roles = directory::Roles::of([directory::Role::Officer]);
        house.directory.set_roles(house.employee.id, roles, &directory::Actor::System).await.unwrap();
        house.directory.confirm_anchor(&root.sha256(), house.employee.id).await.unwrap();
        let request = house.directory.request(request.id()).await.unwrap().unwrap();
        assert_eq!(request.state(), State::Checked);
    })
    .await;
}

#[tokio::test]
async fn many_are_taken_in_at_once_as_they_would_be_one_by_one() {
    on_both(|house| async move {
        let submission = |of: &str, person: &testkit::Person| {
            let certificate = person.certificate().clone();
            let by = directory::Actor::System;
            let mut submission = directory::Submission::new(address(of), certificate, directory::Origin::Officer, by);
            submission.intermediates = vec![testkit::TestPki::shared().ca().certificate().clone()];
            submission
        };
        let (alice, bob) = (person("alice@partner.example"), person("bob@partner.example"));
        let all = [
            submission("alice@partner.example", &alice),
            submission("bob@partner.example", &bob),
            // The same again, and one that does not fit: neither spoils the others.
            submission("alice@partner.example", &alice),
            submission("carol@partner.example", &bob),
        ];
        let taken = house.directory.submit_all(&all).await.unwrap();
        let states: Vec<State> = taken.iter().map(directory::Request::state).collect();
        assert_eq!(states, [State::Checked, State::Checked, State::Checked, State::Refused]);
        assert_eq!(taken[0].id(), taken[2].id());
        assert_eq!(house.directory.lease_outbox("test", 10, 60).await.unwrap().len(), 2);
        house.directory.verify_audit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn t_110_what_comes_together_is_judged_as_if_it_came_one_by_one() {
    on_both(|house| async move {
        let submission = |of: &str, person: &testkit::Person| {
            let certificate = person.certificate().clone();
            let by = directory::Actor::System;
            let mut submission = directory::Submission::new(address(of), certificate, directory::Origin::Officer, by);
            submission.intermediates = vec![testkit::TestPki::shared().ca().certificate().clone()];
            submission
        };
        // More than are written with one statement, and among them more for one mailbox than it gets links in a day.
        let mut all: Vec<_> = (0..20)
            .map(|number| {
                let name = format!("p{number}@partner.example");
                submission(&name, &person(&name))
            })
            .collect();
        for at in [3, 9, 15, 23] {
            all.insert(at, submission("alice@partner.example", &person("alice@partner.example")));
        }
        let taken = house.directory.submit_all(&all).await.unwrap();
        assert!(taken.iter().all(|request| request.state() == State::Checked));
        let sent = taken.iter().filter(|request| request.confirmation_sent().is_some()).count();
        assert_eq!((taken.len(), sent), (24, 23));
        let waiting = taken.iter().find(|request| request.confirmation_sent().is_none()).unwrap();
        assert_eq!(waiting.address().key(), "alice@partner.example");
        assert_eq!(house.directory.lease_outbox("test", 100, 60).await.unwrap().len(), 23);
        for request in &taken {
            let stored = house.directory.request(request.id()).await.unwrap().unwrap();
            assert_eq!((stored.state(), stored.confirmation_sent()), (request.state(), request.confirmation_sent()));
            assert_eq!(stored.certificate(), request.certificate());
            let history = house.directory.history(request.id()).await.unwrap();
            let actions: Vec<&str> = history.iter().map(|row| row.action.as_str()).collect();
            assert_eq!(actions, ["request.received", "request.checked"]);
        }
        house.directory.verify_audit().await.unwrap();
        house.directory.close().await;
    })
    .await;
}

#[tokio::test]
async fn the_latest_decisions_come_first_however_many_there_were_before() {
    on_both(|house| async move {
        let mut decided = Vec::new();
        for of in ["bob@partner.example", "carol@partner.example", "dora@partner.example"] {
            let request = house.submit(&person(of), of).await;
            house.directory.withdraw(request.id(), &Actor::System).await.unwrap();
            house.clock.advance_days(1);
            decided.insert(0, request.id());
        }
        // Still open.
        house.submit(&person("eva@partner.example"), "eva@partner.example").await;
        let lately = house.directory.decided_lately(2).await.unwrap();
        assert_eq!(lately.iter().map(directory::Request::id).collect::<Vec<_>>(), decided[..2]);
    })
    .await;
}
