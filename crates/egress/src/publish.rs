//! Our own certificates for others to look up.

use pki::{Certificate, EmailAddress};

use crate::look_up::owner_name;

/// A line for the zone of the address's domain (RFC 8162 §2): usage 3, the certificate itself, in full.
///
/// The zone must be signed, or nobody will look at it.
pub fn smimea_line(address: &EmailAddress, certificate: &Certificate) -> Option<String> {
    let hex: String = certificate.der().iter().map(|octet| format!("{octet:02x}")).collect();
    Some(format!("{} IN SMIMEA 3 0 0 {hex}", owner_name(address)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_58_the_owner_name_is_that_of_the_rfc() {
        // RFC 7929 §3 has the example for the same rule.
        let address = EmailAddress::parse("hugh@example.com").unwrap();
        let name = "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6._smimecert.example.com.";
        assert_eq!(owner_name(&address).as_deref(), Some(name));
    }
}
