//! `/token`: every grant, and everything that may go wrong with it.

use std::{collections::BTreeMap, time::Duration};

use axum::{body::Body, body::Bytes, response::Response};
use futures_util::{StreamExt as _, stream};
use http::Method;
use serde_json::{Value, json};

use super::{
    Flavour, Hold, Proved, Rotates, Shared, TokenRequest, Trouble,
    answer::{self, Asked, Refusal},
    book::{Holder, Spend},
    proof,
};

/// Never remembered among the fields of a request.
const SECRET: [&str; 7] = [
    "assertion",
    "client_secret",
    "code",
    "code_verifier",
    "fb_exchange_token",
    "refresh_token",
    "access_token",
];

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const LONG_LIVED: Duration = Duration::from_hours(60 * 24);

pub(super) async fn answer(shared: &Shared, asked: &Asked) -> Response {
    let by_get = asked.method == Method::GET && shared.flavour == Flavour::Meta;
    let form = if by_get { &asked.query } else { &asked.form };
    let Some(form) = form
        .as_ref()
        .filter(|_| by_get || asked.method == Method::POST)
    else {
        return Refusal::new("invalid_request", "not a form").answer(shared.flavour);
    };
    let proved = proof::client(asked, form);
    let place = remember(shared, form, proved);
    shared.arrived.send_modify(|count| *count += 1);
    shared.released(Hold::Requests).await;

    let trouble = next_trouble(shared);
    let response = match trouble {
        Trouble::None | Trouble::Stalls => granted(shared, asked, form, proved),
        Trouble::InvalidGrant
        | Trouble::Status { .. }
        | Trouble::Redirect
        | Trouble::Large
        | Trouble::SaysTooMuch
        | Trouble::NotJson => troubled(shared, trouble),
    };
    let (mut head, body) = response.into_parts();
    shared.book().tokens[place].status = Some(head.status.as_u16());
    shared.released(Hold::Answers).await;
    if trouble != Trouble::Stalls {
        return as_github(shared, asked, Response::from_parts(head, body)).await;
    }
    let whole = http_body_util::BodyExt::collect(body).await.unwrap();
    let whole = whole.to_bytes();
    let half = whole.len() / 2;
    let (first, rest) = (whole.slice(..half), whole.slice(half..));
    // Before anything is sent: whoever reads the first half may release the rest at once.
    let mut hold = shared.hold.subscribe();
    let first = stream::iter([Ok::<Bytes, std::io::Error>(first)]);
    let rest = stream::once(async move {
        let _ = hold.changed().await;
        Ok(rest)
    });
    head.headers.remove("content-length");
    Response::from_parts(head, Body::from_stream(first.chain(rest)))
}

fn remember(shared: &Shared, form: &BTreeMap<String, String>, proved: Proved) -> usize {
    let presented = ["refresh_token", "fb_exchange_token"].map(|name| form.get(name).cloned());
    let request = TokenRequest {
        grant: form.get("grant_type").cloned().unwrap_or_default(),
        proved,
        form: form
            .iter()
            .filter(|(name, _)| !SECRET.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        presented: presented.into_iter().flatten().next(),
        status: None,
    };
    let mut book = shared.book();
    book.tokens.push(request);
    book.tokens.len() - 1
}

fn next_trouble(shared: &Shared) -> Trouble {
    let mut knobs = shared.knobs();
    let trouble = knobs.trouble;
    if let Trouble::Status { status, left } = trouble {
        if left == 0 {
            knobs.trouble = Trouble::None;
            return Trouble::None;
        }
        let left = left - 1;
        knobs.trouble = Trouble::Status { status, left };
    }
    trouble
}

fn troubled(shared: &Shared, trouble: Trouble) -> Response {
    let plain = |status: u16, kind: &str, body: String| {
        Response::builder()
            .status(status)
            .header("content-type", kind)
            .body(body.into())
            .unwrap()
    };
    match trouble {
        Trouble::None | Trouble::Stalls => plain(200, "text/plain", String::new()),
        Trouble::InvalidGrant => {
            let refusal = Refusal::new("invalid_grant", "Token has been expired or revoked.");
            refusal.answer(shared.flavour)
        }
        Trouble::Status { status, .. } => plain(status, "text/html", "<h1>Sorry</h1>".into()),
        Trouble::Redirect => Response::builder()
            .status(302)
            .header("location", format!("{}/elsewhere", shared.origin()))
            .body(Body::empty())
            .unwrap(),
        Trouble::Large => {
            let token = shared.book().mint("at");
            let padding = "x".repeat(10 << 20);
            answer::json(
                200,
                &json!({ "access_token": token, "token_type": "Bearer", "padding": padding }),
            )
        }
        Trouble::SaysTooMuch => {
            let mut book = shared.book();
            let (access, refresh) = (book.mint("at"), book.mint("rt"));
            let description = format!("no more {refresh}");
            answer::json(
                400,
                &json!({
                    "error": "invalid_request", "error_description": description,
                    "refresh_token": refresh, "access_token": access,
                }),
            )
        }
        Trouble::NotJson => plain(200, "text/html", "<h1>Welcome</h1>".into()),
    }
}

fn granted(
    shared: &Shared,
    asked: &Asked,
    form: &BTreeMap<String, String>,
    proved: Proved,
) -> Response {
    let grant = form.get("grant_type").map(String::as_str);
    // Meta's code request has no grant_type in its documentation.
    let grant = grant.or_else(|| (shared.flavour == Flavour::Meta).then_some("authorization_code"));
    if proved == Proved::Not && grant != Some(JWT_BEARER) {
        let refusal = Refusal {
            status: 401,
            error: "invalid_client",
            description: "The client is not who it says",
        };
        return refusal.answer(shared.flavour);
    }
    let outcome = match grant {
        Some("authorization_code") => code(shared, form),
        Some("refresh_token") if shared.flavour != Flavour::Meta => refresh(shared, form),
        Some("fb_exchange_token") if shared.flavour == Flavour::Meta => exchange(shared, form),
        Some("client_credentials") => machine(shared, asked, form),
        Some(JWT_BEARER) if shared.flavour == Flavour::Google => service(shared, form),
        _ => Err(Refusal::new("unsupported_grant_type", "not this one")),
    };
    match outcome {
        Ok(answer) => answer::json(200, &answer),
        Err(refusal) => refusal.answer(shared.flavour),
    }
}

type Outcome = Result<Value, Refusal>;

fn code(shared: &Shared, form: &BTreeMap<String, String>) -> Outcome {
    let bad = |text| Refusal::new("invalid_grant", text);
    let now = shared.clock.now();
    let mut book = shared.book();
    let code = form.get("code").and_then(|code| book.codes.get_mut(code));
    let code = code.ok_or_else(|| bad("Malformed auth code."))?;
    if code.used || code.expires <= now {
        return Err(bad("This authorization code has been used or has expired."));
    }
    code.used = true;
    if form.get("redirect_uri") != Some(&code.redirect_uri) {
        return Err(bad("redirect_uri is another than before"));
    }
    if let Some(challenge) = &code.challenge
        && !proof::verifies(form.get("code_verifier"), challenge)
    {
        return Err(bad("Invalid code verifier."));
    }
    let (grant, offline) = (code.grant, code.offline);
    let holder = book.holder_of_grant(grant);
    let refresh = match shared.flavour {
        Flavour::Google if offline => Some(book.mint_refresh(grant)),
        Flavour::Amazon => Some(book.mint_refresh(grant)),
        Flavour::Google | Flavour::Meta | Flavour::Github => None,
    };
    drop(book);
    let lifetime = (shared.flavour != Flavour::Github).then(|| shared.knobs().access_lifetime);
    Ok(tokens(shared, holder, lifetime, refresh))
}

fn refresh(shared: &Shared, form: &BTreeMap<String, String>) -> Outcome {
    let knobs = shared.knobs().clone();
    let spend = match knobs.rotates {
        Rotates::OneTime => Spend::Yes,
        Rotates::Never => Spend::No,
    };
    let bad = || Refusal::new("invalid_grant", "Token has been expired or revoked.");
    let token = form.get("refresh_token").ok_or_else(bad)?;
    let mut book = shared.book();
    let grant = book.refreshed(token, spend).ok_or_else(bad)?;
    let mut holder = book.holder_of_grant(grant);
    if let Some(scope) = form.get("scope") {
        let fewer: Vec<&str> = scope.split(' ').collect();
        if fewer.iter().any(|scope| !holder.scopes.contains(*scope)) {
            return Err(Refusal::new("invalid_scope", "more than was granted"));
        }
        holder.scopes = fewer.into_iter().map(str::to_owned).collect();
    }
    let sent_back = match (spend, shared.flavour) {
        (Spend::Yes, _) => Some(book.mint_refresh(grant)),
        (Spend::No, Flavour::Amazon) => Some(token.clone()),
        (Spend::No, _) => None,
    };
    drop(book);
    Ok(tokens(
        shared,
        holder,
        Some(knobs.access_lifetime),
        sent_back,
    ))
}

fn exchange(shared: &Shared, form: &BTreeMap<String, String>) -> Outcome {
    let token = form.get("fb_exchange_token");
    let book = shared.book();
    let holder = token.and_then(|token| book.holder(token, shared.clock.now()));
    drop(book);
    let holder = holder.ok_or_else(|| {
        Refusal::new(
            "invalid_grant",
            "Error validating access token: Session has expired.",
        )
    })?;
    Ok(tokens(shared, holder, Some(LONG_LIVED), None))
}

fn machine(shared: &Shared, asked: &Asked, form: &BTreeMap<String, String>) -> Outcome {
    let scope = form.get("scope").map(String::as_str).unwrap_or_default();
    if scope.is_empty() {
        return Err(Refusal::new("invalid_scope", "no scope"));
    }
    let holder = Holder {
        account: proof::client_account(asked, form),
        scopes: scope.split_whitespace().map(str::to_owned).collect(),
        grant: None,
    };
    let lifetime = shared.knobs().access_lifetime;
    Ok(tokens(shared, holder, Some(lifetime), None))
}

fn service(shared: &Shared, form: &BTreeMap<String, String>) -> Outcome {
    let assertion = form
        .get("assertion")
        .map(String::as_str)
        .unwrap_or_default();
    let holder = proof::service(shared, assertion)?;
    let lifetime = shared.knobs().access_lifetime;
    Ok(tokens(shared, holder, Some(lifetime), None))
}

/// The answer with a new access token (RFC 6749 section 5.1).
fn tokens(
    shared: &Shared,
    holder: Holder,
    lifetime: Option<Duration>,
    refresh: Option<String>,
) -> Value {
    let scopes: Vec<String> = holder.scopes.iter().cloned().collect();
    let is_person = holder.grant.is_some();
    let token = shared
        .book()
        .mint_access(holder, shared.clock.now(), lifetime);
    let mut answer = json!({ "access_token": token, "token_type": "Bearer" });
    if let Some(lifetime) = lifetime.filter(|_| shared.knobs().says_lifetime) {
        answer["expires_in"] = lifetime.as_secs().into();
    }
    if let Some(refresh) = refresh {
        answer["refresh_token"] = refresh.into();
    }
    match shared.flavour {
        Flavour::Google if is_person => answer["scope"] = scopes.join(" ").into(),
        Flavour::Github => answer["scope"] = scopes.join(",").into(),
        Flavour::Amazon if !is_person => answer["scope"] = scopes.join(" ").into(),
        Flavour::Google | Flavour::Amazon | Flavour::Meta => {}
    }
    answer
}

/// GitHub answers with a form unless JSON is asked for.
async fn as_github(shared: &Shared, asked: &Asked, response: Response) -> Response {
    let wants_json = asked
        .header("accept")
        .is_some_and(|kinds| kinds.contains("application/json"));
    if shared.flavour != Flavour::Github || wants_json || response.status() != 200 {
        return response;
    }
    let body = http_body_util::BodyExt::collect(response.into_body()).await;
    let body = body.unwrap().to_bytes();
    let fields: BTreeMap<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in &fields {
        form.append_pair(name, value.as_str().unwrap_or_default());
    }
    Response::builder()
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.finish().into())
        .unwrap()
}
