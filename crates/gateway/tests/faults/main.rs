//! Gateways that are killed at every point that can be seen from outside, while a ledger counts each message.
//!
//! The mail server before them keeps what it was not told 250 for, and tries again: that is the contract. Numbers can
//! be raised by `SEALPOST_FAULT_KILLS` and `SEALPOST_FAULT_MESSAGES`; `cargo xtask faults` does, and writes them down.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that meets the unexpected fails")]

mod backup;
mod bad_hop;
mod commits;
mod descriptors;
mod disk;
mod downstream;
mod ending;
mod hop;
mod house;
mod ledger;
mod mail_server;
mod misbehaviour;
mod poison;
mod power;
mod process;
mod rotation;
mod soak;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::{Balance, Ledger};
use process::{Extras, Rig};

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Runs mail through `gateways` processes until there were enough kills and messages, then holds the ledger against
/// what arrived.
async fn storm(url: &str, folder: &std::path::Path, plan: Plan) -> Balance {
    let ledger = Arc::new(Ledger::default());
    let rig = Arc::new(Rig::start(url, folder, plan.gateways, Arc::clone(&ledger), Extras::default()).await);
    let mut sessions = tokio::task::JoinSet::new();
    for session in 0..8 {
        let (rig, ledger) = (Arc::clone(&rig), Arc::clone(&ledger));
        sessions.spawn(async move { mail_server::run(session, &rig, &ledger, plan).await });
    }
    let killer = tokio::spawn(process::kill_at_each_point(Arc::clone(&rig), plan.kills));
    let mut restarts = 0;
    if let Some(database) = plan.database {
        while restarts < plan.database_restarts {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            tokio::task::spawn_blocking(move || database.restart()).await.unwrap();
            restarts += 1;
        }
    }
    while let Some(ended) = sessions.join_next().await {
        ended.unwrap();
    }
    killer.await.unwrap();
    assert_eq!(rig.until_outbox_is_empty().await, 0);
    let balance = Balance { restarts, ..ledger.balance(&rig).await };
    balance.check_copies();
    rig.stop().await;
    balance
}

/// How much.
#[derive(Debug, Clone, Copy)]
struct Plan {
    kills: usize,
    messages: usize,
    gateways: usize,
    database: Option<&'static testkit::Postgres>,
    database_restarts: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn r_01_killed_at_every_point_nothing_is_lost_and_nothing_is_in_the_clear() {
    // Houses beside each other, each with a gateway and a directory of its own: a gateway waits for its disk mostly.
    let houses = number("SEALPOST_FAULT_HOUSES", 1).max(1);
    let plan = Plan {
        kills: number("SEALPOST_FAULT_KILLS", 200).div_ceil(houses),
        messages: number("SEALPOST_FAULT_MESSAGES", 10_000).div_ceil(houses),
        gateways: 1,
        database: None,
        database_restarts: 0,
    };
    let (since, mut running) = (Instant::now(), tokio::task::JoinSet::new());
    for _ in 0..houses {
        running.spawn(async move {
            let folder = tempfile::tempdir().unwrap();
            let url = format!("sqlite:{}", folder.path().join("house.db").display());
            storm(&url, folder.path(), plan).await
        });
    }
    let mut sum = Balance::default();
    while let Some(balance) = running.join_next().await {
        sum.add(&balance.unwrap());
    }
    let name = format!("SQLite, {houses} houses with a gateway each");
    ledger::write_down(&name, &format!("{sum}, in {} s", since.elapsed().as_secs()));
}

#[tokio::test(flavor = "multi_thread")]
async fn r_06_r_13_two_gateways_share_a_postgresql_that_is_restarted() {
    let database: &'static testkit::Postgres = Box::leak(Box::new(testkit::Postgres::start()));
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan {
        kills: number("SEALPOST_FAULT_KILLS", 200) / 10,
        messages: number("SEALPOST_FAULT_MESSAGES", 10_000) / 10,
        gateways: 2,
        database: Some(database),
        database_restarts: number("SEALPOST_FAULT_KILLS", 200) / 60,
    };
    let since = Instant::now();
    let balance = storm(&database.url(), folder.path(), plan).await;
    database.stop();
    let report = format!("{balance}, in {} s", since.elapsed().as_secs());
    ledger::write_down("PostgreSQL, two gateways, the database restarted", &report);
}
