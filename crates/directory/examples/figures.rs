//! Figures of the directory on this machine: `cargo run --release -p directory --example figures`.
//!
//! Looking up among 100,000 partner certificates in SQLite (CASES N-17), reading certificates out of files, taking them
//! in, and judging a path of three.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::indexing_slicing, reason = "a program for developers")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use crypto::KeyKind;
use directory::harvest::{Finding, harvest};
use directory::{Actor, Address, Directory, ManualClock, Origin, Settings, StoreKey, Submission};
use pki::{PathCache, PathChecker, PathPolicy, Purpose};
use testkit::{TestPki, now};

const PARTNERS: u32 = 100_000;

/// Seconds that this process has kept a core busy: what others do meanwhile does not count.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("figures.db").display());
    let address = |text: &str| Address::parse(text).unwrap();
    let key = StoreKey::generate().unwrap();
    let mut settings =
        Settings::new("Figures", ["muster.example"], address("in@muster.example"), "https://x.example", key);
    settings.trust = TestPki::shared().anchors();
    let clock = Arc::new(ManualClock::at(now()));
    let directory = Directory::open(&url, settings, clock).await.unwrap();

    let person = TestPki::shared().person("alice@partner.example", KeyKind::Rsa2048);
    let certificate = person.certificate();
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    for number in 0..PARTNERS {
        let fingerprint = format!("{number:064x}");
        let until = certificate.validity().not_after.to_unix();
        sqlx::query("INSERT INTO certificates (fingerprint, der, not_after, stored) VALUES ($1, $2, $3, 0)")
            .bind(&fingerprint)
            .bind(certificate.der())
            .bind(until)
            .execute(&mut *tx)
            .await
            .unwrap();
        sqlx::query(
            "INSERT INTO requests (id, address_key, address, fingerprint, chain, state, origin, submitted_by, language,
                received, changed, due, not_after, reminders, escalated, unknown_authority)
             VALUES ($1, $2, $2, $3, x'', 'active', 'officer', 'system', 'de', 0, 0, 0, $4, 0, 0, 0)",
        )
        .bind(i64::from(number) + 1)
        .bind(format!("p{number}@partner{}.example", number % 977))
        .bind(&fingerprint)
        .bind(until)
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    pool.close().await;

    let mut times: Vec<Duration> = Vec::new();
    for round in 0..10_000u32 {
        let number = round.wrapping_mul(2_654_435_761) % PARTNERS;
        let wanted = address(&format!("p{number}@partner{}.example", number % 977));
        let begin = Instant::now();
        assert_eq!(directory.active_certificates(&wanted).await.unwrap().len(), 1);
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    println!("look-up among {PARTNERS}: median {:?}, p99 {:?}", times[times.len() / 2], times[times.len() * 99 / 100]);

    let files: Vec<Vec<u8>> = (0..2_000).map(|_| certificate.to_pem().into_bytes()).collect();
    let begin = Instant::now();
    let found = files.iter().filter(|file| {
        harvest("a.pem", file).iter().any(|file| matches!(&file.finding, Finding::Certificates(all) if all.len() == 1))
    });
    let count = found.count();
    println!("reading certificates out of files: {:.0}/s", count as f64 / begin.elapsed().as_secs_f64());

    let people: Vec<testkit::Person> =
        (0..300).map(|n| TestPki::shared().person(&format!("n{n}@new.example"), KeyKind::P256)).collect();
    let begin = Instant::now();
    for (number, person) in people.iter().enumerate() {
        let at = address(&format!("n{number}@new.example"));
        let mut submission = Submission::new(at, person.certificate().clone(), Origin::Officer, Actor::System);
        submission.intermediates = vec![TestPki::shared().ca().certificate().clone()];
        directory.submit(submission).await.unwrap();
    }
    println!("taking in, one by one, checked and with a mail: {:.0}/s", 300.0 / begin.elapsed().as_secs_f64());

    let people: Vec<testkit::Person> =
        (0..2_000).map(|n| TestPki::shared().person(&format!("m{n}@new.example"), KeyKind::P256)).collect();
    let files: Vec<Vec<u8>> = people.iter().map(|person| person.certificate().der().to_vec()).collect();
    let (begin, work) = (Instant::now(), cpu());
    for batch in files.chunks(500) {
        let mut submissions = Vec::new();
        for file in batch {
            for found in harvest("a.cer", file) {
                let Finding::Certificates(all) = found.finding else { continue };
                let at = address(&all[0].email_addresses()[0].to_string());
                let mut submission = Submission::new(at, all[0].clone(), Origin::Officer, Actor::System);
                submission.intermediates = vec![TestPki::shared().ca().certificate().clone()];
                submissions.push(submission);
            }
        }
        assert_eq!(directory.submit_all(&submissions).await.unwrap().len(), batch.len());
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "taking in by 500, checked and with a mail: {:.0}/s, {:.0} per second of one core",
        2_000.0 / seconds,
        2_000.0 / (cpu() - work)
    );

    let (anchors, between) = (TestPki::shared().anchors(), [TestPki::shared().ca().certificate().clone()]);
    let policy = PathPolicy::at(now()).purpose(Purpose::Encrypt);
    let cache = PathCache::new();
    for (name, cached) in [("cold", false), ("with the cache", true)] {
        let begin = cpu();
        for _ in 0..20_000 {
            let mut checker = PathChecker::new(&anchors, &policy).intermediates(&between);
            if cached {
                checker = checker.cache(&cache);
            }
            checker.check(certificate).map(drop).unwrap();
        }
        println!("path of three, {name}: {:.1} µs of a core", (cpu() - begin) * 50.0);
    }
}
