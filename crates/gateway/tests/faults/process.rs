//! Gateways as processes of their own, started again whenever they are killed.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use directory::Directory;
use gateway::policy::{Choice, Otherwise};
use gateway::smtp::{Hop, Protocol};
use gateway::{Gateway, HopTimeouts, Settings, Side};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::house::{self, Told};
use crate::ledger::Ledger;
use crate::{hop, mail_server};

/// What is not as in every rig.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    /// Another way for the gateways to the database.
    pub(crate) url: Option<String>,
    /// Another next hop outside.
    pub(crate) outside: Option<SocketAddr>,
    /// More in the gateways' environment.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// What a shell does before it becomes the gateway.
    pub(crate) before: Option<&'static str>,
}

pub(crate) struct Rig {
    pub(crate) gateways: Vec<Process>,
    pub(crate) killer: Arc<Killer>,
    pub(crate) directory: Directory,
    pub(crate) encrypted: Vec<u8>,
    pub(crate) told: Told,
}

/// One gateway process and where it listens.
pub(crate) struct Process {
    pub(crate) inside: SocketAddr,
    pub(crate) outside: SocketAddr,
    environment: Vec<(&'static str, String)>,
    before: Option<&'static str>,
}

impl Process {
    fn spawn(&self) -> Child {
        let program = std::env::current_exe().unwrap();
        let mut command = match self.before {
            None => Command::new(program),
            Some(before) => {
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(format!("{before}; exec \"$0\" \"$@\"")).arg(program);
                shell
            }
        };
        command
            .args(["process::the_gateway", "--exact", "--ignored", "--nocapture"])
            .envs(self.environment.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }
}

/// Kills a gateway when the point comes that it waits for.
pub(crate) struct Killer {
    children: Mutex<Vec<Option<Child>>>,
    waits_for: Mutex<Option<&'static str>>,
    killed: Notify,
    ledger: Arc<Ledger>,
}

impl Killer {
    /// Something happens here now.
    pub(crate) fn point(&self, name: &'static str) {
        let mut waits_for = self.waits_for.lock().unwrap();
        if *waits_for == Some(name) {
            *waits_for = None;
            drop(waits_for);
            self.kill(name);
        }
    }

    fn kill(&self, name: &'static str) {
        let mut children = self.children.lock().unwrap();
        let number: usize = self.ledger.kills.lock().unwrap().values().sum();
        let index = number % children.len();
        if let Some(mut child) = children[index].take() {
            child.kill().unwrap();
            child.wait().unwrap();
            *self.ledger.kills.lock().unwrap().entry(name).or_default() += 1;
        }
        self.killed.notify_one();
    }

    pub(crate) fn is_done(&self, kills: usize) -> bool {
        self.ledger.kills.lock().unwrap().values().sum::<usize>() >= kills
    }
}

const FREE: [&str; 4] = ["any moment", "any moment, later", "any moment, early", "any moment, at once"];

/// Kills at one point after the other until it is enough, and starts what was killed again.
pub(crate) async fn kill_at_each_point(rig: Arc<Rig>, kills: usize) {
    let points: Vec<&'static str> = mail_server::POINTS
        .into_iter()
        .chain(hop::INSIDE.all())
        .chain(hop::OUTSIDE.all())
        .chain([hop::OUTBOX_BEFORE, hop::OUTBOX_AFTER])
        .chain(FREE)
        .collect();
    for round in 0.. {
        if rig.killer.is_done(kills) {
            return;
        }
        let point = points[round % points.len()];
        // Some mail goes through between two kills.
        sleep(Duration::from_millis(60 + (round as u64 * 37) % 180)).await;
        if let Some(delay) = FREE.iter().position(|free| *free == point) {
            sleep(Duration::from_millis([7, 61, 3, 0][delay])).await;
            rig.killer.kill(point);
        } else {
            *rig.killer.waits_for.lock().unwrap() = Some(point);
        }
        if tokio::time::timeout(Duration::from_secs(5), rig.killer.killed.notified()).await.is_err() {
            // No mail came by there just now.
            *rig.killer.waits_for.lock().unwrap() = None;
            continue;
        }
        rig.start_missing().await;
    }
}

impl Rig {
    pub(crate) async fn start(url: &str, folder: &Path, gateways: usize, ledger: Arc<Ledger>, extras: Extras) -> Self {
        let told = Told::new(url, folder);
        let (directory, keys) = told.open().await;
        let encrypted = house::fill(&directory, &keys).await.encrypted;
        let killer = Arc::new(Killer {
            children: Mutex::new((0..gateways).map(|_| None).collect()),
            waits_for: Mutex::default(),
            killed: Notify::new(),
            ledger: Arc::clone(&ledger),
        });
        let inside_hop = hop::start(hop::INSIDE, Arc::clone(&killer), Arc::clone(&ledger)).await;
        let outside_hop = match extras.outside {
            Some(address) => address,
            None => hop::start(hop::OUTSIDE, Arc::clone(&killer), ledger).await,
        };
        let url = extras.url.unwrap_or_else(|| told.url.clone());
        let gateways = (0..gateways)
            .map(|number| {
                let (inside, outside) = (free(), free());
                let mut environment = vec![
                    ("FAULT_URL", url.clone()),
                    ("FAULT_START", told.start.to_string()),
                    ("FAULT_STORE_KEY", told.store_key.clone()),
                    ("FAULT_MASTER_KEY", told.master_key.clone()),
                    ("FAULT_ROOT", told.root.clone()),
                    ("FAULT_FOLDER", folder.display().to_string()),
                    ("FAULT_INSIDE", inside.to_string()),
                    ("FAULT_OUTSIDE", outside.to_string()),
                    ("FAULT_INSIDE_HOP", inside_hop.to_string()),
                    ("FAULT_OUTSIDE_HOP", outside_hop.to_string()),
                    ("FAULT_NAME", format!("gateway {number}")),
                ];
                environment.extend(extras.environment.iter().cloned());
                Process { inside, outside, environment, before: extras.before }
            })
            .collect();
        let rig = Self { gateways, killer, directory, encrypted, told };
        rig.start_missing().await;
        rig
    }

    /// What a supervisor does: whatever does not run is started until it does.
    async fn start_missing(&self) {
        for (index, process) in self.gateways.iter().enumerate() {
            let since = Instant::now();
            while self.is_missing(index) || tokio::net::TcpStream::connect(process.outside).await.is_err() {
                assert!(since.elapsed() < Duration::from_secs(60), "a gateway does not start");
                if self.is_missing(index) {
                    let child = process.spawn();
                    self.killer.children.lock().unwrap()[index] = Some(child);
                }
                sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// Whether a gateway was killed, or ended by itself because its database was away when it started.
    fn is_missing(&self, index: usize) -> bool {
        let mut children = self.killer.children.lock().unwrap();
        let ended = children[index].as_mut().is_none_or(|child| child.try_wait().unwrap().is_some());
        if ended {
            children[index] = None;
        }
        ended
    }

    /// The process of a gateway.
    pub(crate) fn process(&self, index: usize) -> u32 {
        self.killer.children.lock().unwrap()[index].as_ref().unwrap().id()
    }

    /// Ends a gateway as a service manager does, and starts it again; gives whether it ended in order.
    pub(crate) async fn restart(&self, index: usize) -> bool {
        let mut child = self.killer.children.lock().unwrap()[index].take().unwrap();
        signal("TERM", child.id());
        let since = Instant::now();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if since.elapsed() > Duration::from_secs(60) => {
                    child.kill().unwrap();
                    break child.wait().unwrap();
                }
                None => sleep(Duration::from_millis(10)).await,
            }
        };
        self.start_missing().await;
        status.success()
    }

    /// Gives how many mails of it were given up.
    pub(crate) async fn until_outbox_is_empty(&self) -> usize {
        let since = Instant::now();
        loop {
            let counts = self.directory.outbox_counts().await.unwrap();
            if counts.waiting + counts.leased == 0 {
                return usize::try_from(counts.given_up).unwrap();
            }
            assert!(since.elapsed() < Duration::from_secs(120), "the outbox does not empty: {counts:?}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn stop(&self) {
        for mut child in self.killer.children.lock().unwrap().drain(..).flatten() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        for mut child in self.killer.children.lock().unwrap().drain(..).flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free() -> SocketAddr {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// Sends a signal to a process.
pub(crate) fn signal(name: &str, process: u32) {
    let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {process}")).status().unwrap();
    assert!(status.success(), "SIG{name} to {process}");
}

/// Not a test: the process that the others kill.
#[test]
#[ignore = "is started by the other tests"]
fn the_gateway() {
    use tokio::signal::unix::{SignalKind, signal};
    let told = |name: &str| std::env::var(name).unwrap();
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let address = |name: &str| -> SocketAddr { told(name).parse().unwrap() };
    let house = Told {
        url: told("FAULT_URL"),
        start: told("FAULT_START").parse().unwrap(),
        store_key: told("FAULT_STORE_KEY"),
        master_key: told("FAULT_MASTER_KEY"),
        root: told("FAULT_ROOT"),
    };
    let folder = PathBuf::from(told("FAULT_FOLDER"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (directory, keys) = house.open().await;
        let inside = Hop::plain(Protocol::Smtp, address("FAULT_INSIDE_HOP"));
        let outside = Hop::plain(Protocol::Smtp, address("FAULT_OUTSIDE_HOP"));
        let mut settings = Settings::new("gate.inside.example", inside, outside, &folder)
            .listen(address("FAULT_INSIDE"), Side::Inside, Protocol::Smtp)
            .listen(address("FAULT_OUTSIDE"), Side::Outside, Protocol::Smtp);
        settings.policy.encrypt = Choice::Always;
        settings.policy.otherwise = Otherwise::Webmailer;
        settings.messages = Some(folder.join("store").into());
        settings.worker = told("FAULT_NAME");
        settings.outbox_seconds = 1;
        if let Some(wait) = number("FAULT_PATIENCE").map(Duration::from_millis) {
            settings.hop_timeouts = HopTimeouts { connect: wait, answer: wait, delivered: wait, idle: wait };
        }
        if let Some(octets) = number("FAULT_MEMORY") {
            settings.limits.memory_bytes = usize::try_from(octets).unwrap();
        }
        if let Some(connections) = number("FAULT_CONNECTIONS") {
            settings.connections_per_address = u32::try_from(connections).unwrap();
        }
        let mut term = signal(SignalKind::terminate()).unwrap();
        let gateway = Gateway::start_with_directory(settings, directory, keys).await.unwrap();
        term.recv().await;
        gateway.shutdown().await;
    });
}
