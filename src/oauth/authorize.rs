//! An authorization request (RFC 6749 section 4.1.1, RFC 7636, RFC 8707): who asks for what, and
//! where the answer goes. Knows no HTTP, and answers by redirect only where the redirect is proven.

use super::{
    Client, ClientFault, Clients, Form, OAuthError, Settings,
    redirect::{self, Place},
};
use crate::{
    crypto::AuthorizationCode,
    grant::{ClientId, ClientKind, Scope},
};

/// Longest `state` that is carried.
const LONGEST_STATE: usize = 1_024;
/// The parameters of a request, in the order in which pages carry them.
pub const PARAMETERS: [&str; 9] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "code_challenge",
    "code_challenge_method",
    "resource",
    "scope",
    "state",
];

/// A request that may be put before a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Who asks.
    pub client: Client,
    /// What sort of place the answer goes to.
    pub place: Place,
    /// Where exactly, and with which state.
    pub back: Back,
    /// The PKCE challenge, S256.
    pub challenge: String,
    /// What for.
    pub scope: Scope,
}

/// The way back to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Back {
    /// A redirect URI that the client registered.
    pub redirect_uri: String,
    state: Option<String>,
}

/// Why a request is not put before a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declined {
    /// The person is told: where an answer would go is not proven.
    Here(Fault),
    /// The client is told.
    Back(Back, OAuthError),
}

/// A fault that no redirect may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// `client_id`, `redirect_uri` or `state` came twice, or there are too many parameters.
    #[error("parameters given twice, or too many")]
    Twice,
    /// No `client_id`, or not the text of one.
    #[error("client_id missing or malformed")]
    ClientId,
    /// There is no such client, or it cannot be looked up.
    #[error(transparent)]
    Client(#[from] ClientFault),
    /// It is not one that the client registered.
    #[error("redirect_uri is not registered")]
    Redirect,
    /// It is no place for a code.
    #[error("redirect_uri is unsafe")]
    Unsafe,
    /// `state` is too long, or not printable ASCII.
    #[error("state is too long or not printable")]
    State,
}

/// Reads a request, in this order: client, redirect URI, all else.
pub async fn read(
    form: &Form,
    clients: &Clients,
    settings: &Settings,
) -> Result<Asked, Box<Declined>> {
    let (client, place, back) = proven(form, clients, settings)
        .await
        .map_err(|fault| Box::new(Declined::Here(fault)))?;
    match wanted(form, settings) {
        Ok((challenge, scope)) => Ok(Asked {
            client,
            place,
            back,
            challenge,
            scope,
        }),
        Err(error) => Err(Box::new(Declined::Back(back, error))),
    }
}

/// The client and the way back to it.
async fn proven(
    form: &Form,
    clients: &Clients,
    settings: &Settings,
) -> Result<(Client, Place, Back), Fault> {
    if form.is_twice(&["client_id", "redirect_uri", "state"]) {
        return Err(Fault::Twice);
    }
    let id: ClientId = form
        .get("client_id")
        .and_then(|text| text.parse().ok())
        .ok_or(Fault::ClientId)?;
    let client = clients.find(&id).await?;
    let redirect_uri = match (form.get("redirect_uri"), client.redirect_uris.as_slice()) {
        (Some(uri), known) if redirect::matches(known, uri) => uri.to_owned(),
        (None, [only]) => only.clone(),
        _ => return Err(Fault::Redirect),
    };
    let place = if client.kind == ClientKind::Added {
        // The operator vouches for the scheme.
        let scheme = redirect_uri.split("://").next().unwrap_or_default();
        redirect::place(&redirect_uri, &[scheme.to_owned()])
    } else {
        redirect::place(&redirect_uri, &settings.registration.schemes)
    };
    let state = form.get("state").map(str::to_owned);
    let is_carried = |state: &String| {
        state.len() <= LONGEST_STATE && state.bytes().all(|b| matches!(b, 0x20..=0x7e))
    };
    if !state.as_ref().is_none_or(is_carried) {
        return Err(Fault::State);
    }
    let back = Back {
        redirect_uri,
        state,
    };
    Ok((client, place.ok_or(Fault::Unsafe)?, back))
}

/// What a client that is known asks for.
fn wanted(form: &Form, settings: &Settings) -> Result<(String, Scope), OAuthError> {
    use OAuthError::{InvalidRequest, InvalidScope, InvalidTarget, UnsupportedResponseType};
    if form.is_twice(&["resource"]) {
        return Err(InvalidTarget("one resource at a time"));
    }
    if form.is_twice(&PARAMETERS) {
        return Err(InvalidRequest("a parameter was given twice"));
    }
    if form.need("response_type", "response_type is missing")? != "code" {
        return Err(UnsupportedResponseType("response_type must be code"));
    }
    if form
        .get("response_mode")
        .is_some_and(|mode| mode != "query")
    {
        return Err(InvalidRequest("response_mode must be query"));
    }
    let challenge = form.need(
        "code_challenge",
        "code_challenge is missing: PKCE is required",
    )?;
    let is_challenge = (43..=128).contains(&challenge.len())
        && challenge
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    if !is_challenge {
        return Err(InvalidRequest(
            "code_challenge must have 43 to 128 unreserved characters",
        ));
    }
    if form.get("code_challenge_method") != Some("S256") {
        return Err(InvalidRequest("code_challenge_method must be S256"));
    }
    if let Some(resource) = form.get("resource")
        && !settings.is_resource(resource)
    {
        return Err(InvalidTarget("resource is not this connector"));
    }
    let scope = Scope::requested(form.get("scope"))
        .ok_or(InvalidScope("scope must hold mcp:tools or mcp:read"))?;
    Ok((challenge.to_owned(), scope))
}

impl Back {
    /// The address that gives the client its code (RFC 6749 section 4.1.2, RFC 9207).
    pub fn approved(&self, issuer: &str, code: &AuthorizationCode) -> String {
        self.with(issuer, &[("code", code.expose())])
    }

    /// The address that tells the client why not (RFC 6749 section 4.1.2.1, RFC 9207).
    pub fn refused(&self, issuer: &str, error: OAuthError) -> String {
        let pairs = [
            ("error", error.code()),
            ("error_description", error.description()),
        ];
        self.with(issuer, &pairs)
    }

    /// Appends to the text as it is registered: no parser gets to repair or reorder any of it.
    /// [`redirect::place`] has made sure that it is ASCII without a fragment.
    fn with(&self, issuer: &str, pairs: &[(&str, &str)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs);
        if let Some(state) = &self.state {
            query.append_pair("state", state);
        }
        let query = query.append_pair("iss", issuer).finish();
        let joint = match self.redirect_uri.split_once('?') {
            None => "?",
            Some((_, "")) => "",
            Some((_, before)) if before.ends_with('&') => "",
            Some(_) => "&",
        };
        format!("{}{joint}{query}", self.redirect_uri)
    }
}

#[cfg(test)]
mod tests;
