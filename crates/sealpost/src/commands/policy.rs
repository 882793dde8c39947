//! `sealpost policy`: what would happen to a mail and why, and what happened to one.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use directory::{Directory, SystemClock};
use gateway::{Explanation, Protection, Query, explain_with_directory};
use pki::EmailAddress;
use serde_json::{Value, json};

use crate::commands::config::load;
use crate::config::Config;
use crate::outcome::Stop;
use crate::serve;

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// What would happen to a mail, for each recipient, and why
    Explain(Explain),
    /// What happened to a mail, by its Message-ID or its queue id; without content, for 14 days
    Trace(Trace),
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Who would send it
    #[arg(long, value_name = "ADDRESS")]
    from: String,
    /// Who would get it
    #[arg(long, value_name = "ADDRESS", required = true)]
    to: Vec<String>,
    /// Who would get it unseen by the others
    #[arg(long, value_name = "ADDRESS")]
    bcc: Vec<String>,
    /// Its subject
    #[arg(long, value_name = "TEXT", default_value = "")]
    subject: String,
    /// More header fields: "Sensitivity: Private"
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Who would have logged in, when it is not the sender
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Its size in octets
    #[arg(long, value_name = "OCTETS", default_value_t = 10_240)]
    size: u64,
    /// For programs
    #[arg(long)]
    json: bool,
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/sealpost/sealpost.toml")]
    config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// The Message-ID, with or without angle brackets, or what a mail server before or after calls it in its queue
    #[arg(value_name = "ID")]
    id: String,
    /// For programs
    #[arg(long)]
    json: bool,
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/sealpost/sealpost.toml")]
    config: PathBuf,
}

pub(crate) fn run(command: &Policy) -> Result<(), Stop> {
    let config = load(match command {
        Policy::Explain(Explain { config, .. }) | Policy::Trace(Trace { config, .. }) => config,
    })?;
    serve::runtime()?.block_on(async {
        let directory = serve::open_directory(&config, Arc::new(SystemClock)).await?;
        let done = match command {
            Policy::Explain(explain) => self::explain(&config, &directory, explain).await,
            Policy::Trace(trace) => self::trace(&directory, trace).await,
        };
        directory.close().await;
        done
    })
}

async fn explain(config: &Config, directory: &Directory, explain: &Explain) -> Result<(), Stop> {
    let address =
        |text: &String| EmailAddress::parse(text).map_err(|error| Stop::failed(format_args!("{text}: {error}")));
    let addresses = |texts: &[String]| texts.iter().map(address).collect::<Result<Vec<_>, _>>();
    let field = |text: &String| match text.split_once(':') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(Stop::failed(format_args!("--header {text} has no colon")).hint("write it as \"NAME: VALUE\"")),
    };
    let query = Query {
        from: Some(address(&explain.from)?),
        user: explain.user.clone(),
        to: addresses(&explain.to)?,
        bcc: addresses(&explain.bcc)?,
        subject: explain.subject.clone(),
        fields: explain.header.iter().map(field).collect::<Result<_, _>>()?,
        bytes: explain.size,
        protection: Protection::None,
    };
    // A gateway of this program has a webmailer.
    let explanations = explain_with_directory(directory, &serve::policy(&config.policy)?, true, &query)
        .await
        .map_err(|error| Stop::failed(format_args!("the directory cannot be asked: {}", error.because)))?;
    for explanation in &explanations {
        if explain.json {
            say!("{}", explanation.to_json());
        } else {
            print(explanation);
        }
    }
    Ok(())
}

fn print(explanation: &Explanation) {
    let Explanation { recipient, rule, action, reasons, signed_with, encrypted_to, cipher, unusable, reply } =
        explanation;
    say!("{recipient}: {action}, by the rule {rule}");
    if let Some(chosen) = signed_with {
        say!("  signed with      {} ({}), good until {}", chosen.subject, chosen.algorithm, chosen.not_after);
    }
    for chosen in encrypted_to {
        let (subject, algorithm, until) = (&chosen.subject, &chosen.algorithm, &chosen.not_after);
        say!(
            "  encrypted to     {subject} ({algorithm}), good until {until}\n                   SHA-256 {}",
            chosen.sha256
        );
    }
    if let Some(cipher) = cipher {
        say!("  cipher           {cipher}");
    }
    for why in unusable {
        say!("  not used         {why}");
    }
    for reason in reasons {
        say!("  because          {reason}");
    }
    if let Some(reply) = reply {
        say!("  the server hears {reply}");
    }
}

async fn trace(directory: &Directory, trace: &Trace) -> Result<(), Stop> {
    let found = directory.traces(&trace.id).await;
    let found = found.map_err(|error| Stop::failed(format_args!("the directory cannot be asked: {error}")))?;
    if found.is_empty() {
        return Err(Stop::refused(format_args!("nothing is known of a message {}", trace.id))
            .hint("traces are kept for 14 days; the Message-ID stands in the header of the mail"));
    }
    for trace_of in &found {
        let sender = trace_of.sender.as_ref().map(ToString::to_string);
        let (at, recipient) = (trace_of.at.to_string(), trace_of.recipient.to_string());
        if trace.json {
            let line = json!({ "at": at, "sender": sender, "recipient": recipient, "detail": trace_of.detail });
            say!("{line}");
            continue;
        }
        say!("{at}  {} → {recipient}", sender.as_deref().unwrap_or("<>"));
        let Value::Object(detail) = &trace_of.detail else { continue };
        for (name, value) in detail.iter().filter(|(_, value)| !is_empty(value)) {
            say!("  {:<16} {}", name.replace('_', " "), in_words(value));
        }
    }
    Ok(())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn in_words(value: &Value) -> String {
    match value {
        Value::String(text) => text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
        Value::Array(items) => items.iter().map(in_words).collect::<Vec<_>>().join("; "),
        Value::Object(fields) => match fields.get("subject") {
            Some(subject) => in_words(subject),
            None => {
                fields.iter().map(|(name, value)| format!("{name} {}", in_words(value))).collect::<Vec<_>>().join(", ")
            }
        },
        other => other.to_string(),
    }
}
