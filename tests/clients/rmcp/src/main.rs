//! The official Rust SDK as a client of the gateway under test.
//!
//! `wicketgate-client-rmcp URL KEY TOOL ARGS-JSON EXPECT [MODE]`. MODE: `legacy` sends initialize
//! and asks for 2026-07-28, which has none; `auto` asks server/discover first; `discover` accepts
//! nothing older.

use std::{env, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use rmcp::{
    ClientLifecycleMode, ClientServiceExt,
    model::{
        CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, ProtocolVersion,
    },
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};

async fn work(asked: &[String]) -> Result<String> {
    let [url, key, tool, args, expect, mode @ ..] = asked else {
        bail!("usage: URL KEY TOOL ARGS-JSON EXPECT [MODE]");
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
    let transport = StreamableHttpClientTransport::with_client(
        reqwest::Client::builder().no_proxy().build()?,
        StreamableHttpClientTransportConfig::with_uri(url.as_str()).auth_header(key),
    );
    let client = ClientConfig::new(
        ClientCapabilities::default(),
        Implementation::new("wicketgate-test", "1"),
    )
    .serve_with_lifecycle(transport, mode)
    .await?;
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
