//! Mail in, policy, mail out: SMTP, LMTP, intake, learning, confirmation mails.
//!
//! A message comes in at a [`Side`]. What is found in it are [`Facts`]; [`decide`] makes a [`Plan`] for each recipient
//! of them, a [`Snapshot`] of the directory and the [`Policy`], and reads nothing else. Then the message is transformed
//! and given to the next hop, whose answers become ours: a 250 of ours is a 250 of the next hop, or something is
//! committed to disk.

mod acme;
mod banner;
mod book;
mod clean_html;
mod confusable;
mod connector;
mod decide;
mod directory_book;
mod error;
mod explain;
mod facts;
mod finder;
mod flow;
mod gateway;
mod in_memory;
mod incoming;
mod inquiry;
mod inside;
mod intake;
mod key_worker;
mod log_in;
mod mail;
pub mod maildir;
mod metrics;
mod milter;
mod network;
mod notes;
mod outgoing;
pub mod policy;
mod results;
mod returned;
mod scanner;
mod settings;
pub mod smtp;
mod trace;
mod verdict;
mod watch;
mod workers;

pub use crate::milter::{MilterAddress, MilterSettings};
pub use acme::{AcmeSettings, answer_to_challenge};
pub use book::{Book, Candidate, Certificates, IntakeMail, MessageKey, Unavailable, WebmailerMessage};
pub use connector::LoopMark;
pub use decide::{Action, Group, Known, Plan, Snapshot, Treatment, decide, groups};
pub use directory_book::certificates_for;
pub use error::Error;
pub use explain::{Chosen, Explanation, Query, explain, explain_with_directory};
pub use facts::{Facts, Protection};
pub use gateway::Gateway;
pub use inquiry::Answer;
pub use intake::MailboxSettings;
pub use metrics::Metrics;
pub use network::Network;
pub use notes::Note;
pub use policy::Policy;
pub use scanner::Scanner;
pub use settings::{HopTimeouts, Incoming, IntakeSettings, ListenerSettings, Settings, Side, Tampered, Undecryptable};
pub use verdict::{SmimeResult, Verdict};
pub use watch::{Watch, WatchReport};
