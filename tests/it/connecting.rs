//! Connecting an account as people and clients see it: from a call that needs one, through the real
//! pages and a provider's consent, to the call that works.

mod accounts;
mod asked;
mod done;
mod journeys;
mod pages;
mod waiting;

use std::sync::Arc;

use serde_json::{Value, json};
use url::Url;
use wicketgate::{clock::ManualClock, ids::LicenseId, store::CredentialInfo};

use crate::support::{
    browser::{Browser, HOST, ORIGIN, public},
    client::{Client, Speaks},
    database::NOON,
    gateway::TestGateway,
    provider::{CLIENT_ID, CLIENT_SECRET, Flavour, OauthProvider, api::ResourceApi},
    wire::{Answer, once},
};

const READ: &str = "reports.read";
const WRITE: &str = "reports.write";
const META: &str = "io.modelcontextprotocol/clientCapabilities";

/// Does a license connect one account, or several under names?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Accounts {
    One,
    Several,
}

/// A gateway behind a public address, with the upstream `acc`, whose accounts are connected at a
/// double.
struct Scene {
    clock: Arc<ManualClock>,
    provider: OauthProvider,
    _api: ResourceApi,
    gateway: TestGateway,
    license: LicenseId,
    key: String,
}

impl Scene {
    async fn start(flavour: Flavour) -> Self {
        Self::with(flavour, Accounts::One, "").await
    }

    async fn with(flavour: Flavour, accounts: Accounts, limits: &str) -> Self {
        let clock = Arc::new(ManualClock::new(NOON));
        let provider = OauthProvider::start(flavour, Arc::clone(&clock) as _).await;
        let api = provider.api(READ).await;
        api.needs("/api/change", &[WRITE]);
        let name = match flavour {
            Flavour::Google => "google",
            Flavour::Meta => "meta",
            Flavour::Amazon => "amazon",
            Flavour::Github => "github",
        };
        let choose = match accounts {
            Accounts::One => "",
            Accounts::Several => "choose_by: account, ",
        };
        let scopes = format!(
            ", scopes: [{{ name: {READ}, title: See your reports, access: read }}, \
             {{ name: {WRITE}, title: Change your reports, access: write }}] }}\n"
        );
        let tool = |name: &str, title: &str, scopes: &str| {
            format!(
                "        - {{ name: {name}, title: {title}, description: Reads., read_only: true, \
                 scopes: [{scopes}], request: {{ path: /api/{name} }}, \
                 input: {{ type: object, additionalProperties: false }} }}\n"
            )
        };
        let timeout = if limits.is_empty() {
            ""
        } else {
            "      timeout: 2s\n"
        };
        let upstream = format!(
            "  acc:\n    title: Shop reports\n    rest:\n      base_url: http://{}\n      \
             allow_special_use: [127.0.0.0/8]\n      limit: 10000/s\n{timeout}      credential:\n        \
             account: {{ provider: {name}, client_id: {CLIENT_ID}, client_secret: {{ env: \
             CLIENT_SECRET }}, {choose}scopes: [{READ}, {WRITE}] }}\n      tools:\n{}{}",
            api.address,
            tool("report", "Run a report", READ),
            tool("change", "Change a report", &format!("{READ}, {WRITE}")),
        );
        let entry = provider.yaml().replace(" }\n", &scopes);
        let gateway = TestGateway::with(|setup| {
            public(setup);
            setup.clock = Arc::clone(&clock) as _;
            setup.more.push_str("providers:\n");
            setup.more.push_str(&entry);
            setup.upstreams = upstream;
            setup.environment = vec![("CLIENT_SECRET", CLIENT_SECRET.to_owned())];
            setup.limits.push_str(limits);
            setup.rest.push_str(timeout);
            setup
                .plans
                .push_str("  reader: { tools: [\"acc.report\"] }\n");
        })
        .await;
        let (license, key) = gateway.issue("pro").await;
        Self {
            clock,
            provider,
            _api: api,
            gateway,
            license,
            key,
        }
    }

    fn client(&self, speaks: Speaks) -> Client {
        Client {
            address: self.gateway.address,
            key: self.key.clone(),
            speaks,
        }
    }

    /// A call as a client of this era sends it; `more` goes into its parameters.
    async fn call(&self, speaks: Speaks, tool: &str, more: &Value) -> Answer {
        call(&self.client(speaks), tool, more).await
    }

    /// A call of a modern client that can send people to addresses.
    async fn sends(&self, tool: &str, more: &Value) -> Answer {
        sends(&self.client(Speaks::Modern), tool, more).await
    }

    /// What is stored of the license's accounts.
    async fn stored(&self) -> Vec<CredentialInfo> {
        let connections = self.gateway.running().gateway().connections();
        connections.accounts(self.license).await.unwrap()
    }

    /// Through our consent and the provider's, from this page of ours to where it ends.
    async fn consents(&self, browser: &mut Browser<'_>, page: &Answer) -> Answer {
        let sent = browser.press(page, &self.go_on(), &[]).await;
        assert_eq!(sent.status, 303, "{}", sent.body);
        self.returns(browser, &sent).await
    }

    /// From our redirect through the provider's consent to where it sends the browser.
    async fn returns(&self, browser: &mut Browser<'_>, sent: &Answer) -> Answer {
        let back = self
            .provider
            .consent(sent.header("location").unwrap())
            .await;
        let end = browser.get(&path(&back)).await;
        if end.status != 303 {
            return end;
        }
        let done = end.header("location").unwrap();
        assert!(done.starts_with("/connect/done/acc/"), "{done}");
        browser.get(done).await
    }

    fn go_on(&self) -> String {
        let gateway = self.gateway.running().gateway();
        let sites = gateway.connections().sites();
        let site = sites.values().next().unwrap();
        format!("Go on to {}", site.provider.title)
    }

    /// Everything from a link to the connected account.
    async fn connects(&self, link: &str) -> Answer {
        let mut browser = Browser::new(&self.gateway);
        let first = browser.get(&path(link)).await;
        let page = browser.sign_in(&first, &self.key).await;
        let end = self.consents(&mut browser, &page).await;
        assert_eq!(end.status, 200, "{}", end.body);
        end
    }
}

async fn call(client: &Client, tool: &str, more: &Value) -> Answer {
    let mut params = json!({ "name": tool, "arguments": {} });
    for (name, value) in more.as_object().unwrap() {
        params[name] = value.clone();
    }
    let message = client.message(&json!(7), "tools/call", params);
    request(client, &message).await
}

async fn sends(client: &Client, tool: &str, more: &Value) -> Answer {
    let mut params = json!({ "name": tool, "arguments": {} });
    for (name, value) in more.as_object().unwrap() {
        params[name] = value.clone();
    }
    let mut message = client.message(&json!(7), "tools/call", params);
    message["params"]["_meta"][META] = json!({ "elicitation": { "url": {} } });
    request(client, &message).await
}

/// Under the gateway's public name.
async fn request(client: &Client, message: &Value) -> Answer {
    let text = client.request(message);
    let text = text.replacen(
        &format!("Host: {}", client.address),
        &format!("Host: {HOST}"),
        1,
    );
    once(client.address, &text).await.expect("an answer")
}

/// An address of ours as a path.
pub(crate) fn path(address: &str) -> String {
    assert!(
        address.starts_with(&format!("{ORIGIN}/connect/")),
        "{address}"
    );
    let address = Url::parse(address).unwrap();
    address[url::Position::BeforePath..].to_owned()
}

/// The address in a text that a model or a person reads.
fn link_in(text: &str) -> String {
    let (_, rest) = text
        .split_once(&format!("{ORIGIN}/connect/"))
        .expect("a link");
    let handle: String = rest
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .collect();
    format!("{ORIGIN}/connect/{handle}")
}

/// The link of an `input_required`, and its state.
pub(crate) fn asked(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let result = &answer.json()["result"];
    assert_eq!(result["resultType"], "input_required", "{}", answer.body);
    let params = &result["inputRequests"]["connect_acc"]["params"];
    (
        params["url"].as_str().unwrap().to_owned(),
        result["requestState"].as_str().unwrap().to_owned(),
    )
}

/// What a client sends when it comes back.
pub(crate) fn retry(state: &str, action: &str) -> Value {
    json!({ "requestState": state, "inputResponses": { "connect_acc": { "action": action } } })
}

pub(crate) fn succeeded(answer: &Answer) -> bool {
    let body = answer.json();
    answer.status == 200 && body["error"].is_null() && body["result"]["isError"] == false
}
