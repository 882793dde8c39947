//! Who did something, by name.

use std::collections::HashMap;

use directory::PersonId;

use crate::app::App;
use crate::page::clean;
use crate::problem::Problem;
use crate::texts::Texts;

/// Looks names up, each once per page.
#[derive(Default)]
pub(crate) struct Names(HashMap<String, String>);

impl Names {
    /// An [`directory::Actor`] as it shows itself, for people.
    pub(crate) async fn actor(&mut self, app: &App, t: Texts, actor: &str) -> Result<String, Problem> {
        match actor.split_once(':') {
            Some(("person", id)) => self.person(app, t, id).await,
            Some(("mail", address)) => Ok(t.actor_mail(clean(address))),
            Some(("program", name)) => Ok(t.actor_program(clean(name))),
            _ => Ok(t.actor_system().into()),
        }
    }

    pub(crate) async fn person(&mut self, app: &App, t: Texts, id: &str) -> Result<String, Problem> {
        if let Some(name) = self.0.get(id) {
            return Ok(name.clone());
        }
        let person = match id.parse::<PersonId>() {
            Ok(id) => app.directory.person(id).await?,
            Err(_) => None,
        };
        let name = person.map_or_else(|| t.actor_gone().to_owned(), |person| clean(&person.name));
        self.0.insert(id.to_owned(), name.clone());
        Ok(name)
    }
}

/// What happened, for people; in the words of the record where there is no better one.
pub(crate) fn action(t: Texts, action: &str) -> String {
    match action {
        "request.received" => t.action_received(),
        "request.checked" => t.action_checked(),
        "request.waiting" => t.action_waiting(),
        "request.confirmed" => t.action_confirmed(),
        "request.confirmation-failed" => t.action_confirmation_failed(),
        "request.confirmation-resent" => t.action_resent(),
        "request.approved" => t.action_approved(),
        "request.active" => t.action_active(),
        "request.refused" => t.action_refused(),
        "request.superseded" => t.action_superseded(),
        "request.withdrawn" => t.action_withdrawn(),
        "request.expired" => t.action_expired(),
        "request.revoked" => t.action_revoked(),
        "request.asked" => t.action_asked(),
        "request.overdue" => t.action_overdue(),
        "person.added" => t.action_person(),
        "person.roles" | "person.language" | "person.contact" | "person.deactivated" => t.action_person_changed(),
        "account.first-password" => t.action_first_password(),
        "account.password-link" => t.action_password_link(),
        "account.second-factor" => t.action_second_factor(),
        "account.second-factor-removed" => t.action_second_factor_removed(),
        "account.passkey" => t.action_passkey(),
        "account.passkey-removed" => t.action_passkey_removed(),
        "account.passkey-copied" => t.action_passkey_copied(),
        "account.password" => t.action_password(),
        "private-key.dropped" => t.action_key_dropped(),
        "anchor.proposed" => t.action_anchor_proposed(),
        "anchor.confirmed" => t.action_anchor_confirmed(),
        "credential.imported" => t.action_credential(),
        "credential.retired" => t.action_credential_retired(),
        "authority.created" => t.action_authority_created(),
        "authority.retired" => t.action_authority_retired(),
        "certificate.issued" => t.action_certificate_issued(),
        "certificate.revoked" => t.action_certificate_revoked(),
        "acme.account" => t.action_acme_account(),
        "acme.registered" => t.action_acme_registered(),
        "acme.ordered" => t.action_acme_ordered(),
        "acme.answered" => t.action_acme_answered(),
        "acme.issued" => t.action_acme_issued(),
        "acme.failed" => t.action_acme_failed(),
        "group.added" => t.action_group_added(),
        "group.removed" => t.action_group_removed(),
        "incident.opened" => t.action_incident_opened(),
        "incident.retried" => t.action_incident_retried(),
        "incident.closed" => t.action_incident_closed(),
        "intake.private-key" => t.action_key_dropped(),
        "key.requested" => t.action_key_requested(),
        "key.withdrawn" => t.action_key_withdrawn(),
        "master-key.first" => t.action_master_first(),
        "master-key.announced" => t.action_master_announced(),
        "master-key.rotated" => t.action_master_rotated(),
        "pack.proposed" => t.action_pack_proposed(),
        "pack.confirmed" => t.action_pack_confirmed(),
        "pack.withdrawn" => t.action_pack_withdrawn(),
        "token.issued" => t.action_token_issued(),
        "token.revoked" => t.action_token_revoked(),
        "person.erased" => t.action_person_erased(),
        other => return clean(other),
    }
    .to_owned()
}

/// The reason that was given, for people: what rules and programs write is translated, what people write is not.
pub(crate) fn why(t: Texts, why: &str) -> String {
    match why {
        "api" => t.origin_api(),
        "intake-mail" => t.origin_intake(),
        "learned" => t.origin_learned(),
        "look-up" => t.origin_look_up(),
        "officer" => t.origin_officer(),
        "portal-upload" => t.origin_upload(),
        "the confirmation mail is on its way" => t.why_mail_sent(),
        "the confirmation mail waits: as many as allowed were sent today" => t.why_mail_waits(),
        "the link in the encrypted mail was followed" => t.why_link(),
        "its CA is not known" => t.why_authority(),
        "a trusted CA issued it" => t.why_rule(),
        "it was not confirmed in time" => t.why_late(),
        "sent in through the portal, and dropped" => t.why_dropped(),
        other => return clean(other),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use directory::Language;

    use super::*;

    #[test]
    fn what_the_record_says_is_there_in_words() {
        for name in [
            "account.password-link",
            "account.passkey",
            "account.passkey-copied",
            "account.passkey-removed",
            "acme.account",
            "acme.answered",
            "acme.failed",
            "acme.issued",
            "acme.ordered",
            "acme.registered",
            "anchor.confirmed",
            "certificate.revoked",
            "credential.imported",
            "intake.private-key",
            "master-key.rotated",
            "pack.withdrawn",
            "person.deactivated",
            "request.overdue",
            "token.issued",
            "token.revoked",
        ] {
            let [german, english] = [Language::German, Language::English].map(|language| action(Texts(language), name));
            assert!(german != name && english != name && german != english, "{name}: {german}, {english}");
        }
        assert_eq!(action(Texts(Language::German), "something.new"), "something.new");
    }
}
