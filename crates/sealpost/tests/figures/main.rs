//! What the gateway takes beside a plain Postfix and beside what people build by hand: `cargo xtask bench gateway`.
//!
//! Everything runs on loopback, with bounded counts, and writes `docs/reference/gateway-figures.md` when it is told where.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "figures that cannot be made must not be written")]

mod floor;
mod house;
mod page;
mod rounds;
mod sink;
mod source;

use std::io::Write as _;

use crypto::KeyKind;
use page::Figures;
use rounds::Rounds;

/// Says what is going on to whoever waits.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[test]
#[ignore = "takes minutes and wants the machine for itself: cargo xtask bench gateway"]
fn gateway_figures() {
    let scale: f64 = std::env::var("SEALPOST_FIGURES_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    let rounds = Rounds::new(scale);
    let mut figures = Figures::default();
    say("nothing between source and sink");
    figures.nothing = rounds.nothing();
    say("Postfix alone");
    figures.relay = rounds.postfix_alone();
    say("Postfix with a pipe filter that calls openssl cms");
    figures.pipe_signs = rounds.pipe(
        "openssl cms -sign -from \"$from\" -to \"$1\" -subject figures -signer alice.pem -inkey alice.pem -certfile ca.pem",
    );
    figures.pipe_encrypts =
        rounds.pipe("openssl cms -encrypt -from \"$from\" -to \"$1\" -subject figures -aes-256-cbc bob.pem");
    say("Postfix with Sealpost by LMTP");
    figures.lmtp = rounds.by_lmtp();
    say("Sealpost between source and sink");
    figures.direct_rsa = rounds.direct(KeyKind::Rsa2048);
    figures.direct_p256 = rounds.direct(KeyKind::P256);
    let half = figures.direct_rsa.speed.median() / 2.0;
    say("latency at half load, connections and their memory");
    figures.latency = rounds.latency(half);
    figures.connections = rounds.connections();
    let text = figures.to_page(scale);
    say(&text);
    if let Some(file) = std::env::var_os("SEALPOST_FIGURES_PAGE") {
        std::fs::write(file, text).unwrap();
    }
}
