//! Gateways that are killed at every point that can be seen from outside, while a ledger counts each message.
//!
//! The mail server before them keeps what it was not told 250 for, and tries again: that is the contract. Numbers can
//! be raised by `SEALPOST_FAULT_KILLS` and `SEALPOST_FAULT_MESSAGES`; `cargo xtask faults` does, and writes them down.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that meets the unexpected fails")]

mod hop;
mod house;
mod ledger;
mod mail_server;
mod process;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ledger::Ledger;
use process::Rig;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Runs mail through `gateways` processes until there were enough kills and messages, then holds the ledger against
/// what arrived.
async fn storm(url: &str, folder: &std::path::Path, plan: Plan) -> String {
    let ledger = Arc::new(Ledger::default());
    let rig = Arc::new(Rig::start(url, folder, plan.gateways, Arc::clone(&ledger)).await);
    let since = Instant::now();
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
    rig.until_outbox_is_empty().await;
    let report = ledger.balance(&rig, restarts).await;
    rig.stop().await;
    format!("{report}, in {} s", since.elapsed().as_secs())
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
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("house.db").display());
    let plan = Plan {
        kills: number("SEALPOST_FAULT_KILLS", 200),
        messages: number("SEALPOST_FAULT_MESSAGES", 10_000),
        gateways: 1,
        database: None,
        database_restarts: 0,
    };
    let report = storm(&url, folder.path(), plan).await;
    ledger::write_down("SQLite, one gateway", &report);
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
        database_restarts: 3,
    };
    let report = storm(&database.url(), folder.path(), plan).await;
    database.stop();
    ledger::write_down("PostgreSQL, two gateways, database restarted three times", &report);
}
