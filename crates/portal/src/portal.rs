use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use directory::Directory;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::app::App;
use crate::{Error, Settings, routes};

/// The portal as it runs.
pub struct Portal {
    address: SocketAddr,
    app: App,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Portal {
    /// Listens and serves until [`Self::shutdown`].
    pub async fn start(settings: Settings, directory: Directory) -> Result<Self, Error> {
        let wanted = settings.address;
        let app = App::new(settings, directory)?;
        let listen = |because| Error::Listen { address: wanted, because };
        let listener = TcpListener::bind(wanted).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, routes::router(app.clone()), stopped));
        tracing::info!(%address, "the portal listens");
        Ok(Self { address, app, stop, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many passwords were hashed since the start: nearly all the work that the log-in is.
    pub fn passwords_hashed(&self) -> u64 {
        self.app.hashed()
    }

    /// Takes no new connections, finishes what runs, and ends.
    pub async fn shutdown(self) {
        // An error says that it has ended already.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

impl fmt::Debug for Portal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Portal({})", self.address)
    }
}

async fn serve(listener: TcpListener, router: Router, mut stopped: oneshot::Receiver<()>) {
    let connections = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let turn = tokio::select! {
            _ = &mut stopped => break,
            turn = Arc::clone(&room).acquire_owned() => turn,
        };
        let Ok(turn) = turn else { break };
        let (stream, peer) = tokio::select! {
            _ = &mut stopped => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file handles, most likely: others have to close first.
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let router = router.clone();
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(LONGEST_HEADER)
            .serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(turn);
        });
    }
    drop(listener);
    if tokio::time::timeout(PATIENCE, connections.shutdown()).await.is_err() {
        tracing::warn!("connections were still open at the end");
    }
}

const MOST_CONNECTIONS: usize = 1024;
const HEADER_TIMEOUT: Duration = Duration::from_secs(20);
const LONGEST_HEADER: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(10);
