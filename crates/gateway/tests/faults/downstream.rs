//! Next hops that misbehave in every way of a table: whoever is told 250 has been delivered to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use directory::{Directory, KeyRing};
use gateway::policy::{Choice, Otherwise};
use gateway::smtp::{Hop, Protocol, TlsPolicy};
use gateway::{Gateway, HopTimeouts, Settings, Side};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::bad_hop::{BadHop, Tls};
use crate::house::{self, ALICE, BERT, BOB, Told};
use crate::ledger::{Ledger, write_down};
use crate::mail_server::{Dialogue, plain};
use crate::misbehaviour::{Act, KINDS, Kind, Takes};

/// One message, and what became of it.
struct Message {
    id: String,
    lmtp: bool,
    to: Vec<Recipient>,
}

struct Recipient {
    address: &'static str,
    /// How often it was tried without success.
    failed: usize,
    /// What was answered in the end: 2xx or 5xx.
    answer: Option<u16>,
}

impl Message {
    fn new(kind: usize, number: usize) -> Self {
        let to: &[&str] = if number.is_multiple_of(2) { &[BOB] } else { &[BOB, BERT] };
        Self {
            id: format!("hop-{kind}-{number}@rig"),
            lmtp: number % 4 < 2,
            to: to.iter().map(|address| Recipient { address, failed: 0, answer: None }).collect(),
        }
    }

    /// Tries it once for those who wait for it.
    async fn send(&mut self, smtp: SocketAddr, lmtp: SocketAddr) {
        let everybody: Vec<&str> = self.to.iter().map(|to| to.address).collect();
        let content = plain(&self.id, ALICE, &everybody.join(", "));
        let waiting: Vec<&mut Recipient> = self.to.iter_mut().filter(|to| to.answer.is_none()).collect();
        let to: Vec<&str> = waiting.iter().map(|to| to.address).collect();
        let (at, verb) = if self.lmtp { (lmtp, "LHLO") } else { (smtp, "EHLO") };
        let answers = Dialogue { at, verb, from: ALICE, to: &to, content: &content }.run(|_| ()).await;
        let answers = answers.unwrap_or_else(|_| vec![0; to.len()]);
        for (to, answer) in waiting.into_iter().zip(answers) {
            match answer {
                200..=299 | 500..=599 => to.answer = Some(answer),
                _ => to.failed += 1,
            }
        }
    }

    fn is_done(&self) -> bool {
        self.to.iter().all(|to| to.answer.is_some())
    }
}

/// What came of one kind.
#[derive(Debug, Default)]
struct Sum {
    messages: usize,
    bites: usize,
    delivered: usize,
    refused: usize,
    extra: usize,
}

struct Setting {
    folder: std::path::PathBuf,
    directory: Directory,
    keys: KeyRing,
    tls: Tls,
}

impl Setting {
    async fn gateway(&self, kind: Kind, hop: SocketAddr) -> Gateway {
        let protocol = if kind.lmtp { Protocol::Lmtp } else { Protocol::Smtp };
        let tls = if kind.tls { TlsPolicy::Required } else { TlsPolicy::Opportunistic };
        let hop = Hop { tls, ..Hop::plain(protocol, hop) };
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut settings = Settings::new("gate.inside.example", hop.clone(), hop, &self.folder)
            .listen(any, Side::Inside, Protocol::Smtp)
            .listen(any, Side::Inside, Protocol::Lmtp);
        settings.policy.encrypt = Choice::Always;
        settings.policy.otherwise = Otherwise::Hold;
        settings.tls_roots = vec![self.tls.root.clone()];
        let patience = kind.patience();
        settings.hop_timeouts =
            HopTimeouts { connect: patience, answer: patience, delivered: patience, idle: Duration::from_secs(20) };
        Gateway::start_with_directory(settings, self.directory.clone(), self.keys.clone()).await.unwrap()
    }

    /// Each message meets the fault at its first attempt, and a hop in order after that.
    async fn run(&self, index: usize, kind: Kind, messages: usize) -> Sum {
        let ledger = Arc::new(Ledger::default());
        let hop = BadHop::of_kind(kind, kind.tls.then(|| self.tls.clone()), Arc::clone(&ledger));
        let gateway = self.gateway(kind, hop.address()).await;
        let (smtp, lmtp) = (gateway.addresses()[0], gateway.addresses()[1]);
        // Nobody who has begun to listen can end it: all of them meet a closed door first.
        let at_once = if kind.act == Act::Refuse { messages } else { 100 };
        let mut done = Vec::new();
        while done.len() < messages {
            let begin = done.len();
            let mut batch = (begin..messages.min(begin + at_once)).map(|number| Message::new(index, number)).collect();
            hop.misbehave(true);
            attempt(&mut batch, smtp, lmtp).await;
            hop.misbehave(false);
            let since = Instant::now();
            while !batch.iter().all(Message::is_done) {
                assert!(since.elapsed() < Duration::from_secs(240), "{}: a message is never taken", kind.name);
                attempt(&mut batch, smtp, lmtp).await;
            }
            done.append(&mut batch);
        }
        gateway.shutdown().await;
        assert_eq!(ledger.plaintext(), 0, "{}: plaintext left", kind.name);
        assert_eq!(hop.before_tls.load(Ordering::Relaxed), 0, "{}: something was said without TLS", kind.name);
        let bites = hop.bites.load(Ordering::Relaxed);
        assert!(bites > 0 || kind.act == Act::Refuse, "{}: it was never met", kind.name);
        let mut sum = Sum { messages, bites, ..Sum::default() };
        done.iter().for_each(|message| sum.add(kind, message, &ledger));
        sum
    }
}

impl Sum {
    /// Holds what was answered against what arrived.
    fn add(&mut self, kind: Kind, message: &Message, ledger: &Ledger) {
        for to in &message.to {
            let (copies, answer) = (ledger.copies(&message.id, to.address), to.answer.unwrap());
            let about = format!("{}: {} to {}, answered {answer}, {copies} copies", kind.name, message.id, to.address);
            if answer < 300 {
                assert!(copies > 0, "lost: {about}");
                self.delivered += 1;
            } else {
                assert!(kind.refuses, "refused for nothing: {about}");
                self.refused += 1;
            }
            // A copy too many comes from an attempt whose answer was not heard, one from each.
            let unheard = match kind.takes {
                _ if kind.slow => to.failed,
                Takes::Nobody => 0,
                Takes::First | Takes::All => to.failed.min(1),
            };
            assert!(copies <= 1 + unheard, "{unheard} unheard: {about}");
            self.extra += copies.saturating_sub(1);
        }
    }
}

/// Tries once what is not done, eight at a time.
async fn attempt(batch: &mut Vec<Message>, smtp: SocketAddr, lmtp: SocketAddr) {
    let (room, mut trying) = (Arc::new(Semaphore::new(8)), JoinSet::new());
    for mut message in std::mem::take(batch) {
        let room = Arc::clone(&room);
        trying.spawn(async move {
            let _room = room.acquire().await.unwrap();
            if !message.is_done() {
                message.send(smtp, lmtp).await;
            }
            message
        });
    }
    while let Some(message) = trying.join_next().await {
        batch.push(message.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r_08_whatever_next_hops_do_nothing_is_lost_and_nothing_is_in_the_clear() {
    let messages = crate::number("SEALPOST_FAULT_DOWNSTREAM", 4);
    let folder = tempfile::tempdir().unwrap();
    let told = Told::new(&format!("sqlite:{}", folder.path().join("house.db").display()), folder.path());
    let (directory, keys) = told.open().await;
    house::fill(&directory, &keys).await;
    let setting = Arc::new(Setting { folder: folder.path().to_owned(), directory, keys, tls: Tls::new() });
    let since = Instant::now();
    let (room, mut running) = (Arc::new(Semaphore::new(4)), JoinSet::new());
    for (index, kind) in KINDS.iter().enumerate() {
        let (setting, room) = (Arc::clone(&setting), Arc::clone(&room));
        running.spawn(async move {
            let _room = room.acquire().await.unwrap();
            setting.run(index, *kind, messages).await
        });
    }
    let mut all = Sum::default();
    while let Some(sum) = running.join_next().await {
        let sum = sum.unwrap();
        all.messages += sum.messages;
        all.bites += sum.bites;
        all.delivered += sum.delivered;
        all.refused += sum.refused;
        all.extra += sum.extra;
    }
    let report = format!(
        "{} kinds of misbehaviour, {messages} messages each, met {} times: {} copies delivered, {} refused with 5xx, \
         lost 0, in the clear 0, said without the TLS that is demanded 0, extra copies {}, in {} s",
        KINDS.len(),
        all.bites,
        all.delivered,
        all.refused,
        all.extra,
        since.elapsed().as_secs()
    );
    write_down("Next hops that misbehave", &report);
}
