//! Acceptance of credentials: a busy gateway with one of every kind, its master key in a key service
//! and its rows in PostgreSQL; then every byte that it left anywhere is searched.

use std::{fmt::Write as _, fs, sync::Arc, time::Duration};

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, Row as _};
use url::Url;
use wicketgate::{
    clock::SystemClock,
    entropy::OsEntropy,
    kms::{Keyring, VaultTransit, VaultTransitParts},
    secret::SecretString,
    store::{Store, StoreTarget, Tenant},
    vault::Vault,
};

use super::{api::Api, connections::Traffic};
use crate::support::{
    client::Client,
    database::Fixture,
    gateway::known_address,
    key_service::{Flavour as Keys, KeyService, NAMESPACE, TOKEN, VAULT_KEY},
    operator::Operator,
    provider::{CLIENT_ID, CLIENT_SECRET, Flavour, OauthProvider, Trouble, api::ResourceApi},
};

const SCOPE: &str = "reports.read";
const HEADER: &str = "CANARY/busy+header=7f31";
const QUERY: &str = "CANARY-busy-query-91ce";
const BASIC: &str = "CANARY-busy-basic-40ad";
const BEARER: &str = "CANARY-busy-bearer-5b72";
const OWN: &str = "CANARY-busy-license-own-c8e6";
const SIGV4: &str = "CANARY/busy+sigv4/3d19b7d0e2f4";
/// Tools whose upstream is asked for anything, by their credential.
const PLAIN: [(&str, &str); 6] = [
    ("header", "{ header: X-Secret }"),
    ("query", "{ query: api_key }"),
    ("basic", "{ basic: { username: gate } }"),
    ("bearer", "{ bearer: {} }"),
    ("own", "{ header: X-Own }"),
    (
        "signed",
        "{ sigv4: { region: eu-west-1, service: execute-api, access_key_id: AKIDEXAMPLE }, \
         value: { env: SIGV4 } }",
    ),
];
/// Tools whose upstream wants tokens of the double.
const TOKENS: [&str; 4] = ["machine", "robot", "amazon", "report"];

fn configuration(api: &Api, provider: &OauthProvider, tokens: &ResourceApi, keys: &str) -> String {
    let public = known_address();
    let scopes = format!(", scopes: [{{ name: {SCOPE}, title: See reports, access: read }}] }}\n");
    let mut text = format!(
        "keys: [{{ id: test, {keys} }}]\nstore: {{ postgres: {{ url: {{ env: DATABASE }} }} }}\n\
         listen: {{ public: \"{public}\", admin: \"127.0.0.1:0\" }}\n\
         limits: {{ session: 10000/min, unauthenticated: 1000/min }}\n\
         plans: {{ pro: {{ tools: [\"*\"] }} }}\nproviders:\n{}upstreams:\n",
        provider.yaml().replace(" }\n", &scopes)
    );
    for (name, credential) in PLAIN {
        write!(
            text,
            "  {name}:\n    rest:\n      base_url: http://{}\n      \
             allow_special_use: [127.0.0.0/8]\n      limit: 1000/s\n      retries: 0\n      \
             credential: {credential}\n      tools:\n        - {{ name: {name}, \
             description: Calls., request: {{ path: \"/{{what}}\" }}, input: {{ type: object, \
             additionalProperties: false, required: [what], properties: {{ what: {{ type: string, \
             maxLength: 9, pattern: '^[a-z]*$' }} }} }} }}\n",
            api.address
        )
        .unwrap();
    }
    let origin = provider.origin();
    let ours = format!("client_id: {CLIENT_ID}, client_secret: {{ env: CLIENT_SECRET }}");
    let credentials = [
        format!(
            "client_credentials: {{ token_url: {origin}/token, client_id: {CLIENT_ID}, \
             scopes: [{SCOPE}] }}, value: {{ env: CLIENT_SECRET }}"
        ),
        format!(
            "service_account: {{ scopes: [{SCOPE}], token_url: {origin}/token }}, \
             value: {{ file: robot.json }}"
        ),
        format!("login_with_amazon: {{ {ours}, token_url: {origin}/token }}"),
        format!("account: {{ provider: google, {ours}, scopes: [{SCOPE}] }}"),
    ];
    for (name, credential) in TOKENS.iter().zip(credentials) {
        let scopes = if *name == "report" { SCOPE } else { "" };
        write!(
            text,
            "  {name}:\n    rest:\n      base_url: http://{}\n      \
             allow_special_use: [127.0.0.0/8]\n      limit: 1000/s\n      retries: 0\n      \
             credential: {{ {credential} }}\n      tools:\n        - {{ name: {name}, \
             description: Reads., read_only: true, scopes: [{scopes}], \
             request: {{ path: /api/report }}, \
             input: {{ type: object, additionalProperties: false }} }}\n",
            tokens.address
        )
        .unwrap();
    }
    text
}

/// What the command line cannot store: a credential of a license's own.
async fn put_own(operator: &Operator, keys: &KeyService, license: &str) {
    let key = VaultTransit::new(VaultTransitParts {
        address: &format!("http://{}", keys.address).parse().unwrap(),
        mount: "keys/transit",
        key: VAULT_KEY,
        token: &SecretString::new(TOKEN.to_owned()),
        namespace: Some(NAMESPACE),
        allow_special_use: &["127.0.0.0/8".parse().unwrap()],
        entropy: Arc::new(OsEntropy),
    });
    let ring = Keyring::new(vec![("test".parse().unwrap(), Arc::new(key.unwrap()))]).unwrap();
    let target = StoreTarget::Postgres {
        url: SecretString::new(operator.variable("DATABASE").to_owned()),
        max_connections: 2,
    };
    let store = Store::open(&target).await.unwrap();
    let clock = Arc::new(SystemClock::new());
    let vault = Vault::bootstrap(store, ring, clock, Arc::new(OsEntropy)).await;
    let own = SecretString::new(OWN.to_owned());
    let place = Tenant::License(license.parse().unwrap());
    let put = vault.unwrap();
    put.put(place, &"own".parse().unwrap(), &own, "test")
        .await
        .unwrap();
}

/// Every row of every table, bytes in hexadecimal; and how many tables and rows.
async fn dump(url: &str) -> (String, usize, usize) {
    let mut database = PgConnection::connect(url).await.unwrap();
    let tables = sqlx::query(
        "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) FROM \
         information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema NOT IN \
         ('pg_catalog', 'information_schema')",
    );
    let tables: Vec<String> = tables
        .fetch_all(&mut database)
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let (mut text, mut rows) = (String::new(), 0);
    for table in &tables {
        let sql = sqlx::AssertSqlSafe(format!("SELECT t::text FROM {table} t"));
        for row in sqlx::query(sql).fetch_all(&mut database).await.unwrap() {
            writeln!(text, "{table} {}", row.get::<String, _>(0)).unwrap();
            rows += 1;
        }
    }
    (text, tables.len(), rows)
}

/// The ways in which a secret may be written down.
fn shapes(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let mut shapes = vec![
        secret.to_owned(),
        HEXLOWER.encode(bytes),
        HEXUPPER.encode(bytes),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        url::form_urlencoded::byte_serialize(bytes).collect(),
        json!(secret).to_string().trim_matches('"').to_owned(),
    ];
    // Base64 of it wherever it begins in what was encoded: the ends depend on neighbours.
    for before in 0..3 {
        let padded = [&[0; 2][..before.min(2)], bytes].concat();
        let whole = padded.len() / 3 * 3;
        for encoding in [&BASE64, &BASE64URL] {
            let text = encoding.encode(&padded[..whole]);
            shapes.push(text[if before == 0 { 0 } else { 4 }..].to_owned());
        }
    }
    shapes
}

/// From the link in a failed call to the connected account; the secrets on the way.
async fn connect(traffic: &mut Traffic, provider: &OauthProvider, link: &str, key: &str) {
    let page = traffic.page(link).await;
    let sent = traffic
        .press(&page, "Continue", &[("license_key", key)])
        .await;
    let there = sent.header("location").unwrap_or(link).to_owned();
    let page = traffic.page(&there).await;
    let sent = traffic.press(&page, "Go on to Google", &[]).await;
    let back = provider.consent(sent.header("location").unwrap()).await;
    let back = Url::parse(&back).unwrap();
    let back = &back[url::Position::BeforePath..];
    // With a state that is not ours, with the right one, and again.
    let wrong = back.replacen("state=", "state=x", 1);
    assert_eq!(traffic.page(&wrong).await.status, 403);
    let done = traffic.page(back).await;
    assert_eq!(done.status, 303);
    let done = done.header("location").unwrap_or_default().to_owned();
    assert_eq!(traffic.page(&done).await.status, 200, "{done}");
    assert_eq!(traffic.page(back).await.status, 403);
}

fn link_in(body: &str) -> String {
    let (_, rest) = body.split_once("/connect/").expect("a link");
    let is_part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    format!(
        "/connect/{}",
        rest.chars().take_while(is_part).collect::<String>()
    )
}

async fn works(client: &Client, tool: &str) {
    let answer = client.call(tool, json!({})).await;
    assert!(answer.body.contains("visits"), "{tool}: {}", answer.body);
}

/// Good and failing calls, renewals, refusals at the provider, and ends of grants.
async fn traffic_of_every_kind(traffic: &mut Traffic, provider: &OauthProvider, key: &str) {
    let client = Client::modern(traffic.gateway.public, key);
    let mut note = |answer: crate::support::wire::Answer| traffic.answers.push(answer.body);
    for (tool, _) in PLAIN {
        for what in [
            "good", "error", "moved", "login", "html", "broken", "teapot",
        ] {
            note(client.call(tool, json!({ "what": what })).await);
        }
    }
    for tool in &TOKENS[..3] {
        works(&client, tool).await;
        provider.withdraw_access();
        works(&client, tool).await;
    }
    let needed = client.call("report", json!({})).await;
    connect(traffic, provider, &link_in(&needed.body), key).await;
    works(&client, "report").await;
    for turn in 0..4 {
        provider.withdraw_access();
        provider.knobs().trouble = match turn {
            0 => Trouble::None,
            1 => Trouble::SaysTooMuch,
            2 => Trouble::NotJson,
            _ => Trouble::InvalidGrant,
        };
        for tool in TOKENS {
            let answer = client.call(tool, json!({})).await;
            traffic.answers.push(answer.body);
        }
    }
    provider.knobs().trouble = Trouble::None;
}

fn commands(operator: &Operator, license: &str) -> String {
    let mut said = String::new();
    for line in [
        "credential list",
        "credential list --json",
        "connection list",
        "connection list --json",
        "key status --json",
        "key verify",
        "scope report",
        "scope report --json",
        "config show",
        "config show --json",
        "check --json",
        "license list --json",
        "tool list --json",
    ] {
        let ran = operator.run(line);
        said += &(ran.out + &ran.err);
    }
    assert!(said.contains(license), "the control: {said}");
    for tool in ["header", "signed", "machine", "robot"] {
        let arguments = if tool.len() == 6 {
            r#"{"what":"good"}"#
        } else {
            "{}"
        };
        let ran = operator.run_with(&["tool", "call", tool, "--args", arguments, "--json"], "");
        said += &(ran.out + &ran.err);
    }
    said
}

#[expect(
    clippy::too_many_lines,
    reason = "one busy day, and every place that it left something in"
)]
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_gateway_leaves_no_secret_in_any_byte() {
    let fixture = Fixture::postgres().await;
    let url = fixture.url().unwrap();
    let keys = KeyService::start(Keys::Vault).await;
    let provider = OauthProvider::start(Flavour::Google, Arc::new(SystemClock::new())).await;
    let (tokens, api) = (provider.api(SCOPE).await, Api::start().await);
    let vault = format!(
        "vault: {{ address: \"http://{}\", mount: keys/transit, key: {VAULT_KEY}, namespace: \
         {NAMESPACE}, token: {{ env: TOKEN }}, allow_special_use: [127.0.0.0/8] }}",
        keys.address
    );
    let mut operator = Operator::new(&configuration(&api, &provider, &tokens, &vault));
    for (name, value) in [
        ("TOKEN", TOKEN),
        ("DATABASE", &url),
        ("CLIENT_SECRET", CLIENT_SECRET),
        ("SIGV4", SIGV4),
        ("WICKETGATE_LOG", "trace"),
    ] {
        operator.export(name, value);
    }
    let robot = provider
        .service_account("robot@project-1.iam.example")
        .to_string();
    fs::write(operator.place.path("robot.json"), robot).unwrap();
    let amazon = provider.grant_by_hand(&[SCOPE]);
    operator.run("migrate").done();
    for (upstream, secret) in [
        ("header", HEADER),
        ("query", QUERY),
        ("basic", BASIC),
        ("bearer", BEARER),
        ("amazon", &amazon),
    ] {
        let line = ["credential", "set", upstream];
        operator.run_with(&line, secret).done();
    }
    let issued = operator
        .run("license issue --name A --plan pro --json")
        .done()
        .json();
    let (key, license) = (
        issued["key"].as_str().unwrap(),
        issued["id"].as_str().unwrap(),
    );
    put_own(&operator, &keys, license).await;

    let mut traffic = Traffic::of(operator.serve_with_cores().await);
    traffic_of_every_kind(&mut traffic, &provider, key).await;
    let mut said = commands(&operator, license);
    // While all of it is stored, and after an end.
    let (before, tables, rows) = dump(&url).await;
    let ended = operator.run(&format!("connection revoke {license} report"));
    said += &(ended.out + &ended.err);
    let mut health = String::new();
    for path in ["/metrics", "/readyz", "/livez"] {
        health += &traffic.gateway.ask(path).await.unwrap().body;
    }
    // Every line is written within a moment; then it dies where a core file would be allowed.
    tokio::time::sleep(Duration::from_millis(500)).await;
    traffic.gateway.signal("ABRT");
    assert_eq!(traffic.gateway.ended().await, None, "ended by the signal");
    let (after, ..) = dump(&url).await;
    let (out, err) = (traffic.gateway.stdout(), traffic.gateway.stderr());
    let mut left = Vec::new();
    for entry in fs::read_dir(operator.place.path(".")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let ours = ["wicketgate.yaml", "robot.json", "data"].contains(&&*name);
        if !ours && !name.ends_with(".stdout") && !name.ends_with(".stderr") {
            left.push(name);
        }
    }
    assert_eq!(left, [""; 0], "no core file");

    let answers = traffic.answers.join("\n");
    let places = [
        ("answers", &answers),
        ("access log", &out),
        ("standard error", &err),
        ("health and metrics", &health),
        ("commands", &said),
        ("database", &before),
        ("database at the end", &after),
    ];
    let mut secrets: Vec<String> = [
        HEADER,
        QUERY,
        BASIC,
        BEARER,
        OWN,
        SIGV4,
        CLIENT_SECRET,
        TOKEN,
        &amazon,
    ]
    .map(str::to_owned)
    .to_vec();
    secrets.extend(provider.canaries());
    let mut found = Vec::new();
    for secret in &secrets {
        for shape in shapes(secret) {
            for (place, text) in &places {
                if text.contains(&shape) {
                    found.push(format!("{place}: {secret} as {shape}"));
                }
            }
        }
    }
    assert_eq!(found, [""; 0]);

    // The control: all were used, and the search finds what is there.
    let received = api.received();
    for secret in [HEADER, QUERY, BEARER, OWN, BASIC] {
        let arrived = shapes(secret).iter().any(|shape| received.contains(shape));
        assert!(arrived, "{secret} arrived");
    }
    assert!(received.contains("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
    assert!(provider.count("refresh_token") > 2 && tokens.calls().len() > 10);
    assert!(before.contains("report"), "rows are there");
    assert!(err.contains("\"serving\""), "{err}");
    assert!(tables > 10 && rows > 20 && secrets.len() > 20);
    let sizes: Vec<(&str, usize)> = places.iter().map(|(p, text)| (*p, text.len())).collect();
    println!(
        "{} secrets in none of {sizes:?}; {tables} tables, {rows} rows",
        secrets.len()
    );
    let lines: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines.len() > 50, "{}", lines.len());
    fixture.remove().await;
}
