use mime::Field;
use pki::Certificate;
use smime::{Check, LayerReport, Rejected, SignerVerdict};

use crate::notes::Note;

/// What was found out about an incoming message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The word of RFC 7281 §3.2.
    pub result: SmimeResult,
    /// Why, with the layer that it is about.
    pub reason: Option<String>,
    /// The signer's addresses, by the certificate.
    pub addresses: Vec<String>,
    /// The serial number of the signer's certificate, in hexadecimal digits.
    pub serial: Option<String>,
    /// Whether it came encrypted and was decrypted here.
    pub decrypted: bool,
    /// The certificate that it was encrypted to.
    pub decrypted_by: Option<Certificate>,
    /// Whether it was decrypted, and what was inside is kept from the recipient.
    pub withheld: bool,
    /// Whether it came encrypted and goes on so: what is inside is not known.
    pub stays_encrypted: bool,
    /// What else the recipient should know: nothing of it makes a signature better.
    pub notes: Vec<Note>,
}

/// The results of RFC 7281 §3.2 that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmimeResult {
    /// A signature was checked and does not hold, or is not the sender's.
    Fail,
    /// There was no signature to check.
    None,
    /// Every signature holds, and the signer is the one visible sender.
    Pass,
    /// It cannot be read as S/MIME.
    PermError,
    /// All that is missing is word about revocation, where it has to be known (CASES T-122): neither pass nor fail.
    TempError,
}

impl SmimeResult {
    /// As it stands in the field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::None => "none",
            Self::Pass => "pass",
            Self::PermError => "permerror",
            Self::TempError => "temperror",
        }
    }
}

impl Verdict {
    /// Nothing is signed.
    pub(crate) fn none(reason: Option<&str>) -> Self {
        Self {
            result: SmimeResult::None,
            reason: reason.map(str::to_owned),
            addresses: Vec::new(),
            serial: None,
            decrypted: false,
            decrypted_by: None,
            withheld: false,
            stays_encrypted: reason.is_some(),
            notes: Vec::new(),
        }
    }

    /// It cannot be read.
    pub(crate) fn unreadable(because: &str) -> Self {
        Self { result: SmimeResult::PermError, stays_encrypted: false, ..Self::none(Some(because)) }
    }

    /// From the layers, under a decision.
    pub(crate) fn of(layers: &[LayerReport], rejected: Option<&Rejected>) -> Self {
        let signer = telling_signer(layers, rejected.is_none());
        let signed = signer.is_some();
        let result = match rejected {
            None => SmimeResult::Pass,
            Some(rejected) if signed && rejected.is_not_known_yet() => SmimeResult::TempError,
            Some(_) if signed => SmimeResult::Fail,
            Some(_) => SmimeResult::None,
        };
        Self {
            result,
            reason: rejected.map(|rejected| format!("{}{}", failing_layer(layers), rejected.reason())),
            addresses: signer.map(|signer| signer.addresses.clone()).unwrap_or_default(),
            serial: signer
                .and_then(|signer| signer.certificate.as_ref())
                .map(|certificate| certificate.serial().content().iter().map(|b| format!("{b:02X}")).collect()),
            decrypted: layers.iter().any(|layer| matches!(layer, LayerReport::Encrypted(report) if report.opened)),
            decrypted_by: layers.iter().find_map(|layer| match layer {
                LayerReport::Encrypted(report) => report.opened_by.clone(),
                _ => None,
            }),
            withheld: false,
            stays_encrypted: false,
            notes: Vec::new(),
        }
    }

    /// For programs, without anything of the content.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "direction": "inward", "smime": self.result.as_str(), "reason": self.reason, "addresses": self.addresses,
            "serial": self.serial, "decrypted": self.decrypted, "withheld": self.withheld,
            "stays_encrypted": self.stays_encrypted,
            "notes": self.notes.iter().map(Note::kept).collect::<Vec<_>>(),
        })
    }

    /// RFC 8601 §2.2 with the method and properties of RFC 7281 §3.
    pub(crate) fn field(&self, hostname: &str) -> Field {
        let mut value = format!("{hostname}; smime={}", self.result.as_str());
        if let Some(reason) = &self.reason {
            value.push_str(&format!(" reason={}", quoted(reason)));
        }
        if let Some(address) = self.addresses.first() {
            value.push_str(&format!(" body.smime-identifier={}", quoted(address)));
        }
        if let Some(serial) = &self.serial {
            value.push_str(&format!(" body.smime-serial={serial}"));
        }
        Field::new("Authentication-Results", &value)
    }
}

/// Our own field, for what RFC 8601 has no word for. What comes from outside under this name is taken out before.
pub(crate) fn notes_field(notes: &[Note]) -> Option<Field> {
    let text: Vec<String> = notes.iter().take(10).map(|note| quoted(note.said())).collect();
    (!text.is_empty()).then(|| Field::new("X-Sealpost-Note", &text.join("; ")))
}

/// Of an accepted message the signer who is its sender; else the one that stopped it, else the first.
fn telling_signer(layers: &[LayerReport], accepted: bool) -> Option<&SignerVerdict> {
    let signers = || {
        layers.iter().flat_map(|layer| match layer {
            LayerReport::Signed(report) => report.signers.as_slice(),
            _ => &[],
        })
    };
    if accepted {
        return signers().find(|signer| signer.address == Check::Pass);
    }
    signers().find(|signer| signer.reason.is_some()).or_else(|| signers().next())
}

fn failing_layer(layers: &[LayerReport]) -> String {
    let fails = |layer: &LayerReport| match layer {
        LayerReport::Signed(report) => report.signers.iter().any(|signer| {
            signer.integrity != Check::Pass || signer.path != Check::Pass || signer.address == Check::Fail
        }),
        LayerReport::Encrypted(report) => !report.opened,
        LayerReport::Compressed => false,
        _ => false,
    };
    let kind = |layer: &LayerReport| match layer {
        LayerReport::Signed(_) => "signed",
        LayerReport::Encrypted(_) => "encrypted",
        _ => "compressed",
    };
    layers
        .iter()
        .enumerate()
        .find(|(_, layer)| fails(layer))
        .map(|(index, layer)| format!("layer {} ({}): ", index + 1, kind(layer)))
        .unwrap_or_default()
}

/// RFC 5322 §3.2.4. Nothing from a certificate ends the string, the line or the field (CASES T-82).
fn quoted(text: &str) -> String {
    let clean: String = text
        .chars()
        .take(300)
        .map(|c| match c {
            '"' => '\'',
            '\\' => '/',
            ' '..='~' => c,
            _ => '?',
        })
        .collect();
    format!("\"{clean}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_82_nothing_in_a_reason_ends_the_field() {
        let verdict = Verdict::unreadable("a\"; dkim=pass\r\nX-Evil: 1\\\" \u{e9}");
        let raw = String::from_utf8(verdict.field("gate.example").raw().to_vec()).unwrap();
        assert_eq!(raw.matches('\n').count(), 1);
        assert_eq!(raw.matches('"').count(), 2);
        assert!(!raw.contains('\\'));
    }
}
