//! Which requests the board shows: a form whose answer is an address that can be kept.

use asn1::Time;
use directory::{Origin, RequestSearch, State};

use crate::certificate_view::{origin_name, state_name};
use crate::texts::Texts;
use crate::visitor::Visitor;

/// What was asked for; empty texts ask for nothing.
#[derive(Debug, Default)]
pub(super) struct Filter {
    state: String,
    origin: String,
    due: String,
    text: String,
}

/// One thing to choose.
pub(super) struct Choice {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) chosen: String,
    pub(super) options: Vec<(&'static str, &'static str)>,
}

pub(super) struct FilterView {
    pub(super) text: String,
    pub(super) choices: Vec<Choice>,
    pub(super) active: bool,
}

impl Filter {
    pub(super) fn of(visitor: &Visitor) -> Self {
        let one_of = |name: &str, known: &dyn Fn(&str) -> bool| {
            visitor.parameter(name).filter(|value| known(value)).unwrap_or_default().to_owned()
        };
        Self {
            state: one_of("state", &|value| value == ENDED || value == EVERY || State::from_name(value).is_some()),
            origin: one_of("origin", &|value| origin(value).is_some()),
            due: one_of("due", &|value| value == LATE || value == SOON),
            text: visitor.text_parameter("q").trim().chars().filter(|c| !c.is_control()).take(254).collect(),
        }
    }

    pub(super) fn is_active(&self) -> bool {
        [&self.state, &self.origin, &self.due, &self.text].iter().any(|value| !value.is_empty())
    }

    pub(super) fn search(&self, now: Time) -> RequestSearch {
        let open = || ALL.into_iter().filter(|state| state.is_open()).collect::<Vec<_>>();
        let due_by = match self.due.as_str() {
            LATE => Some(now),
            SOON => Some(now.plus_days(SOON_DAYS)),
            _ => None,
        };
        let mut states = match (self.state.as_str(), State::from_name(&self.state)) {
            (_, Some(state)) => vec![state],
            (EVERY, _) => ALL.to_vec(),
            (ENDED, _) => ALL.into_iter().filter(|state| !state.is_open() && *state != State::Active).collect(),
            // Who looks for a mailbox wants to find it, whatever became of it.
            _ if !self.text.is_empty() => ALL.to_vec(),
            _ => open(),
        };
        // What has been decided about is not due.
        if due_by.is_some() {
            states = open();
        }
        RequestSearch { states, origin: origin(&self.origin), due_by, ends_by: None, text: self.text.clone() }
    }

    pub(super) fn view(self, t: Texts) -> FilterView {
        let active = self.is_active();
        let shown = [State::Received, State::Checked, State::Confirmed, State::Active, State::Refused];
        let mut states = vec![("", t.filter_open())];
        states.extend(shown.map(|state| (state.name(), state_name(t, state))));
        states.extend([(ENDED, t.filter_ended()), (EVERY, t.filter_all())]);
        let mut origins = vec![("", t.filter_all())];
        origins.extend(Origin::ALL.map(|origin| (origin.name(), origin_name(t, origin))));
        let due = vec![("", t.filter_all()), (LATE, t.board_late()), (SOON, t.filter_soon())];
        let choices = vec![
            Choice { name: "state", label: t.column_state(), chosen: self.state, options: states },
            Choice { name: "due", label: t.column_due(), chosen: self.due, options: due },
            Choice { name: "origin", label: t.column_origin(), chosen: self.origin, options: origins },
        ];
        FilterView { text: self.text, choices, active }
    }
}

fn origin(name: &str) -> Option<Origin> {
    Origin::ALL.into_iter().find(|origin| origin.name() == name)
}

const ALL: [State; 9] = [
    State::Received,
    State::Checked,
    State::Confirmed,
    State::Approved,
    State::Active,
    State::Refused,
    State::Superseded,
    State::Expired,
    State::Revoked,
];
const ENDED: &str = "ended";
const EVERY: &str = "all";
const LATE: &str = "late";
const SOON: &str = "soon";
const SOON_DAYS: i64 = 2;
