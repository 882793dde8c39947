//! A gateway that has no descriptors left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::ledger::Ledger;
use crate::mail_server::{mail, submit, until_taken};
use crate::process::{Extras, Rig};

const MOST: usize = 96;

pub(crate) fn descriptors(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread")]
async fn r_05_out_of_descriptors_nothing_is_lost_and_it_goes_on_when_they_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("house.db").display());
    let ledger = Arc::new(Ledger::default());
    let extras = Extras {
        environment: vec![("FAULT_CONNECTIONS", "1000".into())],
        before: Some("ulimit -S -n 96"),
        ..Extras::default()
    };
    let rig = Rig::start(&url, folder.path(), 1, Arc::clone(&ledger), extras).await;
    for number in 0..10 {
        until_taken(number, &rig, &ledger, &mail(number, &rig.encrypted)).await;
    }
    let mut idle = Vec::new();
    let since = Instant::now();
    while descriptors(rig.process(0)) < MOST {
        assert!(since.elapsed() < Duration::from_secs(60), "it does not run out: {}", descriptors(rig.process(0)));
        if idle.len() < 2 * MOST {
            idle.push(TcpStream::connect(rig.gateways[0].inside).await.unwrap());
        }
        sleep(Duration::from_millis(5)).await;
    }
    // Nobody is listened to now, and one of those who are there already leaves: whoever takes that place may be served
    // without a descriptor for the next hop, and is told *not now*.
    let waiting = mail(1_000, &rig.encrypted);
    idle.remove(0);
    let told = tokio::time::timeout(Duration::from_secs(2), submit(&rig, 0, &waiting)).await;
    if let Ok(Ok(code)) = told {
        assert!(code == 250 || (400..500).contains(&code), "{code}");
    }
    drop(idle);
    for number in 1_000..1_020 {
        until_taken(number, &rig, &ledger, &mail(number, &rig.encrypted)).await;
    }
    assert_eq!(rig.until_outbox_is_empty().await, 0);
    let balance = ledger.balance(&rig).await;
    assert!(balance.extra <= 1 && balance.accepted == 30, "{balance}");
    rig.stop().await;
}
