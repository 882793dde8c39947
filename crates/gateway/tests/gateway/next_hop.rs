use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cms::{Spool, SpoolLimits};
use gateway::smtp::{
    Caps, Client, ClientSettings, Envelope, Hop, Listening, Protocol, Reply, Server, ServerTls, TlsPolicy,
    client_config,
};
use testkit::Peer;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::support::{Rig, address, mail};

const ALICE: &str = "alice@inside.example";
const BOB: &str = "bob@partner.example";
const CAROL: &str = "carol@partner.example";

/// A next hop that misbehaves at one place.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Greeting(&'static str),
    /// This answer to the command that begins so.
    Answer(&'static str, &'static str),
    /// Closes when this command comes.
    Close(&'static str),
    /// Says nothing more when this command comes.
    Hang(&'static str),
    /// Closes in the middle of the content.
    CloseInContent,
    /// After the final dot: this, or nothing but a close.
    AfterContent(Option<&'static str>),
}

async fn hop(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(speak(stream, fault));
        }
    });
    address
}

async fn speak(stream: tokio::net::TcpStream, fault: Fault) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let greeting = if let Fault::Greeting(greeting) = fault { greeting } else { "220 hop ESMTP" };
    stream.write_all(format!("{greeting}\r\n").as_bytes()).await?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer = match fault {
            Fault::Answer(start, answer) if line.starts_with(start) => answer,
            Fault::Close(start) if line.starts_with(start) => return Ok(()),
            Fault::Hang(start) if line.starts_with(start) => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                return Ok(());
            }
            _ if line.starts_with("DATA") => "354 go on",
            _ => "250 ok",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        if answer.starts_with("354") {
            if fault == Fault::CloseInContent {
                let mut some = [0; 16];
                let _ = stream.read(&mut some).await?;
                return Ok(());
            }
            while line != ".\r\n" {
                line.clear();
                if stream.read_line(&mut line).await? == 0 {
                    return Ok(());
                }
            }
            match fault {
                Fault::AfterContent(None) => return Ok(()),
                Fault::AfterContent(Some(answer)) => stream.write_all(format!("{answer}\r\n").as_bytes()).await?,
                _ => stream.write_all(b"250 2.0.0 taken\r\n").await?,
            }
        }
    }
}

fn client(hop: Hop, wait: Duration, roots: &[Vec<u8>]) -> Client {
    let settings = ClientSettings {
        hostname: "client.example".into(),
        connect: wait,
        answer: wait,
        delivered: wait,
        idle: wait,
        spare: 4,
        tls_opportunistic: client_config(None).unwrap(),
        tls_required: client_config(Some(roots)).unwrap(),
    };
    Client::new(hop, settings)
}

async fn send(client: &Client, to: &[&str]) -> Vec<Reply> {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::new(SpoolLimits::in_folder(folder.path()));
    // Large enough not to fit into the socket's buffers.
    std::io::Write::write_all(&mut spool, &mail(ALICE, BOB, "x", &"line\r\n".repeat(400_000))).unwrap();
    client.send(&Envelope::new(address(ALICE), to.iter().map(|to| address(to))), &mut spool).await
}

#[tokio::test]
async fn r_08_whatever_the_next_hop_does_is_done_only_when_it_says_so() {
    let faults = [
        (Fault::Greeting("421 busy"), 451),
        (Fault::Greeting("554 go away"), 451),
        (Fault::Greeting("hello?"), 451),
        (Fault::Greeting("999 what"), 451),
        (Fault::Close("EHLO"), 451),
        (Fault::Close("MAIL"), 451),
        (Fault::Close("RCPT"), 451),
        (Fault::Close("DATA"), 451),
        (Fault::Hang("EHLO"), 451),
        (Fault::Hang("MAIL"), 451),
        (Fault::Hang("RCPT"), 451),
        (Fault::Hang("DATA"), 451),
        (Fault::Answer("EHLO", "421 busy"), 451),
        (Fault::Answer("MAIL", "550 5.7.1 not you"), 550),
        (Fault::Answer("RCPT", "550 5.1.1 who"), 550),
        (Fault::Answer("RCPT", "452 4.2.2 full"), 452),
        (Fault::Answer("DATA", "451 4.3.0 later"), 451),
        (Fault::Answer("DATA", "250 lies"), 451),
        (Fault::CloseInContent, 451),
        (Fault::AfterContent(None), 451),
        (Fault::AfterContent(Some("451 4.3.0 disk full")), 451),
        (Fault::AfterContent(Some("554 5.6.0 no")), 554),
        (Fault::AfterContent(Some("banana")), 451),
        (Fault::AfterContent(Some("250 2.0.0 taken")), 250),
    ];
    for (fault, code) in faults {
        let hop = Hop::plain(Protocol::Smtp, hop(fault).await);
        // A busy machine answers late; where the code is to be an answer's own, that is waited for.
        let wait = if code == 451 { Duration::from_millis(700) } else { Duration::from_secs(60) };
        let client = client(hop, wait, &[]);
        let replies = send(&client, &[BOB, CAROL]).await;
        assert_eq!(replies.len(), 2);
        for reply in replies {
            let same = if code == 451 { (400..500).contains(&reply.code()) } else { reply.code() == code };
            assert!(same, "{fault:?}: {reply}");
        }
    }
}

#[tokio::test]
async fn r_08_each_recipient_has_its_own_answer() {
    let hop = hop(Fault::Answer("RCPT TO:<carol", "550 5.1.1 who")).await;
    let client = client(Hop::plain(Protocol::Smtp, hop), Duration::from_secs(60), &[]);
    for _ in 0..2 {
        let replies = send(&client, &[BOB, CAROL]).await;
        assert_eq!((replies[0].code(), replies[1].code()), (250, 550));
    }
}

#[tokio::test]
async fn r_08_nobody_is_told_250_when_the_next_hop_is_gone() {
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let rig = Rig::start(|settings| settings.outside = Hop::plain(Protocol::Smtp, gone)).await;
    let replies = rig.send(rig.inside, ALICE, &[BOB], &mail(ALICE, BOB, "x", "text")).await;
    assert_eq!(replies[0].code(), 451, "{}", replies[0]);
}

/// A server with STARTTLS whose certificate is for `localhost`.
async fn with_tls(folder: &std::path::Path, offer: bool) -> (SocketAddr, Vec<u8>, watch::Sender<bool>) {
    let peer = Peer::in_folder(folder);
    peer.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
         -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE -keyout key.pem -out cert.pem",
    )
    .unwrap();
    let root = peer.run("openssl x509 -in cert.pem -outform DER").unwrap();
    let mut listening = Listening::new("hop.example", Protocol::Lmtp, folder);
    if offer {
        listening.tls = Some(ServerTls::load(&folder.join("cert.pem"), &folder.join("key.pem")).unwrap());
    }
    let server = Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), listening).await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let at = server.address();
    let boxes = gateway::maildir::Maildirs::new(folder.join("mail")).for_everybody();
    tokio::spawn(server.serve(Arc::new(boxes), Caps::new(9, 9), stopped, Duration::from_secs(1)));
    (at, root, stop)
}

#[tokio::test]
async fn t_92_where_tls_is_a_must_nothing_goes_without_it() {
    let wait = Duration::from_secs(60);
    for (offer, trusted, name, tls, taken) in [
        (true, true, "localhost", TlsPolicy::Required, true),
        (true, false, "localhost", TlsPolicy::Required, false),
        (true, true, "127.0.0.1", TlsPolicy::Required, false),
        (false, true, "localhost", TlsPolicy::Required, false),
        (true, false, "localhost", TlsPolicy::Opportunistic, true),
        (false, false, "localhost", TlsPolicy::Opportunistic, true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (at, root, _stop) = with_tls(folder.path(), offer).await;
        let roots = if trusted { vec![root] } else { Vec::new() };
        let hop = Hop { tls, host: name.into(), ..Hop::plain(Protocol::Lmtp, at) };
        let replies = send(&client(hop, wait, &roots), &[BOB]).await;
        assert_eq!(replies[0].is_positive(), taken, "{offer} {trusted} {name} {tls:?}: {}", replies[0]);
        assert!(taken || (400..500).contains(&replies[0].code()), "{}", replies[0]);
    }
}

#[tokio::test]
async fn t_81_what_was_said_before_tls_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let (at, _, _stop) = with_tls(folder.path(), true).await;
    let mut stream = BufReader::new(tokio::net::TcpStream::connect(at).await.unwrap());
    let said = "LHLO x.example\r\nSTARTTLS\r\nMAIL FROM:<eve@evil.example>\r\nRCPT TO:<bob@partner.example>\r\n";
    stream.write_all(said.as_bytes()).await.unwrap();
    let (mut heard, mut buffer) = (Vec::new(), [0; 1_024]);
    // As long as it takes until TLS begins, and a moment for what must not come after it.
    let begun = |heard: &[u8]| String::from_utf8_lossy(heard).contains("220 2.0.0");
    let wait = |heard: &[u8]| Duration::from_secs(if begun(heard) { 1 } else { 60 });
    while let Ok(Ok(count @ 1..)) = tokio::time::timeout(wait(&heard), stream.read(&mut buffer)).await {
        heard.extend_from_slice(&buffer[..count]);
    }
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.contains("220 2.0.0 begin TLS"), "{heard}");
    assert!(!heard.contains("2.1.0") && !heard.contains("2.1.5"), "{heard}");
}

#[tokio::test]
async fn openssl_reads_what_leaves() {
    let rig = Rig::start(|_| ()).await;
    rig.send(rig.inside, ALICE, &[BOB], &mail(ALICE, BOB, "offer", "CANARY")).await;
    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::in_folder(folder.path());
    peer.write_person("bob", &rig.bob);
    peer.write("mail.eml", rig.mail(BOB).remove(0));
    let root = testkit::TestPki::shared().root().certificate().der().to_vec();
    peer.write("root.der", root);
    peer.run("openssl x509 -inform DER -in root.der -out root.pem").unwrap();
    peer.run("openssl cms -decrypt -in mail.eml -recip bob.pem -inkey bob.pem -out inner.eml").unwrap();
    let moment = testkit::now().to_unix();
    let text =
        peer.run(&format!("openssl cms -verify -in inner.eml -CAfile root.pem -purpose any -attime {moment}")).unwrap();
    assert!(String::from_utf8_lossy(&text).contains("CANARY"));
}
