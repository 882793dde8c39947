//! A disk that is full, broken or slow under spool, store and directory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::house::{ALICE, BOB};
use crate::ledger::Ledger;
use crate::mail_server::{Mail, mail, plain, submit, to_webmailer, until_taken};
use crate::process::{Extras, Rig};

/// A rig whose disk does what it is told.
struct BadDisk {
    folder: tempfile::TempDir,
    control: PathBuf,
    ledger: Arc<Ledger>,
    rig: Arc<Rig>,
    mails: usize,
}

impl BadDisk {
    async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("disk").tempdir().unwrap();
        let outside = folder.path().join("outside");
        let inside = folder.path().join("house");
        std::fs::create_dir(&outside).unwrap();
        std::fs::create_dir(&inside).unwrap();
        let inside = inside.canonicalize().unwrap();
        let (library, control) = (library(&outside), outside.join("control"));
        let ledger = Arc::new(Ledger::default());
        let extras = Extras {
            environment: vec![
                ("LD_PRELOAD", library.display().to_string()),
                ("FAULT_DISK", control.display().to_string()),
                ("FAULT_DISK_FOLDER", inside.display().to_string()),
                // What is larger than this goes to the disk.
                ("FAULT_MEMORY", "65536".into()),
            ],
            ..Extras::default()
        };
        let url = format!("sqlite:{}", inside.join("house.db").display());
        let rig = Arc::new(Rig::start(&url, &inside, 1, Arc::clone(&ledger), extras).await);
        Self { folder, control, ledger, rig, mails: 0 }
    }

    /// Replaced at once: what is half written says nothing.
    fn say(&self, words: &str) {
        let new = self.control.with_extension("new");
        std::fs::write(&new, words).unwrap();
        std::fs::rename(new, &self.control).unwrap();
    }

    fn next(&mut self) -> usize {
        self.mails += 1;
        self.mails
    }

    /// Tries to send while the disk does this, then once more when it is well again.
    async fn meet(&mut self, words: &str, must_fail: bool, mail: Mail) {
        self.say(words);
        let code = submit(&self.rig, 0, &mail).await.unwrap();
        let held = (400..500).contains(&code);
        assert!(held || code == 250 && !must_fail, "{words}: {} was answered with {code}", mail.id);
        self.say("");
        if code == 250 {
            self.ledger.accept(&mail.id, mail.to, mail.webmailer);
        } else {
            until_taken(0, &self.rig, &self.ledger, &mail).await;
        }
    }

    async fn end(self) {
        assert_eq!(self.rig.until_outbox_is_empty().await, 0);
        let balance = self.ledger.balance(&self.rig).await;
        assert_eq!((balance.accepted, balance.extra), (self.mails, 0), "{balance}");
        self.rig.stop().await;
        drop(self.folder);
    }
}

/// What is loaded before the C library.
pub(crate) fn library(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("disk.c"), folder.join("disk.so"));
    std::fs::write(&source, include_str!("disk.c")).unwrap();
    let built = Command::new("gcc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).status();
    assert!(built.unwrap().success(), "gcc is in Debian's package of that name");
    library
}

/// One that does not fit into memory.
fn large(number: usize) -> Mail {
    let id = format!("large-{number}@rig");
    let mut content = plain(&id, ALICE, BOB);
    content.extend_from_slice("a line of many\r\n".repeat(20_000).as_bytes());
    Mail { id, from: ALICE, to: &[BOB], outside: false, content, webmailer: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn r_03_a_full_disk_holds_what_needs_it_and_nothing_else() {
    let mut disk = BadDisk::start().await;
    for words in ["write 28", "create 28"] {
        for _ in 0..3 {
            let number = disk.next();
            disk.meet(words, true, large(number)).await;
            let number = disk.next();
            disk.meet(words, true, to_webmailer(number)).await;
            // A small mail for one recipient needs no disk.
            let number = disk.next();
            disk.meet(words, false, mail(number * 10, &disk.rig.encrypted)).await;
        }
    }
    disk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r_04_what_a_broken_disk_did_not_take_is_not_promised() {
    let mut disk = BadDisk::start().await;
    for words in ["write 5", "sync 5"] {
        for _ in 0..3 {
            let number = disk.next();
            disk.meet(words, true, to_webmailer(number)).await;
            let number = disk.next();
            disk.meet(words, false, mail(number * 10 + 8, &disk.rig.encrypted)).await;
        }
    }
    disk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r_20_a_slow_disk_costs_time_and_no_memory() {
    let mut disk = BadDisk::start().await;
    disk.say("slow 60");
    let mut sending = JoinSet::new();
    for _ in 0..24 {
        let (number, rig, ledger) = (disk.next(), Arc::clone(&disk.rig), Arc::clone(&disk.ledger));
        sending.spawn(async move { until_taken(0, &rig, &ledger, &to_webmailer(number)).await });
    }
    // Meanwhile there is mail that needs no commit, and it does not wait for the others' turn.
    let number = disk.next();
    until_taken(0, &disk.rig, &disk.ledger, &mail(number * 10, &disk.rig.encrypted)).await;
    while let Some(sent) = tokio::time::timeout(Duration::from_secs(120), sending.join_next()).await.unwrap() {
        sent.unwrap();
    }
    disk.say("");
    let most = crate::soak::memory(disk.rig.process(0), "VmHWM");
    assert!(most < 512, "{most} MiB");
    disk.end().await;
}
