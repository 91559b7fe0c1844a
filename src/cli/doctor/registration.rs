//! Becoming a client: by document, or by registration with the client's own redirect URIs
//! (RFC 7591). Looks for the URI that is to blame when a registration is refused.

use serde_json::{Value, json};
use url::Url;

use super::{
    clients::SecretUse,
    discovery::Found,
    findings::Check,
    play::{Play, Reached, Stopped},
    probe::Ask,
    server::Means,
};
use crate::{oauth::redirect, secret::SecretString};

/// The client as the server knows it.
#[derive(Debug)]
pub struct Registered {
    /// Its id.
    pub id: String,
    /// How it is known.
    pub means: Means,
    /// Where the code is sent.
    pub redirect_uri: String,
    /// A secret it was issued and will send.
    pub secret: Option<SecretString>,
}

impl Play<'_> {
    /// Becomes a client.
    pub async fn register(&mut self, found: &Found) -> Result<Registered, Stopped> {
        let means = self.means(&found.server)?;
        let uris = self.redirect_uris();
        let redirect_uri = uris[0].clone();
        let registered = match (means, &found.server.register) {
            (Means::Registration, Some(endpoint)) => {
                let endpoint = endpoint.clone();
                self.registration(&endpoint, &uris, found.scope.as_deref())
                    .await?
            }
            (Means::Document(id), _) => Registered {
                id: id.to_owned(),
                means,
                redirect_uri,
                secret: None,
            },
            (Means::Registration, None) => {
                return Err(self.stop(Check::NoRegistration, "", &found.server.place));
            }
        };
        self.reached = Reached::Registration;
        Ok(registered)
    }

    async fn registration(
        &mut self,
        endpoint: &Url,
        uris: &[String],
        scope: Option<&str>,
    ) -> Result<Registered, Stopped> {
        let reply = self
            .ask(Ask::json(endpoint, &self.body(uris, scope)))
            .await?;
        let status = reply.status.as_u16();
        if !matches!(status, 200 | 201) {
            let error = reply.json();
            let word = error
                .as_ref()
                .and_then(|error| error.get("error")?.as_str());
            let word = word.unwrap_or("no error word").to_owned();
            let blamed = self.blamed(endpoint, uris, scope).await?;
            let seen = format!("HTTP {status} ({word})");
            return Err(self.stop(Check::RegistrationRefused, seen, blamed));
        }
        let value = reply.json().unwrap_or(Value::Null);
        let Some(id) = value.get("client_id").and_then(Value::as_str) else {
            let seen = format!("HTTP {status} without `client_id`");
            return Err(self.stop(Check::RegistrationRefused, seen, uris.join(", ")));
        };
        let redirect_uri = self.kept(&value, uris)?;
        Ok(Registered {
            id: id.to_owned(),
            means: Means::Registration,
            redirect_uri,
            secret: self.secret(&value)?,
        })
    }

    /// The URI the client will use, which has to be among those that were kept.
    fn kept(&mut self, value: &Value, uris: &[String]) -> Result<String, Stopped> {
        let Some(kept) = value.get("redirect_uris").and_then(Value::as_array) else {
            return Ok(uris[0].clone());
        };
        let kept: Vec<String> = kept
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        let fits = |uri: &String| redirect::matches(&kept, uri);
        // What is sent the browser to afterwards is up to the client: one that works is enough.
        match uris.iter().find(|uri| fits(uri)) {
            Some(uri) => {
                if let Some(dropped) = uris.iter().find(|uri| !fits(uri)) {
                    self.warn(Check::RedirectDropped, "registered without it", dropped);
                }
                Ok(uri.clone())
            }
            None => Err(self.stop(Check::RedirectDropped, "registered without it", &uris[0])),
        }
    }

    fn secret(&mut self, value: &Value) -> Result<Option<SecretString>, Stopped> {
        let Some(secret) = value.get("client_secret").and_then(Value::as_str) else {
            return Ok(None);
        };
        let method = value
            .get("token_endpoint_auth_method")
            .and_then(Value::as_str);
        if method == Some("none") {
            return Ok(None);
        }
        let seen = format!(
            "a `client_secret`, and `token_endpoint_auth_method` {}",
            method.unwrap_or("left out")
        );
        let sends = match self.profile.secret_use {
            SecretUse::Sends => true,
            SecretUse::WhenNamed => method.is_some(),
            SecretUse::Never => false,
        };
        if !sends {
            return Err(self.stop(Check::SecretIssued, seen, ""));
        }
        self.warn(Check::SecretIssued, seen, "");
        Ok(Some(SecretString::new(secret.to_owned())))
    }

    /// Which URIs are refused when they come alone.
    async fn blamed(
        &mut self,
        endpoint: &Url,
        uris: &[String],
        scope: Option<&str>,
    ) -> Result<String, Stopped> {
        let mut blamed = Vec::new();
        for uri in uris {
            let one = std::slice::from_ref(uri);
            let reply = self
                .ask(Ask::json(endpoint, &self.body(one, scope)))
                .await?;
            if !reply.status.is_success() {
                blamed.push(format!("`{uri}`"));
            }
        }
        Ok(match blamed.len() {
            0 => format!("these together: {}", uris.join(", ")),
            _ => blamed.join(", "),
        })
    }

    fn body(&self, uris: &[String], scope: Option<&str>) -> Value {
        let mut body = json!({
            "client_name": self.profile.client_name,
            "redirect_uris": uris,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
        });
        if let Some(body) = body.as_object_mut() {
            let further = [
                ("token_endpoint_auth_method", self.profile.auth_method),
                ("application_type", self.profile.application_type),
                ("scope", scope),
            ];
            for (name, value) in further {
                if let Some(value) = value {
                    body.insert(name.to_owned(), value.into());
                }
            }
        }
        body
    }

    fn redirect_uris(&self) -> Vec<String> {
        let random = self.random();
        let bytes = random.as_bytes();
        let port = 49_152 + u32::from(bytes[0]) * 64 + u32::from(bytes[1]) % 64;
        let fill = |uri: &&str| {
            uri.replace("{port}", &port.to_string())
                .replace("{random}", &random[..22])
        };
        self.profile.redirect_uris.iter().map(fill).collect()
    }
}
