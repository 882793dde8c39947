use crate::{Error, Response};

/// What a filter may ask for at the end of a message (`SMFIF_…`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Actions(u32);

impl Actions {
    /// New header fields.
    pub const ADD_HEADER: Self = Self(0x01);
    /// Another body.
    pub const CHANGE_BODY: Self = Self(0x02);
    /// Fewer recipients.
    pub const DELETE_RECIPIENT: Self = Self(0x08);
    /// Other header fields, or fewer.
    pub const CHANGE_HEADER: Self = Self(0x10);

    /// As they travel.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// As they travel.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are among them.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What a server leaves out or is not answered (`SMFIP_…`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Steps(u32);

impl Steps {
    /// HELO is left out.
    pub const NO_HELO: Self = Self(0x02);
    /// Unknown commands are left out.
    pub const NO_UNKNOWN: Self = Self(0x100);
    /// DATA is left out.
    pub const NO_DATA: Self = Self(0x200);
    /// Header fields are not answered.
    pub const SILENT_HEADER: Self = Self(0x80);
    /// Clients are not answered.
    pub const SILENT_CONNECT: Self = Self(0x1000);
    /// The end of the header is not answered.
    pub const SILENT_END_OF_HEADER: Self = Self(0x4_0000);
    /// Pieces of the body are not answered.
    pub const SILENT_BODY: Self = Self(0x8_0000);
    /// The blank behind a field's colon is part of its value, in both directions.
    pub const LEADING_SPACE: Self = Self(0x10_0000);

    /// As they travel.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// As they travel.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are among them.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What a server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// The newest version that it speaks.
    pub version: u32,
    /// What it can be asked for.
    pub actions: Actions,
    /// What it can leave out or go on without an answer to.
    pub steps: Steps,
}

/// What was agreed upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Negotiation {
    version: u32,
    actions: Actions,
    steps: Steps,
}

impl Negotiation {
    /// All that we want and the server offers, and nothing else: Postfix hangs up on a filter that asks for more.
    ///
    /// # Errors
    /// When it does not offer what `needed` has.
    pub fn over(offer: &Offer, needed: Actions, wanted: Actions, steps: Steps) -> Result<Self, Error> {
        // Version 1 has neither changes of fields nor other bodies.
        if offer.version < 2 {
            return Err(Error::Unusable { what: "version 2 of the protocol" });
        }
        if !offer.actions.contains(needed) {
            return Err(Error::Unusable { what: "changes of header and body" });
        }
        Ok(Self {
            version: offer.version.min(6),
            actions: Actions(offer.actions.0 & needed.with(wanted).0),
            steps: Steps(offer.steps.0 & steps.0),
        })
    }

    /// What the server is told.
    pub fn response(&self) -> Response<'static> {
        Response::Negotiate(self.version, self.actions, self.steps)
    }

    /// What may be asked for.
    pub fn actions(&self) -> Actions {
        self.actions
    }

    /// What is left out, or not answered.
    pub fn steps(&self) -> Steps {
        self.steps
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]
mod tests {
    use super::*;

    const NEEDED: Actions = Actions::ADD_HEADER.with(Actions::CHANGE_BODY).with(Actions::CHANGE_HEADER);

    #[test]
    fn nothing_is_asked_for_that_is_not_offered() {
        let steps = Steps::NO_HELO.with(Steps::LEADING_SPACE);
        let over = |version, actions, offered| {
            let offer = Offer { version, actions: Actions(actions), steps: Steps(offered) };
            Negotiation::over(&offer, NEEDED, Actions::DELETE_RECIPIENT, steps)
        };
        let postfix = over(6, 0x1FF, 0x1F_FFFF).unwrap();
        let mut octets = Vec::new();
        postfix.response().encode(&mut octets).unwrap();
        assert_eq!(octets, b"\0\0\0\x0DO\0\0\0\x06\0\0\0\x1B\0\x10\0\x02");
        let old = over(2, 0x13, 0x7F).unwrap();
        assert_eq!((old.actions(), old.steps()), (Actions(0x13), Steps::NO_HELO));
        let mut octets = Vec::new();
        old.response().encode(&mut octets).unwrap();
        assert_eq!(octets, b"\0\0\0\x0DO\0\0\0\x02\0\0\0\x13\0\0\0\x02");
        assert_eq!(over(7, 0x1FF, 0).unwrap().version, 6);
        assert!(over(1, 0x1FF, 0x7F).is_err());
        assert!(over(6, 0x11, 0x7F).is_err());
    }
}
