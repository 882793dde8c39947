//! What pages ask browsers about passkeys, and what forms bring back.

use directory::{ChallengeFor, Directory, Passkey, Person, PersonId};
use serde_json::{Value, json};
use webauthn::{
    Asked, Assertion, ClientData, CoseAlgorithm, CoseKey, KnownPasskey, NewPasskey, RegistrationAnswer, Rejected,
    UserVerification,
};

use crate::app::App;
use crate::form::Form;
use crate::page::clean;
use crate::problem::Problem;

/// What `assets/passkey.js` hands to `navigator.credentials.create`; `None` where browsers have no passkeys.
pub(crate) fn creation_options(
    app: &App,
    person: &Person,
    given_to: &str,
    known: &[Passkey],
) -> Result<Option<String>, Problem> {
    let Some(party) = &app.party else { return Ok(None) };
    let (name, address) = (clean(&person.name), person.address.to_string());
    // Where a passkey is all that is asked for, the authenticator has to find it and to know who touches it. A key that
    // can do neither is good as a second factor all the same.
    let wish = if app.settings.passkey_log_in { "preferred" } else { "discouraged" };
    let parameters = CoseAlgorithm::ALL.map(|one| json!({ "type": "public-key", "alg": one.number() }));
    let options = json!({
        "challenge": app.directory.challenge(ChallengeFor::Registration, given_to)?,
        "rp": { "id": party.id(), "name": app.directory.settings().organisation },
        "user": { "id": encode(&Directory::user_handle(person.id)), "name": address, "displayName": name },
        "pubKeyCredParams": parameters,
        "timeout": TIMEOUT,
        "attestation": "none",
        "authenticatorSelection": { "residentKey": wish, "userVerification": "preferred" },
        "excludeCredentials": described(known),
    });
    Ok(Some(options.to_string()))
}

/// What `assets/passkey.js` hands to `navigator.credentials.get`: for one of these passkeys, or for any where there are
/// none. `None` where browsers have no passkeys.
pub(crate) fn request_options(
    app: &App,
    what: ChallengeFor,
    given_to: &str,
    allowed: &[Passkey],
) -> Result<Option<String>, Problem> {
    let Some(party) = &app.party else { return Ok(None) };
    let verification = match verification(what) {
        UserVerification::Preferred => "preferred",
        UserVerification::Required => "required",
    };
    let options = json!({
        "challenge": app.directory.challenge(what, given_to)?,
        "rpId": party.id(),
        "timeout": TIMEOUT,
        "userVerification": verification,
        "allowCredentials": described(allowed),
    });
    Ok(Some(options.to_string()))
}

/// The new passkey that a form brought. `Ok(None)` when something about it is not right; the log says what.
pub(crate) async fn brought(
    app: &App,
    person: &Person,
    given_to: &str,
    form: &Form,
) -> Result<Option<NewPasskey>, Problem> {
    let Some(party) = &app.party else { return Err(Problem::NotFound) };
    let (client_data, attestation) = (octets(form, "client_data")?, octets(form, "attestation")?);
    let Some(challenge) = used(app, ChallengeFor::Registration, given_to, &client_data).await? else {
        return Ok(None);
    };
    let asked = Asked { challenge: &challenge, verification: verification(ChallengeFor::Registration) };
    let answer = RegistrationAnswer { client_data: &client_data, attestation_object: &attestation };
    match party.register(&asked, &answer) {
        Ok(new) => Ok(Some(new)),
        Err(rejected) => {
            tracing::warn!(person = %person.id, %rejected, "a new passkey was not accepted");
            Ok(None)
        }
    }
}

/// The passkey that answered, when everything about the answer is right; `owner` is whose it has to be, where that is
/// known. `Ok(None)` for whatever is wrong (CASES T-103); the log says what.
pub(crate) async fn proven(
    app: &App,
    what: ChallengeFor,
    given_to: &str,
    owner: Option<PersonId>,
    form: &Form,
) -> Result<Option<Passkey>, Problem> {
    let Some(party) = &app.party else { return Ok(None) };
    let (credential, client_data) = (octets(form, "credential")?, octets(form, "client_data")?);
    let (data, signature) = (octets(form, "authenticator_data")?, octets(form, "signature")?);
    let user_handle = octets(form, "user_handle")?;
    let Some(challenge) = used(app, what, given_to, &client_data).await? else { return Ok(None) };
    let found = app.directory.passkey(&credential).await?;
    let Some(passkey) = found.filter(|passkey| owner.is_none_or(|owner| passkey.person == owner)) else {
        tracing::warn!("a passkey answered that is not known, or is somebody else's");
        return Ok(None);
    };
    let key = CoseKey::from_spki(&passkey.key).map_err(|error| {
        tracing::error!(%error, passkey = %passkey.id, "a passkey that is kept does not read");
        Problem::Internal
    })?;
    let known = KnownPasskey {
        credential: &passkey.credential,
        key: &key,
        sign_count: passkey.sign_count,
        user_handle: &Directory::user_handle(passkey.person),
        user_known: owner.is_some(),
    };
    let answer = Assertion {
        credential: &credential,
        client_data: &client_data,
        authenticator_data: &data,
        signature: &signature,
        user_handle: &user_handle,
    };
    let copied = match party.log_in(&Asked { challenge: &challenge, verification: verification(what) }, &known, &answer)
    {
        Ok(proof) => !app.directory.use_passkey(passkey.id, proof.sign_count()).await?,
        Err(rejected) => {
            tracing::warn!(person = %passkey.person, %rejected, "what a passkey said was not accepted");
            if !matches!(rejected, Rejected::Counter { .. }) {
                return Ok(None);
            }
            true
        }
    };
    if copied {
        app.directory.note_copied_passkey(&passkey).await?;
        return Ok(None);
    }
    Ok(Some(passkey))
}

/// The challenge that a browser says it answers, when it was given to this visitor; it has been used up then.
async fn used(app: &App, what: ChallengeFor, given_to: &str, client_data: &[u8]) -> Result<Option<String>, Problem> {
    let Ok(said) = ClientData::parse(client_data) else { return Ok(None) };
    let challenge = said.claimed_challenge().to_owned();
    let good = app.directory.use_challenge(&challenge, what, given_to).await?;
    Ok(Some(challenge).filter(|_| good))
}

fn verification(what: ChallengeFor) -> UserVerification {
    match what {
        // Nothing else is asked for: two factors in one.
        ChallengeFor::LogIn => UserVerification::Required,
        ChallengeFor::Registration | ChallengeFor::SecondFactor => UserVerification::Preferred,
    }
}

fn described(passkeys: &[Passkey]) -> Value {
    passkeys.iter().map(|one| json!({ "type": "public-key", "id": encode(&one.credential) })).collect()
}

fn encode(octets: &[u8]) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(octets)
}

fn octets(form: &Form, field: &str) -> Result<Vec<u8>, Problem> {
    base64_simd::URL_SAFE_NO_PAD.decode_to_vec(form.field(field)).map_err(|_| Problem::BadForm)
}

const TIMEOUT: u32 = 240_000;
