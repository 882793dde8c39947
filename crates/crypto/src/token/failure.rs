use cryptoki::error::{Error as Pkcs11Error, RvError};

use crate::Error;

/// What a token's refusal means for what comes next.
pub(super) enum Failure {
    /// The answer; asking again gives the same.
    Final(Error),
    /// Session, token or module are gone, or say that something went wrong; it may work again.
    Lost(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl From<Pkcs11Error> for Failure {
    fn from(error: Pkcs11Error) -> Self {
        let unsupported = |what: &str| Self::Final(Error::Unsupported { algorithm: format!("{what} in this token") });
        let Pkcs11Error::Pkcs11(code, function) = &error else {
            return match error {
                Pkcs11Error::NotSupported | Pkcs11Error::NullFunctionPointer => unsupported("this function"),
                error => Self::Lost(error.to_string()),
            };
        };
        match code {
            RvError::DataInvalid
            | RvError::DataLenRange
            | RvError::EncryptedDataInvalid
            | RvError::EncryptedDataLenRange
            | RvError::PublicKeyInvalid => Self::Final(Error::BadValue),
            RvError::ArgumentsBad
            | RvError::CurveNotSupported
            | RvError::DomainParamsInvalid
            | RvError::FunctionNotSupported
            | RvError::KeySizeRange
            | RvError::MechanismInvalid
            | RvError::MechanismParamInvalid => unsupported(&format!("{function} with these parameters")),
            RvError::KeyFunctionNotPermitted | RvError::KeyTypeInconsistent => {
                Self::Final(Error::NotForThisKey { operation: "do this, the token says" })
            }
            // CASES T-129: everything else, known or not, is "not now".
            code => Self::Lost(format!("{function} answers {code:?}")),
        }
    }
}
