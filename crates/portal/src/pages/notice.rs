use askama::filters::Safe;

use crate::icons;

/// What a page has to say before anything else.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bad,
    Good,
}

impl Notice {
    pub(crate) fn bad(text: impl Into<String>) -> Option<Self> {
        Some(Self { kind: Kind::Bad, text: text.into() })
    }

    pub(crate) fn good(text: impl Into<String>) -> Option<Self> {
        Some(Self { kind: Kind::Good, text: text.into() })
    }
}

impl Kind {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Good => "good",
        }
    }

    pub(crate) fn role(self) -> &'static str {
        match self {
            Self::Bad => "alert",
            Self::Good => "status",
        }
    }

    pub(crate) fn icon(self) -> Safe<&'static str> {
        match self {
            Self::Bad => icons::alert(),
            Self::Good => icons::check(),
        }
    }
}
