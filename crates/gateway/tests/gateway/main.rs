//! A gateway on loopback, with real SMTP on both sides.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that meets the unexpected fails")]

mod access;
mod acme;
mod connector;
mod house;
mod house_mail;
mod imap;
mod incoming;
mod inquiry;
mod intake;
mod keys;
mod leaks;
mod milter;
mod next_hop;
mod odd_headers;
mod outages;
mod outgoing;
mod partners;
mod policy;
mod scanned;
mod spoofed;
mod support;
mod topologies;
mod watch;
mod wire;
