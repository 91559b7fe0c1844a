//! A gateway broken in one way, and what `doctor` says of it: the check, whether the client stops
//! there, and the fix.

use url::Url;
use wicketgate::{
    cli::doctor::{
        clients::{ClientName, table::CLIENTS},
        findings::{Check, Finding, Severity},
        play::{Play, Reached},
        probe::Web,
    },
    entropy::OsEntropy,
    secret::SecretString,
};

use crate::support::breakable::{Break, Breakable, KEY};

use Severity::{Fault, Warning};

/// Plays one client against a gateway that is broken in this way.
async fn played(broken: Break, name: ClientName) -> (Reached, Vec<Finding>, String) {
    let gateway = Breakable::start(Some(broken)).await;
    let (reached, findings) = play(&gateway.url(), name).await;
    if broken != Break::RevokeIdle {
        assert_eq!(gateway.alive(), 0, "{broken:?}: a session was left behind");
    }
    (reached, findings, format!("http://{}", gateway.address))
}

async fn play(url: &str, name: ClientName) -> (Reached, Vec<Finding>) {
    let connector: Url = url.parse().unwrap();
    let web = Web::new(&connector).unwrap();
    let key = SecretString::new(KEY.to_owned());
    let mut play = Play {
        profile: CLIENTS.iter().find(|client| client.name == name).unwrap(),
        web: &web,
        pasted: url,
        connector: &connector,
        key: Some(&key),
        call: None,
        entropy: &OsEntropy,
        reached: Reached::Start,
        findings: Vec::new(),
    };
    play.whole().await;
    (play.reached, play.findings)
}

/// Each break is told to each of these clients as this check, this grave, with this fix; `{o}` is
/// the gateway's origin.
async fn told(broken: Break, who: &[(ClientName, Severity)], check: Check, fix: &str) {
    for (name, severity) in who {
        let (reached, findings, origin) = played(broken, *name).await;
        let found: Vec<_> = findings.iter().map(|f| (f.check, f.severity)).collect();
        assert_eq!(
            found,
            [(check, *severity)],
            "{broken:?} {name:?}: {findings:?}"
        );
        let fix = fix.replace("{o}", &origin);
        let said = findings[0].fix();
        assert!(said.contains(&fix), "{broken:?} {name:?}: {said}");
        assert!(!said.contains("CANARY") && !findings[0].seen.contains("CANARY"));
        if *severity == Warning {
            assert_eq!(reached, Reached::Everything, "{broken:?} {name:?}");
        }
    }
}

#[tokio::test]
async fn the_first_answer_and_its_challenge() {
    use ClientName::{Chatgpt, Claude, ClaudeCode, Codex, GeminiCli, Inspector, PythonSdk1};
    let right = "`WWW-Authenticate: Bearer resource_metadata=\"{o}/.well-known/oauth-protected-resource/mcp\"`";
    let all = [(Claude, Fault), (ClaudeCode, Fault), (Inspector, Fault)];
    told(Break::First200, &all, Check::FirstAnswerNot401, right).await;
    told(Break::ChallengeGone, &all, Check::ChallengeMissing, right).await;
    let renamed = "as `WWW-Authenticate` instead of `x-remapped-www-authenticate`";
    told(
        Break::ChallengeRenamed,
        &all,
        Check::ChallengeRenamed,
        renamed,
    )
    .await;
    told(
        Break::BasicFirst,
        &all,
        Check::ChallengeNotBearerFirst,
        right,
    )
    .await;
    let some = [
        (Chatgpt, Warning),
        (PythonSdk1, Warning),
        (Codex, Warning),
        (ClaudeCode, Fault),
    ];
    told(
        Break::ChallengeParameter,
        &some,
        Check::ResourceMetadataUnnamed,
        right,
    )
    .await;
    let head = "answer GET and HEAD without a token with HTTP 401";
    told(
        Break::HeadRefused,
        &[(GeminiCli, Warning)],
        Check::LookNot401,
        head,
    )
    .await;
}

#[tokio::test]
async fn the_protected_resource_document() {
    use ClientName::{Claude, Codex, PythonSdk2, TypescriptSdk1};
    let all = [(Claude, Fault), (Codex, Fault), (TypescriptSdk1, Fault)];
    let right = "`\"resource\": \"{o}/mcp\"`";
    told(
        Break::ResourceElsewhere,
        &all,
        Check::ResourceMismatch,
        right,
    )
    .await;
    told(Break::ResourceSlash, &all, Check::ResourceMismatch, right).await;
    let (_, findings, _) = played(Break::ResourceSlash, PythonSdk2).await;
    assert_eq!(findings, [], "the Python SDK takes a slash at the end");
    let place = "{o}/.well-known/oauth-protected-resource/mcp";
    let fault = format!(
        "answer {place} with HTTP 200 and the document, or 404 where there is none, never with 5xx"
    );
    told(
        Break::ResourceDocument503,
        &all,
        Check::ResourceDocumentFault,
        &fault,
    )
    .await;
    told(
        Break::ResourceDocumentGone,
        &all,
        Check::ResourceDocumentMissing,
        place,
    )
    .await;
    let named = "`\"authorization_servers\": [\"{o}\"]`";
    let some = [(Claude, Warning), (ClientName::GeminiCli, Fault)];
    told(
        Break::ServersMissing,
        &some,
        Check::AuthorizationServersMissing,
        named,
    )
    .await;
}

#[tokio::test]
async fn the_authorization_servers_metadata() {
    use ClientName::{
        Chatgpt, Claude, ClaudeCode, Codex, Cursor, GeminiCli, McpRemote, PythonSdk1,
        TypescriptSdk1, TypescriptSdk2, Vscode,
    };
    let place = "{o}/.well-known/oauth-authorization-server";
    let right = "set `issuer` to `{o}`, byte for byte";
    let who = [
        (Claude, Fault),
        (ClaudeCode, Fault),
        (Chatgpt, Fault),
        (Vscode, Fault),
        (GeminiCli, Fault),
        (McpRemote, Fault),
        (TypescriptSdk2, Fault),
        (TypescriptSdk1, Warning),
        (PythonSdk1, Warning),
        (Codex, Warning),
    ];
    told(Break::IssuerSlash, &who, Check::IssuerDiffers, right).await;
    let all = [
        (Claude, Fault),
        (Cursor, Fault),
        (PythonSdk1, Fault),
        (Codex, Fault),
    ];
    let fault = format!("answer {place} with HTTP 200 and the metadata");
    told(Break::Server503, &all, Check::ServerMetadataFault, &fault).await;
    let none = format!("add `none` to `token_endpoint_auth_methods_supported` in {place}");
    let who = [
        (Claude, Fault),
        (Cursor, Fault),
        (PythonSdk1, Warning),
        (Codex, Warning),
    ];
    told(Break::NoNone, &who, Check::NoneNotAdvertised, &none).await;
    let pkce = format!("`\"code_challenge_methods_supported\": [\"S256\"]` to {place}");
    told(Break::NoS256, &all, Check::S256NotAdvertised, &pkce).await;
    told(Break::NoRegistration, &all, Check::NoRegistration, place).await;
    told(
        Break::ServerGone,
        &[(GeminiCli, Fault)],
        Check::ServerMetadataMissing,
        place,
    )
    .await;
    let (reached, findings, _) = played(Break::ServerGone, Cursor).await;
    let found: Vec<_> = findings.iter().map(|f| (f.check, f.severity)).collect();
    // It guesses endpoints as revision 2025-03-26 had it, and they are there.
    assert_eq!(found, [(Check::ServerMetadataMissing, Warning)]);
    assert_eq!(reached, Reached::Everything);
}

#[tokio::test]
async fn becoming_a_client() {
    use ClientName::{
        Claude, ClaudeCode, Codex, Cursor, GeminiCli, PythonSdk2, TypescriptSdk1, Vscode,
    };
    let uri = "accept `cursor://anysphere.cursor-mcp/oauth/callback` at the registration endpoint: keep the redirect URIs you allow";
    told(
        Break::CursorRefused,
        &[(Cursor, Fault)],
        Check::RegistrationRefused,
        uri,
    )
    .await;
    let public = "return `\"token_endpoint_auth_method\": \"none\"` and no `client_secret`";
    let who = [
        (Cursor, Fault),
        (GeminiCli, Fault),
        (PythonSdk2, Fault),
        (Codex, Fault),
        (TypescriptSdk1, Warning),
    ];
    told(Break::SecretIssued, &who, Check::SecretIssued, public).await;
    let fetch = "let the gateway fetch https://";
    let with = [
        (Claude, Fault),
        (ClaudeCode, Fault),
        (Vscode, Fault),
        (Codex, Fault),
    ];
    told(Break::Documents, &with, Check::ClientDocumentRefused, fetch).await;
    let (reached, findings, _) = played(Break::Documents, Cursor).await;
    assert_eq!((reached, findings), (Reached::Everything, Vec::new()));
}

#[tokio::test]
async fn the_page_and_the_way_back() {
    use ClientName::{Claude, Codex, GeminiCli, Inspector, PythonSdk1, TypescriptSdk2};
    let all = [(Claude, Fault), (Codex, Fault)];
    told(
        Break::Authorize500,
        &all,
        Check::AuthorizeNoPage,
        "{o}/authorize",
    )
    .await;
    told(
        Break::ErrorAtOnce,
        &all,
        Check::AuthorizeError,
        "`invalid_scope`",
    )
    .await;
    told(
        Break::StateLost,
        &all,
        Check::StateLost,
        "send `state` back unchanged",
    )
    .await;
    let checks = [
        (GeminiCli, Fault),
        (Codex, Fault),
        (TypescriptSdk2, Fault),
        (Inspector, Fault),
        (Claude, Warning),
        (PythonSdk1, Warning),
    ];
    told(
        Break::IssMissing,
        &checks,
        Check::IssMissing,
        "add `iss={o}`",
    )
    .await;
    told(
        Break::IssSlash,
        &checks,
        Check::IssDiffers,
        "send `iss={o}`",
    )
    .await;
    let (reached, findings, _) = played(Break::Framable, Claude).await;
    let found: Vec<_> = findings.iter().map(|f| (f.check, f.severity)).collect();
    assert_eq!(
        found,
        [
            (Check::PageFramable, Warning),
            (Check::PageCacheable, Warning)
        ]
    );
    assert_eq!(reached, Reached::Everything);
}

#[tokio::test]
async fn tokens_and_their_renewal() {
    use ClientName::{Chatgpt, Claude, Codex, Cursor, PythonSdk2};
    let all = [(Claude, Fault), (Codex, Fault)];
    told(
        Break::CodeRefused,
        &all,
        Check::TokenRefused,
        "HTTP 401 `invalid_client`",
    )
    .await;
    let wrong = "`token_type` is not Bearer";
    told(Break::TokenTypeMissing, &all, Check::TokenBroken, wrong).await;
    let form = "Content-Type is not application/json";
    told(Break::TokensAsForm, &all, Check::TokenBroken, form).await;
    let cached = [(Claude, Warning)];
    told(
        Break::Cacheable,
        &cached,
        Check::TokenCacheable,
        "`Cache-Control: no-store`",
    )
    .await;
    let short = [(Claude, Warning), (Chatgpt, Warning)];
    told(Break::Short, &short, Check::ExpiresSoon, "at least an hour").await;
    let (_, findings, _) = played(Break::Short, Cursor).await;
    assert_eq!(findings, [], "it renews");
    told(
        Break::NoRefresh,
        &all,
        Check::RefreshMissing,
        "issue a `refresh_token`",
    )
    .await;
    let refused = "HTTP 400 `invalid_grant`";
    told(Break::RefreshRefused, &all, Check::RefreshRefused, refused).await;
    let race = [
        (Claude, Fault),
        (Chatgpt, Fault),
        (Cursor, Warning),
        (PythonSdk2, Warning),
    ];
    let fix = "answer a refresh token again with a working pair as long as its successor is unused";
    told(Break::RaceLost, &race, Check::RefreshRace, fix).await;
    let replay = "refuse a replaced refresh token with `invalid_grant`";
    told(
        Break::ReplayTaken,
        &[(Claude, Warning)],
        Check::ReplayAccepted,
        replay,
    )
    .await;
    let revoke = "check at each request that the session still lives";
    let idle = [(Claude, Warning)];
    told(
        Break::RevokeIdle,
        &idle,
        Check::RevocationIneffective,
        revoke,
    )
    .await;
}

#[tokio::test]
async fn calls_in_both_eras() {
    use ClientName::{ClaudeCode, Codex, Cursor, GeminiCli, Inspector};
    let both = [(ClaudeCode, Fault), (Cursor, Fault)];
    told(
        Break::CallRefused,
        &both,
        Check::CallRefused,
        "answered HTTP 401",
    )
    .await;
    let renamed = "`Mcp-Session-Id` instead of `x-gateway-session-id`";
    let legacy = [(Cursor, Fault), (GeminiCli, Fault), (Codex, Fault)];
    told(
        Break::SessionRenamed,
        &legacy,
        Check::SessionHeaderRenamed,
        renamed,
    )
    .await;
    let refused = "HTTP 400 with JSON-RPC error -32022";
    told(
        Break::InitializeRefused,
        &legacy,
        Check::InitializeRefused,
        refused,
    )
    .await;
    let stream = "with an event stream or with 405, not with HTTP 404";
    told(
        Break::StreamMissing,
        &[(Cursor, Warning)],
        Check::StreamAnswer,
        stream,
    )
    .await;
    let limited = "never limit it";
    told(
        Break::DiscoverLimited,
        &[(ClaudeCode, Warning)],
        Check::DiscoverUnclear,
        limited,
    )
    .await;
    let (_, findings, _) = played(Break::CorsClosed, Inspector).await;
    let found: Vec<_> = findings.iter().map(|f| (f.check, f.severity)).collect();
    assert_eq!(
        found,
        [
            (Check::CorsHeaders, Warning),
            (Check::CorsPreflight, Warning)
        ]
    );
    assert!(findings[0].fix().contains("http://localhost:6274"));
    let (_, findings, _) = played(Break::CorsClosed, Cursor).await;
    assert_eq!(findings, [], "it is no page");
}

#[tokio::test]
async fn a_pasted_url_that_is_spelled_otherwise_is_told() {
    let gateway = Breakable::start(None).await;
    let pasted = gateway.url().replace("127.0.0.1", "localhost");
    let (_, findings) = play(&pasted, ClientName::Claude).await;
    assert_eq!(findings[0].check, Check::ResourceMismatch);
    assert!(findings[0].fix().contains(&pasted));
    let pasted = gateway.url().replace("http:", "HTTP:");
    let (_, findings) = play(&pasted, ClientName::Claude).await;
    assert_eq!(findings[0].check, Check::ResourceSpelling);
    assert_eq!(findings[0].severity, Warning);
}
