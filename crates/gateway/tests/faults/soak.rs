//! Mail at a modest rate for as long as is asked for, with one fault in a hundred: what a gateway holds must not grow.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::bad_hop::BadHop;
use crate::descriptors::descriptors;
use crate::ledger::{Ledger, write_line};
use crate::mail_server::{mail, submit};
use crate::process::{Extras, Rig, signal};

/// What a process has in memory, in MiB, by the name of it in `/proc`.
pub(crate) fn memory(process: u32, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1_024
}

/// How the mail went.
#[derive(Debug, Default)]
struct Counts {
    sent: AtomicUsize,
    bounced: AtomicUsize,
    /// How often clients misbehaved.
    client_faults: AtomicUsize,
    answers: Mutex<BTreeMap<u16, usize>>,
}

struct Soak {
    rig: Rig,
    ledger: Arc<Ledger>,
    counts: Counts,
    over: AtomicBool,
    /// Between two messages of one session.
    pause: Duration,
}

const SESSIONS: usize = 4;

impl Soak {
    /// A session's mail, until it is over: each message is tried until it is taken or refused.
    async fn session(&self, session: usize) {
        let mut number = session;
        while !self.over.load(Ordering::Relaxed) {
            if number % 101 == 100 {
                self.counts.client_faults.fetch_add(1, Ordering::Relaxed);
                // Whatever the gateway makes of it.
                let _ = timeout(Duration::from_secs(20), self.misbehave(number)).await;
            }
            let mail = mail(number, &self.rig.encrypted);
            loop {
                let code = submit(&self.rig, 0, &mail).await.unwrap_or_default();
                *self.counts.answers.lock().unwrap().entry(code).or_default() += 1;
                match code {
                    250 => {
                        self.ledger.accept(&mail.id, mail.to, mail.webmailer);
                        break;
                    }
                    500..=599 => {
                        self.counts.bounced.fetch_add(1, Ordering::Relaxed);
                        break;
                    }
                    _ => sleep(Duration::from_millis(200)).await,
                }
            }
            self.counts.sent.fetch_add(1, Ordering::Relaxed);
            number += SESSIONS;
            sleep(self.pause).await;
        }
    }

    /// A client that does not do what clients do.
    async fn misbehave(&self, number: usize) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(self.rig.gateways[0].outside).await?;
        let words: &[u8] = match number / 101 % 5 {
            0 => b"EHLO rig\r\nMAIL FROM:<bob@partner.example>\r\nRCPT TO:<alice@inside.example>\r\nDATA\r\nFrom: bo",
            1 => b"GET / HTTP/1.1\r\nHost: gate\r\n\r\n",
            2 => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\0\0\0\0\n\n\n\n",
            3 => {
                b"EHLO rig\r\nMAIL FROM:<bob@partner.example> SIZE=99999999999\r\nRCPT TO:<x@y>\r\nBDAT 12 LAST\r\nhalf"
            }
            _ => b"EHLO",
        };
        stream.write_all(words).await?;
        let mut answer = [0; 1_024];
        let _ = timeout(Duration::from_millis(500), stream.read(&mut answer)).await;
        Ok(())
    }

    /// The process stands still for a moment, as on a machine that has too much to do.
    async fn stall(&self) {
        while !self.over.load(Ordering::Relaxed) {
            sleep(Duration::from_secs(47)).await;
            signal("STOP", self.rig.process(0));
            sleep(Duration::from_millis(700)).await;
            signal("CONT", self.rig.process(0));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r_17_with_one_fault_in_a_hundred_the_ledger_balances_and_nothing_grows() {
    let minutes = crate::number("SEALPOST_SOAK_MINUTES", 0);
    let (length, every) = match minutes {
        0 => (Duration::from_secs(4), Duration::from_secs(1)),
        minutes => (Duration::from_secs(60 * minutes as u64), Duration::from_secs(60)),
    };
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("house.db").display());
    let ledger = Arc::new(Ledger::default());
    // A short run meets more of them.
    let hop = BadHop::at_random(if minutes == 0 { 10 } else { 100 }, Arc::clone(&ledger));
    let extras = Extras {
        outside: Some(hop.address()),
        environment: vec![("FAULT_PATIENCE", "2000".into())],
        ..Extras::default()
    };
    let rig = Rig::start(&url, folder.path(), 1, Arc::clone(&ledger), extras).await;
    let pause = Duration::from_millis(if minutes == 0 { 20 } else { 350 });
    let soak = Arc::new(Soak { rig, ledger, counts: Counts::default(), over: AtomicBool::new(false), pause });
    let mut sessions = tokio::task::JoinSet::new();
    for session in 0..SESSIONS {
        let soak = Arc::clone(&soak);
        sessions.spawn(async move { soak.session(session).await });
    }
    let stalls = tokio::spawn({
        let soak = Arc::clone(&soak);
        async move { soak.stall().await }
    });
    if minutes > 0 {
        write_line("| minute | MiB | descriptors | messages |\n|---|---|---|---|");
    }
    let (since, mut samples) = (Instant::now(), Vec::new());
    while since.elapsed() < length {
        sleep(every.min(length.saturating_sub(since.elapsed()))).await;
        let process = soak.rig.process(0);
        let sent = soak.counts.sent.load(Ordering::Relaxed);
        samples.push((since.elapsed().as_secs(), memory(process, "VmRSS"), descriptors(process), sent));
        if minutes > 0 {
            let (at, memory, descriptors, sent) = samples[samples.len() - 1];
            write_line(&format!("| {} | {memory} | {descriptors} | {sent} |", at / 60));
        }
    }
    soak.over.store(true, Ordering::Relaxed);
    while let Some(ended) = sessions.join_next().await {
        ended.unwrap();
    }
    stalls.abort();
    let _ = stalls.await;
    signal("CONT", soak.rig.process(0));
    let given_up = soak.rig.until_outbox_is_empty().await;
    let balance = soak.ledger.balance(&soak.rig).await;
    let bites = hop.bites.load(Ordering::Relaxed);
    assert!(bites > 0, "no fault was met");
    // A fault costs a copy at most, for each of two recipients.
    assert!(balance.extra + balance.extra_notifications <= 2 * bites, "{balance}, {bites} faults");
    // What a next hop refuses for good is given up, and seen by the operator.
    assert!(balance.missing_notifications <= given_up, "{balance}, {given_up} given up");
    let sent = soak.counts.sent.load(Ordering::Relaxed);
    let bounced = soak.counts.bounced.load(Ordering::Relaxed);
    assert_eq!(sent, balance.accepted + bounced, "{balance}");
    // Kept connections end, and those of clients that went away.
    let settled = Instant::now();
    while descriptors(soak.rig.process(0)) > MOST_DESCRIPTORS {
        assert!(settled.elapsed() < Duration::from_secs(60), "{} descriptors", descriptors(soak.rig.process(0)));
        sleep(Duration::from_millis(100)).await;
    }
    let (client_faults, answers) =
        (soak.counts.client_faults.load(Ordering::Relaxed), soak.counts.answers.lock().unwrap().clone());
    let report = format!(
        "{minutes} min, {sent} messages: {} accepted ({} copies, {} in the webmailer), {bounced} refused with 5xx, \
         {given_up} notifications given up after 5xx, {bites} faults of next hops and {client_faults} of clients, lost 0, in the clear 0, extra copies {}, extra \
         notifications {}, answers {answers:?}",
        balance.accepted, balance.copies, balance.webmailer, balance.extra, balance.extra_notifications
    );
    write_line(&format!("\n{report}."));
    if let (true, Some(early), Some(late)) = (minutes >= 20, samples.get(9), samples.last()) {
        assert!(late.1 <= early.1 + 16, "{} MiB after ten minutes, {} MiB in the end", early.1, late.1);
        assert!(late.2 <= early.2 + 16, "{} descriptors after ten minutes, {} in the end", early.2, late.2);
    }
    soak.rig.stop().await;
}

/// What a gateway that has nothing to do has open, and a little.
const MOST_DESCRIPTORS: usize = 64;
