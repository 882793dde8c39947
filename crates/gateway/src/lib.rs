//! Mail in, policy, mail out: SMTP, LMTP, intake, learning, confirmation mails.

mod error;
pub mod maildir;
mod network;
pub mod smtp;

pub use error::Error;
pub use network::Network;
