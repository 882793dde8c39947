//! The loop with a mail server in somebody's cloud: it gives us mail, and we give it back for delivery.
//!
//! Two fields keep the ends apart. The *ticket* is what the server's rule puts on mail for us: everybody's mail comes from
//! that cloud's addresses and under its certificate, so without the ticket nobody knows whose it is. The *loop mark* is
//! what we put on mail that we give back: the server's rule sends to us only what does not carry it. It is another one for
//! each direction, because whoever gets mail of ours may read the mark on it: what is known outside opens nothing inward,
//! and incoming mail that a rule forwards comes by here again.

use cms::{Spool, SpoolLimits};
use mime::{Field, Header};

use crate::Side;
use crate::mail::{Mail, Rewritten, read_header, unreadable_spool};
use crate::smtp::{Reply, reader_behind};

/// The field of the ticket.
pub(crate) const TICKET: &str = "X-Sealpost-Ticket";

/// A field whose values only the mail server and we know.
#[derive(Clone, PartialEq, Eq)]
pub struct LoopMark {
    /// The field's name.
    pub header: String,
    /// Its value on mail for people inside.
    pub inside: String,
    /// Its value on mail for the world.
    pub outside: String,
}

impl std::fmt::Debug for LoopMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoopMark").field("header", &self.header).finish_non_exhaustive()
    }
}

impl LoopMark {
    /// As it is put before a mail that leaves us for people on this side.
    pub(crate) fn line(&self, to: Side) -> String {
        format!("{}: {}\r\n", self.header, self.value(to))
    }

    /// Whether it says that we have had this mail, where mail of this side's people comes in.
    fn is_ours(&self, field: &Field, from: Side) -> bool {
        let to = match from {
            Side::Inside => Side::Outside,
            Side::Outside => Side::Inside,
        };
        field.is(&self.header) && same(field.value().trim(), self.value(to))
    }

    fn value(&self, to: Side) -> &str {
        match to {
            Side::Inside => &self.inside,
            Side::Outside => &self.outside,
        }
    }
}

/// What a mail says about where it has been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is new here.
    New,
    /// We have had it already.
    Returned,
}

/// Looks at ticket and loop mark, and takes out what must not go on: tickets, and marks that are not ours.
pub(crate) async fn admit(
    mail: Mail,
    side: Side,
    ticket: Option<&str>,
    mark: Option<&LoopMark>,
    limits: SpoolLimits,
) -> Result<(Mail, Standing), Reply> {
    if ticket.is_none() && mark.is_none() {
        return Ok((mail, Standing::New));
    }
    let mut header = read_header(&mut *mail.lock().await)?;
    if let Some(ticket) = ticket
        && !header.all(TICKET).any(|field| same(field.value().trim(), ticket))
    {
        tracing::warn!("a mail without the ticket was not taken");
        return Err(Reply::new(550, "5.7.1", "this mail server is not known here: the mail carries no ticket"));
    }
    let returned = mark.is_some_and(|mark| header.fields().iter().any(|field| mark.is_ours(field, side)));
    let standing = if returned { Standing::Returned } else { Standing::New };
    let (skip, before) = (header.octets_read(), header.fields().len());
    header.retain(|field| {
        !field.is(TICKET) && mark.is_none_or(|mark| !field.is(&mark.header) || mark.is_ours(field, side))
    });
    if header.fields().len() == before {
        return Ok((mail, standing));
    }
    let mail = without_fields(mail, header, skip, limits).await?;
    Ok((mail, standing))
}

/// The same mail under another header; the body stays octet for octet.
async fn without_fields(mail: Mail, header: Header, skip: usize, limits: SpoolLimits) -> Result<Mail, Reply> {
    let content = mail
        .work(move |spool| {
            let unwritable = |_| Reply::new(452, "4.3.1", "the message cannot be stored now");
            let mut rewritten = Spool::new(limits);
            let head = Rewritten::with_header(&header, skip, None).head;
            std::io::Write::write_all(&mut rewritten, &head).map_err(unwritable)?;
            let mut rest = reader_behind(spool, skip).map_err(|_| unreadable_spool())?;
            std::io::copy(&mut rest, &mut rewritten).map_err(unwritable)?;
            Ok(rewritten)
        })
        .await?;
    Ok(Mail::new(content))
}

/// In the same time whatever is wrong with it.
fn same(one: &str, other: &str) -> bool {
    crypto::constant_time_eq(one.as_bytes(), other.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let mark = LoopMark { header: "X-Sealpost-Loop".into(), inside: "CANARY".into(), outside: "CANARY2".into() };
        assert!(!format!("{mark:?}").contains("CANARY"));
        assert_eq!(mark.line(Side::Inside), "X-Sealpost-Loop: CANARY\r\n");
    }
}
