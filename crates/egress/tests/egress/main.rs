//! What goes out, against servers on loopback that behave and that do not.

mod acme;
mod directories;
mod dns;
mod fetching;
mod hostile_dns;
mod server;
mod slapd;
mod tls;
