use std::collections::{BTreeMap, HashMap};
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

    pub(crate) fn arrive(&self, id: &str, to: &str) {
        *self.arrived.lock().unwrap().entry((id.to_owned(), to.to_owned())).or_default() += 1;
    }

    pub(crate) fn notify(&self) {
        self.notifications.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn saw_plaintext(&self) {
        self.in_the_clear.fetch_add(1, Ordering::Relaxed);
    }

    /// Holds what was promised against what arrived.
    pub(crate) async fn balance(&self, rig: &Rig, restarts: usize) -> String {
        let accepted = self.accepted.lock().unwrap().clone();
        let arrived = self.arrived.lock().unwrap().clone();
        let kills: usize = self.kills.lock().unwrap().values().sum();
        let points = self.kills.lock().unwrap().len();
        let mut kept: HashMap<String, usize> = HashMap::new();
        for message in rig.directory.messages(&mailbox(CAROL), Folder::Inbox, 1_000_000).await.unwrap() {
            *kept.entry(message.subject).or_default() += 1;
        }
        let (mut copies, mut extra, mut lost, mut webmailer) = (0, 0, Vec::new(), 0);
        for (id, (to, in_webmailer)) in &accepted {
            if *in_webmailer {
                webmailer += 1;
                match kept.get(id) {
                    None => lost.push(format!("{id} is not in the webmailer")),
                    // One transaction keeps message and notification: a retry never makes a second one.
                    Some(count) => assert_eq!(*count, 1, "{id} is twice in the webmailer"),
                }
                continue;
            }
            for recipient in to {
                copies += 1;
                match arrived.get(&(id.clone(), (*recipient).to_owned())) {
                    None => lost.push(format!("{id} did not reach {recipient}")),
                    Some(count) => extra += count - 1,
                }
            }
        }
        assert!(lost.is_empty(), "{} lost: {:?}", lost.len(), lost.iter().take(5).collect::<Vec<_>>());
        assert_eq!(self.in_the_clear.load(Ordering::Relaxed), 0, "plaintext left");
        let notifications = self.notifications.load(Ordering::Relaxed);
        assert!(notifications >= webmailer, "{notifications} notifications of {webmailer} messages");
        // At most one extra copy per interruption and message in flight: eight sessions, two recipients at most, and
        // sixteen mails from the outbox.
        let interruptions = kills + restarts;
        assert!(extra <= interruptions * 16, "{extra} extra copies after {interruptions} interruptions");
        assert!(notifications - webmailer <= interruptions * 16, "{notifications} notifications of {webmailer}");
        for ((id, recipient), count) in &arrived {
            assert!(*count <= 1 + interruptions, "{id} came {count} times to {recipient}");
        }
        let attempts = self.attempts.load(Ordering::Relaxed);
        format!(
            "{} messages accepted ({copies} copies, {webmailer} in the webmailer) in {attempts} attempts, {kills} kills \
             at {points} points, {restarts} database restarts, lost 0, in the clear 0, extra copies {extra}, extra \
             notifications {}",
            accepted.len(),
            notifications - webmailer
        )
    }
}

/// For whoever asked for a report: one line for each run.
pub(crate) fn write_down(name: &str, report: &str) {
    use std::io::Write as _;
    let Ok(file) = std::env::var("SEALPOST_FAULT_REPORT") else { return };
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
    writeln!(file, "- {name}: {report}.").unwrap();
}
