use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::Rig;

/// Says `lines`, then reads until the server closes.
async fn dialogue(rig: &Rig, said: &[u8]) -> String {
    let mut stream = TcpStream::connect(rig.outside).await.unwrap();
    stream.write_all(said).await.unwrap();
    let mut heard = String::new();
    let wait = std::time::Duration::from_secs(10);
    let _ = tokio::time::timeout(wait, stream.read_to_string(&mut heard)).await.unwrap();
    heard
}

const START: &str = "EHLO x.example\r\nMAIL FROM:<bob@partner.example>\r\nRCPT TO:<alice@inside.example>\r\nDATA\r\n";

#[tokio::test]
async fn t_80_no_other_end_of_data_smuggles_a_message() {
    for end in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\n.\r", "\r\n\0.\r\n", "\r\n.\0\r\n"] {
        let rig = Rig::start(|_| ()).await;
        let second = "MAIL FROM:<eve@evil.example>\r\nRCPT TO:<dora@inside.example>\r\nDATA\r\nSubject: b\r\n\r\nb";
        let said = format!("{START}From: bob@partner.example\r\n\r\na{end}{second}\r\n.\r\nQUIT\r\n");
        let heard = dialogue(&rig, said.as_bytes()).await;
        assert!(rig.mail("dora@inside.example").is_empty(), "{end:?}");
        assert!(heard.contains("\r\n550 5.6.0 "), "{end:?}: {heard}");
        assert!(rig.mail("alice@inside.example").is_empty(), "{end:?}");
    }
}

#[tokio::test]
async fn r_08_a_client_that_goes_away_in_its_content_leaves_nothing() {
    let rig = Rig::start(|_| ()).await;
    let mut stream = TcpStream::connect(rig.outside).await.unwrap();
    stream.write_all(format!("{START}From: bob@partner.example\r\n\r\nhalf of it\r\n").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = String::new();
    let _ = stream.read_to_string(&mut heard).await;
    assert!(heard.contains("354 "), "{heard}");
    assert!(!heard.contains("\r\n250 2.6.0") && rig.mail("alice@inside.example").is_empty());
}

#[tokio::test]
async fn t_81_lines_and_recipients_are_bounded() {
    let rig = Rig::start(|settings| settings.limits.recipients = 2).await;
    let rcpt = "RCPT TO:<alice@inside.example>\r\n";
    let said = format!("EHLO x.example\r\nNOOP {}\r\nMAIL FROM:<>\r\n{rcpt}{rcpt}{rcpt}QUIT\r\n", "x".repeat(10_000));
    let heard = dialogue(&rig, said.as_bytes()).await;
    assert!(heard.contains("500 5.5.2 the line is too long"), "{heard}");
    assert!(heard.contains("452 4.5.3"), "{heard}");
    assert!(heard.ends_with("221 2.0.0 bye\r\n"), "{heard}");
}

#[tokio::test]
async fn lmtp_answers_for_each_recipient() {
    let lmtp = |settings: &mut gateway::Settings| {
        settings.listeners.iter_mut().for_each(|listener| listener.protocol = gateway::smtp::Protocol::Lmtp);
        settings.policy.encrypt = gateway::policy::Choice::Always;
    };
    let rig = Rig::start(lmtp).await;
    let mut stream = TcpStream::connect(rig.inside).await.unwrap();
    let said = "LHLO x.example\r\nMAIL FROM:<alice@inside.example>\r\nRCPT TO:<bob@partner.example>\r\n\
                RCPT TO:<carol@partner.example>\r\nDATA\r\nFrom: alice@inside.example\r\nSubject: x\r\n\r\ntext\r\n\
                .\r\nQUIT\r\n";
    stream.write_all(said.as_bytes()).await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    let after = heard.split("354 ").nth(1).unwrap();
    let lines: Vec<&str> = after.lines().skip(1).collect();
    assert!(lines[0].starts_with("250 "), "{heard}");
    assert!(lines[1].starts_with("451 4.7.5 ") && lines[1].contains("carol@partner.example"), "{heard}");
    assert_eq!((rig.mail("bob@partner.example").len(), rig.mail("carol@partner.example").len()), (1, 0));
}

#[tokio::test]
async fn swaks_gets_a_mail_through() {
    let rig = Rig::start(|_| ()).await;
    let line = format!(
        "swaks --server 127.0.0.1 --port {} --from alice@inside.example --to bob@partner.example --silent 2",
        rig.inside.port()
    );
    let run = move || testkit::Peer::in_folder(std::env::temp_dir()).run(&line);
    tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    assert!(crate::support::contains(&rig.mail("bob@partner.example").remove(0), "pkcs7-mime"));
}
