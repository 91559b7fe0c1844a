//! `/authorize`: a person who consents at once, as the knobs say.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use axum::response::Response;
use url::Url;

use super::{
    CLIENT_ID, Consent, Flavour, Iss, Shared, StateSent,
    answer::{Asked, page},
    book::Code,
};

pub(super) fn answer(shared: &Shared, asked: &Asked) -> Response {
    let Some(query) = &asked.query else {
        return page("a parameter stands there twice");
    };
    shared.book().authorizations.push(query.clone());
    let get = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    if get("client_id") != CLIENT_ID {
        return page("unknown client_id");
    }
    let Ok(back) = Url::parse(get("redirect_uri")) else {
        return page("redirect_uri is not an address");
    };
    if get("state").is_empty() {
        return page("no state");
    }
    let mut told = match consented(shared, query) {
        Ok(code) => vec![("code", code)],
        Err((error, description)) => {
            vec![
                ("error", error.to_owned()),
                ("error_description", description),
            ]
        }
    };
    let knobs = shared.knobs().clone();
    match knobs.state {
        StateSent::Right => told.push(("state", get("state").to_owned())),
        StateSent::Wrong => told.push(("state", "another-state".to_owned())),
        StateSent::Missing => {}
    }
    match knobs.iss {
        Iss::Says(iss) => told.push(("iss", iss)),
        Iss::Usual if shared.flavour == Flavour::Google => told.push(("iss", shared.origin())),
        Iss::Usual => {}
    }
    if shared.flavour == Flavour::Google {
        // Not for us; what a client does not know it ignores (RFC 6749 section 4.1.2).
        told.push(("scope", get("scope").to_owned()));
        told.push(("authuser", "0".to_owned()));
    }
    let mut back = back;
    back.query_pairs_mut().extend_pairs(told);
    Response::builder()
        .status(303)
        .header("location", back.as_str())
        .body(axum::body::Body::empty())
        .unwrap()
}

type Refused = (&'static str, String);

/// A code for what the person grants.
fn consented(shared: &Shared, query: &BTreeMap<String, String>) -> Result<String, Refused> {
    let get = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let wrong = |error, text: &str| Err((error, text.to_owned()));
    if get("response_type") != "code" {
        return wrong("unsupported_response_type", "only code");
    }
    let challenge = query.get("code_challenge").cloned();
    if shared.flavour != Flavour::Meta {
        let is_hash = challenge.as_ref().is_some_and(|text| text.len() == 43);
        if !is_hash || get("code_challenge_method") != "S256" {
            return wrong("invalid_request", "code_challenge with S256 is required");
        }
    }
    let separator = if shared.flavour == Flavour::Meta {
        ','
    } else {
        ' '
    };
    let wanted: BTreeSet<String> = get("scope")
        .split(separator)
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect();
    if wanted.is_empty() {
        return wrong("invalid_scope", "no scope");
    }
    let knobs = shared.knobs().clone();
    let mut granted = match knobs.consent {
        Consent::Grants => wanted.clone(),
        Consent::Denies(description) => return Err(("access_denied", description)),
        Consent::Only(scopes) => wanted
            .iter()
            .filter(|scope| scopes.contains(scope))
            .cloned()
            .collect(),
    };
    let declined = wanted.difference(&granted).cloned().collect();
    let mut book = shared.book();
    let before = book.granted_before(&knobs.account);
    let offline = get("access_type") == "offline"
        && (before.is_empty() || get("prompt").split(' ').any(|word| word == "consent"));
    if get("include_granted_scopes") == "true" || shared.flavour == Flavour::Meta {
        granted.extend(before);
    }
    let grant = book.grant(knobs.account, granted);
    book.grants[grant].declined = declined;
    let text = book.mint("code");
    let code = Code {
        grant,
        redirect_uri: get("redirect_uri").to_owned(),
        challenge: challenge.filter(|_| shared.flavour != Flavour::Meta),
        offline,
        expires: shared.clock.now().plus(Duration::from_mins(10)),
        used: false,
    };
    book.codes.insert(text.clone(), code);
    Ok(text)
}
