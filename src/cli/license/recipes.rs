//! What a customer pastes, per kind of client: connector URL and license key in the place where
//! that client wants them.

use std::fmt;

use serde_json::{Value, json};

use crate::config::Config;

/// The name our connector gets in clients.
const NAME: &str = "wicketgate";

/// One client's recipe.
struct Recipe {
    client: &'static str,
    place: &'static str,
    text: String,
}

/// The connector, and the ways in that the configuration leaves open.
pub struct Connector {
    url: String,
    sign_in: bool,
    header: bool,
}

impl Connector {
    /// As this configuration has it.
    pub fn of(config: &Config) -> Self {
        Self {
            url: config.connector_url(),
            sign_in: config.auth.oauth.enabled,
            header: config.auth.license_keys,
        }
    }

    /// A connector at this address that is open in both ways, as they are by default.
    pub const fn signing_in(url: String) -> Self {
        Self {
            url,
            sign_in: true,
            header: true,
        }
    }

    /// What somebody with a key does with it; `key` may be words that stand for it.
    pub fn handed_over(&self, key: &str) -> String {
        let mut text = format!("connector     {}", self.url);
        if self.sign_in {
            // A hosted app cannot reach this machine.
            let apps = if self.url.starts_with("http:") {
                "an app on this computer"
            } else {
                "Claude, ChatGPT or another app"
            };
            text.push_str("\n              paste it into ");
            text.push_str(apps);
            text.push_str(" as it is: the page that opens asks for the key");
        }
        if self.header {
            let recipes = Recipes {
                url: &self.url,
                key,
            };
            text.push_str("\n\n");
            text.push_str(&recipes.to_string());
        }
        text
    }
}

/// Recipes for one connector and one key, for clients that send a header.
pub struct Recipes<'a> {
    /// The connector URL.
    pub url: &'a str,
    /// The key, or words that stand for it.
    pub key: &'a str,
}

impl Recipes<'_> {
    fn all(&self) -> [Recipe; 5] {
        let Self { url, key } = self;
        let headers = json!({ "Authorization": format!("Bearer {key}") });
        let allow_http = if url.starts_with("http:") {
            " --allow-http"
        } else {
            ""
        };
        [
            Recipe {
                client: "Claude Code",
                place: "run",
                text: format!(
                    "claude mcp add --transport http {NAME} {url} --header \"Authorization: Bearer {key}\""
                ),
            },
            Recipe {
                client: "Cursor",
                place: "~/.cursor/mcp.json",
                text: pretty(
                    &json!({ "mcpServers": { NAME: { "url": url, "headers": headers } } }),
                ),
            },
            Recipe {
                client: "VS Code",
                place: ".vscode/mcp.json (asks for the key once and keeps it out of the file)",
                text: pretty(&json!({
                    "inputs": [{
                        "type": "promptString",
                        "id": "wicketgate-key",
                        "description": "License key",
                        "password": true,
                    }],
                    "servers": { NAME: {
                        "type": "http",
                        "url": url,
                        "headers": { "Authorization": "Bearer ${input:wicketgate-key}" },
                    } },
                })),
            },
            Recipe {
                client: "Gemini CLI",
                place: "~/.gemini/settings.json",
                text: pretty(
                    &json!({ "mcpServers": { NAME: { "httpUrl": url, "headers": headers } } }),
                ),
            },
            Recipe {
                client: "Clients that only start programs",
                place: "run",
                text: format!(
                    "npx -y mcp-remote {url} --header \"Authorization: Bearer {key}\"{allow_http}"
                ),
            },
        ]
    }
}

impl fmt::Display for Recipes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, recipe) in self.all().iter().enumerate() {
            if i > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{}: {}", recipe.client, recipe.place)?;
            for line in recipe.text.lines() {
                write!(f, "\n  {line}")?;
            }
        }
        Ok(())
    }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

#[cfg(test)]
mod tests;
