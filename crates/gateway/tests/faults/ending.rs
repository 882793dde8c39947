//! Gateways that are told to end while mail comes in.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::Plan;
use crate::ledger::Ledger;
use crate::mail_server;
use crate::process::{Extras, Rig};

#[tokio::test(flavor = "multi_thread")]
async fn r_16_told_to_end_under_load_a_gateway_loses_nothing_and_sends_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("house.db").display());
    let ledger = Arc::new(Ledger::default());
    let rig = Arc::new(Rig::start(&url, folder.path(), 1, Arc::clone(&ledger), Extras::default()).await);
    let plan = Plan { kills: 0, messages: 200, gateways: 1, database: None, database_restarts: 0 };
    let mut sessions = tokio::task::JoinSet::new();
    for session in 0..8 {
        let (rig, ledger) = (Arc::clone(&rig), Arc::clone(&ledger));
        sessions.spawn(async move { mail_server::run(session, &rig, &ledger, plan).await });
    }
    for _ in 0..4 {
        sleep(Duration::from_millis(150)).await;
        assert!(rig.restart(0).await, "it did not end in order");
    }
    while let Some(ended) = sessions.join_next().await {
        ended.unwrap();
    }
    assert_eq!(rig.until_outbox_is_empty().await, 0);
    let balance = ledger.balance(&rig).await;
    // Whoever ends in order has given every answer before.
    assert_eq!((balance.extra, balance.extra_notifications), (0, 0), "{balance}");
    rig.stop().await;
}
