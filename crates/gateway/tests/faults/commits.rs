//! The connection to PostgreSQL is cut at a commit: before it arrives, or before its answer does.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::ledger::Ledger;
use crate::mail_server::{mail, to_webmailer, until_taken};
use crate::process::{Extras, Rig};

/// Between gateway and database.
struct Proxy {
    server: PathBuf,
    commits: AtomicUsize,
    lost_commits: AtomicUsize,
    lost_answers: AtomicUsize,
}

impl Proxy {
    async fn start(server: PathBuf) -> (Arc<Self>, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let this = Arc::new(Self {
            server,
            commits: AtomicUsize::new(0),
            lost_commits: AtomicUsize::new(0),
            lost_answers: AtomicUsize::new(0),
        });
        let proxy = Arc::clone(&this);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let proxy = Arc::clone(&proxy);
                tokio::spawn(async move { proxy.pass(stream).await.ok() });
            }
        });
        (this, address)
    }

    async fn pass(&self, mut gateway: TcpStream) -> std::io::Result<()> {
        let mut server = UnixStream::connect(&self.server).await?;
        let (mut question, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        loop {
            tokio::select! {
                read = gateway.read(&mut question) => {
                    let asked = &question[..read?];
                    if asked.is_empty() {
                        return Ok(());
                    }
                    let is_commit = asked.windows(6).any(|window| window == b"COMMIT");
                    // Of every four commits one is lost, and the answer to another one.
                    match is_commit.then(|| self.commits.fetch_add(1, Ordering::SeqCst) % 4) {
                        Some(1) => {
                            self.lost_commits.fetch_add(1, Ordering::SeqCst);
                            return Ok(());
                        }
                        Some(3) => {
                            server.write_all(asked).await?;
                            // It is committed when the server has said so, and nobody hears it.
                            if server.read(&mut answer).await? > 0 {
                                self.lost_answers.fetch_add(1, Ordering::SeqCst);
                            }
                            return Ok(());
                        }
                        _ => server.write_all(asked).await?,
                    }
                }
                read = server.read(&mut answer) => {
                    let answered = &answer[..read?];
                    if answered.is_empty() {
                        return Ok(());
                    }
                    gateway.write_all(answered).await?;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r_06_r_19_a_commit_that_is_cut_off_is_neither_lost_nor_done_twice() {
    let database: &'static testkit::Postgres = Box::leak(Box::new(testkit::Postgres::start()));
    let folder = tempfile::tempdir().unwrap();
    let (proxy, address) = Proxy::start(database.socket()).await;
    let ledger = Arc::new(Ledger::default());
    let url = Some(format!("postgres://postgres@{address}/postgres"));
    let extras = Extras { url, ..Extras::default() };
    let rig = Rig::start(&database.url(), folder.path(), 1, Arc::clone(&ledger), extras).await;
    for number in 0..20 {
        until_taken(number, &rig, &ledger, &to_webmailer(number)).await;
        // One for two recipients: who has it is remembered by a commit.
        until_taken(number, &rig, &ledger, &mail(number * 10 + 8, &rig.encrypted)).await;
    }
    assert_eq!(rig.until_outbox_is_empty().await, 0);
    let cut = (proxy.lost_commits.load(Ordering::SeqCst), proxy.lost_answers.load(Ordering::SeqCst));
    assert!(cut.0 >= 3 && cut.1 >= 3, "{cut:?}");
    let balance = ledger.balance(&rig).await;
    // A mail whose delivery could not be noted is sent again, once for each cut.
    assert!(balance.extra + balance.extra_notifications <= cut.0 + cut.1, "{balance} {cut:?}");
    rig.stop().await;
    database.stop();
}
