//! Who sends: `smtp-source` as fast as it goes, and a session of our own where the moment matters.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::house::{ALICE, BOB};

/// Octets of a message, and sessions side by side.
pub(crate) const OCTETS: usize = 10_240;
pub(crate) const SESSIONS: usize = 10;

/// Sends so many messages in ten sessions that stay open.
pub(crate) fn flood(to: SocketAddr, count: usize) {
    let output = Command::new("smtp-source")
        .args(["-d", "-s", &SESSIONS.to_string(), "-l", &OCTETS.to_string(), "-m", &count.to_string()])
        .args(["-f", ALICE, "-t", BOB, "-S", "figures", "-M", "source.inside.example"])
        .arg(format!("{}:{}", to.ip(), to.port()))
        .stdin(Stdio::null())
        .output()
        .expect("smtp-source comes with the Debian package postfix");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A connection on which one message after the other is sent.
pub(crate) struct Session {
    out: TcpStream,
    input: BufReader<TcpStream>,
}

impl Session {
    pub(crate) fn open(to: SocketAddr) -> Self {
        let out = TcpStream::connect(to).unwrap();
        out.set_nodelay(true).unwrap();
        out.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let mut this = Self { input: BufReader::new(out.try_clone().unwrap()), out };
        this.expect("220");
        this.say("EHLO source.inside.example", "250");
        this
    }

    fn say(&mut self, line: &str, expected: &str) {
        self.out.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.expect(expected);
    }

    fn expect(&mut self, code: &str) {
        loop {
            let mut line = String::new();
            assert!(self.input.read_line(&mut line).unwrap() > 0, "the other end is gone");
            assert!(line.starts_with(code), "{line}");
            if line.as_bytes().get(3) != Some(&b'-') {
                return;
            }
        }
    }

    /// Up to the middle of a message's content.
    pub(crate) fn begin(&mut self, message_id: &str) -> String {
        self.say(&format!("MAIL FROM:<{ALICE}>"), "250");
        self.say(&format!("RCPT TO:<{BOB}>"), "250");
        self.say("DATA", "354");
        let mail = message(message_id);
        let half = mail.len() / 2;
        self.out.write_all(&mail.as_bytes()[..half]).unwrap();
        mail[half..].to_owned()
    }

    /// The rest of a message that was begun.
    pub(crate) fn end(&mut self, rest: &str) {
        self.out.write_all(format!("{rest}.\r\n").as_bytes()).unwrap();
    }

    /// Waits for the answer to it.
    pub(crate) fn taken(&mut self) {
        self.expect("250");
    }

    /// Sends a message; gives the moment at which its last octet was on its way.
    pub(crate) fn send(&mut self, message_id: &str) -> Instant {
        let rest = self.begin(message_id);
        self.end(&rest);
        let sent = Instant::now();
        self.taken();
        sent
    }
}

fn message(message_id: &str) -> String {
    let mut mail = format!(
        "From: <{ALICE}>\r\nTo: <{BOB}>\r\nSubject: figures\r\nMessage-ID: {message_id}\r\n\
         Date: Tue, 24 Nov 2026 12:00:00 +0000\r\n\r\n"
    );
    while mail.len() < OCTETS {
        mail.push_str("The quick brown fox jumps over the lazy dog, again and again and again.\r\n");
    }
    mail
}
