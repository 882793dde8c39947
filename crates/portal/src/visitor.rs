//! Who looks at a page.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::header::{ACCEPT_LANGUAGE, COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use directory::{Actor, Language, LogInWay, Person, Session, network_key};

use crate::app::App;
use crate::local::Local;
use crate::page::{Answer, see_other};
use crate::portal::Peer;
use crate::problem::Problem;
use crate::texts::Texts;

/// Who looks at a page, in which language, from where. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Visitor(Arc<Inner>);

struct Inner {
    signed_in: Option<SignedIn>,
    local: Local,
    network: String,
    path: String,
    query: String,
    chosen: Option<Language>,
    form_token: String,
    form_token_known: bool,
    form_token_wanted: AtomicBool,
    pending: Option<String>,
    openid: Option<String>,
    flash: Option<String>,
    flash_taken: AtomicBool,
}

/// Somebody who has logged in.
#[derive(Clone)]
pub(crate) struct SignedIn {
    pub(crate) person: Person,
    pub(crate) session: Session,
    pub(crate) token: String,
    /// The password is a first one, and nothing else goes before it is changed.
    pub(crate) must_change: bool,
    /// A second factor is required of this role, and there is none yet.
    pub(crate) must_secure: bool,
}

impl Visitor {
    pub(crate) async fn of(app: &App, parts: &Parts) -> Result<Self, Problem> {
        let signed_in = match cookie(&parts.headers, names(app.secure).session) {
            Some(token) => signed_in(app, token).await?,
            None => None,
        };
        Self::with(app, parts, signed_in)
    }

    /// For when it cannot be found out who it is.
    pub(crate) fn stranger(app: &App, parts: &Parts) -> Result<Self, Problem> {
        Self::with(app, parts, None)
    }

    fn with(app: &App, parts: &Parts, signed_in: Option<SignedIn>) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let chosen = query.split('&').find_map(|pair| pair.strip_prefix("lang=")).and_then(Language::from_code);
        let remembered = cookie(&parts.headers, LANGUAGE).and_then(Language::from_code);
        let accepted = || {
            let value = parts.headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            Language::from_accept_language(value, app.directory.settings().language)
        };
        let own = signed_in.as_ref().map(|signed_in| signed_in.person.language);
        let language = chosen.or(remembered).or(own).unwrap_or_else(accepted);
        let form_token = cookie(&parts.headers, names(app.secure).form).filter(|token| token.len() == 43);
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.ip());
        let origin = app.origin(peer.unwrap_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)), &parts.headers);
        let fresh = crypto::random_array::<32>().map_err(|_| Problem::Internal)?;
        Ok(Self(Arc::new(Inner {
            signed_in,
            local: Local { language, zone: app.zone.clone() },
            network: network_key(origin),
            path: parts.uri.path().to_owned(),
            query: query.to_owned(),
            chosen,
            form_token_known: form_token.is_some(),
            form_token: form_token
                .map_or_else(|| base64_simd::URL_SAFE_NO_PAD.encode_to_string(fresh), ToOwned::to_owned),
            form_token_wanted: AtomicBool::new(false),
            pending: cookie(&parts.headers, names(app.secure).pending).map(ToOwned::to_owned),
            openid: cookie(&parts.headers, names(app.secure).openid).map(ToOwned::to_owned),
            flash: cookie(&parts.headers, names(app.secure).flash).map(ToOwned::to_owned),
            flash_taken: AtomicBool::new(false),
        })))
    }

    pub(crate) fn language(&self) -> Language {
        self.0.local.language
    }

    pub(crate) fn texts(&self) -> Texts {
        Texts(self.language())
    }

    pub(crate) fn local(&self) -> &Local {
        &self.0.local
    }

    /// What tries are counted by.
    pub(crate) fn network(&self) -> &str {
        &self.0.network
    }

    pub(crate) fn signed_in(&self) -> Option<&SignedIn> {
        self.0.signed_in.as_ref()
    }

    pub(crate) fn person(&self) -> Option<&Person> {
        self.signed_in().map(|signed_in| &signed_in.person)
    }

    /// Who has logged in, where the route table lets nobody else through.
    pub(crate) fn known(&self) -> Result<&Person, Problem> {
        self.person().ok_or(Problem::Forbidden)
    }

    /// By whose word this visitor's changes happen.
    pub(crate) fn actor(&self) -> Result<Actor, Problem> {
        Ok(Actor::Person(self.known()?.id))
    }

    pub(crate) fn must_change(&self) -> bool {
        self.signed_in().is_some_and(|signed_in| signed_in.must_change)
    }

    pub(crate) fn must_secure(&self) -> bool {
        self.signed_in().is_some_and(|signed_in| signed_in.must_secure)
    }

    /// What a form of this visitor must bring back (CASES T-101): the session's, or that of a cookie.
    pub(crate) fn csrf(&self) -> String {
        match self.signed_in() {
            Some(signed_in) => signed_in.session.csrf.clone(),
            None => {
                self.0.form_token_wanted.store(true, Ordering::Relaxed);
                self.0.form_token.clone()
            }
        }
    }

    /// Whether a form brought the right one back.
    pub(crate) fn is_own_form(&self, brought: &str) -> bool {
        let (expected, known) = match self.signed_in() {
            Some(signed_in) => (signed_in.session.csrf.as_str(), true),
            None => (self.0.form_token.as_str(), self.0.form_token_known),
        };
        known && crypto::constant_time_eq(brought.as_bytes(), expected.as_bytes())
    }

    /// The token that says that the password was right and the second factor is asked for.
    pub(crate) fn pending(&self) -> Option<&str> {
        self.0.pending.as_deref()
    }

    /// What was left here on the way to the provider.
    pub(crate) fn openid(&self) -> Option<&str> {
        self.0.openid.as_deref()
    }

    /// What the page before left to say; shown once.
    pub(crate) fn take_flash(&self) -> Option<String> {
        let flash = self.0.flash.clone()?;
        self.0.flash_taken.store(true, Ordering::Relaxed);
        let octets = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(flash).ok()?;
        String::from_utf8(octets).ok()
    }

    /// Where they are.
    pub(crate) fn path(&self) -> &str {
        &self.0.path
    }

    /// The same page in another language.
    pub(crate) fn here_in(&self, language: Language) -> String {
        let rest: Vec<&str> =
            self.0.query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("lang=")).collect();
        let rest = rest.iter().map(|pair| format!("&{pair}")).collect::<String>();
        // Two slashes would begin the name of another host.
        format!("/{}?lang={}{rest}", self.0.path.trim_start_matches(['/', '\\']), language.code())
    }

    /// The value of a parameter of the page's address, as long as it is plain.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let value = self.0.query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?.1;
        value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/.".contains(&b)).then_some(value)
    }

    /// The value of a parameter of the page's address as somebody typed it.
    pub(crate) fn text_parameter(&self, name: &str) -> String {
        let pairs = self.0.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| unescape(value)).next().unwrap_or_default()
    }

    /// Sets the cookies that follow from this visit.
    pub(crate) fn leave_cookies(&self, app: &App, headers: &mut HeaderMap) {
        let names = names(app.secure);
        if let Some(language) = self.0.chosen {
            let year = 365 * 86_400;
            set(headers, &format!("{LANGUAGE}={}; Path=/; Max-Age={year}; SameSite=Lax{}", language.code(), tls(app)));
        }
        if self.0.form_token_wanted.load(Ordering::Relaxed) && !self.0.form_token_known {
            let token = &self.0.form_token;
            set(headers, &format!("{}={token}; Path=/; HttpOnly; SameSite=Lax{}", names.form, tls(app)));
        }
        if self.0.flash_taken.load(Ordering::Relaxed) {
            set(headers, &format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{}", names.flash, tls(app)));
        }
    }
}

/// Logs somebody in: the cookie of a session.
pub(crate) fn set_session(app: &App, headers: &mut HeaderMap, token: &str) {
    set(headers, &format!("{}={token}; Path=/; HttpOnly; SameSite=Lax{}", names(app.secure).session, tls(app)));
}

/// Remembers that the password was right, until the second factor is.
pub(crate) fn set_pending(app: &App, headers: &mut HeaderMap, token: &str) {
    set(
        headers,
        &format!("{}={token}; Path=/; Max-Age=300; HttpOnly; SameSite=Lax{}", names(app.secure).pending, tls(app)),
    );
}

/// The second factor was right, too.
pub(crate) fn clear_pending(app: &App, headers: &mut HeaderMap) {
    set(headers, &format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{}", names(app.secure).pending, tls(app)));
}

/// Remembers who was sent to the provider, until they are back.
pub(crate) fn set_openid(app: &App, headers: &mut HeaderMap, secret: &str) {
    let name = names(app.secure).openid;
    set(headers, &format!("{name}={secret}; Path=/; Max-Age=600; HttpOnly; SameSite=Lax{}", tls(app)));
}

/// They are back.
pub(crate) fn clear_openid(app: &App, headers: &mut HeaderMap) {
    set(headers, &format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{}", names(app.secure).openid, tls(app)));
}

/// Logs somebody out.
pub(crate) fn clear_session(app: &App, headers: &mut HeaderMap) {
    set(headers, &format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{}", names(app.secure).session, tls(app)));
}

/// Leaves something to say to the next page, for an answer that does more than that. It comes back from the browser: text for this reader, nothing more.
pub(crate) fn leave_flash(app: &App, headers: &mut HeaderMap, text: &str) {
    let encoded = base64_simd::URL_SAFE_NO_PAD.encode_to_string(text);
    let name = names(app.secure).flash;
    set(headers, &format!("{name}={encoded}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax{}", tls(app)));
}

/// Sends a browser on to another page of ours, which says something once.
pub(crate) fn go_and_say(app: &App, path: &str, text: &str) -> Answer {
    let mut response = see_other(path);
    leave_flash(app, response.headers_mut(), text);
    Ok(response)
}

/// The value of a parameter, as a part of an address.
pub(crate) fn escaped(value: &str) -> String {
    let plain = |octet: &u8| octet.is_ascii_alphanumeric() || b"-._~/".contains(octet);
    let one = |octet: u8| if plain(&octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") };
    value.bytes().map(one).collect()
}

fn unescape(value: &str) -> String {
    let (mut octets, mut rest) = (Vec::new(), value.bytes());
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'+' => b' ',
            b'%' => {
                let pair: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = std::str::from_utf8(&pair).unwrap_or_default();
                u8::from_str_radix(digits, 16).unwrap_or(b'?')
            }
            octet => octet,
        });
    }
    String::from_utf8_lossy(&octets).into_owned()
}

async fn signed_in(app: &App, token: &str) -> Result<Option<SignedIn>, Problem> {
    if token.len() > 100 {
        return Ok(None);
    }
    let Some(session) = app.directory.session(token).await? else { return Ok(None) };
    let Some(person) = app.directory.person(session.person).await?.filter(|person| person.active) else {
        return Ok(None);
    };
    // Whom the provider knows needs no password here, and no second factor beside the provider's.
    let (mut must_change, mut must_secure) = (false, false);
    if session.way != LogInWay::Provider {
        let Some(account) = app.directory.account(session.person).await? else { return Ok(None) };
        must_change = account.must_change;
        // A passkey that logged somebody in alone knew them: two factors in one.
        must_secure = session.way == LogInWay::Password
            && needs_second_factor(app, &person)
            && match app.party {
                Some(_) => !app.directory.has_second_factor(person.id).await?,
                // Where browsers have no passkeys, those of before are good for nothing.
                None => app.directory.second_factor(person.id).await?.is_none(),
            };
    }
    Ok(Some(SignedIn { person, session, token: token.to_owned(), must_change, must_secure }))
}

/// Whether the policy asks for a second factor.
pub(crate) fn needs_second_factor(app: &App, person: &Person) -> bool {
    app.settings.second_factor_for.iter().any(|role| person.roles.has(*role))
}

struct Names {
    session: &'static str,
    form: &'static str,
    flash: &'static str,
    pending: &'static str,
    openid: &'static str,
}

// `__Host-`: set by this host alone, for this host alone, over TLS alone.
fn names(secure: bool) -> Names {
    if secure {
        Names {
            session: "__Host-session",
            form: "__Host-form",
            flash: "__Host-flash",
            pending: "__Host-pending",
            openid: "__Host-openid",
        }
    } else {
        Names { session: "session", form: "form", flash: "flash", pending: "pending", openid: "openid" }
    }
}

fn tls(app: &App) -> &'static str {
    if app.secure { "; Secure" } else { "" }
}

fn set(headers: &mut HeaderMap, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        headers.append(SET_COOKIE, value);
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(';')).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    })
}

const LANGUAGE: &str = "language";
