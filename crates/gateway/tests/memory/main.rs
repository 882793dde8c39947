//! How much memory one large mail takes. It is alone in its process, so that no other test is measured with it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that meets the unexpected fails")]

use std::io::{BufRead, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cms::{Spool, SpoolLimits};
use crypto::KeyKind;
use gateway::smtp::{Caps, Envelope, Hop, Listening, Peer, Protocol, Recipient, Reply, Server, Service};
use gateway::{Gateway, Settings, Side};
use mime::Header;
use support::{Memory, OURS, address, client_of};
use testkit::TestPki;
use tokio::sync::watch;

#[path = "../gateway/support.rs"]
#[expect(dead_code, reason = "the other tests need more of it")]
mod support;

const ALICE: &str = "alice@inside.example";
const BOB: &str = "bob@partner.example";
/// Somebody inside who has the partner's key, so that what leaves comes back in.
const DORA: &str = "dora@inside.example";

const MAIL: u64 = 100 << 20;
const EXTRA: u64 = 64 << 20;

/// A next hop that keeps the last mail.
#[derive(Debug, Clone, Default)]
struct Sink(Arc<Mutex<Option<Spool>>>);

impl Service for Sink {
    async fn recipient(&self, _: &Peer, _: &Envelope, _: &Recipient) -> Result<(), Reply> {
        Ok(())
    }

    async fn message(&self, _: &Peer, envelope: &Envelope, content: Spool) -> Vec<Reply> {
        *self.0.lock().unwrap() = Some(content);
        vec![Reply::ok("kept"); envelope.recipients.len()]
    }
}

/// A figure of this process, in octets.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn spool(folder: &Path) -> Spool {
    Spool::new(SpoolLimits { memory: 64 * 1024, ..SpoolLimits::in_folder(folder) })
}

/// A mail of this size with one attachment.
fn large(folder: &Path, size: u64) -> Spool {
    let mut mail = spool(folder);
    let head = format!(
        "From: {ALICE}\r\nTo: {BOB}\r\nSubject: plans\r\nMessage-ID: <1@x.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: application/octet-stream; name=\"plans.zip\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    );
    mail.write_all(head.as_bytes()).unwrap();
    let line = "UEsDBBQACAAIAHVzZXIgZGF0YSBnb2VzIGhlcmUgYW5kIHRoZW4gc29tZSBtb3JlIG9mIGl0IQ==\r\n".repeat(1_000);
    while mail.len() < size {
        mail.write_all(line.as_bytes()).unwrap();
    }
    mail
}

/// Its header, and a digest of what stands behind.
fn header_and_body(mail: &mut Spool) -> (Header, Vec<u8>) {
    let mut reader = mail.reader().unwrap();
    let header = Header::read(&mut reader, &mime::Limits::default()).unwrap();
    (header, digest(&mut reader))
}

fn digest(reader: &mut impl BufRead) -> Vec<u8> {
    let mut hasher = crypto::Hasher::new(crypto::DigestAlgorithm::Sha256);
    loop {
        let piece = reader.fill_buf().unwrap();
        if piece.is_empty() {
            return hasher.finish().octets().to_vec();
        }
        hasher.update(piece);
        let length = piece.len();
        reader.consume(length);
    }
}

struct House {
    inside: SocketAddr,
    outside: SocketAddr,
    sink: Sink,
    folder: tempfile::TempDir,
    _gateway: Gateway,
    _stop: watch::Sender<bool>,
}

impl House {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (stop, stopped) = watch::channel(false);
        let sink = Sink::default();
        let mut listening = Listening::new("sink.example", Protocol::Smtp, folder.path());
        listening.limits.message_bytes = 4 * MAIL;
        let server = Server::bind(any, listening).await.unwrap();
        let hop = Hop::plain(Protocol::Smtp, server.address());
        tokio::spawn(server.serve(Arc::new(sink.clone()), Caps::new(50, 50), stopped, Duration::from_secs(1)));
        let mut settings = Settings::new(OURS, hop.clone(), hop, folder.path())
            .listen(any, Side::Inside, Protocol::Smtp)
            .listen(any, Side::Outside, Protocol::Smtp);
        settings.limits.message_bytes = 4 * MAIL;
        let (pki, book) = (TestPki::shared(), Memory::default());
        let (alice, bob) = (pki.person(ALICE, KeyKind::P256), pki.person(BOB, KeyKind::P256));
        book.employee(&alice, ALICE);
        book.employee(&bob, DORA);
        book.partner(&bob, BOB);
        let gateway = Gateway::start(settings, book).await.unwrap();
        let (inside, outside) = (gateway.addresses()[0], gateway.addresses()[1]);
        Self { inside, outside, sink, folder, _gateway: gateway, _stop: stop }
    }

    /// Sends a mail; gives what the next hop gets.
    async fn pass(&self, listener: SocketAddr, to: &str, mail: &mut Spool) -> Spool {
        let replies = client_of(listener).send(&Envelope::new(address(ALICE), [address(to)]), mail).await;
        assert!(replies[0].is_positive(), "{}", replies[0]);
        self.sink.0.lock().unwrap().take().unwrap()
    }

    /// Out, signed and encrypted; out once more, as it is; and in, decrypted and verified.
    async fn all_ways(&self, size: u64, mut check: impl FnMut(&str)) {
        let mut plain = large(self.folder.path(), size);
        check("before");
        let mut protected = self.pass(self.inside, BOB, &mut plain).await;
        check("signed and encrypted");
        let (header, _) = header_and_body(&mut protected);
        assert_eq!(header.content_type().unwrap().essence, "application/pkcs7-mime");

        let mut untouched = self.pass(self.inside, BOB, &mut protected).await;
        check("untouched");
        let (mut reader, mut trace) = (untouched.reader().unwrap(), Vec::new());
        reader.read_until(b'\n', &mut trace).unwrap();
        assert!(trace.starts_with(b"Received: "));
        assert_eq!(digest(&mut reader), digest(&mut protected.reader().unwrap()), "byte for byte");
        drop(reader);

        let mut opened = self.pass(self.outside, DORA, &mut untouched).await;
        check("decrypted and verified");
        let ((header, body), (_, sent)) = (header_and_body(&mut opened), header_and_body(&mut plain));
        let result = header.value("Authentication-Results").unwrap();
        assert!(result.contains("smime=pass"), "{result}");
        assert_eq!(body, sent, "the body is what was sent");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n_17_a_mail_of_100_mib_goes_each_way_in_64_mib() {
    let house = House::start().await;
    let ways = async {
        // What a process has after its first mails is not the large one's.
        house.all_ways(16 * 1024, |_| ()).await;
        let before = memory("VmRSS:");
        house
            .all_ways(MAIL, |way| {
                let extra = memory("VmHWM:").saturating_sub(before);
                assert!(extra <= EXTRA, "{way}: {} KiB more", extra / 1024);
            })
            .await;
    };
    tokio::time::timeout(Duration::from_secs(900), ways).await.unwrap();
}
