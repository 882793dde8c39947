//! One module per page.

pub(crate) mod asset;
pub(crate) mod audit;
pub(crate) mod authorities;
pub(crate) mod board;
pub(crate) mod configuration;
pub(crate) mod confirm;
pub(crate) mod contacts;
pub(crate) mod credentials;
pub(crate) mod forgotten;
pub(crate) mod house;
pub(crate) mod how_to;
pub(crate) mod keys;
pub(crate) mod log_in;
pub(crate) mod me;
pub(crate) mod messages;
mod notice;
pub(crate) mod numbers;
pub(crate) mod openid;
pub(crate) mod packs;
pub(crate) mod partners;
pub(crate) mod passkeys;
pub(crate) mod password;
mod people;
pub(crate) mod problem;
pub(crate) mod second_factor;
pub(crate) mod staff;
pub(crate) mod trace;

pub(crate) use notice::Notice;
