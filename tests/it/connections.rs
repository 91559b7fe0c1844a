//! Accounts that licenses connect at providers: to the consent and back, and kept fresh ever after.

mod consent;
mod lost;
mod processes;
mod refused;
mod renewal;
mod replicas;

use std::{net::SocketAddr, sync::Arc};

use serde_json::{Value, json};
use url::Url;
use wicketgate::{
    clock::ManualClock,
    connect::{Came, ConsentError, Finished, Wish},
    ids::LicenseId,
    names::{Label, ScopeName, UpstreamName},
    store::{CredentialInfo, StoreTarget},
};

use crate::support::{
    client::Client,
    database::NOON,
    gateway::{Setup, TestGateway},
    provider::{CLIENT_ID, CLIENT_SECRET, Flavour, OauthProvider, api::ResourceApi},
    wire::Answer,
};

/// What the tool `report` needs.
const SCOPE: &str = "reports.read";
/// What the tool `change` needs besides.
const WIDER: &str = "reports.write";
/// What the browser holds.
const BROWSER: &str = "browser-1";

/// A gateway with the upstream `acc`, whose accounts are connected at a double.
struct Scene {
    clock: Arc<ManualClock>,
    provider: OauthProvider,
    api: ResourceApi,
    gateway: TestGateway,
    license: LicenseId,
    key: String,
}

/// The entry of `upstreams:` named `acc`, with accounts at this provider.
fn upstream(provider: &str, api: SocketAddr) -> String {
    let tool = |name: &str, path: &str, scopes: &str| {
        format!(
            "        - {{ name: {name}, description: Reads., read_only: true, scopes: [{scopes}], \
             request: {{ path: {path} }}, input: {{ type: object, additionalProperties: false }} }}\n"
        )
    };
    format!(
        "  acc:\n    title: Reports\n    rest:\n      base_url: http://{api}\n      allow_special_use: \
         [127.0.0.0/8]\n      limit: 10000/s\n      max_concurrent: 512\n      max_queue: 1000\n      credential:\n        account: {{ provider: {provider}, \
         client_id: {CLIENT_ID}, client_secret: {{ env: CLIENT_SECRET }}, choose_by: account, \
         scopes: [{SCOPE}, {WIDER}] }}\n      tools:\n{}{}{}",
        tool("report", "/api/report", SCOPE),
        tool("change", "/api/change", &format!("{SCOPE}, {WIDER}")),
        tool("whoami", "/api/whoami", ""),
    )
}

const fn name_of(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::Google => "google",
        Flavour::Meta => "meta",
        Flavour::Amazon => "amazon",
        Flavour::Github => "github",
    }
}

/// What a gateway needs to connect accounts at `provider`.
fn connects(setup: &mut Setup, flavour: Flavour, provider: &OauthProvider, api: &ResourceApi) {
    let name = name_of(flavour);
    let scopes = format!(
        ", scopes: [{{ name: {SCOPE}, title: See reports, access: read }}, \
         {{ name: {WIDER}, title: Change reports, access: write }}] }}\n"
    );
    let entry = provider.yaml().replace(" }\n", &scopes);
    setup.more = format!("providers:\n{entry}");
    setup.upstreams = upstream(name, api.address);
    setup.environment = vec![("CLIENT_SECRET", CLIENT_SECRET.to_owned())];
}

impl Scene {
    async fn start(flavour: Flavour) -> Self {
        Self::over(flavour, StoreTarget::SqliteMemory).await
    }

    async fn over(flavour: Flavour, target: StoreTarget) -> Self {
        let clock = Arc::new(ManualClock::new(NOON));
        let provider = OauthProvider::start(flavour, Arc::clone(&clock) as _).await;
        let api = provider.api(SCOPE).await;
        api.needs("/api/change", &[WIDER]);
        let gateway = TestGateway::with(|setup| {
            setup.clock = Arc::clone(&clock) as _;
            setup.target = target;
            connects(setup, flavour, &provider, &api);
        })
        .await;
        let (license, key) = gateway.issue("pro").await;
        Self {
            clock,
            provider,
            api,
            gateway,
            license,
            key,
        }
    }

    fn wish(scopes: &[&str]) -> Wish {
        Wish {
            upstream: acc(),
            label: Label::default_label(),
            scopes: scopes.iter().map(|scope| scope.parse().unwrap()).collect(),
        }
    }

    async fn begin(&self, scopes: &[&str]) -> Result<Url, ConsentError> {
        let connections = self.gateway.running().gateway().connections();
        let wish = Self::wish(scopes);
        connections.begin(self.license, &wish, BROWSER).await
    }

    /// What the browser comes back with.
    async fn consent(&self, scopes: &[&str]) -> Came {
        let address = self.begin(scopes).await.unwrap();
        let back = self.provider.consent(address.as_str()).await;
        let back = Url::parse(&back).unwrap();
        assert_eq!(back.path(), "/connect/callback/acc");
        let get = |name: &str| {
            let found = back.query_pairs().find(|(known, _)| known == name);
            found.map(|(_, value)| value.into_owned())
        };
        Came {
            state: get("state"),
            code: get("code"),
            error: get("error"),
            iss: get("iss"),
        }
    }

    async fn finish(&self, came: &Came) -> Result<Finished, ConsentError> {
        let connections = self.gateway.running().gateway().connections();
        connections
            .finish(self.license, &acc(), came, BROWSER)
            .await
    }

    /// An account connected with these scopes asked for.
    async fn connect(&self, scopes: &[&str]) -> Finished {
        let came = self.consent(scopes).await;
        self.finish(&came).await.unwrap()
    }

    /// What is stored of the only account.
    async fn stored(&self) -> CredentialInfo {
        let connections = self.gateway.running().gateway().connections();
        let mut all = connections.accounts(self.license).await.unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    async fn call(&self, tool: &str) -> Answer {
        let client = Client::modern(self.gateway.address, &self.key);
        client.call(tool, json!({})).await
    }
}

fn acc() -> UpstreamName {
    "acc".parse().unwrap()
}

fn names(scopes: &[ScopeName]) -> Vec<&str> {
    scopes.iter().map(ScopeName::as_str).collect()
}

/// Did the tool give its result?
fn succeeded(answer: &Answer) -> bool {
    let body: Value = answer.json();
    answer.status == 200 && body["result"]["isError"] != true && body["error"].is_null()
}
