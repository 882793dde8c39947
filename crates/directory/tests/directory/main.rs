//! The directory as the portal and the gateway use it, on SQLite and on PostgreSQL.

mod flow;
mod house;
mod keys;
mod store;
mod tokens;
