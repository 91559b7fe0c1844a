//! What a customer pastes, per kind of client: connector URL and license key in the place where
//! that client wants them.

use std::fmt;

use serde_json::{Value, json};

/// The name our connector gets in clients.
const NAME: &str = "wicketgate";

/// One client's recipe.
struct Recipe {
    client: &'static str,
    place: &'static str,
    text: String,
}

/// Recipes for one connector and one key.
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
