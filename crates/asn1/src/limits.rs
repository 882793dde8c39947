/// Bounds that are checked before work begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nested constructed elements (CASES N-24: 32).
    pub depth: u16,
    /// Bytes of one element that is held in memory whole.
    pub element: u64,
    /// Bytes of the whole input.
    pub input: u64,
}

impl Limits {
    /// 32 levels, 16 MiB in one piece, 64 GiB in all.
    pub const DEFAULT: Self = Self { depth: 32, element: 16 << 20, input: 64 << 30 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
