use serde_json::{Map, Value, json};
use smime::{Limits, Node, SignerNode};

use super::verify::unreadable;
use crate::cli::Inspect;
use crate::files;
use crate::outcome::Stop;

pub(crate) fn run(inspect: &Inspect) -> Result<(), Stop> {
    let bytes = files::read(&inspect.input)?;
    let limits = Limits::in_folder(std::env::temp_dir());
    let tree = smime::inspect(&bytes, &limits).map_err(|error| {
        let stop = unreadable(&error, &inspect.input);
        match error {
            smime::Error::Empty => stop,
            smime::Error::Unrecognised => stop.hint("certificates are shown by: sealpost cert show"),
            error if error.is_local() => stop,
            _ => stop.hint("ask whoever sent it to send it again"),
        }
    })?;
    if inspect.json {
        say!("{}", to_json(&tree));
    } else {
        print(&tree, 0);
    }
    Ok(())
}

fn print(node: &Node, depth: usize) {
    let indent = "  ".repeat(depth);
    let say = |name: &str, value: &str| say!("{indent}  {name}: {}", clean(value));
    say!("{indent}{}", clean(&node.kind));
    for (name, value) in &node.facts {
        say(&name.replace('_', " "), value);
    }
    if let Some(octets) = node.octets {
        say("octets", &octets.to_string());
    }
    if node.is_detached {
        say("content", "detached");
    }
    for signer in &node.signers {
        let time = signer.signing_time.map(|time| format!(", claims {time}")).unwrap_or_default();
        say("signer", &format!("{}, {} with {}{time}", signer.identifier, signer.algorithm, signer.digest));
        if !signer.attributes.is_empty() {
            say("  signed attributes", &signer.attributes.join(", "));
        }
        signer.countersigners.iter().for_each(|name| say("  countersigner", name));
    }
    for recipient in &node.recipients {
        match &recipient.identifier {
            Some(identifier) => say("recipient", &format!("{identifier} by {}", recipient.algorithm)),
            None => say("recipient", &recipient.algorithm),
        }
    }
    for certificate in &node.certificates {
        say("certificate", &format!("{} until {}", certificate.subject(), certificate.validity().not_after));
    }
    node.odd.iter().for_each(|odd| say("odd", odd));
    node.children.iter().for_each(|child| print(child, depth + 1));
}

fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Lists are lists also when they have one member, and are left out when they have none.
fn to_json(node: &Node) -> Value {
    let mut object = Map::new();
    object.insert("kind".into(), node.kind.clone().into());
    for (name, value) in &node.facts {
        object.insert((*name).into(), value.clone().into());
    }
    if let Some(octets) = node.octets {
        object.insert("octets".into(), octets.into());
    }
    if node.is_detached {
        object.insert("detached".into(), true.into());
    }
    let mut list = |name: &str, values: Vec<Value>| {
        if !values.is_empty() {
            object.insert(name.into(), values.into());
        }
    };
    list("signers", node.signers.iter().map(signer_json).collect());
    let recipients = node.recipients.iter();
    list(
        "recipients",
        recipients.map(|found| json!({ "identifier": found.identifier, "algorithm": found.algorithm })).collect(),
    );
    let certificates = node.certificates.iter().map(|certificate| {
        json!({
            "subject": certificate.subject().to_string(),
            "sha256": certificate.sha256().to_hex(),
            "not_after": certificate.validity().not_after.to_string(),
        })
    });
    list("certificates", certificates.collect());
    list("odd", node.odd.iter().map(|odd| odd.clone().into()).collect());
    list("children", node.children.iter().map(to_json).collect());
    Value::Object(object)
}

fn signer_json(signer: &SignerNode) -> Value {
    json!({
        "identifier": signer.identifier,
        "algorithm": signer.algorithm,
        "digest": signer.digest,
        "signing_time": signer.signing_time.map(|time| time.to_string()),
        "attributes": signer.attributes,
        "countersigners": signer.countersigners,
    })
}
