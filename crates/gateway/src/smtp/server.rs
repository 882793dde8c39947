use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Reply;
use super::session::{BoxedStream, Protocol, Service, Session, SessionLimits, down};
use super::tls::ServerTls;
use super::wire::Wire;
use crate::Error;
use crate::network::Network;
use crate::settings::Side;

/// How a listener speaks.
#[derive(Debug, Clone)]
pub struct Listening {
    /// What we call ourselves.
    pub hostname: String,
    /// Whose postmaster is meant by `<postmaster>`.
    pub domain: String,
    /// SMTP or LMTP.
    pub protocol: Protocol,
    /// Certificate and key for STARTTLS, or for TLS from the start.
    pub tls: Option<Arc<ServerTls>>,
    /// TLS from the start (RFC 8314 §3.3).
    pub implicit_tls: bool,
    /// Nothing is taken without TLS.
    pub tls_required: bool,
    /// AUTH PLAIN is offered under TLS.
    pub auth: bool,
    /// Nothing is taken without AUTH.
    pub auth_required: bool,
    /// Whose mail comes in here.
    pub side: Side,
    /// Who may connect; when empty, everybody from outside, and this machine alone from inside.
    pub networks: Vec<Network>,
    /// What a session may use up.
    pub limits: SessionLimits,
    /// Where large messages wait, encrypted.
    pub spool_folder: PathBuf,
}

impl Listening {
    /// SMTP without TLS, for everybody.
    pub fn new(hostname: &str, protocol: Protocol, spool_folder: impl Into<PathBuf>) -> Self {
        Self {
            hostname: hostname.to_owned(),
            domain: hostname.to_owned(),
            protocol,
            tls: None,
            implicit_tls: false,
            tls_required: false,
            auth: false,
            auth_required: false,
            side: Side::Outside,
            networks: Vec::new(),
            limits: SessionLimits::default(),
            spool_folder: spool_folder.into(),
        }
    }
}

/// How many connections there may be at once, over all listeners (CASES T-91).
#[derive(Debug)]
pub struct Caps {
    all: u32,
    per_address: u32,
    open: Mutex<HashMap<IpAddr, u32>>,
}

impl Caps {
    /// So many in all, and so many from one address (an IPv6 address counts as its /64).
    pub fn new(all: u32, per_address: u32) -> Arc<Self> {
        Arc::new(Self { all, per_address, open: Mutex::default() })
    }

    fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Entered> {
        let key = key(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let all: u32 = open.values().sum();
        // Whoever is turned away leaves nothing behind: there are more addresses than memory.
        let here = open.get(&key).copied().unwrap_or_default();
        if all >= self.all || here >= self.per_address {
            return None;
        }
        open.insert(key, here + 1);
        Some(Entered { caps: Arc::clone(self), key })
    }
}

struct Entered {
    caps: Arc<Caps>,
    key: IpAddr,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut open = self.caps.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.key);
            }
        }
    }
}

fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// A bound listener.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    listening: Arc<Listening>,
}

impl Server {
    /// Binds.
    pub async fn bind(address: SocketAddr, listening: Listening) -> Result<Self, Error> {
        let listener = TcpListener::bind(address).await.map_err(|because| Error::Bind { address, because })?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, listening: Arc::new(listening) })
    }

    /// Where it listens; the port is a real one even when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` says true; then takes no new connections and lets each session finish the message it
    /// is in, at most for `grace` (CASES R-16).
    pub async fn serve<S: Service>(
        self,
        service: Arc<S>,
        caps: Arc<Caps>,
        mut shutdown: watch::Receiver<bool>,
        grace: Duration,
    ) {
        let mut sessions = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = down(&mut shutdown) => break,
                Some(_) = sessions.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let entered = caps.enter(peer.ip());
                    let (listening, service) = (Arc::clone(&self.listening), Arc::clone(&service));
                    let shutdown = shutdown.clone();
                    sessions.spawn(async move {
                        if let Err(error) = connection(stream, peer.ip(), entered, listening, service, shutdown).await {
                            tracing::debug!(%error, peer = %peer.ip(), "the connection ended early");
                        }
                    });
                }
                Err(error) => {
                    // CASES R-05: out of descriptors; those in use come back.
                    tracing::error!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        drop(self.listener);
        let drained = timeout(grace, async { while sessions.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!(left = sessions.len(), "sessions were cut off at shutdown");
        }
    }
}

fn may_come(networks: &[Network], side: Side, peer: IpAddr) -> bool {
    match (networks, side) {
        // Whoever reaches it has mail signed: nobody does by an empty list.
        ([], Side::Inside) => peer.to_canonical().is_loopback(),
        ([], Side::Outside) => true,
        (networks, _) => networks.iter().any(|network| network.contains(peer)),
    }
}

async fn connection<S: Service>(
    stream: TcpStream,
    peer: IpAddr,
    entered: Option<Entered>,
    listening: Arc<Listening>,
    service: Arc<S>,
    shutdown: watch::Receiver<bool>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let refusal = if !may_come(&listening.networks, listening.side, peer) {
        Some(Reply::new(554, "5.7.1", "not from here"))
    } else if entered.is_none() {
        Some(Reply::new(421, "4.7.0", "too many connections, come again"))
    } else {
        None
    };
    if let Some(reply) = refusal {
        let (mut wire, mut out) = (Wire::new(stream), Vec::new());
        reply.write(&mut out);
        wire.write(&out).await?;
        wire.close().await;
        return Ok(());
    }
    let handshake = listening.limits.timeouts.handshake;
    let (stream, tls): (BoxedStream, bool) = match &listening.tls {
        Some(tls) if listening.implicit_tls => {
            let accepted = timeout(handshake, tls.accept(stream)).await.map_err(|_| std::io::ErrorKind::TimedOut)??;
            (Box::new(accepted), true)
        }
        _ => (Box::new(stream), false),
    };
    let result = Session::new(stream, peer, tls, listening, service).run(shutdown).await;
    drop(entered);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_54_whoever_is_turned_away_leaves_nothing_behind() {
        let caps = Caps::new(1, 1);
        let first = caps.enter(IpAddr::from([192, 0, 2, 1]));
        assert!(first.is_some());
        for last in 2..100 {
            assert!(caps.enter(IpAddr::from([192, 0, 2, last])).is_none());
        }
        let remembered = || caps.open.lock().unwrap().len();
        assert_eq!(remembered(), 1);
        drop(first);
        assert_eq!(remembered(), 0);
    }

    #[test]
    fn an_empty_list_lets_nobody_from_elsewhere_in_where_mail_is_signed() {
        let come = |networks: &[Network], side, peer: &str| may_come(networks, side, peer.parse().unwrap());
        assert!(!come(&[], Side::Inside, "192.0.2.7") && !come(&[], Side::Inside, "::ffff:192.0.2.7"));
        assert!(come(&[], Side::Inside, "127.0.0.1") && come(&[], Side::Inside, "::ffff:127.0.0.1"));
        assert!(come(&[], Side::Inside, "::1"));
        assert!(come(&[], Side::Outside, "192.0.2.7"));
        let listed = ["192.0.2.0/24".parse::<Network>().unwrap()];
        for side in [Side::Inside, Side::Outside] {
            assert!(come(&listed, side, "192.0.2.7") && !come(&listed, side, "198.51.100.1"));
        }
    }
}
