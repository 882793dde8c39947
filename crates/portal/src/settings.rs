use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use directory::{MessagePlace, Role};

use crate::{Explain, OpenId};

/// What the portal has to know beside what the directory knows.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Bodies of messages in the webmailer, as [`directory::MessageStore`] keeps them.
    pub messages: MessagePlace,
    /// The most that is taken in when certificates are sent in (CASES T-107).
    pub upload_bytes: u64,
    /// The most that a message with its attachments may have.
    pub message_bytes: u64,
    /// The most that may be in memory of all that is being sent in at a time, over all sessions.
    pub upload_memory_bytes: u64,
    /// After so many minutes without a click somebody is logged out.
    pub idle_minutes: u16,
    /// Who has to have a second factor when they log in with a password.
    pub second_factor_for: Vec<Role>,
    /// Whether a passkey logs somebody in without a password; as a second factor it always counts.
    pub passkey_log_in: bool,
    /// Whether a forgotten password is set by a link that is mailed; otherwise the contact person gives a first one.
    pub password_links: bool,
    /// Where the people inside log in without a password.
    pub openid: Option<OpenId>,
    /// For so many days a first password can be used.
    pub first_password_days: u16,
    /// Where partners can get a certificate, as links or `Name https://…`; shown on the how-to page.
    pub certificate_sources: Vec<String>,
    /// Proxies whose `X-Forwarded-For` says where somebody comes from.
    pub trusted_proxies: Vec<IpAddr>,
    /// The time zone of the dates on the pages, as in the IANA database; default: the machine's.
    pub time_zone: Option<String>,
    /// How often a program may call with its token within a minute; a tenth of it may come without one that is good.
    pub api_calls_per_minute: u32,
    /// What knows the policy for mail; without it nothing is explained.
    pub explain: Option<Arc<dyn Explain>>,
    /// The settings as they are shown to those who run the house: name, value, where it comes from. Nothing secret.
    pub shown: Vec<ShownSetting>,
}

/// One setting as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownSetting {
    /// As it stands in the configuration, `part.name`.
    pub name: String,
    /// What it is.
    pub value: String,
    /// Where it comes from.
    pub source: SettingSource,
}

/// Where a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingSource {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File,
}

impl Settings {
    /// 1 MiB per upload, 10 MiB per message, 30 minutes, 14 days.
    pub fn new(address: SocketAddr, messages: impl Into<MessagePlace>) -> Self {
        Self {
            address,
            messages: messages.into(),
            upload_bytes: 1 << 20,
            message_bytes: 10 << 20,
            upload_memory_bytes: 256 << 20,
            idle_minutes: 30,
            second_factor_for: Vec::new(),
            passkey_log_in: false,
            password_links: false,
            openid: None,
            first_password_days: 14,
            certificate_sources: Vec::new(),
            trusted_proxies: Vec::new(),
            time_zone: None,
            api_calls_per_minute: 600,
            explain: None,
            shown: Vec::new(),
        }
    }
}
