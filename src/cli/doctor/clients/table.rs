//! One entry a client: measured, read in its source, or reported. What nobody could measure is
//! taken from the SDK the client is built on, in its strictest reading.

use super::{
    Browser, ClientName, Document, First, IssRule, IssuerRule, NoMetadata, NoneRule, PkceRule,
    Place, Profile, Renews, ResourceRule, ResourceSent, SecretUse, ServerError, Speaks, Unnamed,
    Workers,
};

const SDK_PLACES: &[Place] = &[
    Place::ResourceAtPath,
    Place::ResourceAtRoot,
    Place::ServerAtRoot,
    Place::OpenIdAtRoot,
];
const PYTHON_PLACES: &[Place] = &[
    Place::ResourceAtPath,
    Place::ResourceAtRoot,
    Place::ServerAtRoot,
];
const REMOTE_PLACES: &[Place] = &[
    Place::ResourceAtPath,
    Place::ResourceAtRoot,
    Place::ServerAtPath,
    Place::ServerAtRoot,
    Place::OpenIdAtPath,
    Place::OpenIdAppended,
];
const RUST_PLACES: &[Place] = &[
    Place::ResourceAtPath,
    Place::ResourceAppended,
    Place::ResourceAtRoot,
    Place::ServerAtPath,
    Place::OpenIdAtPath,
    Place::OpenIdAppended,
    Place::ServerAtRoot,
];
const GEMINI_PLACES: &[Place] = &[
    Place::ResourceAtRoot,
    Place::ServerAtRoot,
    Place::OpenIdAtRoot,
];

/// A program on the TypeScript SDK 2.x with its defaults; most others are described as what
/// differs from it.
const TYPESCRIPT_2: Profile = Profile {
    name: ClientName::TypescriptSdk2,
    title: "TypeScript SDK 2",
    first: First::Initialize("2025-11-25"),
    unnamed: Unnamed::Looks(SDK_PLACES),
    server_error: ServerError::StopsBut502,
    no_metadata: NoMetadata::Guesses,
    resource_rule: ResourceRule::Prefix,
    resource_sent: ResourceSent::Document,
    issuer_rule: IssuerRule::ExactButOwnSlash,
    iss_rule: IssRule::WhenPromised,
    pkce_rule: PkceRule::NotDenied,
    none_rule: NoneRule::Unchecked,
    document: Document::None,
    client_name: "TypeScript SDK 2 client",
    redirect_uris: &["http://127.0.0.1:{port}/callback"],
    application_type: Some("native"),
    auth_method: Some("none"),
    secret_use: SecretUse::Sends,
    asks_offline: true,
    workers: Workers::One,
    renews: Renews::Yes,
    speaks: Speaks::Legacy("2025-11-25"),
    browser: Browser::No,
};

const TYPESCRIPT_1: Profile = Profile {
    name: ClientName::TypescriptSdk1,
    title: "TypeScript SDK 1",
    server_error: ServerError::Stops,
    issuer_rule: IssuerRule::Unchecked,
    iss_rule: IssRule::Unchecked,
    client_name: "TypeScript SDK 1 client",
    application_type: None,
    asks_offline: false,
    ..TYPESCRIPT_2
};

const PYTHON_1: Profile = Profile {
    name: ClientName::PythonSdk1,
    title: "Python SDK 1",
    unnamed: Unnamed::Looks(PYTHON_PLACES),
    server_error: ServerError::CountsAsAbsent,
    resource_rule: ResourceRule::PrefixButSlash,
    issuer_rule: IssuerRule::ExactButRootSlash,
    iss_rule: IssRule::Unchecked,
    client_name: "Python SDK 1 client",
    redirect_uris: &["http://localhost:{port}/callback"],
    application_type: None,
    // Left out: the server has to say that no secret is wanted.
    auth_method: None,
    secret_use: SecretUse::WhenNamed,
    asks_offline: false,
    ..TYPESCRIPT_2
};

/// Every client, as they are printed.
pub const CLIENTS: [Profile; 13] = [
    Profile {
        name: ClientName::Claude,
        title: "Claude",
        issuer_rule: IssuerRule::Exact,
        iss_rule: IssRule::Unchecked,
        pkce_rule: PkceRule::Advertised,
        none_rule: NoneRule::Needed,
        document: Document::At {
            id: "https://claude.ai/oauth/mcp-oauth-client-metadata",
            needs_none: true,
        },
        client_name: "Claude",
        redirect_uris: &["https://claude.ai/api/mcp/auth_callback"],
        application_type: Some("web"),
        secret_use: SecretUse::Never,
        asks_offline: false,
        workers: Workers::Several,
        renews: Renews::Unreliably,
        ..TYPESCRIPT_2
    },
    Profile {
        name: ClientName::ClaudeCode,
        title: "Claude Code",
        first: First::Discover,
        unnamed: Unnamed::Stops,
        document: Document::At {
            id: "https://claude.ai/oauth/claude-code-client-metadata",
            needs_none: false,
        },
        client_name: "Claude Code",
        redirect_uris: &["http://localhost:{port}/callback"],
        workers: Workers::Several,
        speaks: Speaks::Auto,
        ..TYPESCRIPT_2
    },
    Profile {
        name: ClientName::Chatgpt,
        title: "ChatGPT",
        issuer_rule: IssuerRule::Exact,
        iss_rule: IssRule::Unchecked,
        pkce_rule: PkceRule::Advertised,
        none_rule: NoneRule::Needed,
        document: Document::PerConnector,
        client_name: "ChatGPT",
        redirect_uris: &["https://chatgpt.com/connector/oauth/{random}"],
        application_type: Some("web"),
        secret_use: SecretUse::Never,
        workers: Workers::Several,
        renews: Renews::Unreliably,
        ..TYPESCRIPT_2
    },
    Profile {
        name: ClientName::Cursor,
        title: "Cursor",
        none_rule: NoneRule::Needed,
        client_name: "Cursor",
        redirect_uris: &[
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "https://www.cursor.com/agents/mcp/oauth/callback",
            "http://localhost:8787/callback",
        ],
        application_type: None,
        secret_use: SecretUse::Never,
        ..TYPESCRIPT_2
    },
    Profile {
        name: ClientName::Vscode,
        title: "VS Code",
        none_rule: NoneRule::Needed,
        issuer_rule: IssuerRule::Exact,
        iss_rule: IssRule::Unchecked,
        document: Document::At {
            id: "https://vscode.dev/oauth/client-metadata.json",
            needs_none: false,
        },
        client_name: "Visual Studio Code",
        redirect_uris: &[
            "http://127.0.0.1:33418/",
            "http://127.0.0.1/",
            "https://vscode.dev/redirect",
            "https://insiders.vscode.dev/redirect",
        ],
        secret_use: SecretUse::WhenNamed,
        asks_offline: false,
        ..TYPESCRIPT_2
    },
    Profile {
        name: ClientName::GeminiCli,
        title: "Gemini CLI",
        first: First::Look {
            method: "HEAD",
            version: None,
            then: "2025-06-18",
        },
        unnamed: Unnamed::Looks(GEMINI_PLACES),
        server_error: ServerError::CountsAsAbsent,
        no_metadata: NoMetadata::Stops,
        resource_sent: ResourceSent::Pasted,
        issuer_rule: IssuerRule::Exact,
        iss_rule: IssRule::Always,
        none_rule: NoneRule::Needed,
        client_name: "Gemini CLI MCP Client",
        redirect_uris: &["http://localhost:7777/oauth/callback"],
        application_type: None,
        secret_use: SecretUse::Never,
        asks_offline: false,
        speaks: Speaks::LegacySilent("2025-06-18"),
        ..TYPESCRIPT_2
    },
    Profile {
        name: ClientName::McpRemote,
        title: "mcp-remote",
        first: First::Look {
            method: "GET",
            version: None,
            then: "2025-11-25",
        },
        unnamed: Unnamed::Looks(REMOTE_PLACES),
        client_name: "MCP CLI Proxy",
        redirect_uris: &["http://localhost:{port}/oauth/callback"],
        ..TYPESCRIPT_2
    },
    Profile {
        name: ClientName::Inspector,
        title: "Inspector",
        first: First::Discover,
        client_name: "MCP Inspector",
        redirect_uris: &[
            "http://127.0.0.1:6276/oauth/callback",
            "http://localhost:6274/oauth/callback",
        ],
        speaks: Speaks::Auto,
        browser: Browser::Page("http://localhost:6274"),
        ..TYPESCRIPT_2
    },
    TYPESCRIPT_1,
    TYPESCRIPT_2,
    PYTHON_1,
    Profile {
        name: ClientName::PythonSdk2,
        title: "Python SDK 2",
        first: First::Discover,
        iss_rule: IssRule::WhenPromised,
        client_name: "Python SDK 2 client",
        asks_offline: true,
        speaks: Speaks::Auto,
        ..PYTHON_1
    },
    Profile {
        name: ClientName::Codex,
        title: "Codex (rmcp)",
        first: First::Look {
            method: "GET",
            version: Some("2024-11-05"),
            then: "2025-06-18",
        },
        unnamed: Unnamed::Looks(RUST_PLACES),
        server_error: ServerError::CountsAsAbsent,
        issuer_rule: IssuerRule::ExactButRootSlash,
        document: Document::At {
            id: "https://chatgpt.com/oauth/codex/client.json",
            needs_none: true,
        },
        client_name: "Codex",
        redirect_uris: &["http://127.0.0.1:{port}/callback/{random}"],
        secret_use: SecretUse::Never,
        speaks: Speaks::Legacy("2025-06-18"),
        ..TYPESCRIPT_2
    },
];

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_client_stands_once_in_the_order_of_its_name() {
        let names: Vec<_> = CLIENTS.iter().map(|client| client.name).collect();
        assert_eq!(names, ClientName::value_variants());
        for client in CLIENTS {
            assert!(!client.redirect_uris.is_empty(), "{}", client.title);
        }
    }
}
