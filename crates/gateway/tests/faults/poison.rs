//! Messages that something breaks over, or that never come to an end.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use asn1::Time;
use gateway::smtp::{Hop, Protocol};
use gateway::{Book, Candidate, Certificates, Gateway, MessageKey, Settings, Side, Unavailable};
use pki::{Credential, EmailAddress, TrustAnchors};
use testkit::TestPki;
use tokio::task::JoinSet;

use crate::bad_hop::BadHop;
use crate::house::{ALICE, BOB};
use crate::ledger::Ledger;
use crate::mail_server::{Dialogue, plain};
use crate::misbehaviour::{KINDS, Step};

const PANICS: &str = "panics@partner.example";
const NEVER_ENDS: &str = "never-ends@partner.example";

/// Knows nobody, and has a defect.
#[derive(Debug)]
struct Defective;

impl Book for Defective {
    fn now(&self) -> Time {
        testkit::now()
    }

    fn is_inside(&self, address: &EmailAddress) -> bool {
        address.domain() == "inside.example"
    }

    async fn anchors(&self) -> Result<Arc<TrustAnchors>, Unavailable> {
        Ok(Arc::new(TestPki::shared().anchors()))
    }

    async fn certificates(&self, address: &EmailAddress) -> Result<Certificates, Unavailable> {
        match address.to_string().as_str() {
            PANICS => panic!("this is the defect that is tested"),
            NEVER_ENDS => std::future::pending().await,
            _ => Ok(Vec::new()),
        }
    }

    async fn signing(&self, _: &EmailAddress) -> Result<Option<Credential>, Unavailable> {
        Ok(None)
    }

    async fn decryption(&self, _: &EmailAddress) -> Result<Vec<Credential>, Unavailable> {
        Ok(Vec::new())
    }

    async fn delivered(&self, _: &MessageKey) -> Result<HashSet<String>, Unavailable> {
        Ok(HashSet::new())
    }

    async fn record_delivery(&self, _: &MessageKey, _: &EmailAddress) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn learn(&self, _: &EmailAddress, _: &Candidate) -> Result<(), Unavailable> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r_14_a_message_that_breaks_its_work_is_held_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::default());
    let in_order = *KINDS.iter().find(|kind| kind.step == Step::Dot).unwrap();
    let hop = BadHop::of_kind(in_order, None, Arc::clone(&ledger));
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let hop = Hop::plain(Protocol::Smtp, hop.address());
    let settings = Settings::new("gate.inside.example", hop.clone(), hop, folder.path())
        .listen(any, Side::Inside, Protocol::Smtp)
        .listen(any, Side::Inside, Protocol::Lmtp);
    let gateway = Gateway::start(settings, Defective).await.unwrap();
    let (smtp, lmtp) = (gateway.addresses()[0], gateway.addresses()[1]);
    let send = |at: SocketAddr, to: &'static str, id: String| async move {
        let content = plain(&id, ALICE, to);
        let verb = if at == smtp { "EHLO" } else { "LHLO" };
        Dialogue { at, verb, from: ALICE, to: &[to], content: &content }.run(|_| ()).await
    };
    let mut stuck = JoinSet::new();
    for number in 0..20 {
        stuck.spawn(send(smtp, NEVER_ENDS, format!("stuck-{number}@rig")));
    }
    // Three strikes and more: each is *not now*, and the mail server keeps it.
    for number in 0..20 {
        for at in [smtp, lmtp] {
            assert_eq!(send(at, PANICS, format!("poison-{number}@rig")).await.unwrap(), [451]);
            let id = format!("good-{number}-{at}@rig");
            assert_eq!(send(at, BOB, id.clone()).await.unwrap(), [250]);
            assert_eq!(ledger.copies(&id, BOB), 1);
        }
    }
    stuck.abort_all();
    while let Some(ended) = stuck.join_next().await {
        assert!(ended.is_err() || ended.unwrap().is_err(), "what never ends was answered");
    }
}
