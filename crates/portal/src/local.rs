//! Dates and numbers in the reader's language.

use asn1::Time;
use directory::Language;
use jiff::{Timestamp, tz::TimeZone};

/// How this reader writes dates and numbers.
#[derive(Debug, Clone)]
pub(crate) struct Local {
    pub(crate) language: Language,
    pub(crate) zone: TimeZone,
}

impl Local {
    /// `25. November 2026`, `25 November 2026`
    pub(crate) fn date(&self, time: Time) -> String {
        let Some(there) = self.there(time) else { return time.to_string() };
        let month = usize::from(there.month().unsigned_abs()).saturating_sub(1);
        match self.language {
            Language::German => {
                format!("{}. {} {}", there.day(), GERMAN.get(month).unwrap_or(&""), there.year())
            }
            Language::English => {
                format!("{} {} {}", there.day(), ENGLISH.get(month).unwrap_or(&""), there.year())
            }
        }
    }

    /// `25.11.`, `25 Nov`: the day of a time in UTC, for charts.
    pub(crate) fn short_date(&self, time: Time) -> String {
        let Ok(instant) = Timestamp::from_second(time.to_unix()) else { return time.to_string() };
        let there = TimeZone::UTC.to_datetime(instant);
        let month = usize::from(there.month().unsigned_abs()).saturating_sub(1);
        match self.language {
            Language::German => format!("{}.{}.", there.day(), there.month()),
            Language::English => {
                format!("{} {}", there.day(), ENGLISH.get(month).and_then(|name| name.get(..3)).unwrap_or_default())
            }
        }
    }

    /// With the time of day.
    pub(crate) fn moment(&self, time: Time) -> String {
        let Some(there) = self.there(time) else { return time.to_string() };
        let (date, hour, minute) = (self.date(time), there.hour(), there.minute());
        match self.language {
            Language::German => format!("{date}, {hour}:{minute:02} Uhr"),
            Language::English => format!("{date}, {hour:02}:{minute:02}"),
        }
    }

    /// `2026-11-25T12:00:00Z`, for `<time datetime>`.
    pub(crate) fn machine(time: Time) -> String {
        time.to_string()
    }

    /// `1,4 MB`, `1.4 MB`
    pub(crate) fn bytes(&self, octets: u64) -> String {
        let (unit, name) = match octets {
            0..1_000 => return format!("{octets} B"),
            1_000..1_000_000 => (1_000, "kB"),
            _ => (1_000_000, "MB"),
        };
        let tenths = octets.saturating_mul(10) / unit;
        let mark = if self.language == Language::German { ',' } else { '.' };
        format!("{}{mark}{} {name}", tenths / 10, tenths % 10)
    }

    fn there(&self, time: Time) -> Option<jiff::civil::DateTime> {
        Some(self.zone.to_datetime(Timestamp::from_second(time.to_unix()).ok()?))
    }
}

const GERMAN: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];
const ENGLISH: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_sizes_are_written_as_the_reader_does() {
        let time = Time::parse_rfc3339("2026-03-25T08:05:00Z").unwrap();
        let german = Local { language: Language::German, zone: TimeZone::UTC };
        let english = Local { language: Language::English, zone: TimeZone::UTC };
        assert_eq!(german.moment(time), "25. März 2026, 8:05 Uhr");
        assert_eq!(english.moment(time), "25 March 2026, 08:05");
        assert_eq!((german.bytes(1_450_000), english.bytes(1_450_000)), ("1,4 MB".into(), "1.4 MB".into()));
        assert_eq!(german.bytes(999), "999 B");
    }
}
