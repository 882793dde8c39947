use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener, UnixSocket, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::session::Session;
use super::{MilterAddress, MilterSettings};
use crate::book::Book;
use crate::flow::Shared;
use crate::smtp::{BoxedStream, down};
use crate::{Error, Network, Side};

/// A filter that listens.
#[derive(Debug)]
pub(crate) struct MilterServer {
    listener: Listener,
    address: MilterAddress,
    side: Side,
    networks: Vec<Network>,
    log_in: bool,
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl MilterServer {
    /// Binds.
    pub(crate) async fn bind(settings: &MilterSettings) -> Result<Self, Error> {
        let (listener, address) = match &settings.address {
            MilterAddress::Tcp(address) => {
                let bound = TcpListener::bind(address).await;
                let listener = bound.map_err(|because| Error::Bind { address: *address, because })?;
                let address = MilterAddress::Tcp(listener.local_addr()?);
                (Listener::Tcp(listener), address)
            }
            MilterAddress::Unix(path) => {
                let bound = bind_socket(path).await;
                let listener = bound.map_err(|because| Error::BindSocket { path: path.clone(), because })?;
                (Listener::Unix(listener), settings.address.clone())
            }
        };
        let MilterSettings { side, networks, log_in, .. } = settings;
        Ok(Self { listener, address, side: *side, networks: networks.clone(), log_in: *log_in })
    }

    /// Where it listens; the port is a real one.
    pub(crate) fn address(&self) -> &MilterAddress {
        &self.address
    }

    /// Whose mail it is asked about.
    pub(crate) fn side(&self) -> Side {
        self.side
    }

    /// Serves until `shutdown` says true; then lets each session finish its message, at most for `grace`. A mail server
    /// has one connection for each of its clients: they all come from one address, and `room` counts them together.
    pub(crate) async fn serve<B: Book>(
        self,
        shared: Arc<Shared<B>>,
        room: Arc<Semaphore>,
        mut shutdown: watch::Receiver<bool>,
        grace: Duration,
    ) {
        let mut sessions = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = down(&mut shutdown) => break,
                Some(_) = sessions.join_next() => continue,
                accepted = self.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => match Arc::clone(&room).try_acquire_owned() {
                    Ok(permit) if self.may_come(peer) => {
                        let session = Session::new(stream, self.side, self.log_in, Arc::clone(&shared));
                        sessions.spawn(run(session, shutdown.clone(), permit));
                    }
                    // There is no answer that says so: whoever is cut off is told to come again by the mail server.
                    Ok(_) => tracing::warn!(?peer, "a mail server that may not ask here was cut off"),
                    Err(_) => tracing::warn!("too many connections of mail servers; one was cut off"),
                },
                Err(error) => {
                    // CASES R-05: out of descriptors; those in use come back.
                    tracing::error!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        // Before the listener goes: whoever comes next finds its place free, and its own socket is not taken away.
        if let MilterAddress::Unix(path) = &self.address {
            let _ = std::fs::remove_file(path);
        }
        drop(self.listener);
        if timeout(grace, async { while sessions.join_next().await.is_some() {} }).await.is_err() {
            tracing::warn!(left = sessions.len(), "sessions were cut off at shutdown");
        }
    }

    fn may_come(&self, peer: Option<IpAddr>) -> bool {
        // Who comes by the file system is what its permissions say.
        let Some(peer) = peer else { return true };
        match (self.networks.as_slice(), self.side) {
            // Whoever reaches it has mail signed: nobody does by an empty list.
            ([], Side::Inside) => peer.to_canonical().is_loopback(),
            ([], Side::Outside) => true,
            (networks, _) => networks.iter().any(|network| network.contains(peer)),
        }
    }

    async fn accept(&self) -> io::Result<(BoxedStream, Option<IpAddr>)> {
        match &self.listener {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Box::new(stream), Some(peer.ip())))
            }
            Listener::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Box::new(stream), None))
            }
        }
    }
}

/// The client that a mail server does not name.
pub(super) const THIS_MACHINE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

async fn run<B: Book>(session: Session<B>, shutdown: watch::Receiver<bool>, permit: OwnedSemaphorePermit) {
    if let Err(error) = session.run(shutdown).await {
        tracing::debug!(%error, "the connection of a mail server ended early");
    }
    drop(permit);
}

/// A socket where there is none that somebody listens at; one that was left behind makes way. Nobody is heard before it
/// is known who may come: until it listens, whoever connects is refused.
async fn bind_socket(path: &Path) -> io::Result<UnixListener> {
    bound(path).await?.listen(BACKLOG)
}

async fn bound(path: &Path) -> io::Result<UnixSocket> {
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        match UnixStream::connect(path).await {
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
            Err(error) => return Err(error),
        }
    }
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    // The mail server is in the group of the folder.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(socket)
}

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_list_only_this_machine_has_mail_signed() {
        for (side, stranger) in [(Side::Inside, false), (Side::Outside, true)] {
            let address = MilterAddress::Tcp(([127, 0, 0, 1], 0).into());
            let settings = MilterSettings { address, side, networks: Vec::new(), log_in: false };
            let server = MilterServer::bind(&settings).await.unwrap();
            assert!(server.may_come(Some(THIS_MACHINE)) && server.may_come(None));
            assert_eq!(server.may_come(Some([192, 0, 2, 1].into())), stranger, "{side:?}");
        }
    }

    #[tokio::test]
    async fn nobody_is_heard_at_a_socket_before_its_permissions_say_who_may_come() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("milter");
        let socket = bound(&path).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        let refused = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let _listener = socket.listen(BACKLOG).unwrap();
        UnixStream::connect(&path).await.unwrap();
    }
}
