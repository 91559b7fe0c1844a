//! MCP with the token: opens the connection in the client's era, lists tools, and makes the one
//! call the operator named, never another: a call may have effects.

use http::Method;
use serde_json::{Value, json};

use super::{
    clients::Speaks,
    findings::Check,
    message::{self, MODERN, SESSION, Wire, dressed, initialize, outline, response},
    play::{Play, Stopped},
    probe::{Ask, Reply},
};
use crate::secret::SecretString;

impl Play<'_> {
    /// Opens the connection as the client does, and lists the tools.
    pub async fn open(&mut self, access: &SecretString) -> Result<Wire, Stopped> {
        let wire = match self.profile.speaks {
            Speaks::Legacy(version) | Speaks::LegacySilent(version) => {
                return self.open_legacy(access, version).await;
            }
            Speaks::Auto => Wire::Modern,
        };
        let ask = self.request(&wire, "server/discover", json!({}));
        let reply = self.ask(bearing(ask, access)).await?;
        let message = response(&reply).unwrap_or_default();
        let lists = |at: &str| {
            let versions = message.pointer(at).and_then(Value::as_array);
            versions.is_some_and(|versions| versions.iter().any(|version| version == MODERN))
        };
        if reply.status.is_success() && lists("/result/supportedVersions") {
            self.list(access, &wire).await?;
            return Ok(wire);
        }
        let status = reply.status.as_u16();
        let seen = format!("`server/discover` was answered {}", outline(&reply));
        let wanted = "it knows 2026-07-28 or says so";
        if matches!(status, 401 | 403) {
            return Err(self.stop(Check::CallRefused, &seen, &seen));
        }
        if status >= 500 {
            return Err(self.stop(Check::DiscoverUnclear, seen, wanted));
        }
        let code = message.pointer("/error/code").and_then(Value::as_i64);
        // A server of the older eras may not know the method; one that limits it, or knows the era
        // and complains, demotes the client for nothing.
        if status == 429 || matches!(code, Some(-32_021 | -32_020)) {
            self.warn(Check::DiscoverUnclear, seen, wanted);
        }
        self.open_legacy(access, "2025-11-25").await
    }

    async fn open_legacy(
        &mut self,
        access: &SecretString,
        asked: &'static str,
    ) -> Result<Wire, Stopped> {
        let ask = initialize(self.connector, self.profile.client_name, asked);
        let reply = self.ask(bearing(ask, access)).await?;
        let message = response(&reply).unwrap_or_default();
        let agreed = message
            .pointer("/result/protocolVersion")
            .and_then(Value::as_str);
        let Some(agreed) = agreed else {
            let seen = format!("`initialize` was answered {}", outline(&reply));
            let check = match reply.status.as_u16() {
                401 | 403 => Check::CallRefused,
                _ => Check::InitializeRefused,
            };
            return Err(self.stop(check, &seen, &seen));
        };
        let silent = matches!(self.profile.speaks, Speaks::LegacySilent(_));
        let wire = Wire::Legacy {
            version: (!silent).then(|| agreed.to_owned()),
            session: reply.header(SESSION.as_str()).map(str::to_owned),
        };
        let ask = message::initialized(self.connector, &wire);
        self.ask(bearing(ask, access)).await?;
        let renamed = renamed_session(&reply);
        if let Some(name) = renamed {
            let status = self.try_list(access, &wire).await?;
            if status != 200 {
                let seen = format!("the session id stands in `{name}`, and HTTP {status} follows");
                return Err(self.stop(Check::SessionHeaderRenamed, seen, name));
            }
        }
        self.stream(access, &wire).await?;
        self.list(access, &wire).await?;
        Ok(wire)
    }

    /// The GET stream that clients of the older eras ask for.
    async fn stream(&mut self, access: &SecretString, wire: &Wire) -> Result<(), Stopped> {
        let ask = Ask::bare(Method::GET, self.connector)
            .with(http::header::ACCEPT, "text/event-stream")
            .head_only();
        let reply = self.ask(bearing(dressed(ask, wire), access)).await?;
        let status = reply.status.as_u16();
        let streams = status == 200 && reply.header_has("content-type", "text/event-stream");
        if !streams && status != 405 {
            let seen = format!("HTTP {status}");
            self.warn(Check::StreamAnswer, &seen, &seen);
        }
        Ok(())
    }

    /// Lists the tools; anything but a list stops the client.
    pub async fn list(&mut self, access: &SecretString, wire: &Wire) -> Result<(), Stopped> {
        let ask = self.request(wire, "tools/list", json!({}));
        let reply = self.ask(bearing(ask, access)).await?;
        let message = response(&reply).unwrap_or_default();
        if message
            .pointer("/result/tools")
            .is_some_and(Value::is_array)
        {
            return Ok(());
        }
        let seen = format!("`tools/list` was answered {}", outline(&reply));
        Err(match reply.status.as_u16() {
            401 | 403 => self.stop(Check::CallRefused, &seen, &seen),
            _ => self.stop(Check::CallBroken, seen, "`tools/list`"),
        })
    }

    /// Lists the tools; only the status counts.
    pub async fn try_list(&mut self, access: &SecretString, wire: &Wire) -> Result<u16, Stopped> {
        let ask = self.request(wire, "tools/list", json!({}));
        let reply = self.ask(bearing(ask, access)).await?;
        Ok(reply.status.as_u16())
    }

    /// Makes the call that the operator named.
    pub async fn tool(&mut self, access: &SecretString, wire: &Wire) -> Result<(), Stopped> {
        let Some(call) = self.call else {
            return Ok(());
        };
        let params = json!({ "name": call.name, "arguments": call.arguments });
        let ask = self.request(wire, "tools/call", params);
        let reply = self.ask(bearing(ask, access)).await?;
        let message = response(&reply).unwrap_or_default();
        let failed = message.pointer("/result/isError").and_then(Value::as_bool) == Some(true);
        if message
            .pointer("/result/content")
            .is_some_and(Value::is_array)
            && !failed
        {
            return Ok(());
        }
        let seen = if failed {
            "`tools/call` was answered with isError".to_owned()
        } else {
            format!("`tools/call` was answered {}", outline(&reply))
        };
        Err(self.stop(
            Check::CallBroken,
            seen,
            format!("the call of `{}`", call.name),
        ))
    }

    fn request(&self, wire: &Wire, method: &str, params: Value) -> Ask {
        let name = self.profile.client_name;
        message::request(self.connector, name, wire, method, params)
    }
}

fn bearing(ask: Ask, access: &SecretString) -> Ask {
    ask.with(
        http::header::AUTHORIZATION,
        &format!("Bearer {}", access.expose()),
    )
}

/// The name of a header that looks like the session's and is not it.
fn renamed_session(reply: &Reply) -> Option<String> {
    if reply.headers.contains_key(&SESSION) {
        return None;
    }
    let names = reply.headers.keys().map(http::HeaderName::as_str);
    let mut alike = names.filter(|name| name.ends_with("session-id") || *name == "mcp-session");
    alike.next().map(str::to_owned)
}
