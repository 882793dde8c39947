//! The power goes: of what was written and not synchronised any part is there, or nothing.
//!
//! The gateway's disk writes down everything that happens to it (`disk.c`). From that the folder is made as a file system
//! may leave it at a moment: what was synchronised is there; of the rest, in any order, some writes, some of them in part.
//! New names are there when the file or its folder was synchronised, as ext4, XFS and btrfs have it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use directory::{Folder, MessageStore, StoreKey};

use crate::disk::library;
use crate::house::{CAROL, Told, mailbox};
use crate::ledger::Ledger;
use crate::mail_server::{to_webmailer, until_taken};
use crate::process::{Extras, Rig};

/// One change of the folder.
#[derive(Debug)]
struct Record<'l> {
    what: &'l str,
    number: usize,
    path: &'l str,
    octets: &'l [u8],
    /// Where it ends in the log.
    end: usize,
}

fn records(log: &[u8]) -> Vec<Record<'_>> {
    let (mut records, mut at) = (Vec::new(), 0);
    while let Some(line) = log[at..].iter().position(|&octet| octet == b'\n') {
        let text = std::str::from_utf8(&log[at..at + line]).unwrap();
        let words: Vec<&str> = text.splitn(4, ' ').collect();
        let (begin, length): (usize, usize) = (at + line + 1, words[2].parse().unwrap());
        let Some(octets) = log.get(begin..begin + length) else { break };
        at = begin + length;
        records.push(Record { what: words[0], number: words[1].parse().unwrap(), path: words[3], octets, end: at });
    }
    records
}

/// What is left of what was not synchronised.
#[derive(Debug, Clone, Copy)]
enum Left {
    Nothing,
    Everything,
    /// By chance, from this seed.
    Some(u64),
}

impl Left {
    /// How many octets of a write are there; `None` when it is not.
    fn of(&mut self, length: usize) -> Option<usize> {
        match self {
            Self::Nothing => None,
            Self::Everything => Some(length),
            Self::Some(seed) => {
                *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                match *seed >> 62 {
                    0 | 1 => None,
                    2 => Some(length),
                    // Disks write sectors.
                    _ => Some(length / 1_024 * 512),
                }
            }
        }
    }
}

/// The files of the folder after a power cut behind these records, by their path.
fn after_the_cut(base: &Path, folder: &Path, records: &[Record<'_>], mut left: Left) -> HashMap<String, Vec<u8>> {
    let mut synchronised: HashMap<&str, usize> = HashMap::new();
    for record in records.iter().filter(|record| record.what == "sync") {
        let most = synchronised.entry(record.path).or_default();
        *most = record.number.max(*most);
    }
    let is_durable = |index: usize, path: &str| synchronised.get(path).is_some_and(|&before| index < before);
    let mut files: HashMap<String, Vec<u8>> = HashMap::new();
    for name in ["house.db", "house.db-wal"] {
        files.insert(folder.join(name).display().to_string(), std::fs::read(base.join(name)).unwrap());
    }
    for (index, record) in records.iter().enumerate() {
        let path = record.path;
        let parent = Path::new(path).parent().unwrap().display().to_string();
        match record.what {
            "create" if is_durable(index, path) || is_durable(index, &parent) || left.of(0).is_some() => {
                files.insert(path.to_owned(), Vec::new());
            }
            "unlink" if is_durable(index, &parent) || left.of(0).is_some() => {
                files.remove(path);
            }
            "truncate" if is_durable(index, path) || left.of(0).is_some() => {
                if let Some(file) = files.get_mut(path) {
                    file.resize(record.number, 0);
                }
            }
            "write" => {
                let length = record.octets.len();
                let there = if is_durable(index, path) { Some(length) } else { left.of(length) };
                // What has no name is not there.
                if let (Some(there), Some(file)) = (there, files.get_mut(path)) {
                    let end = record.number + there;
                    if file.len() < end {
                        file.resize(end, 0);
                    }
                    file[record.number..end].copy_from_slice(&record.octets[..there]);
                }
            }
            _ => {}
        }
    }
    files
}

/// Starts from what is left, and finds everything that was promised.
async fn recovers(told: &Told, files: HashMap<String, Vec<u8>>, from: &Path, promised: &[&str], moment: &str) {
    let target = tempfile::tempdir().unwrap();
    std::fs::create_dir(target.path().join("store")).unwrap();
    for (path, content) in files {
        let place = target.path().join(Path::new(&path).strip_prefix(from).unwrap());
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, content).unwrap();
    }
    let url = format!("sqlite:{}", target.path().join("house.db").display());
    let (directory, _) = Told { url, ..told.clone() }.open().await;
    assert!(directory.verify_audit().await.unwrap().rows > 0, "{moment}");
    let kept = directory.messages(&mailbox(CAROL), Folder::Inbox, 1_000_000).await.unwrap();
    for id in promised {
        assert_eq!(kept.iter().filter(|message| message.subject == **id).count(), 1, "{moment}: {id} was promised");
    }
    let key = StoreKey::from_base64(&told.store_key).unwrap();
    let store = MessageStore::open(&target.path().join("store"), key).unwrap();
    for message in &kept {
        let body = store.get(message.body).await.unwrap();
        let text = String::from_utf8(body).unwrap();
        assert!(text.contains("CANARY") && text.trim_end().ends_with("words and words"), "{moment}: half a message");
    }
    directory.lease_outbox("after the cut", 1_000, 60).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn r_02_after_a_power_cut_what_was_promised_is_there_and_nothing_is_half() {
    let folder = tempfile::Builder::new().prefix("power").tempdir().unwrap();
    let (house, outside) = (folder.path().join("house"), folder.path().join("outside"));
    std::fs::create_dir(&house).unwrap();
    std::fs::create_dir(&outside).unwrap();
    let house = house.canonicalize().unwrap();
    let (base, log) = (outside.join("base"), outside.join("log"));
    let ledger = Arc::new(Ledger::default());
    let extras = Extras {
        environment: vec![
            ("LD_PRELOAD", library(&outside).display().to_string()),
            ("FAULT_DISK_FOLDER", house.display().to_string()),
            ("FAULT_DISK_LOG", log.display().to_string()),
            ("FAULT_BASE", base.display().to_string()),
        ],
        // As it is before the first record.
        before: Some("cp -r \"$FAULT_DISK_FOLDER\" \"$FAULT_BASE\""),
        ..Extras::default()
    };
    let url = format!("sqlite:{}", house.join("house.db").display());
    let rig = Rig::start(&url, &house, 1, Arc::clone(&ledger), extras).await;
    let mut promises: Vec<(String, usize)> = Vec::new();
    for number in 0..MAILS {
        let mail = to_webmailer(number);
        until_taken(number, &rig, &ledger, &mail).await;
        promises.push((mail.id, usize::try_from(std::fs::metadata(&log).unwrap().len()).unwrap()));
    }
    rig.stop().await;
    let log = std::fs::read(&log).unwrap();
    let records = records(&log);
    let count = |what: &str| records.iter().filter(|record| record.what == what).count();
    assert!(count("create") >= MAILS && count("sync") >= 3 * MAILS && count("write") > count("sync"), "too little");
    // Right behind each promise, and at moments in between.
    let behind = |position: usize| records.iter().take_while(|record| record.end <= position).count();
    let moments = promises.iter().map(|(_, position)| behind(*position));
    let between = (1..MAILS).map(|part| records.len() * part / MAILS);
    for (number, moment) in moments.chain(between).enumerate() {
        let promised: Vec<&str> =
            promises.iter().filter(|(_, position)| behind(*position) <= moment).map(|(id, _)| id.as_str()).collect();
        let seed = u64::try_from(number).unwrap();
        let chance = if number % 4 == 0 { Left::Everything } else { Left::Some(seed) };
        for left in [Left::Nothing, chance] {
            let files = after_the_cut(&base, &house, &records[..moment], left);
            let moment = format!("{left:?} of what was not synchronised, behind record {moment}");
            recovers(&rig.told, files, &house, &promised, &moment).await;
        }
    }
}

const MAILS: usize = 8;
