use std::sync::atomic::{AtomicU32, Ordering};

use super::PathLimits;

/// What is left of the work that one message may cause (CASES T-48).
#[derive(Debug)]
pub struct Budget {
    certificates: AtomicU32,
    signatures: AtomicU32,
    paths: AtomicU32,
    comparisons: AtomicU32,
}

/// The budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl Budget {
    /// A full one.
    pub fn new(limits: &PathLimits) -> Self {
        Self {
            certificates: AtomicU32::new(limits.certificates),
            signatures: AtomicU32::new(limits.signatures),
            paths: AtomicU32::new(limits.paths),
            comparisons: AtomicU32::new(limits.comparisons),
        }
    }

    pub(crate) fn certificate(&self) -> Result<(), Exhausted> {
        take(&self.certificates, 1)
    }

    pub(crate) fn signature(&self) -> Result<(), Exhausted> {
        take(&self.signatures, 1)
    }

    pub(crate) fn path(&self) -> Result<(), Exhausted> {
        take(&self.paths, 1)
    }

    pub(crate) fn comparisons(&self, count: usize) -> Result<(), Exhausted> {
        take(&self.comparisons, u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Signature checks that are left.
    pub fn signatures_left(&self) -> u32 {
        self.signatures.load(Ordering::Relaxed)
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(&PathLimits::default())
    }
}

fn take(counter: &AtomicU32, count: u32) -> Result<(), Exhausted> {
    counter
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(count))
        .map(drop)
        .map_err(|_| Exhausted)
}
