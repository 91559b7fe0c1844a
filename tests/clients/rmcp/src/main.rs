//! The official Rust SDK as a client of the gateway under test.
//!
//! `wicketgate-client-rmcp URL WAY KEY TOOL ARGS-JSON EXPECT [MODE]`. WAY: `bearer`, `oauth` or
//! `document`, as in `asked.mjs`; the person is the script in `WICKETGATE_TEST_PERSON`. MODE: `legacy` sends initialize
//! and asks for 2026-07-28, which has none; `auto` asks server/discover first; `discover` accepts
//! nothing older.

use std::{env, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use reqwest::Client;
use rmcp::{
    ClientLifecycleMode, ClientServiceExt,
    model::{
        CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, ProtocolVersion,
    },
    transport::{
        StreamableHttpClientTransport,
        auth::{AuthClient, AuthorizationManager, AuthorizationRequest, OAuthState},
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use tokio::process::Command;

/// Where the person would be sent back to; nothing listens there, the person's script says it.
const REDIRECT: &str = "http://127.0.0.1:33519/callback";

/// From the bare URL to tokens, and to a second pair of them.
async fn sign_in(url: &str, key: &str, document: Option<String>) -> Result<AuthorizationManager> {
    let mut state = OAuthState::new(url, Some(Client::builder().no_proxy().build()?)).await?;
    let mut request = AuthorizationRequest::new(REDIRECT).with_client_name("wicketgate-test");
    if let Some(address) = &document {
        request = request.with_client_metadata_url(address);
    }
    state.start_authorization(request).await.context("start")?;
    let page = state.get_authorization_url().await?;
    if let Some(address) = &document {
        let named = url::Url::parse(&page)?
            .query_pairs()
            .any(|(name, value)| name == "client_id" && value == address.as_str());
        ensure!(named, "it registered instead of naming its document");
    }
    let walk = Command::new("node")
        .arg(env::var_os("WICKETGATE_TEST_PERSON").context("no WICKETGATE_TEST_PERSON")?)
        .args(["walk", &page])
        .env("WICKETGATE_TEST_KEY", key)
        .output()
        .await?;
    ensure!(
        walk.status.success(),
        "the person: {}",
        String::from_utf8_lossy(&walk.stderr)
    );
    let end = String::from_utf8(walk.stdout)?;
    state
        .handle_callback_url(end.trim())
        .await
        .context("callback")?;
    state.refresh_token().await.context("refresh")?;
    state.into_authorization_manager().context("not authorized")
}

async fn work(asked: &[String]) -> Result<String> {
    let [url, way, key, tool, args, expect, mode @ ..] = asked else {
        bail!("usage: URL WAY KEY TOOL ARGS-JSON EXPECT [MODE]");
    };
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    let mode = match mode.first().map(String::as_str) {
        None | Some("legacy") => ClientLifecycleMode::Initialize,
        Some("auto") => ClientLifecycleMode::Auto {
            preferred_versions,
            legacy_version: None,
        },
        Some("discover") => ClientLifecycleMode::Discover { preferred_versions },
        Some(other) => bail!("unknown mode {other}"),
    };
    let plain = Client::builder().no_proxy().build()?;
    let to = StreamableHttpClientTransportConfig::with_uri(url.as_str());
    let client = ClientConfig::new(
        ClientCapabilities::default(),
        Implementation::new("wicketgate-test", "1"),
    );
    let client = if way == "bearer" {
        let transport = StreamableHttpClientTransport::with_client(plain, to.auth_header(key));
        client.serve_with_lifecycle(transport, mode).await?
    } else {
        let document = (way == "document").then(|| env::var("WICKETGATE_TEST_DOCUMENT"));
        let manager = sign_in(url, key, document.transpose()?).await?;
        let transport =
            StreamableHttpClientTransport::with_client(AuthClient::new(plain, manager), to);
        client.serve_with_lifecycle(transport, mode).await?
    };
    let tools = client.list_all_tools().await?;
    ensure!(
        tools.iter().any(|listed| listed.name == tool.as_str()),
        "{tool} is not in the list"
    );
    let call = CallToolRequestParams::new(tool.clone()).with_arguments(serde_json::from_str(args)?);
    let answer = client.call_tool(call).await?;
    let text: String = answer
        .content
        .iter()
        .filter_map(|part| part.as_text().map(|text| text.text.as_str()))
        .collect();
    ensure!(answer.is_error != Some(true), "the tool failed: {text}");
    ensure!(
        text.contains(expect.as_str()),
        "expected {expect} in {text}"
    );
    let protocol = client
        .peer_info()
        .context("no peer")?
        .protocol_version
        .to_string();
    client.cancel().await?;
    Ok(format!("protocol {protocol}, {} tools", tools.len()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let asked: Vec<String> = env::args().skip(1).collect();
    let (line, code) = match tokio::time::timeout(Duration::from_secs(40), work(&asked)).await {
        Ok(Ok(line)) => (line, ExitCode::SUCCESS),
        Ok(Err(error)) => (format!("{error:#}"), ExitCode::FAILURE),
        Err(_) => ("timed out after 40 s".to_owned(), ExitCode::FAILURE),
    };
    println!("{line}");
    code
}
