//! The mail server before the gateways: it keeps each message until it hears 250.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::Plan;
use crate::house::{ALICE, BERT, BOB, CAROL};
use crate::ledger::Ledger;
use crate::process::Rig;

pub(crate) const POINTS: [&str; 7] = [
    "client: connected",
    "client: MAIL",
    "client: RCPT",
    "client: DATA",
    "client: in the content",
    "client: final dot",
    "client: after the 250",
];

struct Mail {
    id: String,
    from: &'static str,
    to: &'static [&'static str],
    outside: bool,
    content: Vec<u8>,
    webmailer: bool,
}

fn mail(number: usize, encrypted: &[u8]) -> Mail {
    let plain = |id: &str, from: &str, to: &str| {
        format!(
            "From: {from}\r\nTo: {to}\r\nMessage-ID: <{id}>\r\nSubject: {id}\r\nContent-Type: text/plain\r\n\r\n\
             CANARY {}\r\n",
            "words and words ".repeat(60)
        )
        .into_bytes()
    };
    match number % 10 {
        0..=4 => {
            let id = format!("one-{number}@rig");
            let content = plain(&id, ALICE, BOB);
            Mail { id, from: ALICE, to: &[BOB], outside: false, content, webmailer: false }
        }
        5 | 6 => {
            let id = format!("secret-{number}@rig");
            let content = [format!("Message-ID: <{id}>\r\nTo: {ALICE}\r\n").into_bytes(), encrypted.to_vec()].concat();
            Mail { id, from: BOB, to: &[ALICE], outside: true, content, webmailer: false }
        }
        7 => {
            let id = format!("web-{number}@rig");
            let content = plain(&id, ALICE, CAROL);
            Mail { id, from: ALICE, to: &[CAROL], outside: false, content, webmailer: true }
        }
        8 => {
            let id = format!("two-{number}@rig");
            // Bert is hidden, so each of the two has a copy of their own.
            let content = plain(&id, ALICE, BOB);
            Mail { id, from: ALICE, to: &[BOB, BERT], outside: false, content, webmailer: false }
        }
        _ => {
            let id = format!("plain-{number}@rig");
            let content = plain(&id, BOB, ALICE);
            Mail { id, from: BOB, to: &[ALICE], outside: true, content, webmailer: false }
        }
    }
}

/// One session's share: messages until there were enough of them, and of kills.
pub(crate) async fn run(session: usize, rig: &Rig, ledger: &Ledger, plan: Plan) {
    let mut number = session;
    while number < plan.messages || !rig.killer.is_done(plan.kills) {
        let mail = mail(number, &rig.encrypted);
        let mut tries = 0_usize;
        loop {
            ledger.attempts.fetch_add(1, Ordering::Relaxed);
            tries += 1;
            assert!(tries < 5_000, "{} is not taken", mail.id);
            let gateway = (number + tries) % rig.gateways.len();
            match timeout(Duration::from_secs(60), submit(rig, gateway, &mail)).await {
                Ok(Ok(true)) => break,
                _ => sleep(Duration::from_millis(20)).await,
            }
        }
        ledger.accept(&mail.id, mail.to, mail.webmailer);
        rig.killer.point(POINTS[6]);
        number += 8;
    }
}

/// Whether the gateway said 250.
async fn submit(rig: &Rig, gateway: usize, mail: &Mail) -> std::io::Result<bool> {
    let ports = &rig.gateways[gateway];
    let stream = TcpStream::connect(if mail.outside { ports.outside } else { ports.inside }).await?;
    let mut stream = BufReader::new(stream);
    if !said(&mut stream, "220").await? {
        return Ok(false);
    }
    rig.killer.point(POINTS[0]);
    stream.write_all(b"EHLO rig\r\n").await?;
    if !said(&mut stream, "250").await? {
        return Ok(false);
    }
    stream.write_all(format!("MAIL FROM:<{}>\r\n", mail.from).as_bytes()).await?;
    rig.killer.point(POINTS[1]);
    if !said(&mut stream, "250").await? {
        return Ok(false);
    }
    for to in mail.to {
        stream.write_all(format!("RCPT TO:<{to}>\r\n").as_bytes()).await?;
        rig.killer.point(POINTS[2]);
        if !said(&mut stream, "250").await? {
            return Ok(false);
        }
    }
    stream.write_all(b"DATA\r\n").await?;
    rig.killer.point(POINTS[3]);
    if !said(&mut stream, "354").await? {
        return Ok(false);
    }
    let (one, two) = mail.content.split_at(mail.content.len() / 2);
    stream.write_all(one).await?;
    stream.flush().await?;
    rig.killer.point(POINTS[4]);
    stream.write_all(two).await?;
    stream.write_all(b"\r\n.\r\n").await?;
    rig.killer.point(POINTS[5]);
    said(&mut stream, "250").await
}

/// Reads an answer to its last line.
async fn said(stream: &mut BufReader<TcpStream>, code: &str) -> std::io::Result<bool> {
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(false);
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(line.starts_with(code));
        }
    }
}
