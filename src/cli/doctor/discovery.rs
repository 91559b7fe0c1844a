//! From the challenge to the authorization server's metadata, as the client goes (RFC 9728,
//! RFC 8414, and what revision 2025-03-26 did without them).

use serde_json::Value;
use url::Url;

use super::{
    clients::{NoMetadata, Place, ServerError, Unnamed},
    findings::Check,
    play::{Play, Reached, Stopped, at_origin, origin_of, place_of},
    probe::Ask,
    server::Server,
};
use crate::mcp::headers::PROTOCOL_VERSION;

/// What the client knows before it registers.
#[derive(Debug, Clone)]
pub struct Found {
    /// What it sends as `resource`; none before RFC 9728.
    pub resource: Option<String>,
    /// Which scope it was told to ask for.
    pub scope: Option<String>,
    /// The authorization server.
    pub server: Server,
}

/// The protected-resource document, as far as clients read it.
struct Document {
    resource: String,
    issuer: Option<String>,
    scopes: Option<String>,
}

/// What stands at a place.
enum At {
    Json(Value),
    Absent(String),
    Fault(u16),
    Garbage(String),
}

impl Play<'_> {
    /// Plays the first request, the challenge and both documents.
    pub async fn discover(&mut self) -> Result<Found, Stopped> {
        let challenge = self.first().await?;
        self.reached = Reached::Challenge;
        let (document, place) = match &challenge.resource_metadata {
            Some(named) => self.named_document(named).await?,
            None => self.unnamed_document().await?,
        };
        let Some(document) = document else {
            let server = self.server_without_document(place).await?;
            self.reached = Reached::Metadata;
            let (resource, scope) = (None, challenge.scope);
            return Ok(Found {
                resource,
                scope,
                server,
            });
        };
        let resource = self.resource(&document.resource)?;
        let issuer = match document.issuer {
            Some(issuer) => issuer,
            None if self.profile.no_metadata == NoMetadata::Guesses => {
                let own = origin_of(self.connector);
                self.warn(Check::AuthorizationServersMissing, "none named", &own);
                own
            }
            None => {
                let own = origin_of(self.connector);
                return Err(self.stop(Check::AuthorizationServersMissing, "none named", own));
            }
        };
        let server = self.server_of(&issuer).await?;
        self.reached = Reached::Metadata;
        Ok(Found {
            resource: Some(resource),
            scope: challenge.scope.or(document.scopes),
            server,
        })
    }

    async fn named_document(
        &mut self,
        named: &str,
    ) -> Result<(Option<Document>, Option<Url>), Stopped> {
        let Ok(url) = Url::parse(named) else {
            let right = self.right_challenge();
            let seen = format!("`resource_metadata` is no address: {named}");
            return Err(self.stop(Check::ResourceMetadataUnnamed, seen, right));
        };
        match self.at(&url).await? {
            At::Json(value) => Ok((Some(self.document(&value, &url)?), None)),
            At::Absent(seen) => {
                Err(self.stop(Check::ResourceDocumentMissing, seen, place_of(&url)))
            }
            At::Fault(status) => {
                let seen = format!("HTTP {status}");
                Err(self.stop(Check::ResourceDocumentFault, seen, place_of(&url)))
            }
            At::Garbage(seen) => {
                Err(self.stop(Check::ResourceDocumentBroken, seen, place_of(&url)))
            }
        }
    }

    /// The document where the client looks by itself, or the first place of a server's metadata.
    async fn unnamed_document(&mut self) -> Result<(Option<Document>, Option<Url>), Stopped> {
        let Unnamed::Looks(places) = self.profile.unnamed else {
            return Ok((None, None));
        };
        for place in places {
            let url = self.url_of(*place);
            let of_server = !matches!(
                place,
                Place::ResourceAtPath | Place::ResourceAppended | Place::ResourceAtRoot
            );
            match self.at(&url).await? {
                At::Json(_) if of_server => return Ok((None, Some(url))),
                At::Json(value) => return Ok((Some(self.document(&value, &url)?), None)),
                At::Fault(status) if self.gives_up(status) => {
                    let seen = format!("HTTP {status}");
                    let check = if of_server {
                        Check::ServerMetadataFault
                    } else {
                        Check::ResourceDocumentFault
                    };
                    return Err(self.stop(check, seen, place_of(&url)));
                }
                At::Fault(_) | At::Absent(_) | At::Garbage(_) => {}
            }
        }
        Ok((None, None))
    }

    /// A server that no document names: that of the 2025-03-26 revision.
    async fn server_without_document(&mut self, place: Option<Url>) -> Result<Server, Stopped> {
        let right = place_of(&self.right_document());
        self.warn(Check::ResourceDocumentMissing, "not found", right);
        let own = origin_of(self.connector);
        if let Some(place) = place {
            let At::Json(value) = self.at(&place).await? else {
                return self.guessed(&place);
            };
            return self.server_from(&value, &place, &own);
        }
        self.guessed(&self.at_origin("/.well-known/oauth-authorization-server"))
    }

    fn guessed(&mut self, place: &Url) -> Result<Server, Stopped> {
        let wanted = place_of(place);
        if self.profile.no_metadata == NoMetadata::Stops {
            return Err(self.stop(Check::ServerMetadataMissing, "not found", wanted));
        }
        self.warn(Check::ServerMetadataMissing, "not found", wanted);
        Ok(Server::guessed(place))
    }

    async fn server_of(&mut self, issuer: &str) -> Result<Server, Stopped> {
        let own = origin_of(self.connector);
        let Ok(url) = Url::parse(issuer) else {
            let seen = format!("`authorization_servers` names no address: {issuer}");
            return Err(self.stop(Check::AuthorizationServersMissing, seen, own));
        };
        let path = url.path().trim_end_matches('/').to_owned();
        let mut places = vec![
            at_origin(
                &url,
                &format!("/.well-known/oauth-authorization-server{path}"),
            ),
            at_origin(&url, &format!("/.well-known/openid-configuration{path}")),
        ];
        if !path.is_empty() {
            places.push(at_origin(
                &url,
                &format!("{path}/.well-known/openid-configuration"),
            ));
        }
        let first = places[0].clone();
        let mut faults = None;
        for place in places {
            match self.at(&place).await? {
                At::Json(value) => return self.server_from(&value, &place, issuer),
                At::Fault(status) if self.gives_up(status) => {
                    let seen = format!("HTTP {status}");
                    return Err(self.stop(Check::ServerMetadataFault, seen, place_of(&place)));
                }
                At::Garbage(seen) => {
                    return Err(self.stop(Check::ServerMetadataBroken, seen, place_of(&place)));
                }
                At::Fault(status) => {
                    faults.get_or_insert((format!("HTTP {status}"), place));
                }
                At::Absent(_) => {}
            }
        }
        if let Some((seen, place)) = faults {
            // It would guess endpoints; that a fault is behind it is what the operator must know.
            return Err(self.stop(Check::ServerMetadataFault, seen, place_of(&place)));
        }
        self.guessed(&first)
    }

    const fn gives_up(&self, status: u16) -> bool {
        match self.profile.server_error {
            ServerError::Stops => true,
            ServerError::StopsBut502 => status != 502,
            ServerError::CountsAsAbsent => false,
        }
    }

    async fn at(&mut self, url: &Url) -> Result<At, Stopped> {
        let ask = Ask::document(url).with(PROTOCOL_VERSION, "2025-11-25");
        let reply = self.ask(ask).await?;
        let seen = format!("HTTP {}", reply.status.as_u16());
        Ok(match reply.status.as_u16() {
            200 => match reply.json() {
                Some(value @ Value::Object(_)) => At::Json(value),
                _ => At::Garbage("HTTP 200 without a JSON object".to_owned()),
            },
            status @ 500.. => At::Fault(status),
            _ => At::Absent(seen),
        })
    }

    fn document(&mut self, value: &Value, url: &Url) -> Result<Document, Stopped> {
        let Some(resource) = value.get("resource").and_then(Value::as_str) else {
            let seen = "no `resource`";
            return Err(self.stop(Check::ResourceDocumentBroken, seen, place_of(url)));
        };
        let issuer = value.pointer("/authorization_servers/0");
        let scopes = value.get("scopes_supported").and_then(Value::as_array);
        let scopes = scopes.map(|scopes| {
            let words: Vec<&str> = scopes.iter().filter_map(Value::as_str).collect();
            words.join(" ")
        });
        Ok(Document {
            resource: resource.to_owned(),
            issuer: issuer.and_then(Value::as_str).map(str::to_owned),
            scopes: scopes.filter(|scopes| !scopes.is_empty()),
        })
    }

    fn url_of(&self, place: Place) -> Url {
        let path = self.connector.path().trim_end_matches('/');
        self.at_origin(&match place {
            Place::ResourceAtPath => format!("/.well-known/oauth-protected-resource{path}"),
            Place::ResourceAppended => format!("{path}/.well-known/oauth-protected-resource"),
            Place::ResourceAtRoot => "/.well-known/oauth-protected-resource".to_owned(),
            Place::ServerAtRoot => "/.well-known/oauth-authorization-server".to_owned(),
            Place::ServerAtPath => format!("/.well-known/oauth-authorization-server{path}"),
            Place::OpenIdAtRoot => "/.well-known/openid-configuration".to_owned(),
            Place::OpenIdAtPath => format!("/.well-known/openid-configuration{path}"),
            Place::OpenIdAppended => format!("{path}/.well-known/openid-configuration"),
        })
    }
}
