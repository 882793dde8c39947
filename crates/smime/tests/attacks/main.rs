//! Attacks on whole mails.

mod corpus;
mod forgeries;
mod headers;
mod one_failure;
mod stapled;
mod two_readings;
