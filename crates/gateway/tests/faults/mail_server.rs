//! The mail server before the gateways: it keeps each message until it hears 250.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

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

pub(crate) struct Mail {
    pub(crate) id: String,
    pub(crate) from: &'static str,
    pub(crate) to: &'static [&'static str],
    pub(crate) outside: bool,
    pub(crate) content: Vec<u8>,
    pub(crate) webmailer: bool,
}

/// A mail without protection, whose words must not be seen outside.
pub(crate) fn plain(id: &str, from: &str, to: &str) -> Vec<u8> {
    format!(
        "From: {from}\r\nTo: {to}\r\nMessage-ID: <{id}>\r\nSubject: {id}\r\nContent-Type: text/plain\r\n\r\n\
         CANARY {}\r\n",
        "words and words ".repeat(60)
    )
    .into_bytes()
}

/// A mail to somebody in the webmailer.
pub(crate) fn to_webmailer(number: usize) -> Mail {
    let id = format!("web-{number}@rig");
    let content = plain(&id, ALICE, CAROL);
    Mail { id, from: ALICE, to: &[CAROL], outside: false, content, webmailer: true }
}

pub(crate) fn mail(number: usize, encrypted: &[u8]) -> Mail {
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
        7 => to_webmailer(number),
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
        until_taken(number, rig, ledger, &mail(number, &rig.encrypted)).await;
        rig.killer.point(POINTS[6]);
        number += 8;
    }
}

/// Keeps a mail until a gateway says 250.
pub(crate) async fn until_taken(number: usize, rig: &Rig, ledger: &Ledger, mail: &Mail) {
    let since = Instant::now();
    for tries in 0.. {
        ledger.attempts.fetch_add(1, Ordering::Relaxed);
        assert!(tries < 5_000, "{} is not taken", mail.id);
        if submit(rig, (number + tries) % rig.gateways.len(), mail).await.is_ok_and(|code| code == 250) {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    if since.elapsed() > RETRY {
        ledger.accept_late(&mail.id);
    }
    ledger.accept(&mail.id, mail.to, mail.webmailer);
}

/// By the rig's clock these are the minutes in which the same mail again is a retry, or nearly.
const RETRY: Duration = Duration::from_secs(15);

/// What the gateway answered, the worst of it.
pub(crate) async fn submit(rig: &Rig, gateway: usize, mail: &Mail) -> std::io::Result<u16> {
    let ports = &rig.gateways[gateway];
    let at = if mail.outside { ports.outside } else { ports.inside };
    let dialogue = Dialogue { at, verb: "EHLO", from: mail.from, to: mail.to, content: &mail.content };
    Ok(dialogue.run(|point| rig.killer.point(POINTS[point])).await?.into_iter().max().unwrap_or_default())
}

/// A session with one message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialogue<'a> {
    pub(crate) at: SocketAddr,
    /// EHLO or LHLO.
    pub(crate) verb: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a [&'a str],
    pub(crate) content: &'a [u8],
}

impl Dialogue<'_> {
    /// Gives the answer for each recipient.
    pub(crate) async fn run(self, point: impl FnMut(usize)) -> std::io::Result<Vec<u16>> {
        timeout(Duration::from_secs(60), self.speak(point)).await.map_err(|_| std::io::ErrorKind::TimedOut)?
    }

    async fn speak(self, mut point: impl FnMut(usize)) -> std::io::Result<Vec<u16>> {
        let all = |code| Ok(vec![code; self.to.len()]);
        let mut stream = BufReader::new(TcpStream::connect(self.at).await?);
        match said(&mut stream).await? {
            220 => point(0),
            code => return all(code),
        }
        stream.write_all(format!("{} rig\r\n", self.verb).as_bytes()).await?;
        match said(&mut stream).await? {
            250 => {}
            code => return all(code),
        }
        stream.write_all(format!("MAIL FROM:<{}>\r\n", self.from).as_bytes()).await?;
        point(1);
        match said(&mut stream).await? {
            250 => {}
            code => return all(code),
        }
        let mut answers = Vec::new();
        for to in self.to {
            stream.write_all(format!("RCPT TO:<{to}>\r\n").as_bytes()).await?;
            point(2);
            answers.push(said(&mut stream).await?);
        }
        if !answers.contains(&250) {
            return Ok(answers);
        }
        stream.write_all(b"DATA\r\n").await?;
        point(3);
        match said(&mut stream).await? {
            354 => {}
            code => return all(code),
        }
        let (one, two) = self.content.split_at(self.content.len() / 2);
        stream.write_all(one).await?;
        stream.flush().await?;
        point(4);
        stream.write_all(two).await?;
        stream.write_all(b"\r\n.\r\n").await?;
        point(5);
        let mut last = None;
        for answer in answers.iter_mut().filter(|answer| **answer == 250) {
            *answer = match last {
                Some(code) if self.verb == "EHLO" => code,
                _ => said(&mut stream).await?,
            };
            last = Some(*answer);
        }
        Ok(answers)
    }
}

/// Reads an answer to its last line; gives its code.
async fn said(stream: &mut BufReader<TcpStream>) -> std::io::Result<u16> {
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(line.get(..3).and_then(|code| code.parse().ok()).unwrap_or_default());
        }
    }
}
