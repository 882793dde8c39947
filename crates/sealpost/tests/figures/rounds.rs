//! One setup after the other, each with a warm-up and three rounds of a fixed number of mails.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crypto::KeyKind;
use testkit::{Postfix, free};

use crate::floor;
use crate::house::{People, Place, Sealpost};
use crate::page::{Connections, Direct, Lmtp, Spread};
use crate::sink::Sink;
use crate::source::{SESSIONS, Session, flood};

pub(crate) struct Rounds {
    scale: f64,
}

const ROUNDS: usize = 3;

/// What a Postfix has that sends everything to the sink.
fn to(sink: &Sink) -> String {
    format!(
        "relayhost = [127.0.0.1]:{}\nmynetworks = 127.0.0.0/8\nsmtpd_relay_restrictions = permit_mynetworks, reject\n",
        sink.address.port()
    )
}

impl Rounds {
    pub(crate) fn new(scale: f64) -> Self {
        Self { scale }
    }

    fn count(&self, full: u32) -> usize {
        let scaled = (f64::from(full) * self.scale).max(20.0);
        // Both ends are small and positive.
        format!("{scaled:.0}").parse().unwrap()
    }

    /// Mails a second from the first octet of the first to the last octet of the last, at the other end.
    fn measure(&self, to: SocketAddr, sink: &Sink, count: usize) -> Spread {
        let warm_up = (count / 10).max(10);
        flood(to, warm_up);
        sink.wait_for(sink.count().max(warm_up));
        let mut speeds = Vec::new();
        for _ in 0..ROUNDS {
            let (before, since) = (sink.count(), Instant::now());
            flood(to, count);
            sink.wait_for(before + count);
            speeds.push(as_number(count) / since.elapsed().as_secs_f64());
        }
        Spread(speeds)
    }

    pub(crate) fn nothing(&self) -> Spread {
        let sink = Sink::start();
        self.measure(sink.address, &sink, self.count(5_000))
    }

    pub(crate) fn postfix_alone(&self) -> Spread {
        let (folder, sink, smtp) = (tempfile::tempdir().unwrap(), Sink::start(), free());
        let master = format!("{smtp} inet n - n - - smtpd\n");
        let _postfix = Postfix::start_in_its_place(&folder.path().join("postfix"), &to(&sink), &master);
        self.measure(smtp, &sink, self.count(3_000))
    }

    /// What people build by hand: each mail through a process that calls `openssl` and gives it back to `sendmail`.
    pub(crate) fn pipe(&self, openssl: &str) -> Spread {
        let (folder, sink, smtp) = (tempfile::tempdir().unwrap(), Sink::start(), free());
        let at = folder.path().join("postfix");
        std::fs::create_dir_all(&at).unwrap();
        People::new(KeyKind::Rsa2048).write(&at);
        for name in ["alice.pem", "bob.pem", "ca.pem"] {
            let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            std::fs::set_permissions(at.join(name), readable).unwrap();
        }
        let script = format!(
            "#!/bin/sh\ncd {} || exit 75\nfrom=\"$1\"; shift\n\
             {openssl} | /usr/sbin/sendmail -G -i -f \"$from\" -- \"$@\"\n",
            at.display()
        );
        let filter = at.join("filter.sh");
        std::fs::write(&filter, script).unwrap();
        std::fs::set_permissions(&filter, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let master = format!(
            "{smtp} inet n - n - - smtpd\n  -o content_filter=filter:dummy\n\
             filter unix - n n - 10 pipe\n  flags=Rq user=nobody null_sender=\n  argv={} ${{sender}} ${{recipient}}\n",
            filter.display()
        );
        let postfix = Postfix::start_in_its_place(&at, &to(&sink), &master);
        let speed = self.measure(smtp, &sink, self.count(500));
        let sample = String::from_utf8_lossy(&sink.sample()).into_owned();
        assert!(sample.contains("pkcs7"), "the filter does nothing: {sample}\n{}", postfix.log());
        speed
    }

    /// As docs/guide/postfix-lmtp.md sets it up, signing.
    pub(crate) fn by_lmtp(&self) -> Lmtp {
        let (folder, sink, smtp, back) = (tempfile::tempdir().unwrap(), Sink::start(), free(), free());
        let place = Place { protocol: "lmtp", next_hop: back, encrypt: "never" };
        let sealpost = Sealpost::start(KeyKind::Rsa2048, &place);
        let master = format!(
            "{smtp} inet n - n - - smtpd\n  -o content_filter=lmtp:[127.0.0.1]:{}\n\
             {back} inet n - n - 20 smtpd\n  -o content_filter=\n\
             \x20 -o receive_override_options=no_unknown_recipient_checks,no_header_body_checks,no_milters,no_address_mappings\n",
            sealpost.inside.port()
        );
        let main = format!("{}lmtp_destination_recipient_limit = 100\n", to(&sink));
        let postfix = Postfix::start_in_its_place(&folder.path().join("postfix"), &main, &master);
        let (before, count) = (sealpost.cpu(), self.count(2_000));
        let speed = self.measure(smtp, &sink, count);
        let cpu = (sealpost.cpu() - before) / u32::try_from(sink.count()).unwrap();
        let sample = String::from_utf8_lossy(&sink.sample()).into_owned();
        assert!(sample.contains("multipart/signed"), "not signed: {sample}\n{}", postfix.log());
        Lmtp { speed, cpu }
    }

    /// Signs and encrypts between source and sink.
    pub(crate) fn direct(&self, kind: KeyKind) -> Direct {
        let sink = Sink::start();
        let place = Place { protocol: "smtp", next_hop: sink.address, encrypt: "always" };
        let sealpost = Sealpost::start(kind, &place);
        let before = sealpost.cpu();
        let speed = self.measure(sealpost.inside, &sink, self.count(4_000));
        let cpu = (sealpost.cpu() - before) / u32::try_from(sink.count()).unwrap();
        opens(&sink.sample(), &sealpost.people);
        Direct { speed, cpu, floor: floor::per_mail(&sealpost.people) }
    }

    /// From the last octet in to the last octet out, while mails come in evenly at `speed` in ten sessions.
    pub(crate) fn latency(&self, speed: f64) -> Vec<Duration> {
        let sink = Sink::start();
        let place = Place { protocol: "smtp", next_hop: sink.address, encrypt: "always" };
        let sealpost = Sealpost::start(KeyKind::Rsa2048, &place);
        let each = self.count(4_000) / SESSIONS;
        let pause = Duration::from_secs_f64(as_number(SESSIONS) / speed);
        let start = Instant::now() + Duration::from_millis(200);
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|number| {
                let to = sealpost.inside;
                std::thread::spawn(move || {
                    let mut session = Session::open(to);
                    let offset = pause / u32::try_from(SESSIONS).unwrap() * u32::try_from(number).unwrap();
                    let mut sent = Vec::new();
                    for mail in 0..each {
                        let due = start + offset + pause * u32::try_from(mail).unwrap();
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                        let id = format!("<figure-{number}-{mail}@inside.example>");
                        let at = session.send(&id);
                        sent.push((id, at));
                    }
                    sent
                })
            })
            .collect();
        let sent: Vec<_> = sessions.into_iter().flat_map(|session| session.join().unwrap()).collect();
        sink.wait_for(sent.len());
        // The first ones open connections and caches.
        let late = sent.iter().filter(|(id, _)| !id.ends_with("-0@inside.example"));
        let mut all: Vec<Duration> =
            late.map(|(id, at)| sink.arrived(id).unwrap().saturating_duration_since(*at)).collect();
        all.sort_unstable();
        all
    }

    /// A thousand connections that say nothing, then two hundred that are in the middle of a mail.
    pub(crate) fn connections(&self) -> Connections {
        let sink = Sink::start();
        let place = Place { protocol: "smtp", next_hop: sink.address, encrypt: "always" };
        let sealpost = Sealpost::start(KeyKind::Rsa2048, &place);
        let (none, _) = sealpost.memory();
        let idle: Vec<Session> = (0..1_000).map(|_| Session::open(sealpost.inside)).collect();
        let (with_idle, _) = sealpost.memory();
        let mut busy: Vec<(Session, String)> = (0..200)
            .map(|number| {
                let mut session = Session::open(sealpost.inside);
                let rest = session.begin(&format!("<figure-busy-{number}@inside.example>"));
                (session, rest)
            })
            .collect();
        // They all end at once.
        for (session, rest) in &mut busy {
            session.end(rest);
        }
        for (session, _) in &mut busy {
            session.taken();
        }
        let (_, most) = sealpost.memory();
        assert_eq!((idle.len(), sink.count()), (1_000, 200));
        Connections { none, with_idle, most }
    }
}

/// What is measured has to be right as well.
fn opens(sample: &[u8], people: &People) {
    let limits = smime::Limits::in_folder(std::env::temp_dir());
    let now = directory::Clock::now(&directory::SystemClock);
    let policy = smime::Policy::new(people.pki.anchors(), now, limits);
    let keys = [people.bob.credential.clone()];
    let verification = smime::Verifier::new(&policy).with_keys(&keys).verify(sample).unwrap();
    assert!(verification.accept(&smime::Sender::VisibleFrom).unwrap().was_encrypted());
}

fn as_number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}
