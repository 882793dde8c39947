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
