//! `wicketgate client add`: a client that is set up by hand. Its secret is shown this once.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};
use url::Url;

use super::to_json;
use crate::{
    cli::{failure::Failure, open::Desk},
    grant::ClientAuth,
    oauth::clients::register::added,
};

/// Add an OAuth client that cannot register itself: prints its id and, once, its secret
#[derive(Debug, Args)]
pub struct AddArgs {
    /// What people know it by; shown on the consent page
    #[arg(long)]
    name: String,
    /// Where it receives codes; may be repeated, up to 10 times
    #[arg(long, value_name = "URI", required = true)]
    redirect: Vec<String>,
    /// How it proves itself at the token endpoint
    #[arg(long, value_name = "METHOD", default_value = "client_secret_basic")]
    auth: Method,
    /// Its public keys, a JSON Web Key Set, for `private_key_jwt`
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_uri")]
    jwks: Option<PathBuf>,
    /// Where its public keys are, for `private_key_jwt`
    #[arg(long, value_name = "URL")]
    jwks_uri: Option<Url>,
}

/// [`ClientAuth`] as it is typed.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum Method {
    /// Not at all: a public client, bound by PKCE alone
    None,
    /// With a secret, in the `Authorization` header
    ClientSecretBasic,
    /// With a secret, in the body
    ClientSecretPost,
    /// With a signature
    PrivateKeyJwt,
}

impl From<Method> for ClientAuth {
    fn from(method: Method) -> Self {
        match method {
            Method::None => Self::None,
            Method::ClientSecretBasic => Self::ClientSecretBasic,
            Method::ClientSecretPost => Self::ClientSecretPost,
            Method::PrivateKeyJwt => Self::PrivateKeyJwt,
        }
    }
}

/// Runs the command.
pub async fn run(desk: &Desk, args: AddArgs) -> Result<(), Failure> {
    let opened = desk.open().await?;
    let oauth = &opened.loaded.config.auth.oauth;
    let pepper = opened.vault.pepper();
    let metadata = metadata(&args)?;
    let schemes = &oauth.registration.schemes;
    let made = added(&metadata, schemes, pepper, desk.clock.now(), &*desk.entropy);
    let (client, secret) = made.map_err(Failure::failed)?;
    opened.store.add_client(&client, &desk.stamp()).await?;

    let config = &opened.loaded.config;
    let (origin, connector) = (config.public_origin(), config.connector_url());
    let mut machine = to_json(&client);
    machine["connector_url"] = json!(connector);
    machine["authorization_endpoint"] = json!(format!("{origin}/authorize"));
    machine["token_endpoint"] = json!(format!("{origin}/token"));
    let mut shown = String::new();
    if let Some(secret) = &secret {
        machine["client_secret"] = json!(secret.expose());
        shown = format!(
            "client secret  {}   (shown this once: only its digest is kept)\n",
            secret.expose()
        );
    }
    let human = format!(
        "client id      {} ({}, {})\n{shown}connector      {connector}\n\
         authorize at   {origin}/authorize\ntokens at      {origin}/token",
        client.id,
        client.name,
        client.auth.as_str(),
    );
    desk.output.show(&machine, human);
    if !oauth.enabled {
        desk.output
            .note("`auth.oauth.enabled` is false: nothing will answer this client");
    }
    Ok(())
}

/// The same words as in a registration, so that the same rules hold.
fn metadata(args: &AddArgs) -> Result<Map<String, Value>, Failure> {
    let mut map = Map::new();
    map.insert("client_name".to_owned(), json!(args.name));
    map.insert("redirect_uris".to_owned(), json!(args.redirect));
    let auth = ClientAuth::from(args.auth);
    map.insert("token_endpoint_auth_method".to_owned(), json!(auth));
    if auth != ClientAuth::PrivateKeyJwt && (args.jwks.is_some() || args.jwks_uri.is_some()) {
        return Err(Failure::usage("keys are only for `--auth private_key_jwt`"));
    }
    if let Some(path) = &args.jwks {
        let cannot = |what: &dyn std::fmt::Display| {
            Failure::failed(format_args!("cannot read {}: {what}", path.display()))
        };
        let text = std::fs::read(path).map_err(|error| cannot(&error))?;
        let keys: Value = serde_json::from_slice(&text).map_err(|_| cannot(&"not JSON"))?;
        map.insert("jwks".to_owned(), keys);
    }
    if let Some(url) = &args.jwks_uri {
        map.insert("jwks_uri".to_owned(), json!(url));
    }
    Ok(map)
}
