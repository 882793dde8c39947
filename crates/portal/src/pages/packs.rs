//! Lists of roots that somebody signs: one officer proposes, another one looks at the content and confirms.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use directory::{Error, ProposedPack, Role};

use super::authorities::{Word, tabs};
use crate::app::App;
use crate::certificate_view::{Moment, day, groups, issuer_of, name_of};
use crate::form::Form;
use crate::page::{Answer, Page, Section, Tab, clean, html};
use crate::pages::Notice;
use crate::pages::people::Names;
use crate::problem::Problem;
use crate::visitor::{Visitor, go_and_say};

struct Row {
    sha256: String,
    checksum: Vec<String>,
    name: String,
    roots: u64,
    signer: String,
    signer_issuer: String,
    signer_fingerprint: Vec<String>,
    word: Word,
}

struct Root {
    name: String,
    until: Moment,
    fingerprint: String,
    /// Its word is taken for what was issued until then.
    limit: String,
}

#[derive(Template)]
#[template(path = "packs.html")]
struct PacksPage {
    page: Page,
    notice: Option<Notice>,
    tabs: Vec<Tab>,
    packs: Vec<Row>,
    may_decide: bool,
    name: String,
    why: String,
}

#[derive(Template)]
#[template(path = "pack.html")]
struct PackPage {
    page: Page,
    notice: Option<Notice>,
    pack: Row,
    roots: Vec<Root>,
    may_decide: bool,
}

pub(crate) async fn list(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    let t = visitor.texts();
    let notice = match visitor.take_flash().as_deref() {
        Some("confirmed") => Notice::good(t.packs_confirmed()),
        Some("withdrawn") => Notice::good(t.packs_withdrawn()),
        _ => None,
    };
    all(&app, &visitor, StatusCode::OK, notice, &Form::default()).await
}

pub(crate) async fn pack(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(sha256): Path<String>,
) -> Answer {
    let notice = visitor.take_flash().filter(|flash| flash == "proposed");
    let notice = notice.and_then(|_| Notice::good(visitor.texts().packs_proposed()));
    one(&app, &visitor, StatusCode::OK, notice, &sha256).await
}

pub(crate) async fn propose(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Answer {
    let t = visitor.texts();
    let (name, why) = (clean(form.field("name")), clean(form.field("why")));
    let wrong = |status, text: &str| all(&app, &visitor, status, Notice::bad(text), &form);
    let file = form.files("pack").next().filter(|_| !name.is_empty() && !why.is_empty());
    let Some(file) = file else {
        return wrong(StatusCode::UNPROCESSABLE_ENTITY, t.packs_missing()).await;
    };
    match app.directory.propose_pack(&file.bytes, &name, visitor.known()?.id, &why).await {
        Err(Error::AlreadyExists { .. }) => wrong(StatusCode::CONFLICT, t.packs_exists()).await,
        Err(Error::Malformed { .. }) => wrong(StatusCode::UNPROCESSABLE_ENTITY, t.packs_unreadable()).await,
        proposed => done(&app, &format!("/board/packs/{}", proposed?.sha256()), "proposed"),
    }
}

pub(crate) async fn confirm(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(sha256): Path<String>,
) -> Answer {
    match app.directory.confirm_pack(&sha256, visitor.known()?.id).await {
        Err(Error::NotAllowed { .. }) => {
            let notice = Notice::bad(visitor.texts().authorities_confirm_own());
            one(&app, &visitor, StatusCode::CONFLICT, notice, &sha256).await
        }
        confirmed => {
            confirmed?;
            done(&app, "/board/packs", "confirmed")
        }
    }
}

pub(crate) async fn withdraw(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(sha256): Path<String>,
    Extension(form): Extension<Form>,
) -> Answer {
    app.directory.withdraw_pack(&sha256, visitor.known()?.id, &clean(form.field("why"))).await?;
    done(&app, "/board/packs", "withdrawn")
}

fn done(app: &App, path: &str, flash: &str) -> Answer {
    go_and_say(app, path, flash)
}

async fn all(app: &App, visitor: &Visitor, status: StatusCode, notice: Option<Notice>, form: &Form) -> Answer {
    let mut names = Names::default();
    let mut packs = Vec::new();
    for proposed in app.directory.packs().await? {
        packs.push(row(app, visitor, &mut names, proposed).await?);
    }
    let text = |field: &str| form.field(field).chars().take(300).collect::<String>();
    let page = PacksPage {
        page: Page::new(app, visitor, Section::Authorities),
        notice,
        tabs: tabs(visitor.texts(), true),
        packs,
        may_decide: visitor.known()?.roles.has(Role::Officer),
        name: text("name"),
        why: text("why"),
    };
    html(status, &page)
}

async fn one(app: &App, visitor: &Visitor, status: StatusCode, notice: Option<Notice>, sha256: &str) -> Answer {
    let (t, local) = (visitor.texts(), visitor.local());
    let proposed = app.directory.packs().await?.into_iter().find(|pack| pack.sha256 == sha256);
    let proposed = proposed.ok_or(Problem::NotFound)?;
    let content = app.directory.pack(sha256).await?;
    let roots = content.roots().iter().map(|root| Root {
        name: name_of(root),
        until: day(local, root.validity().not_after),
        fingerprint: groups(&root.sha256().to_hex()).join(" "),
        limit: content.roots().distrusted_after(root).map(|at| t.packs_until(local.date(at))).unwrap_or_default(),
    });
    let page = PackPage {
        page: Page::new(app, visitor, Section::Authorities),
        notice,
        roots: roots.collect(),
        pack: row(app, visitor, &mut Names::default(), proposed).await?,
        may_decide: visitor.known()?.roles.has(Role::Officer),
    };
    html(status, &page)
}

async fn row(app: &App, visitor: &Visitor, names: &mut Names, pack: ProposedPack) -> Result<Row, Problem> {
    let proposed = (pack.proposed_by, pack.proposed);
    let word = Word::of(app, visitor, names, proposed, pack.confirmed, &pack.why).await?;
    Ok(Row {
        checksum: groups(&pack.sha256),
        sha256: pack.sha256,
        name: clean(&pack.name),
        roots: pack.roots,
        signer: name_of(&pack.signer),
        signer_issuer: issuer_of(&pack.signer),
        signer_fingerprint: groups(&pack.signer.sha256().to_hex()),
        word,
    })
}
