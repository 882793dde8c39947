//! What skips a check. A search for `danger` finds every use.

use crate::{Content, LayerReport, Verification};

/// Content that no accepted signature covers. It is for quarantine, for delivery with a plain warning, and for nothing
/// that calls it signed.
#[derive(Debug)]
pub struct UnverifiedContent<'s> {
    /// The innermost entity that could be reached.
    pub content: Content<'s>,
    /// Each layer, outermost first.
    pub layers: Vec<LayerReport>,
    /// Whether everything on the way in was protected against change by a tag.
    pub authenticated: bool,
}

/// Gives up on a verdict and takes the content as it is.
pub fn take_unverified(verification: Verification<'_>) -> UnverifiedContent<'_> {
    let (content, layers, authenticated) = verification.into_parts();
    UnverifiedContent { content, layers, authenticated }
}
