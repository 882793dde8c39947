//! The one table that says who may use what (CASES T-106). A page that is not in it does not exist.

use std::sync::Arc;

use axum::Router;
use axum::http::Uri;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, get, post};
use directory::{Role, Scope};

use crate::Settings;
use crate::api::{self, ApiGate, Limiter};
use crate::app::App;
use crate::guard::{Gate, first_segments, guard, harden};
use crate::page::{AUDIT, BOARD, PARTNER, PEOPLE, TRACE, see_other};
use crate::pages::{
    asset, audit, authorities, board, configuration, confirm, contacts, credentials, forgotten, house, how_to, keys,
    log_in, me, messages, numbers, openid, packs, partners, passkeys, password, problem, second_factor, staff, trace,
};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody, without logging in.
    Anyone,
    /// Who has logged in, even while the first password has to be changed.
    BeforePassword,
    /// Who has logged in and changed the first password, even while the second factor has to be set up.
    BeforeSecondFactor,
    /// Who has one of these roles.
    Roles(&'static [Role]),
    /// Who has logged in.
    SignedIn,
    /// A program with a token for this, if it needs one of a kind, whose owner has one of these roles.
    Token {
        /// What the token has to be for.
        scope: Option<Scope>,
        /// Who its owner has to be.
        roles: &'static [Role],
    },
}

impl Access {
    /// Whether it takes no log-in.
    pub fn is_open(self) -> bool {
        self == Self::Anyone
    }
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct RouteInfo {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The path, with `{names}` for what varies.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
}

/// Every route of the portal.
pub fn routes() -> Vec<RouteInfo> {
    table().iter().chain(&programs()).map(|route| route.info).collect()
}

/// How much a route takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intake {
    Form,
    /// What somebody wrote, with files.
    Letter,
    /// Not a page: programs ask and are answered, without session and form.
    Machine,
    Message,
    Upload,
}

impl Intake {
    pub(crate) fn most(self, settings: &Settings) -> u64 {
        match self {
            Self::Form | Self::Machine => FORM,
            Self::Letter | Self::Message => settings.message_bytes.saturating_add(FORM),
            Self::Upload => settings.upload_bytes.saturating_add(FORM),
        }
    }

    /// What people are told: the form around their files is nothing to them.
    pub(crate) fn shown(self, settings: &Settings) -> u64 {
        match self {
            Self::Form | Self::Machine => FORM,
            Self::Letter | Self::Message => settings.message_bytes,
            Self::Upload => settings.upload_bytes,
        }
    }
}

const FORM: u64 = 64 << 10;

struct Route {
    info: RouteInfo,
    intake: Intake,
    handler: MethodRouter<App>,
}

fn table() -> Vec<Route> {
    let route =
        |method, path, access, intake, handler| Route { info: RouteInfo { method, path, access }, intake, handler };
    let see = |path, access, handler| route("GET", path, access, Intake::Form, handler);
    let send = |path, access, handler| route("POST", path, access, Intake::Form, handler);
    let upload = |path, access, handler| route("POST", path, access, Intake::Upload, handler);
    let message = |path, access, handler| route("POST", path, access, Intake::Message, handler);
    let letter = |path, access, handler| route("POST", path, access, Intake::Letter, handler);
    use Access::{Anyone, BeforePassword, BeforeSecondFactor, Roles, SignedIn};
    const EMPLOYEE: Access = Roles(&[Role::Employee]);
    const OFFICER: Access = Roles(&[Role::Officer]);
    const OPERATOR: Access = Roles(&[Role::Operator]);
    vec![
        // Open: ten paths at most (CASES T-106).
        see("/", Anyone, get(how_to::show)),
        see("/assets/{file}", Anyone, get(asset::asset)),
        see("/login", Anyone, get(log_in::show)),
        send("/login", Anyone, post(log_in::log_in)),
        see("/login/code", Anyone, get(second_factor::code_form)),
        send("/login/code", Anyone, post(second_factor::check_code)),
        see("/login/openid", Anyone, get(openid::log_in)),
        see("/forgotten", Anyone, get(forgotten::show)),
        send("/forgotten", Anyone, post(forgotten::ask)),
        see("/reset/{token}", Anyone, get(forgotten::form)),
        send("/reset/{token}", Anyone, post(forgotten::set)),
        see("/confirm/{token}", Anyone, get(confirm::show)),
        send("/confirm/{token}", Anyone, post(confirm::confirm)),
        route("GET", "/ca/{*file}", Anyone, Intake::Machine, get(house::file)),
        route("POST", "/ca/ocsp", Anyone, Intake::Machine, post(house::ask)),
        // Whoever has logged in
        send("/logout", BeforePassword, post(log_in::log_out)),
        see("/password", BeforePassword, get(password::show)),
        send("/password", BeforePassword, post(password::change)),
        see("/keys", BeforeSecondFactor, get(keys::show)),
        send("/keys/second-factor", BeforeSecondFactor, post(second_factor::set)),
        send("/keys/second-factor/remove", SignedIn, post(second_factor::remove)),
        send("/keys/passkeys", BeforeSecondFactor, post(passkeys::add)),
        send("/keys/passkeys/remove", SignedIn, post(passkeys::remove)),
        see("/me", SignedIn, get(me::show)),
        see("/me/export", SignedIn, get(me::export)),
        send("/me/language", SignedIn, post(me::language)),
        // Partners
        upload("/keys/upload", Roles(PARTNER), post(keys::upload)),
        send("/keys/withdraw", Roles(PARTNER), post(keys::withdraw)),
        send("/keys/resend", Roles(PARTNER), post(keys::resend)),
        see("/keys/certificate/{file}", Roles(PARTNER), get(keys::download)),
        send("/me/delete", Roles(PARTNER), post(me::delete)),
        see("/inbox", Roles(PARTNER), get(messages::inbox)),
        see("/messages/{id}", Roles(PARTNER), get(messages::show)),
        see("/messages/{id}/html", Roles(PARTNER), get(messages::frame)),
        see("/messages/{id}/attachments/{number}", Roles(PARTNER), get(messages::attachment)),
        see("/messages/{id}/reply", Roles(PARTNER), get(messages::reply_form)),
        letter("/messages/{id}/reply", Roles(PARTNER), post(messages::reply)),
        send("/messages/{id}/delete", Roles(PARTNER), post(messages::delete)),
        see("/write", Roles(PARTNER), get(messages::write_form)),
        letter("/write", Roles(PARTNER), post(messages::send)),
        see("/contacts", Roles(PARTNER), get(contacts::list)),
        see("/contacts/{file}", Roles(PARTNER), get(contacts::file)),
        // Employees
        see("/partners", EMPLOYEE, get(partners::list)),
        see("/partners/invite", EMPLOYEE, get(partners::form)),
        send("/partners/invite", EMPLOYEE, post(partners::invite)),
        send("/partners/password", EMPLOYEE, post(partners::new_password)),
        // Officers and auditors
        see("/board", Roles(BOARD), get(board::list)),
        see("/board/requests/{id}", Roles(BOARD), get(board::request)),
        send("/board/requests/{id}/approve", OFFICER, post(board::approve)),
        send("/board/approve", OFFICER, post(board::approve_selected)),
        send("/board/requests/{id}/ask", OFFICER, post(board::ask)),
        send("/board/requests/{id}/refuse", OFFICER, post(board::refuse)),
        see("/board/authorities", Roles(BOARD), get(authorities::list)),
        upload("/board/authorities/propose", OFFICER, post(authorities::propose)),
        send("/board/authorities/confirm", OFFICER, post(authorities::confirm)),
        see("/board/packs", Roles(BOARD), get(packs::list)),
        see("/board/packs/{id}", Roles(BOARD), get(packs::pack)),
        message("/board/packs", OFFICER, post(packs::propose)),
        send("/board/packs/{id}/confirm", OFFICER, post(packs::confirm)),
        send("/board/packs/{id}/withdraw", OFFICER, post(packs::withdraw)),
        // Running the house: all may be read by those who audit it
        see("/house", Roles(AUDIT), get(credentials::list)),
        see("/house/incidents", Roles(AUDIT), get(credentials::incidents)),
        send("/house/incidents", OFFICER, post(credentials::open_incident)),
        send("/house/incidents/retry", OFFICER, post(credentials::retry_incident)),
        see("/numbers", Roles(AUDIT), get(numbers::show)),
        see("/settings", Roles(AUDIT), get(configuration::show)),
        see("/people", Roles(PEOPLE), get(staff::list)),
        see("/people/add", OPERATOR, get(staff::add_form)),
        send("/people/add", OPERATOR, post(staff::add)),
        see("/people/{id}", Roles(PEOPLE), get(staff::person)),
        send("/people/{id}/roles", OPERATOR, post(staff::roles)),
        send("/people/{id}/groups", OPERATOR, post(staff::groups)),
        send("/people/{id}/contact", OPERATOR, post(staff::contact)),
        send("/people/{id}/password", OPERATOR, post(staff::new_password)),
        send("/people/{id}/deactivate", OPERATOR, post(staff::deactivate)),
        // Messages: an employee's own, all for those who run the house
        see("/trace", Roles(TRACE), get(trace::show)),
        see("/explain", Roles(TRACE), get(trace::explain_form)),
        send("/explain", Roles(TRACE), post(trace::explain_show)),
        see("/board/audit", Roles(AUDIT), get(audit::list)),
    ]
}

/// The routes for programs.
fn programs() -> Vec<Route> {
    use api::{people, records, requests};
    let route = |method, path, scope, roles, intake, handler| Route {
        info: RouteInfo { method, path, access: Access::Token { scope, roles } },
        intake,
        handler,
    };
    let ask = |path, scope, roles, handler| route("GET", path, Some(scope), roles, Intake::Form, handler);
    let tell = |path, scope, roles, handler| route("POST", path, Some(scope), roles, Intake::Form, handler);
    const SEND_IN: &[Role] = &[Role::Partner, Role::Employee, Role::Officer];
    const SEE: &[Role] = &[Role::Partner, Role::Officer, Role::Auditor];
    const LOOK_UP: &[Role] = &[Role::Employee, Role::Officer, Role::Auditor, Role::Operator];
    const EMPLOYEE: &[Role] = &[Role::Employee];
    const OFFICER: &[Role] = &[Role::Officer];
    vec![
        route("GET", "/api/v1/openapi.json", None, &Role::ALL, Intake::Form, get(api::describe)),
        route("GET", "/api/v1/me", None, &Role::ALL, Intake::Form, get(people::me)),
        ask("/api/v1/requests", Scope::CertificatesRead, SEE, get(requests::list)),
        route(
            "POST",
            "/api/v1/requests",
            Some(Scope::CertificatesWrite),
            SEND_IN,
            Intake::Upload,
            post(requests::create),
        ),
        ask("/api/v1/requests/{id}", Scope::CertificatesRead, SEE, get(requests::show)),
        tell("/api/v1/requests/{id}/approve", Scope::BoardWrite, OFFICER, post(requests::approve)),
        tell("/api/v1/requests/{id}/refuse", Scope::BoardWrite, OFFICER, post(requests::refuse)),
        ask("/api/v1/certificates", Scope::CertificatesRead, SEE, get(records::certificates)),
        ask("/api/v1/certificates.pem", Scope::CertificatesRead, SEE, get(records::certificates_pem)),
        ask("/api/v1/partners", Scope::PartnersRead, EMPLOYEE, get(people::partners)),
        tell("/api/v1/partners", Scope::PartnersWrite, EMPLOYEE, post(people::invite)),
        ask("/api/v1/people/{address}", Scope::PeopleRead, LOOK_UP, get(people::person)),
        ask("/api/v1/contacts", Scope::ContactsRead, PARTNER, get(people::contacts)),
        ask("/api/v1/audit", Scope::AuditRead, AUDIT, get(records::audit)),
        ask("/api/v1/audit/verify", Scope::AuditRead, AUDIT, get(records::verify)),
        ask("/api/v1/traces/{message_id}", Scope::TracesRead, AUDIT, get(records::traces)),
    ]
}

/// How many segments of a form's path lead to the page that it is on.
fn home(pages: &[&str], path: &str) -> usize {
    let mut home = path;
    while !home.is_empty() && !pages.contains(&home) {
        home = home.rsplit_once('/').map_or("", |(above, _)| above);
    }
    home.matches('/').count()
}

pub(crate) fn router(app: App) -> Router {
    let gate = |access, intake, home| Gate { app: app.clone(), access, intake, home };
    let table = table();
    let pages: Vec<&str> =
        table.iter().filter(|route| route.info.method == "GET").map(|route| route.info.path).collect();
    let mut router = Router::new();
    for Route { info, intake, handler } in table {
        if intake == Intake::Machine {
            // What is asked there is the same for everybody and changes nothing, so no form can be foreign.
            router = router.route(info.path, handler);
            continue;
        }
        let home = (info.method == "POST").then(|| home(&pages, info.path));
        let handler = match home {
            // The answer to a form has the form's address: who comes to it by a link, or in another language, wants the page.
            Some(segments) if !pages.contains(&info.path) => {
                handler.get(move |uri: Uri| async move { see_other(first_segments(uri.path(), segments)) })
            }
            _ => handler,
        };
        router = router.route(info.path, handler.layer(from_fn_with_state(gate(info.access, intake, home), guard)));
    }
    let limiter = Arc::new(Limiter::default());
    let mut programs_router = Router::new();
    for Route { info, intake, handler } in programs() {
        let gate = ApiGate { app: app.clone(), access: info.access, intake, limiter: Arc::clone(&limiter) };
        let path = info.path.strip_prefix("/api").unwrap_or(info.path);
        // Not in front of other methods: that there is no such call is told before anything is asked for.
        programs_router = programs_router.route(path, handler.route_layer(from_fn_with_state(gate, api::guard)));
    }
    let programs_router = programs_router.fallback(api::nowhere).layer(from_fn(api::shape));
    let nowhere = get(problem::nowhere).post(problem::nowhere);
    let nowhere = nowhere.layer(from_fn_with_state(gate(Access::Anyone, Intake::Form, None), guard));
    router
        .nest("/api", programs_router)
        .fallback_service(nowhere.with_state(app.clone()))
        .layer(from_fn_with_state(app.clone(), harden))
        .with_state(app)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_on_a_page() {
        let table = table();
        let pages: Vec<&str> =
            table.iter().filter(|route| route.info.method == "GET").map(|route| route.info.path).collect();
        for (form, page) in [
            ("/keys/upload", "/keys"),
            ("/keys/second-factor/remove", "/keys"),
            ("/messages/{id}/reply", "/messages/{id}/reply"),
            ("/board/approve", "/board"),
            ("/board/requests/{id}/approve", "/board/requests/{id}"),
            ("/people/{id}/roles", "/people/{id}"),
            ("/logout", "/"),
        ] {
            assert_eq!(first_segments(form, home(&pages, form)), page, "{form}");
        }
    }
}
