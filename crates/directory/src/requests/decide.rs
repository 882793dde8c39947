use pki::Fingerprint;

use super::{Links, Refusal, Request, Sent, State, Step, Verdict, active_request, read, send_confirmation};
use crate::accounts::use_token;
use crate::audit::Change;
use crate::database::values;
use crate::texts::{self, Envelope};
use crate::{
    Actor, Directory, Error, OutboxId, Outgoing, OutgoingKind, PersonId, Purpose, RequestId, Role, outbox,
    statements as sql,
};

impl Directory {
    /// What a confirmation link is about, without using it: for GET, which scanners follow (CASES T-63).
    pub async fn peek_confirmation(&self, token: &str) -> Result<Request, Error> {
        let info = self.peek_token(token, Purpose::ConfirmCertificate).await?;
        let request = self.request(RequestId(info.subject)).await?;
        request.filter(|request| request.state == State::Checked).ok_or(Error::TokenInvalid)
    }

    /// The partner followed the link out of the encrypted mail and pressed the button: for POST. Works once.
    ///
    /// With [`Settings::automatic_approval`](crate::Settings) the certificate is in use at once, unless the mailbox has another one
    /// already (CASES T-60).
    pub async fn confirm(&self, token: &str) -> Result<Request, Error> {
        let anchors = self.trust_anchors().await?;
        let mut change = self.change().await?;
        let info = use_token(&mut change.tx, token, Purpose::ConfirmCertificate, change.now).await?;
        let mut request = change.load(RequestId(info.subject)).await?;
        if request.address != info.address {
            return Err(Error::TokenInvalid);
        }
        request.take(Step::Confirm, change.now)?;
        request.confirmed = Some(change.now);
        let actor = Actor::Mail(request.address.clone());
        change.store(&request, &actor, "request.confirmed", "the link in the encrypted mail was followed").await?;
        let in_use = active_request(&mut change.tx, &request.address).await?;
        let material = self.material_of(&request).await?;
        let good = matches!(self.judge_request(&request, &material, &anchors), Verdict::Good);
        if self.settings().automatic_approval && in_use.is_none() && good {
            self.activate(&mut change, &mut request, &Actor::System, "a trusted CA issued it").await?;
            self.note_revocation(&mut change, &request, &material, &anchors, None).await?;
        }
        change.commit().await?;
        Ok(request)
    }

    /// Sends the confirmation mail once more.
    pub async fn resend_confirmation(&self, id: RequestId, by: &Actor) -> Result<Request, Error> {
        let mut change = self.change().await?;
        let mut request = change.load(id).await?;
        if request.state != State::Checked {
            return Err(Error::conflict(format_args!("the request is {} by now", request.state.name())));
        }
        let before = Links::to(&mut change, &request.address).await?;
        match send_confirmation(self, &mut change, &mut request, before).await? {
            Sent::NotBefore(until) => Err(Error::LimitReached { what: "confirmation mails", until }),
            Sent::Yes => {
                change.store(&request, by, "request.confirmation-resent", "").await?;
                change.commit().await?;
                Ok(request)
            }
        }
    }

    /// An officer says yes to exactly the certificate that was `shown` (CASES T-66). What was in use before is not
    /// used any more.
    pub async fn approve(&self, id: RequestId, shown: &Fingerprint, by: PersonId, why: &str) -> Result<Request, Error> {
        self.known_officer(by).await?;
        let anchors = self.trust_anchors().await?;
        let mut change = self.change().await?;
        let mut request = change.load(id).await?;
        same(&request, shown)?;
        // Days may have passed since it was checked (CASES T-68).
        let material = self.material_of(&request).await?;
        match self.judge_request(&request, &material, &anchors) {
            _ if request.state != State::Confirmed => {}
            Verdict::Good => {}
            Verdict::RevocationUnknown => return Err(Error::conflict("whether it was revoked is not known yet")),
            Verdict::UnknownAuthority { .. } => return Err(Error::conflict("its CA is not trusted any more")),
            Verdict::Refused(refusal) => return Err(Error::conflict(format_args!("it {}", refusal.detail))),
        }
        self.activate(&mut change, &mut request, &Actor::Person(by), why).await?;
        self.note_revocation(&mut change, &request, &material, &anchors, None).await?;
        change.commit().await?;
        Ok(request)
    }

    /// An officer says no to exactly the certificate that was `shown`.
    pub async fn refuse(&self, id: RequestId, shown: &Fingerprint, by: PersonId, why: &str) -> Result<Request, Error> {
        self.known_officer(by).await?;
        let mut change = self.change().await?;
        let mut request = change.load(id).await?;
        same(&request, shown)?;
        request.take(Step::Refuse, change.now)?;
        let detail = why.chars().filter(|c| !c.is_control()).take(500).collect();
        request.refusal = Some(Refusal { code: "officer".into(), detail });
        change.store(&request, &Actor::Person(by), "request.refused", why).await?;
        self.tell_decision(&mut change, &request).await?;
        change.commit().await?;
        Ok(request)
    }

    /// An officer asks the partner something about exactly the certificate that was `shown`. The mail is not
    /// encrypted: whether the key is the partner's is what is being asked. Answers go to the officer.
    pub async fn ask_back(
        &self,
        id: RequestId,
        shown: &Fingerprint,
        by: PersonId,
        question: &str,
    ) -> Result<Request, Error> {
        self.known_officer(by).await?;
        let officer = self.known_person(by).await?;
        let question = question.replace("\r\n", "\n");
        let question: String =
            question.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).take(MOST_ASKED).collect();
        if question.trim().is_empty() {
            return Err(Error::Malformed { what: "a question", because: "it is empty".into() });
        }
        let mut change = self.change().await?;
        let request = change.load(id).await?;
        same(&request, shown)?;
        if !request.state.is_open() {
            return Err(Error::conflict("it has been decided about"));
        }
        let (settings, now, language) = (self.settings(), change.now, request.language);
        let mail = texts::question(settings, language, &request, &officer.name, &question);
        let mail_id = OutboxId::random()?;
        let envelope = Envelope { to: &request.address, id: mail_id, at: now, language };
        let mut content = texts::header(settings, &envelope, &mail.subject);
        content.extend_from_slice(mime::Field::new("Reply-To", &officer.address.to_string()).raw());
        content.extend_from_slice(&mime::MessageBuilder::new().text(mail.body).build());
        let outgoing = Outgoing {
            sender: Some(settings.notify_from.clone()),
            recipient: request.address.clone(),
            content,
            kind: OutgoingKind::Question,
            not_before: None,
            key: None,
        };
        outbox::add(&mut change.tx, &settings.store_key, mail_id, &outgoing, now).await?;
        change.store(&request, &Actor::Person(by), "request.asked", &question.replace('\n', " ")).await?;
        change.commit().await?;
        Ok(request)
    }

    /// The partner takes it back, whether it is in use or still on its way.
    pub async fn withdraw(&self, id: RequestId, by: &Actor) -> Result<Request, Error> {
        let mut change = self.change().await?;
        let mut request = change.load(id).await?;
        let step = if request.state == State::Active { Step::Revoke } else { Step::Refuse };
        request.take(step, change.now)?;
        request.refusal = Some(Refusal { code: "withdrawn".into(), detail: "was withdrawn".into() });
        change.store(&request, by, "request.withdrawn", "").await?;
        change.commit().await?;
        Ok(request)
    }

    /// The certificate is revoked: it is not used from now on, for no mailbox (CASES T-68). Gives the number of
    /// requests that this ended.
    pub async fn revoke(&self, certificate: &Fingerprint, by: &Actor, why: &str) -> Result<u64, Error> {
        let mut change = self.change().await?;
        let mut ended = 0;
        for row in change.tx.fetch(sql::REQUESTS_OF_CERTIFICATE, values![certificate.to_hex()]).await? {
            let mut request = read(row)?;
            let step = if request.state == State::Active { Step::Revoke } else { Step::Refuse };
            if request.take(step, change.now).is_err() {
                continue;
            }
            request.refusal = Some(Refusal { code: "revoked".into(), detail: "was revoked".into() });
            change.store(&request, by, "request.revoked", why).await?;
            ended += 1;
        }
        change.commit().await?;
        Ok(ended)
    }

    /// Confirmed to active, with whatever was in use before superseded.
    async fn activate(
        &self,
        change: &mut Change<'_>,
        request: &mut Request,
        by: &Actor,
        why: &str,
    ) -> Result<(), Error> {
        request.take(Step::Approve, change.now)?;
        request.approved_by = Some(by.to_string());
        let before = active_request(&mut change.tx, &request.address).await?;
        request.replaces = before.as_ref().map(Request::fingerprint);
        change.store(request, by, "request.approved", why).await?;
        if let Some(mut before) = before {
            before.take(Step::Supersede, change.now)?;
            let by_whom = format!("by request {}", request.id);
            change.store(&before, by, "request.superseded", &by_whom).await?;
        }
        request.take(Step::Activate, change.now)?;
        change.store(request, &Actor::System, "request.active", "").await?;
        self.tell_decision(change, request).await
    }

    /// Writes to whose mailbox it is what became of the certificate: who has sent it by mail has nowhere else to look.
    async fn tell_decision(&self, change: &mut Change<'_>, request: &Request) -> Result<(), Error> {
        let (settings, now) = (self.settings(), change.now);
        let mail = texts::decision(settings, request.language, request);
        let outgoing = Outgoing {
            sender: Some(settings.notify_from.clone()),
            recipient: request.address.clone(),
            content: texts::render(settings, &request.address, request.language, now, &mail)?,
            kind: OutgoingKind::Decision,
            not_before: None,
            key: Some(format!("decision {} {}", request.id, request.state.name())),
        };
        outbox::add(&mut change.tx, &settings.store_key, OutboxId::random()?, &outgoing, now).await?;
        Ok(())
    }

    pub(crate) async fn known_officer(&self, id: PersonId) -> Result<(), Error> {
        let person = self.known_person(id).await?;
        if person.active && person.roles.has(Role::Officer) {
            return Ok(());
        }
        Err(Error::NotAllowed { what: "only officers decide about certificates" })
    }
}

fn same(request: &Request, shown: &Fingerprint) -> Result<(), Error> {
    if crypto::constant_time_eq(request.fingerprint().as_bytes(), shown.as_bytes()) {
        return Ok(());
    }
    Err(Error::conflict("the certificate is not the one that was shown"))
}

/// So long may a question be, in characters.
const MOST_ASKED: usize = 1000;
