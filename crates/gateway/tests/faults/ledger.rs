use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use directory::Folder;

use crate::house::{CAROL, mailbox};
use crate::process::Rig;

/// Every message, by its Message-ID, and every arrival.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Promised with a 250: for whom, and whether it goes to the webmailer.
    accepted: Mutex<HashMap<String, (Vec<&'static str>, bool)>>,
    /// Those that took so long that the same again is another message.
    late: Mutex<HashSet<String>>,
    arrived: Mutex<HashMap<(String, String), usize>>,
    in_the_clear: AtomicUsize,
    notifications: AtomicUsize,
    pub(crate) attempts: AtomicUsize,
    pub(crate) kills: Mutex<BTreeMap<&'static str, usize>>,
}

impl Ledger {
    pub(crate) fn accept(&self, id: &str, to: &[&'static str], webmailer: bool) {
        self.accepted.lock().unwrap().insert(id.to_owned(), (to.to_vec(), webmailer));
    }

    pub(crate) fn accept_late(&self, id: &str) {
        self.late.lock().unwrap().insert(id.to_owned());
    }

    pub(crate) fn arrive(&self, id: &str, to: &str) {
        *self.arrived.lock().unwrap().entry((id.to_owned(), to.to_owned())).or_default() += 1;
    }

    pub(crate) fn notify(&self) {
        self.notifications.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn saw_plaintext(&self) {
        self.in_the_clear.fetch_add(1, Ordering::Relaxed);
    }

    /// What was promised and goes to the webmailer.
    pub(crate) fn promised_in_webmailer(&self) -> Vec<String> {
        let accepted = self.accepted.lock().unwrap();
        accepted.iter().filter(|(_, (_, webmailer))| *webmailer).map(|(id, _)| id.clone()).collect()
    }

    /// How often a message came to somebody.
    pub(crate) fn copies(&self, id: &str, to: &str) -> usize {
        self.arrived.lock().unwrap().get(&(id.to_owned(), to.to_owned())).copied().unwrap_or_default()
    }

    /// How often words were seen outside that must not be.
    pub(crate) fn plaintext(&self) -> usize {
        self.in_the_clear.load(Ordering::Relaxed)
    }

    /// Holds what was promised against what arrived: nothing is lost, nothing was in the clear.
    pub(crate) async fn balance(&self, rig: &Rig) -> Balance {
        let accepted = self.accepted.lock().unwrap().clone();
        let arrived = self.arrived.lock().unwrap().clone();
        let late = self.late.lock().unwrap().clone();
        let mut kept: HashMap<String, usize> = HashMap::new();
        for message in rig.directory.messages(&mailbox(CAROL), Folder::Inbox, 1_000_000).await.unwrap() {
            *kept.entry(message.subject).or_default() += 1;
        }
        let (mut balance, mut lost) = (Balance::default(), Vec::new());
        for (id, (to, in_webmailer)) in &accepted {
            if *in_webmailer {
                balance.webmailer += 1;
                match kept.get(id) {
                    None => lost.push(format!("{id} is not in the webmailer")),
                    // One transaction keeps message and notification: a retry never makes a second one in time.
                    Some(count) => assert!(*count == 1 || late.contains(id), "{id} is {count} times in the webmailer"),
                }
                continue;
            }
            for recipient in to {
                balance.copies += 1;
                match arrived.get(&(id.clone(), (*recipient).to_owned())) {
                    None => lost.push(format!("{id} did not reach {recipient}")),
                    Some(count) => balance.extra += count - 1,
                }
            }
        }
        assert!(lost.is_empty(), "{} lost: {:?}", lost.len(), lost.iter().take(5).collect::<Vec<_>>());
        assert_eq!(self.plaintext(), 0, "plaintext left");
        let notifications = self.notifications.load(Ordering::Relaxed);
        balance.extra_notifications = notifications.saturating_sub(balance.webmailer);
        balance.missing_notifications = balance.webmailer.saturating_sub(notifications);
        balance.most = arrived.values().copied().max().unwrap_or_default();
        balance.accepted = accepted.len();
        balance.attempts = self.attempts.load(Ordering::Relaxed);
        balance.kills = self.kills.lock().unwrap().values().sum();
        balance.points = self.kills.lock().unwrap().len();
        balance
    }
}

/// What a run came to.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Balance {
    pub(crate) accepted: usize,
    pub(crate) copies: usize,
    pub(crate) webmailer: usize,
    pub(crate) attempts: usize,
    pub(crate) extra: usize,
    pub(crate) extra_notifications: usize,
    pub(crate) missing_notifications: usize,
    /// The most copies of one message that anybody got.
    pub(crate) most: usize,
    pub(crate) kills: usize,
    pub(crate) points: usize,
    pub(crate) restarts: usize,
}

impl Balance {
    /// At most one extra copy per interruption and message in flight: eight sessions, two recipients at most, and
    /// sixteen mails from the outbox.
    pub(crate) fn check_copies(&self) {
        let interruptions = self.kills + self.restarts;
        assert!(self.extra <= interruptions * 16, "{self:?}");
        assert!(self.extra_notifications <= interruptions * 16, "{self:?}");
        assert!(self.most <= 1 + interruptions, "{self:?}");
        assert_eq!(self.missing_notifications, 0, "{self:?}");
    }

    /// Two runs beside each other.
    pub(crate) fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.copies += other.copies;
        self.webmailer += other.webmailer;
        self.attempts += other.attempts;
        self.extra += other.extra;
        self.extra_notifications += other.extra_notifications;
        self.missing_notifications += other.missing_notifications;
        self.most = self.most.max(other.most);
        self.kills += other.kills;
        self.points = self.points.max(other.points);
        self.restarts += other.restarts;
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages accepted ({} copies, {} in the webmailer) in {} attempts, {} kills at {} points, {} database \
             restarts, lost 0, in the clear 0, extra copies {}, extra notifications {}",
            self.accepted,
            self.copies,
            self.webmailer,
            self.attempts,
            self.kills,
            self.points,
            self.restarts,
            self.extra,
            self.extra_notifications
        )
    }
}

/// For whoever asked for a report: one line for each run.
pub(crate) fn write_down(name: &str, report: &str) {
    write_line(&format!("- {name}: {report}."));
}

pub(crate) fn write_line(line: &str) {
    use std::io::Write as _;
    let Ok(file) = std::env::var("SEALPOST_FAULT_REPORT") else { return };
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
    writeln!(file, "{line}").unwrap();
}
