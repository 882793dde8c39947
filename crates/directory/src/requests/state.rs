use crate::Error;

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It is here; its CA is not known yet, and an officer decides about that (CASES T-62).
    Received,
    /// The certificate fits its purpose and chains to a trusted CA.
    Checked,
    /// The partner proved mailbox and private key.
    Confirmed,
    /// An officer, or a rule, said yes.
    Approved,
    /// Mail is encrypted with it.
    Active,
    /// It is not used; the reason is kept.
    Refused,
    /// Another one took its place.
    Superseded,
    /// It ran out.
    Expired,
    /// It was taken back.
    Revoked,
}

/// What can happen to a request. [`State::after`] is the only way from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Check,
    Confirm,
    Approve,
    Activate,
    Refuse,
    Supersede,
    Expire,
    Revoke,
}

impl State {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::Received,
        Self::Checked,
        Self::Confirmed,
        Self::Approved,
        Self::Active,
        Self::Refused,
        Self::Superseded,
        Self::Expired,
        Self::Revoked,
    ];

    /// The way to go, for showing how far somebody is.
    pub const STEPS: [Self; 5] = [Self::Received, Self::Checked, Self::Confirmed, Self::Approved, Self::Active];

    /// One word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Checked => "checked",
            Self::Confirmed => "confirmed",
            Self::Approved => "approved",
            Self::Active => "active",
            Self::Refused => "refused",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// From [`Self::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether somebody still has to do something about it.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Received | Self::Checked | Self::Confirmed | Self::Approved)
    }

    pub(crate) fn after(self, step: Step) -> Result<Self, Error> {
        match (self, step) {
            (Self::Received, Step::Check) => Ok(Self::Checked),
            (Self::Checked, Step::Confirm) => Ok(Self::Confirmed),
            (Self::Confirmed, Step::Approve) => Ok(Self::Approved),
            (Self::Approved, Step::Activate) => Ok(Self::Active),
            (Self::Received | Self::Checked | Self::Confirmed, Step::Refuse) => Ok(Self::Refused),
            (Self::Active, Step::Supersede) => Ok(Self::Superseded),
            (Self::Received | Self::Checked | Self::Confirmed | Self::Active, Step::Expire) => Ok(Self::Expired),
            (Self::Active, Step::Revoke) => Ok(Self::Revoked),
            (state, _) => Err(Error::conflict(format_args!("the request is {} by now", state.name()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [Step; 8] = [
        Step::Check,
        Step::Confirm,
        Step::Approve,
        Step::Activate,
        Step::Refuse,
        Step::Supersede,
        Step::Expire,
        Step::Revoke,
    ];

    #[test]
    fn t_60_there_is_one_way_to_active() {
        let mut ways = Vec::new();
        for state in State::ALL {
            for step in STEPS {
                if let Ok(next) = state.after(step) {
                    ways.push((state, next));
                }
            }
        }
        let before = |state| ways.iter().filter(|(_, to)| *to == state).map(|(from, _)| *from).collect::<Vec<_>>();
        assert_eq!(before(State::Active), [State::Approved]);
        assert_eq!(before(State::Approved), [State::Confirmed]);
        assert_eq!(before(State::Confirmed), [State::Checked]);
        assert_eq!(before(State::Checked), [State::Received]);
        assert_eq!(before(State::Received), []);
        for end in [State::Refused, State::Superseded, State::Expired, State::Revoked] {
            assert!(ways.iter().all(|(from, _)| *from != end), "{end:?} is the end");
        }
    }

    #[test]
    fn names_read_back() {
        for state in State::ALL {
            assert_eq!(State::from_name(state.name()), Some(state));
        }
    }
}
