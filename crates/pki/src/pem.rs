use asn1::Pem;

use crate::Error;

/// The blocks of a PEM text; where there is no armour at all, what follows is taken for the bare base64 of a `label`.
pub(crate) fn blocks(bytes: &[u8], label: &str) -> Result<Vec<Pem>, Error> {
    let blocks = asn1::parse_pem(bytes)?;
    if !blocks.is_empty() || bytes.is_empty() {
        return Ok(blocks);
    }
    let begin = format!("-----BEGIN {label}-----\n");
    let end = format!("\n-----END {label}-----\n");
    let armoured = [begin.as_bytes(), bytes, end.as_bytes()].concat();
    // What is no base64 is of no kind that is looked for.
    Ok(asn1::parse_pem(&armoured).unwrap_or_default())
}
