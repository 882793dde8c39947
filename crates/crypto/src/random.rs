use subtle::ConstantTimeEq as _;

use crate::Error;

/// Fills `out` from the system's generator. Failure is an error, never a weaker source (CASES T-127).
pub fn random(out: &mut [u8]) -> Result<(), Error> {
    aws_lc_rs::rand::fill(out).map_err(|_| Error::Unavailable { because: "the random generator failed".into() })
}

/// `N` random octets.
pub fn random_array<const N: usize>() -> Result<[u8; N], Error> {
    let mut out = [0; N];
    random(&mut out)?;
    Ok(out)
}

/// Whether two values are equal, in a time that depends on their lengths only.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn t_127_no_key_and_no_nonce_comes_twice() {
        let draw = || (0..50_000).map(|_| random_array::<12>().unwrap()).collect::<Vec<_>>();
        let drawn: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(draw)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), 200_000);
    }
}
