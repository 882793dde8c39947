use std::fmt;

/// A moment to the second, from year 0 to 9999, in UTC. Eight bytes; holds 1950 as well as 2049.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time(i64);

/// A [`Time`] taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeParts {
    /// 0 to 9999.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59; leap seconds do not exist here.
    pub second: u8,
}

impl Time {
    /// 0000-01-01T00:00:00Z.
    pub const EARLIEST: Self = Self(-62_167_219_200);
    /// 9999-12-31T23:59:59Z, RFC 5280's "no well-defined expiration date".
    pub const LATEST: Self = Self(253_402_300_799);

    /// Seconds since 1970-01-01T00:00:00Z, held within year 0 to 9999.
    pub const fn from_unix(seconds: i64) -> Self {
        if seconds < Self::EARLIEST.0 {
            Self::EARLIEST
        } else if seconds > Self::LATEST.0 {
            Self::LATEST
        } else {
            Self(seconds)
        }
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub const fn to_unix(self) -> i64 {
        self.0
    }

    /// Later by so many seconds, held within range.
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_unix(self.0.saturating_add(seconds))
    }

    /// Later by so many days, held within range.
    pub const fn plus_days(self, days: i64) -> Self {
        self.plus_seconds(days.saturating_mul(86_400))
    }

    /// From parts; `None` when there is no such date.
    pub fn from_parts(parts: TimeParts) -> Option<Self> {
        let TimeParts { year, month, day, hour, minute, second } = parts;
        let in_range = (0..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        let days = days_from_civil(year, month, day);
        let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        in_range.then_some(Self(days * 86_400 + seconds))
    }

    /// Taken apart, in UTC.
    pub fn parts(self) -> TimeParts {
        let days = self.0.div_euclid(86_400);
        let rest = self.0.rem_euclid(86_400);
        let (year, month, day) = civil_from_days(days);
        let small = |value: i64| u8::try_from(value).unwrap_or(0);
        TimeParts {
            year,
            month,
            day,
            hour: small(rest / 3600),
            minute: small(rest / 60 % 60),
            second: small(rest % 60),
        }
    }

    /// RFC 3339 in UTC or with an offset (`2026-03-01T12:00:00Z`, `2026-03-01 12:00:00+01:00`), or a
    /// date alone, which means its first second.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let number = |range: std::ops::Range<usize>| -> Option<i32> {
            let digits = text.get(range)?;
            digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let octet = |range| number(range).and_then(|value| u8::try_from(value).ok());
        let bytes = text.as_bytes();
        if bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
            return None;
        }
        let date =
            TimeParts { year: number(0..4)?, month: octet(5..7)?, day: octet(8..10)?, hour: 0, minute: 0, second: 0 };
        if bytes.len() == 10 {
            return Self::from_parts(date);
        }
        if !matches!(bytes.get(10), Some(b'T' | b't' | b' '))
            || bytes.get(13) != Some(&b':')
            || bytes.get(16) != Some(&b':')
        {
            return None;
        }
        let local = Self::from_parts(TimeParts {
            hour: octet(11..13)?,
            minute: octet(14..16)?,
            second: octet(17..19)?,
            ..date
        })?;
        let mut zone = 19;
        if bytes.get(zone) == Some(&b'.') {
            zone += 1;
            while bytes.get(zone).is_some_and(u8::is_ascii_digit) {
                zone += 1;
            }
        }
        match bytes.get(zone)? {
            b'Z' | b'z' if bytes.len() == zone + 1 => Some(local),
            sign @ (b'+' | b'-') if bytes.len() == zone + 6 && bytes.get(zone + 3) == Some(&b':') => {
                let offset =
                    i64::from(number(zone + 1..zone + 3)?) * 3600 + i64::from(number(zone + 4..zone + 6)?) * 60;
                Some(local.plus_seconds(if *sign == b'+' { -offset } else { offset }))
            }
            _ => None,
        }
    }

    /// Content of a UTCTime: `YYMMDDHHMMSSZ`, 1950 to 2049.
    ///
    /// RFC 5280 §4.1.2.5.1: seconds are present and the zone is Z. CASES T-52: anything else is refused.
    pub fn from_utc_time(content: &[u8]) -> Option<Self> {
        let year = two_digits(content, 0)?;
        let century = if year >= 50 { 1900 } else { 2000 };
        Self::from_digits(century + i32::from(year), content.get(2..)?)
    }

    /// Content of a GeneralizedTime: `YYYYMMDDHHMMSSZ`.
    ///
    /// RFC 5280 §4.1.2.5.2: no fractions, zone Z.
    pub fn from_generalized_time(content: &[u8]) -> Option<Self> {
        let year = i32::from(two_digits(content, 0)?) * 100 + i32::from(two_digits(content, 2)?);
        Self::from_digits(year, content.get(4..)?)
    }

    fn from_digits(year: i32, rest: &[u8]) -> Option<Self> {
        if rest.len() != 11 || rest.last() != Some(&b'Z') {
            return None;
        }
        Self::from_parts(TimeParts {
            year,
            month: two_digits(rest, 0)?,
            day: two_digits(rest, 2)?,
            hour: two_digits(rest, 4)?,
            minute: two_digits(rest, 6)?,
            second: two_digits(rest, 8)?,
        })
    }
}

fn two_digits(content: &[u8], at: usize) -> Option<u8> {
    match content.get(at..at + 2)? {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some((tens - b'0') * 10 + (ones - b'0')),
        _ => None,
    }
}

fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

// Days from 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin in March.
fn days_from_civil(year: i32, month: u8, day: u8) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i32, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (i32::try_from(year).unwrap_or(0), u8::try_from(month).unwrap_or(1), u8::try_from(day).unwrap_or(1))
}

impl fmt::Display for Time {
    /// RFC 3339: `2026-03-01T12:00:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TimeParts { year, month, day, hour, minute, second } = self.parts();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_goes_there_and_back() {
        let mut time = Time::EARLIEST;
        let mut previous = time.parts();
        while time < Time::LATEST.plus_days(-1) {
            time = time.plus_days(1);
            let parts = time.parts();
            assert_eq!(Time::from_parts(parts), Some(time));
            assert_ne!(parts, previous);
            previous = parts;
        }
        assert_eq!((previous.year, previous.month, previous.day), (9999, 12, 31));
    }

    #[test]
    fn both_encodings_and_their_century() {
        assert_eq!(Time::from_utc_time(b"500101000000Z").unwrap().to_string(), "1950-01-01T00:00:00Z");
        assert_eq!(Time::from_utc_time(b"491231235959Z").unwrap().to_string(), "2049-12-31T23:59:59Z");
        assert_eq!(Time::from_generalized_time(b"99991231235959Z"), Some(Time::LATEST));
        assert_eq!(Time::from_unix(0).to_string(), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn t_52_odd_dates_are_refused() {
        for odd in [
            &b"5001010000Z"[..],
            b"500101000000+0100",
            b"500001000000Z",
            b"500230000000Z",
            b"500101000060Z",
            b"5001010000 0Z",
            b"",
        ] {
            assert_eq!(Time::from_utc_time(odd), None, "{odd:?}");
        }
        assert_eq!(Time::from_generalized_time(b"20260101000000.5Z"), None);
        assert_eq!(Time::from_generalized_time(b"00000101000000Z"), Some(Time::EARLIEST));
    }

    #[test]
    fn rfc3339() {
        let time = Time::parse_rfc3339("2026-03-01T12:00:00Z").unwrap();
        assert_eq!(Time::parse_rfc3339("2026-03-01 13:00:00+01:00"), Some(time));
        assert_eq!(Time::parse_rfc3339("2026-03-01T12:00:00.25Z"), Some(time));
        assert_eq!(Time::parse_rfc3339("2026-03-01"), Some(time.plus_seconds(-12 * 3600)));
        for odd in ["", "2026", "2026-03-01T12:00:00", "2026-02-30", "2026-03-01T12:00:00+0100", "2026-3-01"] {
            assert_eq!(Time::parse_rfc3339(odd), None, "{odd}");
        }
    }
}
