//! SMTP and LMTP: our own server and client.
//!
//! Only `CRLF.CRLF` ends a message, in and out; a bare CR or LF makes a message that comes in refused, never repaired, and
//! none goes out (CASES T-80). Everything read from a peer is bounded before it is read, and every wait has an end.

mod address;
mod client;
mod content;
mod envelope;
mod reply;
mod server;
mod session;
mod tls;
mod wire;

pub use address::{ForwardPath, ReversePath};
pub use client::{Client, ClientSettings, Hop, TlsPolicy};
pub(crate) use content::{Content, reader_behind};
pub use envelope::{Envelope, Recipient};
pub use reply::{Class, Reply};
pub use server::{Caps, Listening, Server};
pub(crate) use session::{BoxedStream, down};
pub use session::{Peer, Protocol, Service, SessionLimits, Timeouts};
pub use tls::{ServerTls, client_config};
pub(crate) use wire::ChunkChecker;
