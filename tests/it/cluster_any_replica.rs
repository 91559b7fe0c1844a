//! Any replica serves any request: whoever comes, each request goes to another replica than the one
//! before, and every replica's own log says so.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::sleep;
use wicketgate::clock::{SharedClock, SystemClock};

use crate::{
    connecting::{asked, path, retry, succeeded},
    support::{
        browser::{Browser, CALLBACK, HOST, ORIGIN, authorize, told},
        client::{Client, Speaks},
        cluster::{Cluster, REPLICAS},
        oauth::{Given, form, form_request},
        provider::{CLIENT_ID, CLIENT_SECRET, Flavour, OauthProvider},
        wire::{Answer, once},
    },
};

/// What `browser::CHALLENGE` was made of (RFC 7636, appendix B).
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CALLS: usize = 100;
const READ: &str = "reports.read";

/// Everything one person and their client send, in one sequence.
struct Walk {
    gateways: Vec<SocketAddr>,
    sent: usize,
    /// The id of each answer, in the order of the requests.
    trail: Vec<String>,
}

impl Walk {
    fn over(cluster: &Cluster) -> Self {
        Self {
            gateways: cluster.addresses(),
            sent: 0,
            trail: Vec::new(),
        }
    }

    /// Sends what `text` makes for the next replica's address.
    async fn send(&mut self, text: impl FnOnce(SocketAddr) -> String) -> Answer {
        let gateway = self.gateways[self.sent % self.gateways.len()];
        self.sent += 1;
        let text = text(gateway).replacen(&format!("Host: {gateway}"), &format!("Host: {HOST}"), 1);
        let answer = once(gateway, &text).await.expect("an answer");
        self.trail
            .extend(answer.header("x-request-id").map(str::to_owned));
        answer
    }

    /// A form for the authorization server.
    async fn form(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form(fields);
        self.send(|gateway| form_request(gateway, path, "", &body))
            .await
    }

    /// A request of an MCP client.
    async fn rpc(&mut self, speaks: Speaks, key: &str, method: &str, params: Value) -> Answer {
        self.send(|gateway| {
            let client = Client {
                speaks,
                ..Client::modern(gateway, key)
            };
            let message = if method.starts_with("notifications/") {
                json!({ "jsonrpc": "2.0", "method": method })
            } else {
                client.message(&json!(1), method, params)
            };
            client.request(&message)
        })
        .await
    }

    /// A browser that goes on from here; give it back with [`Walk::after`].
    fn browser(gateways: &[SocketAddr], sent: usize) -> Browser<'_> {
        let mut browser = Browser::over(gateways);
        browser.sent = sent;
        browser
    }

    fn after(&mut self, browser: Browser<'_>) {
        self.sent = browser.sent;
        self.trail.extend(browser.trail);
    }

    /// Looks up in the replicas' logs who answered what; how many each answered.
    async fn proven(&self, cluster: &Cluster) -> [usize; REPLICAS] {
        // Lines are written within 50 ms of an answer.
        sleep(Duration::from_millis(500)).await;
        let logs: [BTreeSet<String>; REPLICAS] = std::array::from_fn(|at| {
            let log = cluster.access_log(at);
            let lines = log
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines
                .filter_map(|line| Some(line["request_id"].as_str()?.to_owned()))
                .collect()
        });
        let mut answered = [0; REPLICAS];
        let mut before = None;
        assert_eq!(self.trail.len(), self.sent, "an id for each request");
        for id in &self.trail {
            let by: Vec<usize> = (0..REPLICAS).filter(|at| logs[*at].contains(id)).collect();
            assert_eq!(by.len(), 1, "{id} is in the logs of {by:?}");
            assert_ne!(Some(by[0]), before, "twice in a row the same replica");
            before = Some(by[0]);
            answered[by[0]] += 1;
        }
        answered
    }
}

/// Registration, sign-in, consent, code, token, refresh: everything at another replica.
async fn signed_in(walk: &mut Walk, key: &str, name: &str) -> Given {
    let registration = json!({ "client_name": name, "redirect_uris": [CALLBACK] }).to_string();
    let registered = walk
        .send(|gateway| {
            format!(
                "POST /register HTTP/1.1\r\nHost: {gateway}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{registration}",
                registration.len()
            )
        })
        .await;
    assert_eq!(registered.status, 201, "{}", registered.body);
    let id = registered.json()["client_id"].as_str().unwrap().to_owned();
    let client = id.parse().unwrap();

    let gateways = walk.gateways.clone();
    let mut browser = Walk::browser(&gateways, walk.sent);
    let page = browser.get(&authorize(&client, &[])).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let page = browser.sign_in(&page, key).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let allowed = told(&browser.press(&page, "Allow", &[]).await);
    walk.after(browser);
    assert_eq!(allowed["iss"], ORIGIN);

    let redeemed = walk
        .form(
            "/token",
            &[
                ("grant_type", "authorization_code"),
                ("client_id", &id),
                ("redirect_uri", CALLBACK),
                ("code_verifier", VERIFIER),
                ("code", &allowed["code"]),
            ],
        )
        .await;
    let first = Given::of(&redeemed);
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", id.as_str()),
        ("refresh_token", first.refresh.as_str()),
    ];
    let second = Given::of(&walk.form("/token", &fields).await);
    assert_ne!(first.access, second.access);
    second
}

/// All pages of the list; how many there were, and the names.
async fn listed(walk: &mut Walk, speaks: Speaks, token: &str) -> (usize, BTreeSet<String>) {
    let (mut pages, mut names, mut params) = (0, BTreeSet::new(), json!({}));
    loop {
        let answer = walk.rpc(speaks, token, "tools/list", params).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        pages += 1;
        let result = answer.json()["result"].clone();
        for tool in result["tools"].as_array().unwrap() {
            assert!(names.insert(tool["name"].as_str().unwrap().to_owned()));
        }
        let Some(cursor) = result["nextCursor"].as_str() else {
            return (pages, names);
        };
        params = json!({ "cursor": cursor });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_each_era_sign_in_and_call_with_every_request_at_another_replica() {
    let cluster = Cluster::start(|setup| setup.limits += "  page_size: 2\n").await;
    let key = cluster.key("pro").await;
    let eras = [
        Speaks::Legacy("2025-06-18"),
        Speaks::Legacy("2025-11-25"),
        Speaks::Modern,
    ];
    for (number, speaks) in eras.into_iter().enumerate() {
        let mut walk = Walk::over(&cluster);
        let token = signed_in(&mut walk, &key, &format!("Client {number}"))
            .await
            .access;
        if let Speaks::Legacy(revision) = speaks {
            let hello = json!({ "protocolVersion": revision, "capabilities": {},
                "clientInfo": { "name": "walker", "version": "1" } });
            let answer = walk.rpc(speaks, &token, "initialize", hello).await;
            assert_eq!(answer.json()["result"]["protocolVersion"], revision);
            assert_eq!(answer.header("mcp-session-id"), None);
            let noted = "notifications/initialized";
            assert_eq!(walk.rpc(speaks, &token, noted, json!({})).await.status, 202);
        } else {
            let answer = walk.rpc(speaks, &token, "server/discover", json!({})).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        let (pages, names) = listed(&mut walk, speaks, &token).await;
        assert!(pages >= 3 && names.contains("search"), "{pages} {names:?}");
        let before = cluster.upstream_saw();
        for _ in 0..CALLS {
            let call = json!({ "name": "search", "arguments": { "q": "x" } });
            let answer = walk.rpc(speaks, &token, "tools/call", call).await;
            assert!(succeeded(&answer), "{} {}", answer.status, answer.body);
        }
        assert_eq!(cluster.upstream_saw() - before, CALLS as u64);
        println!(
            "{speaks:?}: signed in, {pages} pages, {CALLS} calls: {} requests, each at another \
             replica than the one before; answered by {:?}",
            walk.sent,
            walk.proven(&cluster).await
        );
    }
}

/// A customer's own account, connected at a double.
fn account(provider: &OauthProvider, api: SocketAddr) -> (String, String) {
    let scopes =
        format!(", scopes: [{{ name: {READ}, title: See your reports, access: read }}] }}\n");
    let upstream = format!(
        "  acc:\n    title: Shop reports\n    rest:\n      base_url: http://{api}\n      \
         allow_special_use: [127.0.0.0/8]\n      limit: 10000/s\n      credential:\n        \
         account: {{ provider: google, client_id: {CLIENT_ID}, client_secret: {{ env: CLIENT_SECRET }}, \
         scopes: [{READ}] }}\n      tools:\n        - {{ name: report, title: Run a report, \
         description: Reads., read_only: true, scopes: [{READ}], request: {{ path: /api/report }}, \
         input: {{ type: object, additionalProperties: false }} }}\n"
    );
    let providers = format!("providers:\n{}", provider.yaml().replace(" }\n", &scopes));
    (providers, upstream)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_begins_at_one_replica_and_ends_at_another() {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let provider = OauthProvider::start(Flavour::Google, clock).await;
    let api = provider.api(READ).await;
    let (providers, upstream) = account(&provider, api.address);
    let cluster = Cluster::start(|setup| {
        setup.more += &providers;
        setup.upstreams = upstream;
        setup.environment = vec![("CLIENT_SECRET", CLIENT_SECRET.to_owned())];
    })
    .await;
    let key = cluster.key("pro").await;
    let mut walk = Walk::over(&cluster);
    let call = |more: Value| {
        let mut params = json!({ "name": "report", "arguments": {} });
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        params
    };
    let elicits = |message: Value| {
        let mut message = message;
        message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
            json!({ "elicitation": { "url": {} } });
        message
    };
    let sends = |gateway: SocketAddr, params: Value| {
        let client = Client::modern(gateway, &key);
        client.request(&elicits(client.message(&json!(7), "tools/call", params)))
    };
    let first = walk.send(|gateway| sends(gateway, call(json!({})))).await;
    let (link, state) = asked(&first);

    let gateways = walk.gateways.clone();
    let mut browser = Walk::browser(&gateways, walk.sent);
    let page = browser.get(&path(&link)).await;
    let page = browser.sign_in(&page, &key).await;
    let (_, rest) = page.body.split_once(">Go on to ").expect("a button");
    let button = format!("Go on to {}", rest.split('<').next().unwrap());
    let sent = browser.press(&page, &button, &[]).await;
    assert_eq!(sent.status, 303, "{}", sent.body);
    let back = provider.consent(sent.header("location").unwrap()).await;
    let end = browser.get(&path(&back)).await;
    assert_eq!(end.status, 303, "{}", end.body);
    let done = browser.get(end.header("location").unwrap()).await;
    assert_eq!(done.status, 200, "{}", done.body);
    walk.after(browser);

    let again = call(retry(&state, "accept"));
    let again = walk.send(|gateway| sends(gateway, again)).await;
    assert!(succeeded(&again), "{}", again.body);
    for _ in 0..6 {
        let answer = walk.send(|gateway| sends(gateway, call(json!({})))).await;
        assert!(succeeded(&answer), "{}", answer.body);
    }
    println!(
        "connected over {} requests, each at another replica; answered by {:?}; {} token requests",
        walk.sent,
        walk.proven(&cluster).await,
        provider.token_requests().len()
    );
    assert_eq!(provider.token_requests().len(), 1);
}
