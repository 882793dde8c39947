use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Error;

/// Leaves hosts alone that fail again and again, so that nobody waits for them (CASES T-122).
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    hosts: Mutex<HashMap<String, Failures>>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    in_a_row: u32,
    rests_until: Option<Instant>,
}

impl Breaker {
    /// Whether `host` may be asked at `now`.
    pub(crate) fn check(&self, host: &str, now: Instant) -> Result<(), Error> {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let rests = hosts.get(host).and_then(|failures| failures.rests_until).filter(|&until| now < until);
        match rests {
            Some(until) => {
                let seconds = until.duration_since(now).as_secs().max(1);
                Err(Error::Resting { host: host.to_owned(), seconds })
            }
            None => Ok(()),
        }
    }

    pub(crate) fn succeeded(&self, host: &str) {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).remove(host);
    }

    pub(crate) fn failed(&self, host: &str, now: Instant) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= MOST_HOSTS && !hosts.contains_key(host) {
            // Hosts that fail are named by certificates, so there may be any number of them.
            hosts.clear();
        }
        let failures = hosts.entry(host.to_owned()).or_insert(Failures { in_a_row: 0, rests_until: None });
        failures.in_a_row = failures.in_a_row.saturating_add(1);
        if let Some(too_many) = failures.in_a_row.checked_sub(TOLERATED) {
            let rest = FIRST_REST.saturating_mul(1 << too_many.min(10)).min(LONGEST_REST);
            failures.rests_until = now.checked_add(rest);
        }
    }
}

/// So many failures in a row open the circuit.
const TOLERATED: u32 = 3;
const FIRST_REST: Duration = Duration::from_secs(60);
const LONGEST_REST: Duration = Duration::from_secs(3600);
const MOST_HOSTS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_122_a_host_that_fails_rests_and_is_tried_again() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..TOLERATED {
            assert_eq!(breaker.check("a", now), Ok(()));
            breaker.failed("a", now);
        }
        assert_eq!(breaker.check("a", now), Err(Error::Resting { host: "a".into(), seconds: 60 }));
        assert_eq!(breaker.check("b", now), Ok(()), "others are asked");
        let later = now + FIRST_REST;
        assert_eq!(breaker.check("a", later), Ok(()));
        breaker.failed("a", later);
        assert_eq!(breaker.check("a", later), Err(Error::Resting { host: "a".into(), seconds: 120 }));
        breaker.succeeded("a");
        assert_eq!(breaker.check("a", later), Ok(()));
        for host in 0..2 * MOST_HOSTS {
            breaker.failed(&host.to_string(), now);
        }
        assert!(breaker.hosts.lock().unwrap().len() <= MOST_HOSTS);
    }
}
