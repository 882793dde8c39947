use super::{Case, Work};

/// Our two forms are the default and the one for programs that read nothing newer; a peer's are its default and
/// the form of its forebears.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (row, legacy) in [("AES, SHA-2", false), ("3DES or RC2, SHA-1", true)] {
        for (column, people) in [
            ("RSA", vec!["rsa"]),
            ("RSA-3072", vec!["rsa3072"]),
            ("P-256", vec!["p256"]),
            ("P-384", vec!["p384"]),
            ("P-521", vec!["p521"]),
            ("two keys", vec!["rsa", "p256"]),
        ] {
            let prompt = ["RSA", "P-256", "two keys"].contains(&column);
            let work = Work::Pkcs12 { people, legacy };
            cases.push(Case::new("PKCS #12", row, column, work).at_the_prompt(prompt));
        }
    }
    cases
}
