//! Who may speak to a listener: log-in, client certificates, and certificates that change while it runs.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use argon2::password_hash::PasswordHasher as _;
use directory::{Actor, Limit, Scope};
use testkit::Peer;

use crate::house::{ALICE, CAROL, House, mailbox};
use crate::support::{contains, mail};

/// A key and a certificate of its own for `name`, as `FILE.pem` and `FILE.key`.
pub(crate) fn certificate(folder: &Path, file: &str, name: &str) {
    let line = format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={name} \
         -addext subjectAltName=DNS:{name} -addext basicConstraints=critical,CA:FALSE -keyout {file}.key -out {file}.pem"
    );
    Peer::in_folder(folder).run(&line).unwrap();
}

/// Says lines under TLS, with OpenSSL; gives all that is heard, and on failure what OpenSSL says.
pub(crate) async fn dialogue(folder: &Path, server: SocketAddr, options: &str, said: &str) -> String {
    let peer = Peer::in_folder(folder);
    peer.write("said", said);
    let line = format!("openssl s_client -connect {server} -starttls smtp -crlf -quiet {options}");
    let input = std::fs::File::open(folder.join("said")).unwrap();
    let run = move || peer.run_with_input(&line, Stdio::from(input));
    match tokio::task::spawn_blocking(run).await.unwrap() {
        Ok(heard) => String::from_utf8_lossy(&heard).into_owned(),
        Err(error) => error,
    }
}

fn base64_login(name: &str, password: &str) -> String {
    mime::encode_base64(format!("\0{name}\0{password}").as_bytes())
}

pub(crate) fn message(from: &str) -> String {
    let mail = String::from_utf8(mail(from, CAROL, "x", "text")).unwrap().replace("\r\n", "\n");
    format!("MAIL FROM:<robot@inside.example>\nRCPT TO:<{CAROL}>\nDATA\n{mail}.\nQUIT\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn t_84_t_104_a_log_in_decides_whose_key_signs() {
    let files = tempfile::tempdir().unwrap();
    certificate(files.path(), "server", "gate.inside.example");
    let tls = Some((files.path().join("server.pem"), files.path().join("server.key")));
    let house = House::start(|settings| {
        settings.listeners[0].tls = tls;
        settings.listeners[0].authentication = true;
    })
    .await;
    let hash = argon2::Argon2::default().hash_password(b"correct horse").unwrap().to_string();
    house.directory.set_password(house.employee.id, &hash, false, &Actor::System).await.unwrap();
    let send = |login: String, from: &'static str| {
        let said = format!("EHLO x.example\nAUTH PLAIN {login}\n{}", message(from));
        let (folder, server) = (files.path().to_owned(), house.inside);
        async move { dialogue(&folder, server, "", &said).await }
    };
    let heard = send(base64_login(ALICE, "correct horse"), ALICE).await;
    assert!(heard.contains("235 2.7.0") && heard.contains("250 2.1.5 delivered"), "{heard}");
    assert!(contains(&house.mail(CAROL)[0], "multipart/signed"), "the envelope says another name, the log-in counts");
    let heard = send(base64_login(ALICE, "correct horse"), "otto@inside.example").await;
    assert!(heard.contains("235 2.7.0"), "{heard}");
    assert!(!contains(&house.mail(CAROL)[1], "multipart/signed"), "nobody signs as somebody else");
    for (name, password) in [(ALICE, "wrong"), ("nobody@inside.example", "wrong"), (ALICE, "")] {
        let heard = send(base64_login(name, password), ALICE).await;
        assert!(heard.contains("535 5.7.8") && heard.contains("530 5.7.0"), "{heard}");
    }
    // A first password is for the portal alone.
    house.directory.set_password(house.employee.id, &hash, true, &Actor::System).await.unwrap();
    let heard = send(base64_login(ALICE, "correct horse"), ALICE).await;
    assert!(heard.contains("535 5.7.8"), "{heard}");
    // Tries at the portal's door count here as well.
    let key = format!("account:{}", mailbox(ALICE).key());
    for _ in 0..3 {
        let _ = house.directory.attempt(Limit::LogIn, &[&key]).await;
    }
    let heard = send(base64_login(ALICE, "correct horse"), ALICE).await;
    assert!(heard.contains("454 4.7.0"), "{heard}");
    assert_eq!(house.mail(CAROL).len(), 2);
    // Who has a second factor submits with a token for it: a password alone may have been phished.
    house.clock.advance_seconds(301);
    house.directory.set_password(house.employee.id, &hash, false, &Actor::System).await.unwrap();
    house.directory.set_second_factor(house.employee.id, b"secret", 1, &[], &Actor::System).await.unwrap();
    let heard = send(base64_login(ALICE, "correct horse"), ALICE).await;
    assert!(heard.contains("534 5.7.9") && heard.contains("530 5.7.0"), "{heard}");
    let token = async |scope| {
        let made = house.directory.issue_api_token(house.employee.id, "mail", &[scope], 30, &Actor::System).await;
        made.unwrap().0.as_str().to_owned()
    };
    let (other, right) = (token(Scope::TracesRead).await, token(Scope::MailSubmit).await);
    for (name, password) in [(ALICE, &other), ("otto@inside.example", &right)] {
        let heard = send(base64_login(name, password), ALICE).await;
        assert!(heard.contains("535 5.7.8"), "{heard}");
    }
    let heard = send(base64_login(ALICE, &right), ALICE).await;
    assert!(heard.contains("235 2.7.0") && heard.contains("250 2.1.5 delivered"), "{heard}");
    assert!(contains(&house.mails(CAROL, 3).await[2], "multipart/signed"));
    // Without TLS it is not even offered.
    let replies = house.send(house.inside, ALICE, &[CAROL], &mail(ALICE, CAROL, "x", "text")).await;
    assert!(!replies[0].is_positive(), "{}", replies[0]);
    assert_eq!(mailbox(ALICE).domain(), "inside.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_clients_with_a_certificate_are_spoken_to_where_roots_are_set() {
    let files = tempfile::tempdir().unwrap();
    for (file, name) in [("server", "gate.inside.example"), ("cloud", "cloud.example"), ("eve", "evil.example")] {
        certificate(files.path(), file, name);
    }
    let house = House::start(|settings| {
        settings.listeners[0].tls = Some((files.path().join("server.pem"), files.path().join("server.key")));
        settings.listeners[0].tls_clients = Some(files.path().join("cloud.pem"));
    })
    .await;
    let said = format!("EHLO x.example\n{}", message(ALICE).replace("robot@inside.example", ALICE));
    let heard = dialogue(files.path(), house.inside, "-cert cloud.pem -key cloud.key", &said).await;
    assert!(heard.contains("250 2.1.5 delivered"), "{heard}");
    for options in ["", "-cert eve.pem -key eve.key"] {
        let heard = dialogue(files.path(), house.inside, options, &said).await;
        assert!(!heard.contains("250 2.1.0"), "{options}: {heard}");
    }
    let replies = house.send(house.inside, ALICE, &[CAROL], &mail(ALICE, CAROL, "x", "text")).await;
    assert!(!replies[0].is_positive(), "{}", replies[0]);
    assert_eq!(house.mail(CAROL).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r_11_certificates_change_while_it_runs_and_broken_ones_change_nothing() {
    let files = tempfile::tempdir().unwrap();
    certificate(files.path(), "server", "old.inside.example");
    let house = House::start(|settings| {
        settings.listeners[1].tls = Some((files.path().join("server.pem"), files.path().join("server.key")));
    })
    .await;
    let gateway = house.gateway.as_ref().unwrap();
    let shown = || async {
        let line = format!("openssl s_client -connect {} -starttls smtp", house.outside);
        let peer = Peer::in_folder(files.path());
        let heard = tokio::task::spawn_blocking(move || peer.run(&line)).await.unwrap();
        String::from_utf8_lossy(&heard.unwrap_or_else(String::into_bytes)).into_owned()
    };
    assert!(shown().await.contains("old.inside.example"));
    certificate(files.path(), "server", "new.inside.example");
    gateway.reload_tls().unwrap();
    assert!(shown().await.contains("new.inside.example"));
    std::fs::write(files.path().join("server.pem"), "nothing").unwrap();
    assert!(gateway.reload_tls().is_err());
    assert!(shown().await.contains("new.inside.example"));
}

#[tokio::test]
async fn what_is_done_is_counted_and_names_nobody() {
    let house = House::start(|_| ()).await;
    house.send(house.inside, ALICE, &[CAROL], &mail(ALICE, CAROL, "x", "text")).await;
    house.send(house.outside, CAROL, &[ALICE], &mail(CAROL, ALICE, "x", "text")).await;
    let text = house.gateway.as_ref().unwrap().metrics().to_text();
    for line in [
        "sealpost_plans_total{action=\"sign\"} 1",
        "sealpost_verdicts_total{smime=\"none\",decrypted=\"no\"} 1",
        "sealpost_answers_total{side=\"inside\",class=\"done\"} 1",
        "sealpost_answers_total{side=\"outside\",class=\"done\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("example"), "{text}");
}
