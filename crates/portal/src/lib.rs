//! How-to page, webmailer, officer's board.
//!
//! [`Portal::start`] serves everything that people see, in German and English, without a script. The portal sees a
//! [`Directory`](directory::Directory) and nothing else: it opens no private key and sends no mail itself, it puts
//! mail into the directory's outbox.
//!
//! Who may use which page stands in one table, [`routes`]; the guard in front of each page is built from it.

mod api;
mod app;
mod assets;
mod certificate_view;
mod error;
mod explain;
mod form;
mod guard;
mod icons;
mod local;
mod openid;
mod page;
mod pages;
mod passkeys;
mod password;
mod portal;
mod problem;
mod routes;
mod settings;
mod texts;
mod totp;
mod visitor;

pub use api::openapi;
pub use error::Error;
pub use explain::{Explain, ExplainQuery, Explaining};
pub use openid::OpenId;
pub use password::{first_password, hash_password};
pub use portal::Portal;
pub use routes::{Access, RouteInfo, routes};
pub use settings::{SettingSource, Settings, ShownSetting};
