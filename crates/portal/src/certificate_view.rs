//! A request and its certificate, as people see them.

use asn1::Time;
use crypto::{Curve, PublicKeyKind};
use directory::{AuditEntry, Origin, Request, State};
use pki::Certificate;

use crate::app::App;
use crate::local::Local;
use crate::page::clean;
use crate::problem::Problem;
use crate::texts::Texts;
use crate::visitor::Visitor;

/// A moment for people and for machines.
pub(crate) type Moment = (String, String);

pub(crate) struct CertificateView {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) addresses: String,
    pub(crate) issuer: String,
    pub(crate) not_before: Moment,
    pub(crate) not_after: Moment,
    pub(crate) sha256: String,
    /// Eight groups of four octets.
    pub(crate) fingerprint: Vec<String>,
    pub(crate) state: &'static str,
    pub(crate) state_class: &'static str,
    pub(crate) steps: Vec<StepView>,
    pub(crate) clock: Option<String>,
    pub(crate) clock_class: &'static str,
    pub(crate) next: String,
    pub(crate) origin: &'static str,
    pub(crate) received: Moment,
    pub(crate) open: bool,
    pub(crate) active: bool,
    pub(crate) can_withdraw: bool,
    pub(crate) can_resend: bool,
}

pub(crate) struct StepView {
    pub(crate) name: &'static str,
    pub(crate) at: Option<Moment>,
    /// `done`, `current`, `todo`, `failed`
    pub(crate) class: &'static str,
}

impl CertificateView {
    pub(crate) async fn of(app: &App, visitor: &Visitor, request: &Request) -> Result<Self, Problem> {
        let history = app.directory.history(request.id()).await?;
        Ok(Self::with_history(visitor, request, &history, app.directory.now()))
    }

    pub(crate) fn with_history(visitor: &Visitor, request: &Request, history: &[AuditEntry], now: Time) -> Self {
        let (t, local, state) = (visitor.texts(), visitor.local(), request.state());
        let certificate = request.certificate();
        let validity = certificate.validity();
        Self {
            id: request.id().to_string(),
            name: name_of(certificate),
            addresses: addresses_of(certificate),
            issuer: issuer_of(certificate),
            not_before: day(local, validity.not_before),
            not_after: day(local, validity.not_after),
            sha256: request.fingerprint().to_hex(),
            fingerprint: groups(&request.fingerprint().to_hex()),
            state: state_name(t, state),
            state_class: state_class(request),
            steps: steps(t, local, request, history),
            clock: state.is_open().then(|| clock(t, local, request, now)),
            clock_class: clock_class(request, now),
            next: next(t, request, history),
            origin: origin_name(t, request.origin()),
            received: moment(local, request.received()),
            open: state.is_open(),
            active: state == State::Active,
            can_withdraw: matches!(state, State::Received | State::Checked | State::Confirmed | State::Active),
            can_resend: state == State::Checked,
        }
    }
}

pub(crate) fn moment(local: &Local, time: Time) -> Moment {
    (local.moment(time), Local::machine(time))
}

pub(crate) fn day(local: &Local, time: Time) -> Moment {
    (local.date(time), Local::machine(time))
}

pub(crate) fn name_of(certificate: &Certificate) -> String {
    let subject = certificate.subject();
    match subject.common_name().or_else(|| subject.organization()) {
        Some(name) => clean(name),
        None if subject.is_empty() => addresses_of(certificate),
        None => clean(&subject.to_string()),
    }
}

pub(crate) fn addresses_of(certificate: &Certificate) -> String {
    let addresses: Vec<String> =
        certificate.email_addresses().iter().take(10).map(|address| clean(&address.to_string())).collect();
    if addresses.is_empty() { "–".into() } else { addresses.join(", ") }
}

pub(crate) fn issuer_of(certificate: &Certificate) -> String {
    let issuer = certificate.issuer();
    match (issuer.common_name(), issuer.organization()) {
        (Some(name), Some(organization)) if name != organization => {
            format!("{} ({})", clean(name), clean(organization))
        }
        (Some(name), _) | (None, Some(name)) => clean(name),
        (None, None) => clean(&issuer.to_string()),
    }
}

/// Its key's kind, in the words of those who know them.
pub(crate) fn key_of(certificate: &Certificate) -> String {
    match certificate.public_key() {
        Ok(key) => key_name(key.kind()),
        Err(error) => error.to_string(),
    }
}

fn key_name(kind: PublicKeyKind) -> String {
    match kind {
        PublicKeyKind::Rsa { bits, pss: None } => format!("RSA, {bits} bit"),
        PublicKeyKind::Rsa { bits, pss: Some(_) } => format!("RSA-PSS, {bits} bit"),
        PublicKeyKind::Ec(Curve::P256) => "P-256".into(),
        PublicKeyKind::Ec(Curve::P384) => "P-384".into(),
        PublicKeyKind::Ec(Curve::P521) => "P-521".into(),
        other => format!("{other:?}"),
    }
}

/// As the mails write it: pairs in upper case.
pub(crate) fn groups(hex: &str) -> Vec<String> {
    let characters: Vec<char> = hex.to_uppercase().chars().collect();
    let pairs: Vec<String> = characters.chunks(2).map(|pair| pair.iter().collect()).collect();
    pairs.chunks(4).map(|group| group.join(" ")).collect()
}

pub(crate) fn state_name(t: Texts, state: State) -> &'static str {
    match state {
        State::Received => t.state_received(),
        State::Checked => t.state_checked(),
        State::Confirmed => t.state_confirmed(),
        State::Approved => t.state_approved(),
        State::Active => t.state_active(),
        State::Refused => t.state_refused(),
        State::Superseded => t.state_superseded(),
        State::Expired => t.state_expired(),
        State::Revoked => t.state_revoked(),
    }
}

pub(crate) fn state_class(request: &Request) -> &'static str {
    match request.state() {
        State::Active => "good",
        State::Refused | State::Revoked => "bad",
        State::Superseded | State::Expired => "past",
        State::Received | State::Checked | State::Confirmed | State::Approved => "wait",
    }
}

pub(crate) fn origin_name(t: Texts, origin: Origin) -> &'static str {
    match origin {
        Origin::Api => t.origin_api(),
        Origin::IntakeMail => t.origin_intake(),
        Origin::Learned => t.origin_learned(),
        Origin::LookUp => t.origin_look_up(),
        Origin::Officer => t.origin_officer(),
        Origin::PortalUpload => t.origin_upload(),
    }
}

/// The clock of F4: until when it will be set up.
pub(crate) fn clock(t: Texts, local: &Local, request: &Request, now: Time) -> String {
    let date = local.date(request.due());
    match request.days_left(now) {
        i64::MIN..0 => t.clock_over(date),
        0 => t.clock_today(date),
        1 => t.clock_tomorrow(date),
        days => t.clock(date, days),
    }
}

/// The same in few words, where the date stands beside it.
pub(crate) fn left(t: Texts, request: &Request, now: Time) -> String {
    match request.days_left(now) {
        i64::MIN..0 => t.left_over().into(),
        0 => t.left_today().into(),
        1 => t.left_tomorrow().into(),
        days => t.left(days),
    }
}

/// Colour is never alone: the clock's words say the same.
pub(crate) fn clock_class(request: &Request, now: Time) -> &'static str {
    match request.days_left(now) {
        i64::MIN..=0 => "late",
        1..=2 => "soon",
        _ => "time",
    }
}

fn next(t: Texts, request: &Request, history: &[AuditEntry]) -> String {
    let of_confirmation = |entry: &&AuditEntry| {
        matches!(entry.action.as_str(), "request.confirmation-failed" | "request.confirmation-resent")
    };
    let came_back = history.iter().rfind(of_confirmation).is_some_and(|last| last.action.ends_with("-failed"));
    match (request.state(), request.refusal()) {
        (_, Some(refusal)) => refusal.text(t.0),
        (State::Received, _) => t.next_received().into(),
        (State::Checked, _) if request.confirmation_sent().is_none() => t.next_waits().into(),
        (State::Checked, _) if came_back => t.next_came_back().into(),
        (State::Checked, _) => t.next_checked().into(),
        (State::Confirmed | State::Approved, _) => t.next_confirmed().into(),
        (State::Active, _) => t.next_active().into(),
        (State::Superseded, _) => t.next_superseded().into(),
        (State::Expired, _) => t.next_expired().into(),
        (State::Refused | State::Revoked, _) => t.next_ended().into(),
    }
}

// The five steps, with the day of each; where it ended otherwise, that as the last one.
fn steps(t: Texts, local: &Local, request: &Request, history: &[AuditEntry]) -> Vec<StepView> {
    let at = |state: State| {
        let action = format!("request.{}", state.name());
        history.iter().find(|entry| entry.action == action).map(|entry| day(local, entry.at))
    };
    let state = request.state();
    let ended = !state.is_open() && state != State::Active;
    let mut steps: Vec<StepView> = Vec::new();
    let mut waiting = false;
    for step in State::STEPS {
        let at = at(step);
        let class = match (&at, waiting) {
            (Some(_), _) => "done",
            (None, false) if !ended => "current",
            (None, _) => "todo",
        };
        waiting |= at.is_none();
        if ended && at.is_none() {
            continue;
        }
        steps.push(StepView { name: state_name(t, step), at, class });
    }
    if ended {
        let at = at(state).or_else(|| Some(day(local, request.changed())));
        steps.push(StepView { name: state_name(t, state), at, class: "failed" });
    }
    steps
}
