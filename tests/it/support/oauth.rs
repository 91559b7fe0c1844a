//! An OAuth client without pages: codes come from the authorization server itself.

use std::net::SocketAddr;

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use wicketgate::{
    crypto,
    entropy::OsEntropy,
    grant::{ClientAuth, ClientId, ClientKind, Scope},
    ids::LicenseId,
    oauth::{Approval, Client, Grants},
    store::{ClientRecord, Registered},
};

use super::{
    gateway::TestGateway,
    wire::{Answer, once},
};

/// Where codes are sent.
pub(crate) const CALLBACK: &str = "http://localhost:4711/callback";
/// What challenges are made of.
pub(crate) const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters_~.";

/// The challenge of [`VERIFIER`].
pub(crate) fn challenge() -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(VERIFIER.as_bytes()))
}

/// A registered public client of one gateway.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    pub(crate) id: ClientId,
}

/// What the token endpoint gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) expires_in: u64,
}

impl Given {
    /// From an answer, which must be one of RFC 6749 section 5.1.
    #[track_caller]
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("pragma"), Some("no-cache"));
        let body = answer.json();
        assert_eq!(body["token_type"], "Bearer");
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
            expires_in: body["expires_in"].as_u64().unwrap(),
        }
    }
}

/// What the authorization server must have said: a status and a word.
#[track_caller]
pub(crate) fn refused(answer: &Answer, status: u16, error: &str) -> Value {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    assert_eq!(body["error"], error, "{}", answer.body);
    body
}

pub(crate) fn grants(gateway: &TestGateway) -> &Grants {
    &gateway.running().gateway().authorization_server().grants
}

impl App {
    /// Registers itself.
    pub(crate) async fn registered(gateway: &TestGateway) -> Self {
        let id = ClientId::from(&crypto::ClientId::generate(&OsEntropy));
        let record = ClientRecord {
            id: id.clone(),
            kind: ClientKind::Registered,
            name: "A client".into(),
            redirect_uris: vec![CALLBACK.into()],
            auth: ClientAuth::None,
            secret: None,
            secret_hint: None,
            jwks: None,
            jwks_uri: None,
            fingerprint: None,
            created: gateway.clock.now(),
            used: None,
        };
        let made = gateway.store.register_client(&record, 1_000).await;
        assert_eq!(made.unwrap(), Registered::New);
        Self {
            address: gateway.address,
            id,
        }
    }

    /// A code for the whole license, as the consent page would send.
    pub(crate) async fn code(&self, gateway: &TestGateway, license: LicenseId) -> String {
        self.code_of(gateway, license, Scope::Tools).await.unwrap()
    }

    /// A code of this scope.
    pub(crate) async fn code_of(
        &self,
        gateway: &TestGateway,
        license: LicenseId,
        scope: Scope,
    ) -> Result<String, wicketgate::oauth::OAuthError> {
        let license = gateway.store.license(license).await.unwrap().unwrap();
        let client = gateway.store.client(&self.id).await.unwrap().unwrap();
        let approval = Approval {
            license: &license,
            client: &Client::from(client),
            redirect_uri: CALLBACK.into(),
            challenge: challenge(),
            resource: gateway.running().gateway().config().connector_url(),
            scope,
        };
        let code = grants(gateway).issue_code(approval).await?;
        Ok(code.expose().to_owned())
    }

    /// A client that is connected with all scopes.
    pub(crate) async fn connected(gateway: &TestGateway, license: LicenseId) -> (Self, Given) {
        let app = Self::registered(gateway).await;
        let code = app.code(gateway, license).await;
        let given = Given::of(&app.redeem(&code).await);
        (app, given)
    }

    pub(crate) async fn redeem(&self, code: &str) -> Answer {
        self.redeem_with(&[("code", code)]).await
    }

    /// A redemption in which these fields replace or add to the right ones; an empty one is left out.
    pub(crate) async fn redeem_with(&self, changes: &[(&str, &str)]) -> Answer {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("client_id", self.id.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        fields.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        fields.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        self.post("/token", &fields).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.refresh_with(token, &[]).await
    }

    pub(crate) async fn refresh_with(&self, token: &str, more: &[(&str, &str)]) -> Answer {
        let mut fields = vec![
            ("grant_type", "refresh_token"),
            ("client_id", self.id.as_str()),
            ("refresh_token", token),
        ];
        fields.extend(more);
        self.post("/token", &fields).await
    }

    pub(crate) async fn revoke(&self, token: &str) -> Answer {
        let fields = [("client_id", self.id.as_str()), ("token", token)];
        self.post("/revoke", &fields).await
    }

    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form(fields);
        let request = form_request(self.address, path, "", &body);
        once(self.address, &request).await.expect("an answer")
    }
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// A form as bytes, with these further header lines.
pub(crate) fn form_request(address: SocketAddr, path: &str, lines: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n{lines}\r\n{body}",
        body.len()
    )
}
