//! The programs on the other side.

mod bouncy_castle;
pub(crate) mod gpgsm;
mod line_server;
mod nss;
mod openssl;
mod python;

pub(crate) use bouncy_castle::{BouncyCastle, PathsOfBouncyCastle};
pub(crate) use gpgsm::GpgSm;
pub(crate) use nss::Nss;
pub(crate) use openssl::OpenSsl;
pub(crate) use python::Python;
