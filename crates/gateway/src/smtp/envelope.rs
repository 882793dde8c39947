use super::{ForwardPath, ReversePath};

/// What stands around a message: from whom, to whom, and what the sender asked for.
#[derive(Debug, Clone, Default)]
pub struct Envelope {
    /// The reverse-path.
    pub from: ReversePath,
    /// The forward-paths, in the order they were given.
    pub recipients: Vec<Recipient>,
    /// SMTPUTF8 was asked for (RFC 6531).
    pub utf8: bool,
    /// BODY=8BITMIME was said (RFC 6152).
    pub eight_bit: bool,
    /// `RET=` of RFC 3461, as it was written.
    pub ret: Option<String>,
    /// `ENVID=` of RFC 3461, as it was written.
    pub envid: Option<String>,
}

/// One recipient and what was asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The forward-path.
    pub to: ForwardPath,
    /// `NOTIFY=` of RFC 3461, as it was written.
    pub notify: Option<String>,
    /// `ORCPT=` of RFC 3461, as it was written.
    pub orcpt: Option<String>,
}

impl Recipient {
    /// A recipient about whom nothing was asked.
    pub fn new(to: impl Into<ForwardPath>) -> Self {
        Self { to: to.into(), notify: None, orcpt: None }
    }
}

impl Envelope {
    /// An envelope about which nothing was asked.
    pub fn new(from: impl Into<ReversePath>, to: impl IntoIterator<Item = pki::EmailAddress>) -> Self {
        let recipients = to.into_iter().map(Recipient::new).collect();
        Self { from: from.into(), recipients, ..Self::default() }
    }

    /// The same envelope with some of its recipients.
    pub fn with_recipients(&self, recipients: Vec<Recipient>) -> Self {
        Self { recipients, ..self.clone() }
    }

    /// The same envelope, so that whoever reports about the message returns no more than its header, and tells nobody
    /// outside that it arrived (CASES T-27).
    #[must_use]
    pub(crate) fn returning_nothing(mut self) -> Self {
        self.ret = Some("HDRS".to_owned());
        for notify in self.recipients.iter_mut().filter_map(|recipient| recipient.notify.as_mut()) {
            let kept: Vec<&str> = notify.split(',').filter(|word| !word.eq_ignore_ascii_case("SUCCESS")).collect();
            // RFC 3461 §4.1: there is no empty list, and mail that gets lost is still told of.
            *notify = if kept.is_empty() { "FAILURE".to_owned() } else { kept.join(",") };
        }
        self
    }

    /// Whether an address in it needs SMTPUTF8.
    pub fn needs_utf8(&self) -> bool {
        self.utf8
            || !self.from.as_str().is_ascii()
            || self.recipients.iter().any(|recipient| recipient.to.mailbox().needs_smtp_utf8())
    }
}
