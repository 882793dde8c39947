//! A copy of database and store that is made while mail comes in, on a host that has nothing else.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use directory::{Folder, MessageStore, StoreKey};

use crate::house::{ALICE, CAROL, Told, mailbox};
use crate::ledger::Ledger;
use crate::mail_server::{mail, to_webmailer, until_taken};
use crate::process::{Extras, Rig};

/// The database first: what it names is in the store by then.
fn copy(from: &Path, to: &Path) {
    let script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[2]))";
    let made =
        Command::new("python3").args(["-c", script]).arg(from.join("house.db")).arg(to.join("house.db")).status();
    assert!(made.unwrap().success(), "python3 has SQLite in it");
    let made = Command::new("cp").arg("-r").arg(from.join("store")).arg(to.join("store")).status();
    assert!(made.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn r_15_a_backup_made_under_load_is_whole_on_an_empty_host() {
    let (folder, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let url = |folder: &Path| format!("sqlite:{}", folder.join("house.db").display());
    let ledger = Arc::new(Ledger::default());
    let rig = Rig::start(&url(folder.path()), folder.path(), 1, Arc::clone(&ledger), Extras::default()).await;
    let (rig, done) = (Arc::new(rig), Arc::new(AtomicBool::new(false)));
    let mut sessions = tokio::task::JoinSet::new();
    for session in 0..4 {
        let (rig, ledger, done) = (Arc::clone(&rig), Arc::clone(&ledger), Arc::clone(&done));
        sessions.spawn(async move {
            let mut number = session;
            while !done.load(Ordering::Relaxed) {
                let mail = if number % 8 < 4 { to_webmailer(number) } else { mail(number, &rig.encrypted) };
                until_taken(number, &rig, &ledger, &mail).await;
                number += 4;
            }
        });
    }
    let since = Instant::now();
    let before = loop {
        let before = ledger.promised_in_webmailer();
        if before.len() >= 20 {
            break before;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "no mail goes through");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let (from, to) = (folder.path().to_owned(), empty.path().to_owned());
    tokio::task::spawn_blocking(move || copy(&from, &to)).await.unwrap();
    done.store(true, Ordering::Relaxed);
    while let Some(ended) = sessions.join_next().await {
        ended.unwrap();
    }
    rig.stop().await;

    let told = Told { url: url(empty.path()), ..rig.told.clone() };
    let (directory, keys) = told.open().await;
    assert!(directory.verify_audit().await.unwrap().rows > 0);
    let own = keys.decryption_credentials(&mailbox(ALICE)).await.unwrap();
    let limits = smime::Limits::in_folder(empty.path());
    let mut content = smime::Decryptor::new(&own, &limits).decrypt(&rig.encrypted[..]).unwrap().unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut content.reader().unwrap(), &mut text).unwrap();
    assert!(text.contains("INSIDE-CANARY"));
    let kept = directory.messages(&mailbox(CAROL), Folder::Inbox, 1_000_000).await.unwrap();
    for id in &before {
        assert!(kept.iter().any(|message| message.subject == *id), "{id} was promised before");
    }
    let store = MessageStore::open(&empty.path().join("store"), StoreKey::from_base64(&told.store_key).unwrap());
    let store = store.unwrap();
    for message in &kept {
        let body = store.get(message.body).await.unwrap();
        assert!(body.windows(6).any(|window| window == b"CANARY"), "{}", message.subject);
    }
    // What waits to be delivered can be read as well.
    directory.lease_outbox("restored", 1_000_000, 60).await.unwrap();
}
