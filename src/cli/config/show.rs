//! `wicketgate config show`: what is in force, defaults filled in. Secrets are shown as where they
//! come from, which is all that the configuration holds of them.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::{
    cli::{failure::Failure, open::Desk, output},
    config::{
        Config, CredentialConfig, KeyConfig, RestConfig, SecretSource, StoreConfig,
        keys::GcpCredentials, limits::LimitAnswer,
    },
};

/// Show the configuration in force, defaults included; secrets only as where they come from
#[derive(Debug, Args)]
pub struct ShowArgs {}

/// Runs the command.
pub fn run(desk: &Desk) -> Result<(), Failure> {
    let loaded = desk.load()?;
    let machine = to_json(&loaded.config);
    let mut rows = Vec::new();
    flatten("", &machine, &mut rows);
    let table = output::table(["key", "value"], rows);
    desk.output.show(&machine, table);
    Ok(())
}

fn to_json(config: &Config) -> Value {
    let listen = &config.listen;
    let limits = &config.limits;
    let text = |items: &[ipnet::IpNet]| items.iter().map(ToString::to_string).collect::<Vec<_>>();
    let plans: Map<String, Value> = config
        .plans
        .iter()
        .map(|(name, plan)| {
            let shown = json!({
                "per_minute": plan.per_minute,
                "per_day": plan.per_day,
                "per_month": plan.per_month,
                "cost_per_day": plan.cost_per_day,
                "concurrent": plan.concurrent,
                "tools": plan.tools,
            });
            (name.to_string(), shown)
        })
        .collect();
    let upstreams: Map<String, Value> = config
        .upstreams
        .iter()
        .map(|(name, upstream)| {
            let rest = upstream.rest.as_ref().map(rest);
            (
                name.to_string(),
                json!({ "title": upstream.title, "rest": rest }),
            )
        })
        .collect();
    json!({
        "public_url": config.public_origin(),
        "connector_url": config.connector_url(),
        "listen": {
            "public": listen.public.to_string(),
            "admin": listen.admin.to_string(),
            "trusted_proxies": text(&listen.trusted_proxies),
            "allowed_hosts": listen.allowed_hosts,
            "allowed_origins": listen.allowed_origins,
            "max_connections": listen.max_connections,
            "max_connections_per_address": listen.max_connections_per_address,
        },
        "store": store(&config.store),
        "keys": config.keys.iter().map(key).collect::<Vec<_>>(),
        "auth": { "open_plan": config.auth.open.as_ref().map(|open| &open.plan) },
        "limits": {
            "session": limits.session.to_string(),
            "unauthenticated": limits.unauthenticated.to_string(),
            "modern_answer": answer(limits.modern_answer),
            "legacy_answer": answer(limits.legacy_answer),
            "max_request_bytes": limits.max_request_bytes.to_string(),
            "max_in_flight_bytes": limits.max_in_flight_bytes.to_string(),
            "call_timeout": limits.call_timeout.to_string(),
            "drain_delay": limits.drain_delay.to_string(),
            "drain_timeout": limits.drain_timeout.to_string(),
            "page_size": limits.page_size,
            "subscriptions_per_license": limits.subscriptions_per_license,
        },
        "plans": plans,
        "upstreams": upstreams,
    })
}

fn store(store: &StoreConfig) -> Value {
    match store {
        StoreConfig::Sqlite(sqlite) => json!({ "sqlite": { "path": sqlite.path } }),
        StoreConfig::Postgres(postgres) => json!({ "postgres": {
            "url": source(&postgres.url),
            "max_connections": postgres.max_connections,
        } }),
    }
}

fn key(key: &KeyConfig) -> Value {
    if let Some(vault) = &key.vault {
        json!({ "id": key.id, "vault": {
            "address": vault.address,
            "mount": vault.mount,
            "key": vault.key,
            "token": source(&vault.token),
            "namespace": vault.namespace,
        } })
    } else if let Some(aws) = &key.aws_kms {
        json!({ "id": key.id, "aws_kms": {
            "region": aws.region,
            "key_id": aws.key_id,
            "access_key_id": aws.access_key_id,
            "secret_access_key": source(&aws.secret_access_key),
            "session_token": aws.session_token.as_ref().map(source),
            "endpoint": aws.endpoint,
        } })
    } else if let Some(gcp) = &key.gcp_kms {
        let credentials = match &gcp.credentials {
            GcpCredentials::KeyFile(file) => json!({ "key_file": source(file) }),
            GcpCredentials::Metadata => json!("metadata"),
        };
        json!({ "id": key.id, "gcp_kms": {
            "key": gcp.key,
            "credentials": credentials,
            "endpoint": gcp.endpoint,
        } })
    } else {
        json!({ "id": key.id, "file": key.file, "env": key.env })
    }
}

fn rest(rest: &RestConfig) -> Value {
    json!({
        "base_url": rest.base_url,
        "credential": rest.credential.as_ref().map(credential),
        "limit": rest.limit.map(|rate| rate.to_string()),
        "max_wait": rest.max_wait.to_string(),
        "max_concurrent": rest.max_concurrent,
        "max_queue": rest.max_queue,
        "connect_timeout": rest.connect_timeout.to_string(),
        "timeout": rest.timeout.to_string(),
        "max_response_bytes": rest.max_response_bytes.to_string(),
        "retries": rest.retries,
        "tools": rest.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(),
    })
}

fn credential(credential: &CredentialConfig) -> Value {
    let secret = credential
        .value
        .as_ref()
        .map_or_else(|| json!("credential store"), source);
    if let Some(name) = &credential.header {
        json!({ "header": name, "value": secret })
    } else if let Some(name) = &credential.query {
        json!({ "query": name, "value": secret })
    } else if let Some(basic) = &credential.basic {
        json!({ "basic": { "username": basic.username }, "value": secret })
    } else {
        json!({ "bearer": {}, "value": secret })
    }
}

fn source(source: &SecretSource) -> Value {
    match source {
        SecretSource::Env(name) => json!({ "env": name }),
        SecretSource::File(path) => json!({ "file": path }),
    }
}

const fn answer(answer: LimitAnswer) -> &'static str {
    match answer {
        LimitAnswer::Status => "status",
        LimitAnswer::ToolError => "tool_error",
    }
}

/// One row for each value that is there, its place dotted.
fn flatten(place: &str, value: &Value, rows: &mut Vec<[String; 2]>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let place = if place.is_empty() {
                    key.clone()
                } else {
                    format!("{place}.{key}")
                };
                flatten(&place, value, rows);
            }
        }
        Value::Null => {}
        Value::Array(items) if items.is_empty() => {}
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (i, value) in items.iter().enumerate() {
                flatten(&format!("{place}[{i}]"), value, rows);
            }
        }
        Value::Array(items) => {
            let words: Vec<_> = items.iter().map(word).collect();
            rows.push([place.to_owned(), words.join(", ")]);
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            rows.push([place.to_owned(), word(value)]);
        }
    }
}

fn word(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_named_by_their_place() {
        let mut rows = Vec::new();
        let value =
            json!({ "a": { "b": 1, "c": null }, "d": [{ "e": "x" }], "f": ["y", "z"], "g": [] });
        flatten("", &value, &mut rows);
        let rows: Vec<_> = rows
            .iter()
            .map(|[place, value]| format!("{place}={value}"))
            .collect();
        assert_eq!(rows, ["a.b=1", "d[0].e=x", "f=y, z"]);
    }
}
