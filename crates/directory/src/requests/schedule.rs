use super::{Refusal, State, Step, read};
use crate::database::values;
use crate::{Actor, Directory, Error, OutboxId, Outgoing, OutgoingKind, Role, outbox, statements as sql, texts};

/// What [`Directory::run_schedule`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScheduleReport {
    /// Reminder mails to officers.
    pub reminders: u64,
    /// Requests that went past their deadline.
    pub escalations: u64,
    /// Requests and certificates that ran out.
    pub expired: u64,
    /// Rows that were kept long enough.
    pub purged: u64,
}

impl Directory {
    /// What the clock does: reminders before a deadline, escalations after it, certificates that ran out, rows that
    /// were kept long enough. Of several processes, one does it; call it every minute.
    pub async fn run_schedule(&self, worker: &str) -> Result<ScheduleReport, Error> {
        let now = self.now();
        let taken = values!["schedule", worker, now, now.plus_seconds(LEASE_SECONDS)];
        if self.database().execute(sql::TAKE_LEASE, taken).await? == 0 {
            return Ok(ScheduleReport::default());
        }
        let mut report = ScheduleReport { expired: self.expire().await?, ..ScheduleReport::default() };
        (report.reminders, report.escalations) = self.remind().await?;
        for (statement, days) in KEPT {
            report.purged += self.database().execute(statement, values![now.plus_days(-days)]).await?;
        }
        self.keep_share().await?;
        Ok(report)
    }

    /// CASES T-68: what has run out is not in use any more.
    async fn expire(&self) -> Result<u64, Error> {
        let mut change = self.change().await?;
        let mut expired = 0;
        for row in change.tx.fetch(sql::REQUESTS_ENDED, values![change.now, 500u32]).await? {
            let mut request = read(row)?;
            request.take(Step::Expire, change.now)?;
            change.store(&request, &Actor::System, "request.expired", "the certificate ran out").await?;
            expired += 1;
        }
        change.commit().await?;
        Ok(expired)
    }

    /// One mail a day at most to each officer, and each request escalates once.
    async fn remind(&self) -> Result<(u64, u64), Error> {
        let officers = self.people(Role::Officer, None, 100).await?;
        let mut change = self.change().await?;
        let now = change.now;
        let (mut open, mut overdue, mut escalations) = (0, 0, 0);
        for row in change.tx.fetch(sql::REQUESTS_DUE_BEFORE, values![now.plus_days(REMIND_DAYS), 500u32]).await? {
            let mut request = read(row)?;
            open += 1;
            if request.due > now {
                continue;
            }
            overdue += 1;
            escalations += 1;
            request.escalated = true;
            // Nothing an officer could do: the partner has not followed the link.
            if request.state == State::Checked {
                request.take(Step::Refuse, now)?;
                let detail = "was not confirmed in time".into();
                request.refusal = Some(Refusal { code: "not-confirmed".into(), detail });
                change.store(&request, &Actor::System, "request.refused", "it was not confirmed in time").await?;
            } else {
                change.store(&request, &Actor::System, "request.overdue", "").await?;
            }
        }
        let mut reminders = 0;
        if open > 0 {
            let (kind, word) = match overdue {
                0 => (OutgoingKind::Reminder, "reminder"),
                _ => (OutgoingKind::Escalation, "escalation"),
            };
            for officer in officers.iter().filter(|officer| officer.active) {
                let mail = texts::reminder(self.settings(), officer.language, open, overdue);
                let content = texts::render(self.settings(), &officer.address, officer.language, now, &mail)?;
                let day = now.to_unix().div_euclid(86_400);
                let outgoing = Outgoing {
                    sender: Some(self.settings().notify_from.clone()),
                    recipient: officer.address.clone(),
                    content,
                    kind,
                    not_before: None,
                    key: Some(format!("{word} {} {day}", officer.id)),
                };
                let id = OutboxId::random()?;
                let kept = outbox::add(&mut change.tx, &self.settings().store_key, id, &outgoing, now).await?;
                reminders += u64::from(kept == id);
            }
        }
        change.commit().await?;
        Ok((reminders, escalations))
    }
}

const LEASE_SECONDS: i64 = 50;
/// Officers hear about requests so many days before they are due.
const REMIND_DAYS: i64 = 2;

/// What is forgotten after so many days.
const KEPT: [(&str, i64); 9] = [
    // One that is over is refused before it is looked up.
    (sql::FORGET_CHALLENGES, 1),
    (sql::FORGET_SESSIONS, 0),
    (sql::FORGET_TOKENS, 30),
    (sql::FORGET_OLD_ATTEMPTS, 2),
    (sql::FORGET_OUTBOX, 14),
    // CASES N-19: nothing counts past its end anyhow.
    (sql::FORGET_REVOCATION, 1),
    (sql::FORGET_JOURNAL, 10),
    (sql::FORGET_TRACES, 14),
    (sql::FORGET_CONFIDENTIAL, 400),
];
