//! A decision about a message for one recipient, as traces and explanations carry it: what is unknown is left out.

use serde_json::Value;

use crate::page::clean;
use crate::texts::{Texts, reason};

pub(crate) struct DecisionView {
    pub(crate) recipient: String,
    pub(crate) decision: String,
    pub(crate) class: &'static str,
    pub(crate) rule: String,
    /// What the other server said; what the sender's server would hear.
    pub(crate) answer: String,
    pub(crate) answer_good: bool,
    /// Label and value.
    pub(crate) facts: Vec<(&'static str, String)>,
    /// In the words of the program.
    pub(crate) reasons: Vec<String>,
}

impl DecisionView {
    pub(crate) fn of(t: Texts, recipient: &str, detail: &Value) -> Self {
        let text = |name: &str| clean(detail.get(name).and_then(Value::as_str).unwrap_or_default());
        let inward = text("direction") == "inward";
        let (class, decision) = if inward {
            let is = |name: &str| detail.get(name).and_then(Value::as_bool).unwrap_or_default();
            // Of what was not taken nothing is known that could be said of the mail itself.
            match text("answer").chars().next() {
                Some('4') if text("smime").is_empty() => action(t, "hold"),
                Some('5') if text("smime").is_empty() => action(t, "refuse"),
                _ => verdict(t, &text("smime"), is("decrypted"), is("stays_encrypted")),
            }
        } else {
            action(t, &text("action"))
        };
        let answer = if text("answer").is_empty() { text("reply") } else { text("answer") };
        let mut facts = Vec::new();
        if let Some(chosen) = detail.get("signed_with").filter(|chosen| chosen.is_object()) {
            facts.push((t.trace_signed_with(), certificate(chosen)));
        }
        for chosen in detail.get("encrypted_to").and_then(Value::as_array).into_iter().flatten().take(MOST) {
            facts.push((t.trace_encrypted_to(), certificate(chosen)));
        }
        for (name, label) in [("cipher", t.trace_cipher()), ("reason", t.column_why()), ("serial", t.request_serial())]
        {
            if !text(name).is_empty() {
                facts.push((label, reason(t, &text(name))));
            }
        }
        let signers = list(detail, "addresses");
        if !signers.is_empty() {
            facts.push((t.trace_signer(), signers.join(", ")));
        }
        let because = list(detail, "reasons");
        // Where a rule asked for certificates, the ones that were passed over are among its reasons.
        let said = |why: &String| because.iter().any(|because| because.ends_with(why.as_str()));
        let unusable: Vec<String> = list(detail, "unusable").into_iter().filter(|why| !said(why)).collect();
        let reasons = because.iter().chain(&unusable).chain(&list(detail, "notes")).map(|why| reason(t, why)).collect();
        Self {
            recipient: clean(recipient),
            decision,
            class,
            rule: text("rule"),
            answer_good: answer.starts_with('2'),
            answer,
            facts,
            reasons,
        }
    }
}

fn list(detail: &Value, name: &str) -> Vec<String> {
    let values = detail.get(name).and_then(Value::as_array).into_iter().flatten().take(MOST);
    values.filter_map(|value| Some(clean(value.as_str()?))).collect()
}

fn certificate(chosen: &Value) -> String {
    let text = |name: &str| clean(chosen.get(name).and_then(Value::as_str).unwrap_or_default());
    let until = text("not_after");
    let (day, sha256) = (until.get(..10).unwrap_or(&until), text("sha256"));
    let beginning = sha256.get(..16).unwrap_or(&sha256).to_uppercase();
    format!("{} ({}, {day}, SHA-256 {beginning}…)", text("subject"), text("algorithm"))
}

fn action(t: Texts, action: &str) -> (&'static str, String) {
    let (class, words) = match action {
        "sign" => ("good", t.decision_sign()),
        "encrypt" => ("good", t.decision_encrypt()),
        "sign and encrypt" => ("good", t.decision_both()),
        "webmailer" => ("good", t.decision_webmailer()),
        "clear" => ("none", t.decision_clear()),
        "untouched" => ("none", t.decision_untouched()),
        "hold" => ("wait", t.decision_hold()),
        "refuse" => ("bad", t.decision_refuse()),
        other => return ("none", clean(other)),
    };
    (class, words.to_owned())
}

fn verdict(t: Texts, smime: &str, decrypted: bool, stays_encrypted: bool) -> (&'static str, String) {
    let (class, words) = match (smime, decrypted) {
        ("pass", true) => ("good", t.verdict_both()),
        ("pass", false) => ("good", t.verdict_signed()),
        ("fail", _) => ("bad", t.verdict_failed()),
        ("permerror", _) => ("bad", t.verdict_unreadable()),
        ("temperror", _) => ("wait", t.verdict_unknown()),
        (_, true) => ("good", t.verdict_decrypted()),
        _ if stays_encrypted => ("none", t.verdict_unopened()),
        _ => ("none", t.verdict_plain()),
    };
    (class, words.to_owned())
}

const MOST: usize = 50;

#[cfg(test)]
mod tests {
    use directory::Language;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_trace_lacks_is_left_out_and_what_it_has_is_text() {
        let t = Texts(Language::English);
        for detail in [json!(null), json!([]), json!({ "encrypted_to": [null, 7], "reasons": "x", "signed_with": 1 })] {
            let view = DecisionView::of(t, "a@b.example", &detail);
            assert!(view.answer.is_empty() && view.reasons.is_empty() && view.rule.is_empty());
        }
        let detail = json!({ "direction": "outward", "action": "hold", "answer": "450 4.7.1 x\r\ny", "rule": "r" });
        let view = DecisionView::of(t, "a@b.example", &detail);
        assert_eq!((view.class, view.answer.as_str(), view.answer_good), ("wait", "450 4.7.1 x  y", false));
        // Never "signed" when it is not.
        let of = |smime: &str| DecisionView::of(t, "a", &json!({ "direction": "inward", "smime": smime })).class;
        assert_eq!(
            [of("pass"), of("fail"), of("permerror"), of("none"), of("")],
            ["good", "bad", "bad", "none", "none"]
        );
        // Nor "without protection" when that is not known.
        let said = |detail: Value| DecisionView::of(t, "a", &detail).decision;
        let refused = |answer: &str| said(json!({ "direction": "inward", "answer": answer }));
        assert_eq!([refused("550 5.7.5 x"), refused("451 4.7.5 x")], [t.decision_refuse(), t.decision_hold()]);
        let stays = json!({ "direction": "inward", "smime": "none", "stays_encrypted": true, "answer": "250 ok" });
        assert_eq!(said(stays), t.verdict_unopened());
        assert_eq!(said(json!({ "direction": "inward", "smime": "temperror" })), t.verdict_unknown());
        assert_eq!(said(json!({ "direction": "inward", "smime": "none" })), t.verdict_plain());
    }
}
