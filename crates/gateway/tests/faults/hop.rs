//! The next hop: it takes everything, says what it took to the ledger, and is a place to kill from.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::house::{ALICE, CAROL};
use crate::ledger::Ledger;
use crate::process::Killer;

/// Where a gateway can be killed while it talks to this hop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Points {
    pub(crate) connect: &'static str,
    pub(crate) mail: &'static str,
    pub(crate) rcpt: &'static str,
    pub(crate) data: &'static str,
    pub(crate) content: &'static str,
    pub(crate) before: &'static str,
    pub(crate) after: &'static str,
}

macro_rules! points {
    ($name:ident, $side:literal) => {
        pub(crate) const $name: Points = Points {
            connect: concat!($side, ": connect"),
            mail: concat!($side, ": MAIL"),
            rcpt: concat!($side, ": RCPT"),
            data: concat!($side, ": DATA"),
            content: concat!($side, ": in the content"),
            before: concat!($side, ": final dot, before the answer"),
            after: concat!($side, ": final dot, after the answer"),
        };
    };
}

points!(INSIDE, "next hop inside");
points!(OUTSIDE, "next hop outside");
pub(crate) const OUTBOX_BEFORE: &str = "outbox: final dot, before the answer";
pub(crate) const OUTBOX_AFTER: &str = "outbox: final dot, after the answer";

impl Points {
    pub(crate) fn all(self) -> [&'static str; 7] {
        [self.connect, self.mail, self.rcpt, self.data, self.content, self.before, self.after]
    }
}

pub(crate) async fn start(points: Points, killer: Arc<Killer>, ledger: Arc<Ledger>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (killer, ledger) = (Arc::clone(&killer), Arc::clone(&ledger));
            tokio::spawn(async move { speak(stream, points, &killer, &ledger).await });
        }
    });
    address
}

async fn speak(stream: TcpStream, points: Points, killer: &Killer, ledger: &Ledger) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    killer.point(points.connect);
    stream.write_all(b"220 hop\r\n").await?;
    let (mut line, mut to) = (String::new(), Vec::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        match line.get(..4).unwrap_or_default() {
            "MAIL" => {
                to.clear();
                killer.point(points.mail);
            }
            "RCPT" => {
                killer.point(points.rcpt);
                let address = line.split(['<', '>']).nth(1).unwrap_or_default();
                to.push(address.to_owned());
            }
            "DATA" => {
                killer.point(points.data);
                stream.write_all(b"354 go on\r\n").await?;
                let Some(content) = content(&mut stream, points, killer).await? else { return Ok(()) };
                take(&content, &to, points, killer, ledger);
                stream.write_all(b"250 2.0.0 taken\r\n").await?;
                killer.point(if is_ours(&content) { OUTBOX_AFTER } else { points.after });
                continue;
            }
            _ => {}
        }
        stream.write_all(b"250 ok\r\n").await?;
    }
}

async fn content(
    stream: &mut BufReader<TcpStream>,
    points: Points,
    killer: &Killer,
) -> std::io::Result<Option<String>> {
    let mut content = String::new();
    loop {
        let start = content.len();
        if stream.read_line(&mut content).await? == 0 {
            return Ok(None);
        }
        if start == 0 {
            killer.point(points.content);
        }
        if &content[start..] == ".\r\n" {
            return Ok(Some(content));
        }
    }
}

fn is_ours(content: &str) -> bool {
    content.contains("Auto-Submitted: auto-generated")
}

/// From here on the hop has it, whether or not its answer is heard.
fn take(content: &str, to: &[String], points: Points, killer: &Killer, ledger: &Ledger) {
    if is_ours(content) {
        assert_eq!(to, [CAROL]);
        ledger.notify();
        killer.point(OUTBOX_BEFORE);
        return;
    }
    let id = content.split("Message-ID: <").nth(1).and_then(|rest| rest.split('>').next()).unwrap();
    let inside = to.iter().all(|to| to == ALICE);
    if !inside && content.contains("CANARY") {
        ledger.saw_plaintext();
    }
    if inside && id.starts_with("secret") {
        assert!(content.contains("smime=pass") && content.contains("INSIDE-CANARY"), "{content}");
    }
    to.iter().for_each(|to| ledger.arrive(id, to));
    killer.point(points.before);
}
