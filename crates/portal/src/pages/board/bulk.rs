//! Approving several requests at once, each bound to the fingerprint in its row (CASES T-66).

use axum::Extension;
use axum::extract::State;
use directory::RequestId;
use pki::Fingerprint;

use super::request::has_approved;
use crate::app::App;
use crate::form::Form;
use crate::page::{Answer, clean};
use crate::pages::Notice;
use crate::problem::Problem;
use crate::texts::Texts;
use crate::visitor::{Visitor, go_and_say};

pub(crate) async fn approve_selected(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let picked: Option<Vec<(RequestId, Fingerprint)>> = form
        .all("pick")
        .map(|pick| {
            let (id, shown) = pick.split_once(':')?;
            Some((id.parse().ok()?, Fingerprint::parse(shown)?))
        })
        .collect();
    // All or nothing of a form that is not ours.
    let picked = picked.ok_or(Problem::BadForm)?;
    let (by, why) = (visitor.known()?.id, clean(form.field("why")));
    let (mut done, mut left) = (0_usize, 0_usize);
    for (id, shown) in &picked {
        let approved = app.directory.approve(*id, shown, by, &why).await;
        // A double click: it was this officer who approved it.
        let said_twice = matches!(approved, Err(directory::Error::Conflict { .. }))
            && has_approved(&app, &visitor, *id, shown).await?;
        match approved {
            Ok(_) => done += 1,
            Err(_) if said_twice => done += 1,
            Err(directory::Error::Conflict { .. } | directory::Error::NotFound { .. }) => left += 1,
            Err(error) if done == 0 => return Err(error.into()),
            Err(error) => {
                // What is done is done, and has to be said.
                tracing::error!(%error, done, "approving several requests stopped");
                return go_and_say(&app, "/board", &format!("bulk-stopped:{done}:{}", picked.len() - done));
            }
        }
    }
    let flash = if picked.is_empty() { "bulk-none".to_owned() } else { format!("bulk:{done}:{left}") };
    go_and_say(&app, "/board", &flash)
}

pub(super) fn bulk_notice(t: Texts, flash: &str) -> Option<Notice> {
    let (stopped, counts) = match flash.strip_prefix("bulk-stopped:") {
        Some(counts) => (true, counts),
        None => (false, flash.strip_prefix("bulk:")?),
    };
    let (done, left) = counts.split_once(':')?;
    let (done, left): (usize, usize) = (done.parse().ok()?, left.parse().ok()?);
    if stopped {
        return Notice::bad(t.bulk_stopped(done, left));
    }
    if left == 0 { Notice::good(t.bulk_done(done)) } else { Notice::bad(t.bulk_partly(done, left)) }
}
