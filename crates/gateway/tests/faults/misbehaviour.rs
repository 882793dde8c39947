//! What next hops do wrong, as a table: at which step, and what.

use crate::bad_hop::slow;

/// A kind of misbehaviour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) step: Step,
    pub(crate) act: Act,
    /// Whom it has delivered to all the same.
    pub(crate) takes: Takes,
    /// LMTP, which answers per recipient.
    pub(crate) lmtp: bool,
    /// The gateway demands TLS.
    pub(crate) tls: bool,
    /// It has to be waited for.
    pub(crate) slow: bool,
    /// It says 5xx about the message or a recipient.
    pub(crate) refuses: bool,
}

/// Where it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Listen,
    Banner,
    Hello,
    StartTls,
    Mail,
    FirstRcpt,
    SecondRcpt,
    Data,
    Content,
    Dot,
    Every,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nobody listens.
    Refuse,
    /// Says nothing more.
    Hang,
    Close,
    /// This instead of the answer.
    Say(&'static str),
    SayClose(&'static str),
    SayHang(&'static str),
    /// One octet, then a pause, then the next.
    Drip(&'static str),
    /// The answer, octet by octet.
    Octets,
    /// A line without an end.
    Long,
    /// Lines without an end.
    Endless,
    /// This, when nobody waits for it any more.
    Late(&'static str),
    /// TLS with the certificate of somebody else.
    WrongCertificate,
    /// Offers PIPELINING and throws away what was sent ahead.
    Forget,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Nobody,
    First,
    All,
}

const fn kind(name: &'static str, step: Step, act: Act) -> Kind {
    let slow = matches!(act, Act::Hang | Act::SayHang(_) | Act::Drip(_) | Act::Late(_) | Act::Forget);
    Kind { name, step, act, takes: Takes::Nobody, lmtp: false, tls: false, slow, refuses: false }
}

impl Kind {
    const fn takes(self, takes: Takes) -> Self {
        Self { takes, ..self }
    }

    const fn lmtp(self) -> Self {
        Self { lmtp: true, ..self }
    }

    const fn tls(self) -> Self {
        Self { tls: true, ..self }
    }

    const fn refuses(self) -> Self {
        Self { refuses: true, ..self }
    }

    /// How long the gateway waits for it: nothing that is in order may take longer on a busy machine, unless waiting is
    /// what is tested.
    pub(crate) fn patience(self) -> std::time::Duration {
        if self.slow { slow() } else { std::time::Duration::from_secs(60) }
    }
}

const ALERT: &str = "220 go\r\n\x15\x03\x03\x00\x02\x02\x28";

pub(crate) const KINDS: &[Kind] = &[
    kind("nobody listens", Step::Listen, Act::Refuse),
    kind("says nothing when connected to", Step::Banner, Act::Hang),
    kind("closes at once", Step::Banner, Act::Close),
    kind("greets with 421", Step::Banner, Act::SayClose("421 4.3.2 busy\r\n")),
    kind("greets with 554", Step::Banner, Act::Say("554 go away\r\n")),
    kind("greets in another language", Step::Banner, Act::Say("SSH-2.0-OpenSSH_9.2\r\n")),
    kind("greets without an end", Step::Banner, Act::Long),
    kind("hangs at EHLO", Step::Hello, Act::Hang),
    kind("closes at EHLO", Step::Hello, Act::Close),
    kind("answers EHLO with two codes", Step::Hello, Act::Say("250-hop\r\n550-no\r\n250 HELP\r\n")),
    kind("hangs up in its answer to EHLO", Step::Hello, Act::SayClose("250-hop\r\n250-SI")),
    kind("does not offer TLS", Step::Hello, Act::Say("250-hop\r\n250 HELP\r\n")).tls(),
    kind("refuses STARTTLS", Step::StartTls, Act::Say("454 4.7.0 not now\r\n")).tls(),
    kind("closes at STARTTLS", Step::StartTls, Act::Close).tls(),
    kind("hangs in the handshake", Step::StartTls, Act::SayHang("220 go\r\n")).tls(),
    kind("sends an alert", Step::StartTls, Act::SayClose(ALERT)).tls(),
    kind(
        "goes on in the clear after STARTTLS",
        Step::StartTls,
        Act::SayClose("220 go\r\n250-hop\r\n250 OK\r\n250 ok\r\n"),
    )
    .tls(),
    kind("has the certificate of another CA", Step::StartTls, Act::WrongCertificate).tls(),
    kind("hangs at MAIL", Step::Mail, Act::Hang),
    kind("closes at MAIL", Step::Mail, Act::Close),
    kind("refuses the sender", Step::Mail, Act::Say("550 5.7.1 not you\r\n")).refuses(),
    kind("answers MAIL twice", Step::Mail, Act::Say("250 ok\r\n250 ok\r\n")),
    kind("hangs at RCPT", Step::FirstRcpt, Act::Hang),
    kind("closes at RCPT", Step::SecondRcpt, Act::Close),
    kind("refuses one recipient", Step::SecondRcpt, Act::Say("550 5.1.1 who\r\n")).refuses(),
    kind("cannot take any recipient now", Step::FirstRcpt, Act::Say("452 4.2.2 full\r\n")),
    kind("cannot take one recipient now", Step::SecondRcpt, Act::Say("452 4.2.2 full\r\n")).lmtp(),
    kind("throws away what was sent ahead", Step::Every, Act::Forget),
    kind("hangs at DATA", Step::Data, Act::Hang),
    kind("closes at DATA", Step::Data, Act::Close),
    kind("cannot take content now", Step::Data, Act::Say("451 4.3.0 later\r\n")),
    kind("answers DATA with 250", Step::Data, Act::Say("250 2.0.0 taken\r\n")),
    kind("answers before the final dot", Step::Data, Act::SayHang("354 go on\r\n250 2.0.0 taken\r\n")),
    kind("says 421 in the content", Step::Content, Act::SayClose("421 4.3.2 shutting down\r\n")),
    kind("closes in the content", Step::Content, Act::Close),
    kind("hangs after the dot, and has it", Step::Dot, Act::Hang).takes(Takes::All),
    kind("hangs after the dot, and has it not", Step::Dot, Act::Hang),
    kind("closes after the dot, and has it", Step::Dot, Act::Close).takes(Takes::All),
    kind("closes after the dot, and has it not", Step::Dot, Act::Close),
    kind("cannot take it after the dot", Step::Dot, Act::Say("452 4.3.1 disk full\r\n")),
    kind("refuses it after the dot", Step::Dot, Act::Say("554 5.6.0 no\r\n")).refuses(),
    kind("says go on after the dot", Step::Dot, Act::Say("354 go on\r\n")),
    kind("offers a SIZE that it does not take", Step::Dot, Act::Say("552 5.3.4 too large\r\n")).refuses(),
    kind("offers 8BITMIME and does not take it", Step::Dot, Act::Say("554 5.6.3 8-bit\r\n")).refuses(),
    kind("answers an octet a second", Step::Dot, Act::Drip("250 2.0.0 taken, and thank you for it\r\n"))
        .takes(Takes::All),
    kind("answers octet by octet", Step::Every, Act::Octets).takes(Takes::All),
    kind("answers garbage", Step::Dot, Act::Say("\u{fffd}banana\r\n250 2.0.0 taken\r\n")).takes(Takes::All),
    kind("answers with a NUL", Step::Dot, Act::Say("250 2.0.0 ta\0ken\r\n")).takes(Takes::All),
    kind("answers with a bare line feed", Step::Dot, Act::Say("250-2.0.0 taken\n250 2.0.0 taken\r\n"))
        .takes(Takes::All),
    kind("answers without an end", Step::Dot, Act::Long).takes(Takes::All),
    kind("answers in lines without an end", Step::Dot, Act::Endless).takes(Takes::All),
    kind("answers with two codes", Step::Dot, Act::Say("250-2.0.0 taken\r\n550 5.0.0 or not\r\n")),
    kind("hangs up in its answer", Step::Dot, Act::SayClose("250-2.0.0 taken\r\n")).takes(Takes::All),
    kind("answers for the first recipient only", Step::Dot, Act::SayClose("250 2.1.5 taken\r\n"))
        .takes(Takes::First)
        .lmtp(),
    kind("answers too late", Step::Dot, Act::Late("250 2.1.5 taken\r\n452 4.2.2 full\r\n")).takes(Takes::First).lmtp(),
    kind("refuses one after the dot", Step::Dot, Act::Say("250 2.1.5 taken\r\n550 5.2.1 not this one\r\n"))
        .takes(Takes::First)
        .lmtp()
        .refuses(),
    kind("answers once too often", Step::Dot, Act::Say("250 ok\r\n250 ok\r\n250 ok\r\n")).takes(Takes::All).lmtp(),
    kind("answers without text", Step::Dot, Act::Say("250\r\n250\r\n")).takes(Takes::All).lmtp(),
];
