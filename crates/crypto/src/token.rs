//! Keys in a PKCS #11 token: a hardware security module, a smart card, or SoftHSM.
//!
//! Private keys never leave the token. A [`Token`] opens sessions when they are needed, logs in again when they were
//! lost, and starts the vendor's module anew when that does not help, so that it goes on by itself once the token is
//! back. In between each use is [`Error::Unavailable`] (CASES T-129).

mod failure;
mod key;
mod module;
mod objects;
mod padding;
mod reference;
mod secret;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use cryptoki::error::{Error as Pkcs11Error, RvError};
use cryptoki::mechanism::MechanismType;
use cryptoki::object::ObjectHandle;
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use crate::Error;
use failure::Failure;
use module::{Loaded, Module};

pub use key::TokenKey;
pub use objects::TokenEntry;
pub use reference::TokenReference;
pub use secret::TokenSecret;

/// Where a token is and how to log in.
#[derive(Clone)]
pub struct TokenSettings {
    /// The vendor's PKCS #11 module, a shared library.
    pub module: PathBuf,
    /// The token's label.
    pub label: String,
    /// The user PIN.
    pub pin: Zeroizing<String>,
}

impl fmt::Debug for TokenSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSettings({} in {})", self.label, self.module.display())
    }
}

/// A PKCS #11 token. Cheap to clone.
#[derive(Clone)]
pub struct Token(Arc<Inner>);

struct Inner {
    module: Arc<Module>,
    label: String,
    pin: AuthPin,
    idle: Mutex<Vec<Pooled>>,
    /// What the token said about the PIN. It is not tried again: tokens lock themselves after a few wrong ones.
    pin_refused: Mutex<Option<String>>,
}

/// A session that nobody uses now. One operation at a time runs in it.
struct Pooled {
    session: Session,
    slot: Slot,
    /// Of the module, when the session was opened; sessions of an earlier one are void.
    generation: u64,
    handles: HashMap<Vec<u8>, ObjectHandle>,
    mechanisms: Option<Vec<MechanismType>>,
}

/// Sessions that are kept for the next use.
const MOST_IDLE: usize = 16;

impl Token {
    /// A token that is looked for when it is first used.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the module cannot be loaded.
    pub fn new(settings: TokenSettings) -> Result<Self, Error> {
        let module = Module::load(&settings.module)?;
        let pin = AuthPin::new(settings.pin.as_str().into());
        let (idle, pin_refused) = (Mutex::default(), Mutex::default());
        Ok(Self(Arc::new(Inner { module, label: settings.label, pin, idle, pin_refused })))
    }

    /// Its label.
    pub fn label(&self) -> &str {
        &self.0.label
    }

    /// Whether it is there and the PIN is right.
    pub fn check(&self) -> Result<(), Error> {
        self.run(|_, _| Ok(()))
    }

    /// Runs `work` in a session. What was lost is opened again: first a session, then the module.
    fn run<T>(&self, mut work: impl FnMut(&Loaded, &mut Pooled) -> Result<T, Failure>) -> Result<T, Error> {
        self.run_in(Access::Use, &mut work)
    }

    /// The same in a session that may change what is on the token.
    fn change<T>(&self, mut work: impl FnMut(&Loaded, &mut Pooled) -> Result<T, Failure>) -> Result<T, Error> {
        self.run_in(Access::Change, &mut work)
    }

    fn run_in<T>(
        &self,
        access: Access,
        work: &mut dyn FnMut(&Loaded, &mut Pooled) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        for recovery in [Recovery::Session, Recovery::Module] {
            let (generation, result) = self.attempt(access, work);
            match result {
                Ok(value) => return Ok(value),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Lost(_)) => {}
            }
            match recovery {
                Recovery::Session => self.close_idle(),
                Recovery::Module => self.0.module.restart(generation),
            }
        }
        match self.attempt(access, work).1 {
            Ok(value) => Ok(value),
            Err(Failure::Final(error)) => Err(error),
            Err(Failure::Lost(because)) => Err(Error::Unavailable { because }),
        }
    }

    fn attempt<T>(
        &self,
        access: Access,
        work: &mut dyn FnMut(&Loaded, &mut Pooled) -> Result<T, Failure>,
    ) -> (u64, Result<T, Failure>) {
        let loaded = self.0.module.read();
        let result = self.session(&loaded, access).and_then(|mut pooled| {
            let result = work(&loaded, &mut pooled);
            // After a failure nobody knows what is still going on in the session.
            let sound = matches!(result, Ok(_) | Err(Failure::Final(Error::BadValue)));
            match access {
                Access::Use if sound => self.keep(pooled),
                _ => drop(pooled.session.close()),
            }
            result
        });
        (loaded.generation, result)
    }

    fn session(&self, loaded: &Loaded, access: Access) -> Result<Pooled, Failure> {
        if access == Access::Use {
            let mut idle = self.idle();
            while let Some(pooled) = idle.pop() {
                if pooled.generation == loaded.generation {
                    return Ok(pooled);
                }
            }
        }
        if let Some(because) = &*self.0.pin_refused.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(Failure::Final(Error::Unavailable { because: because.clone() }));
        }
        let slot = self.slot(loaded)?;
        // A session of an earlier generation must not be closed by its number, which may be another one's by now; so
        // none closes itself.
        let session = match access {
            Access::Use => loaded.pkcs11.open_ro_session_no_drop(slot),
            Access::Change => loaded.pkcs11.open_rw_session_no_drop(slot),
        }
        .map_err(Failure::from)?;
        if let Err(failure) = self.log_in(&session) {
            drop(session.close());
            return Err(failure);
        }
        Ok(Pooled { session, slot, generation: loaded.generation, handles: HashMap::new(), mechanisms: None })
    }

    fn slot(&self, loaded: &Loaded) -> Result<Slot, Failure> {
        for slot in loaded.pkcs11.get_slots_with_token()? {
            // One that does not answer is not the one.
            if loaded.pkcs11.get_token_info(slot).is_ok_and(|info| info.label().trim_end() == self.0.label) {
                return Ok(slot);
            }
        }
        Err(Failure::Lost(format!("there is no token with the label {}", self.0.label)))
    }

    fn log_in(&self, session: &Session) -> Result<(), Failure> {
        use RvError::{
            PinExpired, PinIncorrect, PinInvalid, PinLenRange, PinLocked, UserAlreadyLoggedIn, UserPinNotInitialized,
        };
        match session.login(UserType::User, Some(&self.0.pin)) {
            Ok(()) | Err(Pkcs11Error::Pkcs11(UserAlreadyLoggedIn, _)) => Ok(()),
            Err(Pkcs11Error::Pkcs11(
                error @ (PinExpired | PinIncorrect | PinInvalid | PinLenRange | PinLocked | UserPinNotInitialized),
                _,
            )) => {
                let because = format!("the token {} refuses the PIN ({error:?})", self.0.label);
                *self.0.pin_refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(because.clone());
                Err(Failure::Final(Error::Unavailable { because }))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn keep(&self, pooled: Pooled) {
        let mut idle = self.idle();
        if idle.len() < MOST_IDLE {
            idle.push(pooled);
        } else {
            drop(idle);
            drop(pooled.session.close());
        }
    }

    fn close_idle(&self) {
        let loaded = self.0.module.read();
        for pooled in std::mem::take(&mut *self.idle()) {
            if pooled.generation == loaded.generation {
                drop(pooled.session.close());
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Pooled>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.0.label)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Use,
    Change,
}

#[derive(Clone, Copy)]
enum Recovery {
    Session,
    Module,
}
