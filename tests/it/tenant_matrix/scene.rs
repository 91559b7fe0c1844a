//! Two licenses on one or two gateways, with everything that each of them can have.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use url::Url;
use wicketgate::{
    clock::ManualClock,
    connect::{Came, Wish},
    crypto::MasterKey,
    entropy::OsEntropy,
    ids::LicenseId,
    kms::Keyring,
    names::{Label, UpstreamName},
    secret::SecretString,
    store::Tenant as Place,
    vault::Vault,
};

use super::{
    api::Api,
    tools::{Kind, SCOPE, Tool},
};
use crate::support::{
    browser::{HOST, public},
    client::{Client, Speaks},
    database::{Fixture, NOON},
    gateway::{Setup, TestGateway},
    provider::{CLIENT_SECRET, Flavour, OauthProvider, api::ResourceApi},
    wire::{Answer, once},
};

/// Who calls, and who must not be seen.
pub(super) const TENANTS: [&str; 2] = ["alpha", "beta"];
/// What the browser holds.
const BROWSER: &str = "browser-1";

/// A customer.
pub(super) struct Tenant {
    pub(super) license: LicenseId,
    pub(super) key: String,
    /// The number of its newest credentials.
    pub(super) version: u32,
}

/// Everything.
pub(super) struct Scene {
    pub(super) provider: OauthProvider,
    pub(super) tokens: ResourceApi,
    pub(super) api: Api,
    pub(super) gateways: Vec<TestGateway>,
    pub(super) alpha: Tenant,
    pub(super) beta: Tenant,
    vault: Vault,
    /// The key file of each service account.
    services: Mutex<BTreeMap<String, String>>,
}

impl Scene {
    /// So many processes over one database.
    pub(super) async fn start(fixture: &Fixture, processes: usize) -> Self {
        let clock = Arc::new(ManualClock::new(NOON));
        let provider = OauthProvider::start(Flavour::Google, Arc::clone(&clock) as _).await;
        let tokens = provider.api(SCOPE).await;
        for name in TENANTS {
            tokens.needs(&format!("/by/{name}"), &[]);
        }
        let api = Api::default();
        api.knows("canary-configured-header", "operator-1");
        let address = api.start().await;
        let upstreams: String = Tool::all()
            .iter()
            .map(|tool| {
                tool.yaml(if tool.is_token() {
                    tokens.address
                } else {
                    address
                })
            })
            .collect();
        let scopes =
            format!(", scopes: [{{ name: {SCOPE}, title: See reports, access: read }}] }}\n");
        let more = format!("providers:\n{}", provider.yaml().replace(" }\n", &scopes));
        let set = |setup: &mut Setup| {
            public(setup);
            setup.clock = Arc::clone(&clock) as _;
            setup.target = fixture.target();
            setup.more += &more;
            setup.upstreams = upstreams.replace("ORIGIN", &provider.origin());
            setup.limits = "  session: 100000/min\n  unauthenticated: 100000/min\n  \
                 page_size: 5\n"
                .into();
            setup.environment = vec![
                ("CLIENT_SECRET", CLIENT_SECRET.to_owned()),
                ("HEADER_SECRET", "canary-configured-header".to_owned()),
                ("MACHINE_SECRET", format!("{CLIENT_SECRET}-of-operator-1")),
            ];
        };
        let mut gateways = vec![TestGateway::with(set).await];
        let master = gateways[0].master_key().to_owned();
        for _ in 1..processes {
            let other = TestGateway::with(|setup| {
                set(setup);
                setup.master_key = SecretString::new(master.clone());
            });
            gateways.push(other.await);
        }
        // The command line's, which is a process of its own.
        let key = MasterKey::parse(&SecretString::new(master)).unwrap();
        let entropy = Arc::new(OsEntropy) as _;
        let keyring = Keyring::local(vec![("test".parse().unwrap(), key)], &entropy).unwrap();
        let store = fixture.another().await;
        let vault = Vault::bootstrap(store, keyring, Arc::clone(&clock) as _, entropy);
        let alpha = Tenant::of(gateways[0].issue("pro").await);
        let beta = Tenant::of(gateways[0].issue("pro").await);
        let scene = Self {
            vault: vault.await.unwrap(),
            provider,
            tokens,
            api,
            alpha,
            beta,
            gateways,
            services: Mutex::default(),
        };
        for tool in Tool::all() {
            for tenant in ["operator", "alpha", "beta"] {
                scene.plant(tool, tenant, 1).await;
            }
        }
        scene.told().await;
        scene
    }

    pub(super) fn tenant(&self, name: &str) -> &Tenant {
        if name == "alpha" {
            &self.alpha
        } else {
            &self.beta
        }
    }

    /// Every process hears of what changed.
    pub(super) async fn told(&self) {
        for gateway in &self.gateways {
            gateway.changed().await;
        }
    }

    /// Gives this tenant its credential of this number, where the tool wants one of its own.
    pub(super) async fn plant(&self, tool: Tool, tenant: &str, version: u32) {
        if !tool.is_own(tenant) {
            return;
        }
        let owner = format!("{tenant}-{version}");
        let upstream: UpstreamName = tool.name().parse().unwrap();
        let place = match tenant {
            "operator" => Place::Operator,
            name => Place::License(self.tenant(name).license),
        };
        let secret = match tool.kind {
            Kind::Account => return self.connects(self.tenant(tenant), &upstream, &owner).await,
            Kind::ClientCredentials => format!("{CLIENT_SECRET}-of-{owner}"),
            Kind::ServiceAccount => {
                let mut services = self.services.lock().unwrap();
                let new = || self.provider.service_account(&owner).to_string();
                services.entry(owner.clone()).or_insert_with(new).clone()
            }
            Kind::LoginWithAmazon => {
                self.provider.knobs().account.clone_from(&owner);
                self.provider.grant_by_hand(&[SCOPE])
            }
            Kind::Header
            | Kind::Query
            | Kind::Basic
            | Kind::Bearer
            | Kind::SigV4
            | Kind::Nothing => format!("canary-{owner}-{upstream}-0123456789"),
        };
        self.api.knows(&secret, &owner);
        let secret = SecretString::new(secret);
        let put = self.vault.put(place, &upstream, &secret, "test").await;
        put.unwrap();
    }

    async fn connects(&self, tenant: &Tenant, upstream: &UpstreamName, account: &str) {
        account.clone_into(&mut self.provider.knobs().account);
        let connections = self.gateways[0].running().gateway().connections();
        let wish = Wish {
            upstream: upstream.clone(),
            label: Label::default_label(),
            scopes: std::iter::once(SCOPE.parse().unwrap()).collect(),
        };
        let address = connections.begin(tenant.license, &wish, BROWSER).await;
        let back = self.provider.consent(address.unwrap().as_str()).await;
        let came = came(&back);
        let finished = connections.finish(tenant.license, upstream, &came, BROWSER);
        finished.await.unwrap();
    }

    /// Takes this tenant's credential away.
    pub(super) async fn uproot(&self, tool: Tool, tenant: &str) {
        if tool.is_own(tenant) {
            let place = Place::License(self.tenant(tenant).license);
            let upstream = tool.name().parse().unwrap();
            let label = Label::default_label();
            self.vault
                .delete(place, &upstream, &label, "test")
                .await
                .unwrap();
        }
    }

    pub(super) fn client(&self, tenant: &str, process: usize, speaks: Speaks) -> Client {
        Client {
            address: self.gateways[process].address,
            key: self.tenant(tenant).key.clone(),
            speaks,
        }
    }

    /// A call by this tenant. `more` goes into its parameters.
    pub(super) async fn call(
        &self,
        client: &Client,
        tool: &str,
        who: &str,
        more: &Value,
    ) -> Answer {
        let mut params = json!({ "name": tool, "arguments": { "who": who } });
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        ask(client, "tools/call", params).await
    }

    /// How many requests have arrived, anywhere.
    pub(super) fn mark(&self) -> [usize; 2] {
        [self.api.arrived().len(), self.tokens.calls().len()]
    }

    /// Every request that arrived anywhere since then: the path, and whose credential it carried.
    pub(super) fn arrived_since(&self, mark: [usize; 2]) -> Vec<(String, String)> {
        let here = self.api.arrived().into_iter().skip(mark[0]);
        let here = here.map(|one| (one.path, one.owner));
        let tokens = self.tokens.calls().into_iter().skip(mark[1]);
        let owner = |account: Option<String>| account.unwrap_or_else(|| "unknown".to_owned());
        here.chain(tokens.map(|one| (one.path, owner(one.account))))
            .collect()
    }

    pub(super) async fn stop(mut self) -> Vec<Value> {
        let mut lines = Vec::new();
        for gateway in &mut self.gateways {
            lines.extend(gateway.stop().await);
        }
        lines
    }
}

impl Tenant {
    fn of((license, key): (LicenseId, String)) -> Self {
        Self {
            license,
            key,
            version: 1,
        }
    }
}

/// What a browser came back with.
pub(super) fn came(back: &str) -> Came {
    let back = Url::parse(back).unwrap();
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

/// A request of an MCP client that can send people to addresses, under the gateway's public name.
pub(super) async fn ask(client: &Client, method: &str, params: Value) -> Answer {
    let mut message = client.message(&json!(7), method, params);
    if client.speaks == Speaks::Modern {
        let capabilities = &mut message["params"]["_meta"];
        capabilities["io.modelcontextprotocol/clientCapabilities"] =
            json!({ "elicitation": { "url": {} } });
    }
    send(client.address, &client.request(&message)).await
}

/// These bytes, under the gateway's public name.
pub(super) async fn send(address: std::net::SocketAddr, text: &str) -> Answer {
    let text = text.replacen(&format!("Host: {address}"), &format!("Host: {HOST}"), 1);
    once(address, &text).await.expect("an answer")
}
