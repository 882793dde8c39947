//! The steps of Web Authentication Level 2 §7, each with what it is to stop.

mod log_in;
mod registration;

use testkit::authenticator::Ceremony;
use webauthn::{Asked, RelyingParty, UserVerification};

const ORIGIN: &str = "https://webmail.example";
const RP_ID: &str = "webmail.example";
const CHALLENGE: &str = "AAECAwQFBgcICQoLDA0ODw";

fn party() -> RelyingParty {
    RelyingParty::at("https://webmail.example/").unwrap()
}

fn asked() -> Asked<'static> {
    Asked { challenge: CHALLENGE, verification: UserVerification::Preferred }
}

fn ceremony(kind: &str) -> Ceremony {
    Ceremony::new(ORIGIN, RP_ID, kind, CHALLENGE)
}

#[test]
fn a_relying_party_is_the_host_of_a_safe_site() {
    for (url, id, origin) in [
        ("https://Webmail.Example", "webmail.example", "https://webmail.example"),
        ("https://webmail.example:443/portal", "webmail.example", "https://webmail.example"),
        ("https://webmail.example:8443/", "webmail.example", "https://webmail.example:8443"),
        ("http://localhost:8080", "localhost", "http://localhost:8080"),
        ("http://portal.localhost", "portal.localhost", "http://portal.localhost"),
    ] {
        let party = RelyingParty::at(url).unwrap_or_else(|| panic!("{url}"));
        assert_eq!((party.id(), party.origin()), (id, origin), "{url}");
    }
    for url in [
        "http://webmail.example",
        "https://192.0.2.1",
        "https://192.0.2.1:8443/",
        "https://[2001:db8::1]/",
        "https://",
        "https://user@webmail.example",
        "https://webmail.example:x",
        "ftp://localhost",
        "webmail.example",
    ] {
        assert_eq!(RelyingParty::at(url), None, "{url}");
    }
}
