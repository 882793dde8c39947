use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};

use crate::Error;

/// A vendor's shared library. It has one state per process (C_Initialize), so there is one of these per library.
pub(super) struct Module(RwLock<Loaded>);

pub(super) struct Loaded {
    pub(super) pkcs11: Pkcs11,
    /// Counts the starts. Handles of an earlier one mean nothing.
    pub(super) generation: u64,
}

static MODULES: Mutex<BTreeMap<PathBuf, Arc<Module>>> = Mutex::new(BTreeMap::new());

impl Module {
    pub(super) fn load(path: &Path) -> Result<Arc<Self>, Error> {
        let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = modules.get(path) {
            return Ok(Arc::clone(module));
        }
        let pkcs11 = Pkcs11::new(path).map_err(|error| Error::Unavailable {
            because: format!("the PKCS #11 module {} cannot be loaded: {error}", path.display()),
        })?;
        // One that does not start now, because its token is away, is started again when it is used.
        drop(start(&pkcs11));
        let module = Arc::new(Self(RwLock::new(Loaded { pkcs11, generation: 0 })));
        modules.insert(path.to_owned(), Arc::clone(&module));
        Ok(module)
    }

    /// For the time of one operation.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Loaded> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the library anew once all that runs in it has ended, unless somebody else has since `generation`.
    pub(super) fn restart(&self, generation: u64) {
        let mut loaded = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if loaded.generation != generation {
            return;
        }
        // Whether it can be ended or not, whether it starts or not: the next use tells.
        drop(loaded.pkcs11.clone().finalize());
        drop(start(&loaded.pkcs11));
        loaded.generation += 1;
    }
}

fn start(pkcs11: &Pkcs11) -> Result<(), cryptoki::error::Error> {
    pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
}
