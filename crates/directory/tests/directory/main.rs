//! The directory as the portal and the gateway use it, on SQLite and on PostgreSQL.

mod flow;
mod house;
mod house_authority;
mod keys;
mod objects;
mod packs;
mod passkeys;
mod renewal;
mod revocation;
mod store;
mod tokens;
