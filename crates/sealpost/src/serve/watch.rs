//! What monitoring asks: counters, and whether it works. On an address of its own, never on the pages' one (CASES T-111).

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use directory::{Directory, RequestFilter, State as RequestState};
use gateway::Metrics;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::outcome::Stop;

/// A listener for monitoring that is running.
#[derive(Debug)]
pub(super) struct Watch {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Watched {
    directory: Directory,
    gateway: Option<Arc<Metrics>>,
}

impl Watch {
    pub(super) async fn start(
        address: SocketAddr,
        directory: Directory,
        gateway: Option<Arc<Metrics>>,
    ) -> Result<Self, Stop> {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            Stop::failed(format_args!("cannot listen on {address} for monitoring: {error}"))
                .hint("is another program listening there? the address is watch.address in the configuration")
        })?;
        let router = Router::new()
            .route("/healthz", get(|| async { "alive\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(Watched { directory, gateway });
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let until = async {
                // An error says that nobody is left to stop it.
                let _ = stopped.await;
            };
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(until).await {
                tracing::error!(%error, "monitoring is not answered any more");
            }
        });
        Ok(Self { stop, task })
    }

    pub(super) async fn shutdown(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

/// Whether mail and pages can do their work now.
async fn ready(State(watched): State<Watched>) -> Response {
    match watched.directory.is_ready().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {error}\n")).into_response(),
    }
}

async fn metrics(State(watched): State<Watched>) -> Response {
    let mut text = watched.gateway.as_ref().map(|gateway| gateway.to_text()).unwrap_or_default();
    // The end is for the end.
    if let Some(rest) = text.strip_suffix("# EOF\n") {
        text.truncate(rest.len());
    }
    if let Err(error) = state_of(&watched.directory, &mut text).await {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {error}\n")).into_response();
    }
    text.push_str("# EOF\n");
    let kind = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    (kind, text).into_response()
}

/// What only the directory knows: what waits, and since when it should not.
async fn state_of(directory: &Directory, text: &mut String) -> Result<(), directory::Error> {
    const MOST: u32 = 10_000;
    let outbox = directory.outbox_counts().await?;
    let open = directory.requests(&RequestFilter::Open, MOST).await?;
    let now = directory.now();
    let overdue = open.iter().filter(|request| request.due() < now).count();
    let confirmed = open.iter().filter(|request| request.state() == RequestState::Confirmed).count();
    let gauges = [
        ("sealpost_outbox_waiting", "Mails of our own that wait to be delivered", outbox.waiting + outbox.leased),
        ("sealpost_outbox_given_up", "Mails of our own that could not be delivered", outbox.given_up),
        ("sealpost_requests_open", "Certificates on their way", count(open.len())),
        ("sealpost_requests_confirmed", "Certificates that wait for an officer", count(confirmed)),
        ("sealpost_requests_overdue", "Certificates past their deadline", count(overdue)),
    ];
    for (name, help, value) in gauges {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} gauge\n{name} {value}");
    }
    Ok(())
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
