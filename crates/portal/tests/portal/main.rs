//! The portal as people use it: over HTTP on loopback, in both languages.

mod access;
mod accessible;
mod api;
mod api_guide;
mod board;
mod browser;
mod chromium;
mod drafts;
mod flow;
mod flows;
mod forgotten;
mod forms;
mod house;
mod house_authority;
mod log_in;
mod markup;
mod me;
mod messages;
mod openid;
mod packs;
mod passkeys;
mod running;
mod schemathesis;
mod second_factor;
mod trace;
mod upload;
