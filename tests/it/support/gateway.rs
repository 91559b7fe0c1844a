//! A gateway built as `serve` builds it, on free ports, over a real store.

use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use serde_json::Value;
use tempfile::TempDir;
use wicketgate::{
    clock::{SharedClock, SystemClock, Timestamp},
    config::{self, Environment, secrets::configured_secrets},
    crypto::{LicenseKey, MasterKey, Pepper, TokenDigest, generate_master_key_text},
    egress,
    entropy::{OsEntropy, SharedEntropy},
    gateway::{Gateway, GatewayParts},
    ids::LicenseId,
    kms::Keyring,
    license::{License, LicenseStatus},
    secret::SecretString,
    serve::{self, ConfigSource, Running},
    store::{KeyChange, KeyRecord, Stamp, Store, StoreTarget, Tenant},
    vault::Vault,
};

use super::upstream::{SECRET, Upstream};

/// What a test may change before the gateway starts.
pub(crate) struct Setup {
    pub(crate) clock: SharedClock,
    /// Master keys; none: one of its own.
    pub(crate) keyring: Option<Keyring>,
    pub(crate) target: StoreTarget,
    /// Where it listens, and with it the issuer and the resource; see [`known_address`].
    pub(crate) public: SocketAddr,
    /// YAML of `limits:`, indented by two.
    pub(crate) limits: String,
    /// YAML of `plans:`, indented by two.
    pub(crate) plans: String,
    /// YAML inside `rest:` besides `base_url`, `credential` and `tools`, indented by six.
    pub(crate) rest: String,
    /// YAML of further tools, indented by eight. `@UPSTREAM@` is the upstream's address.
    pub(crate) tools: String,
    /// YAML of further upstreams, indented by two.
    pub(crate) upstreams: String,
    /// What the configuration finds in the environment.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// The address of the Redis of `shared:`, which the YAML names by an environment variable.
    pub(crate) redis: Option<String>,
    /// The text of the master key, for a second gateway over the same store.
    pub(crate) master_key: SecretString,
    /// YAML inside `listen:`, indented by two.
    pub(crate) listen: String,
    /// Further top-level YAML.
    pub(crate) more: String,
    /// How long clients may take.
    pub(crate) waits: serve::Waits,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock::new()),
            keyring: None,
            target: StoreTarget::SqliteMemory,
            public: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            limits: "  session: 10000/min\n".into(),
            plans:
                "  pro: { tools: [\"*\"] }\n  small: { tools: [\"up.get_any\", \"up.search\"] }\n"
                    .into(),
            rest: "      limit: 10000/s\n".into(),
            tools: String::new(),
            upstreams: String::new(),
            environment: Vec::new(),
            redis: None,
            master_key: generate_master_key_text(&OsEntropy),
            listen: String::new(),
            more: String::new(),
            waits: serve::Waits::default(),
        }
    }
}

impl Setup {
    fn environment(&self) -> Environment {
        let fixed = [("KEY", "the vault gets its own"), ("LISTEN", "")];
        let own = self.environment.iter();
        let own = own.map(|(name, value)| (*name, value.as_str()));
        Environment::from_map(fixed.into_iter().chain(own))
    }
}

/// An address that nobody listens on, for gateways whose issuer must be reachable. Below the ports
/// that the system gives out by itself, so that no other test gets it meanwhile.
pub(crate) fn known_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 100).unwrap() * 100;
    loop {
        let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// A serving gateway with one upstream, its credential stored, and whatever licenses are issued.
pub(crate) struct TestGateway {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) upstream: Upstream,
    pub(crate) store: Store,
    pub(crate) clock: SharedClock,
    pub(crate) config_path: PathBuf,
    running: Option<Running>,
    pepper: Pepper,
    entropy: SharedEntropy,
    log: Lines,
    setup_yaml: Setup,
    _home: TempDir,
}

/// What the gateway wrote to its access log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl TestGateway {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        egress::install_tls_provider();
        let mut setup = Setup::default();
        change(&mut setup);
        let (home, upstream) = (TempDir::new().unwrap(), Upstream::start().await);
        let entropy: SharedEntropy = Arc::new(OsEntropy);
        let config_path = home.path().join("wicketgate.yaml");
        std::fs::write(&config_path, yaml(&setup, upstream.address)).unwrap();
        let environment = setup.environment();
        let loaded = config::load(&config_path, &environment).unwrap_or_else(|e| panic!("{e}"));
        let configured = configured_secrets(&loaded.config, &config_path, &environment).unwrap();

        let store = Store::open(&setup.target).await.unwrap();
        store.migrate(setup.clock.now()).await.unwrap();
        let id: wicketgate::crypto::MasterKeyId = "test".parse().unwrap();
        let own = || {
            let key = MasterKey::parse(&setup.master_key).unwrap();
            Keyring::local(vec![(id, key)], &entropy).unwrap()
        };
        let keyring = setup.keyring.take().unwrap_or_else(own);
        let vault = Vault::bootstrap(
            store.clone(),
            keyring,
            Arc::clone(&setup.clock),
            Arc::clone(&entropy),
        )
        .await
        .unwrap();
        let secret = SecretString::new(SECRET.to_owned());
        vault
            .put(Tenant::Operator, &"up".parse().unwrap(), &secret, "test")
            .await
            .unwrap();
        let pepper = vault.pepper().clone();
        let log = Lines::default();
        let gateway = Gateway::build(GatewayParts {
            config: loaded.config,
            configured,
            store: store.clone(),
            vault,
            redis: setup
                .redis
                .as_deref()
                .map(|url| SecretString::new(url.to_owned())),
            clock: Arc::clone(&setup.clock),
            entropy: Arc::clone(&entropy),
            access_log: Box::new(log.clone()),
        })
        .await
        .unwrap();
        let source = ConfigSource {
            path: config_path.clone(),
            environment,
        };
        let running = serve::start_with(gateway, Some(source), setup.waits)
            .await
            .unwrap();
        Self {
            address: running.public,
            admin: running.admin,
            upstream,
            store,
            clock: Arc::clone(&setup.clock),
            config_path,
            running: Some(running),
            pepper,
            entropy,
            log,
            setup_yaml: setup,
            _home: home,
        }
    }

    /// A license of this plan; its id and key.
    pub(crate) async fn issue(&self, plan: &str) -> (LicenseId, String) {
        self.issue_until(plan, None).await
    }

    /// A license of this plan that expires; its id and key.
    pub(crate) async fn issue_until(
        &self,
        plan: &str,
        expires: Option<Timestamp>,
    ) -> (LicenseId, String) {
        let now = self.clock.now();
        let (record, key) = self.new_key();
        let license = License {
            id: LicenseId::generate(now, &*self.entropy),
            name: "test".into(),
            plan: plan.parse().unwrap(),
            tools: None,
            overrides: wicketgate::license::Overrides::default(),
            status: LicenseStatus::Active,
            created: now,
            expires,
        };
        self.store
            .insert_license(&license, &record, &self.stamp())
            .await
            .unwrap();
        (license.id, key)
    }

    /// A key that is stored nowhere yet, and its text.
    pub(crate) fn new_key(&self) -> (KeyRecord, String) {
        let key = LicenseKey::generate(&*self.entropy);
        let record = KeyRecord {
            digest: self.pepper.digest(&key),
            hint: key.hint(),
            created: self.clock.now(),
            expires: None,
        };
        (record, key.expose().to_owned())
    }

    /// What the store keeps of a key.
    pub(crate) fn digest(&self, key: &LicenseKey) -> TokenDigest {
        self.pepper.digest(key)
    }

    /// What the store keeps of a token.
    pub(crate) fn digest_text(&self, text: &str) -> TokenDigest {
        self.pepper.digest_text(text)
    }

    /// Another key of this license; the gateway is not told.
    pub(crate) async fn add_key(&self, id: LicenseId, key: &KeyRecord) {
        let added = self.store.add_key(id, key, None, &self.stamp()).await;
        assert_eq!(
            added.unwrap(),
            KeyChange::Added {
                retiring: 0,
                ended: 0,
            }
        );
    }

    pub(crate) fn stamp(&self) -> Stamp {
        Stamp::new("test", &*self.clock, &*self.entropy)
    }

    /// The gateway hears of a change now, as when this process had made it.
    pub(crate) async fn changed(&self) {
        self.running().gateway().changed().await;
    }

    /// The challenge of a 401, with this in front of the way in.
    pub(crate) fn challenge(&self, error: &str) -> String {
        let origin = self.running().gateway().config().public_origin();
        let document = format!("{origin}/.well-known/oauth-protected-resource/mcp");
        format!(r#"Bearer {error}resource_metadata="{document}", scope="mcp:tools""#)
    }

    /// The text of its master key.
    pub(crate) fn master_key(&self) -> &str {
        self.setup_yaml.master_key.expose()
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// Writes another configuration; the gateway is not told.
    pub(crate) fn rewrite(&mut self, change: impl FnOnce(&mut Setup)) {
        change(&mut self.setup_yaml);
        std::fs::write(
            &self.config_path,
            yaml(&self.setup_yaml, self.upstream.address),
        )
        .unwrap();
    }

    /// Reads the file again and serves it, as SIGHUP would.
    pub(crate) fn reload(&self) -> Result<(), String> {
        let environment = self.setup_yaml.environment();
        let loaded =
            config::load(&self.config_path, &environment).map_err(|error| error.to_string())?;
        let secrets = configured_secrets(&loaded.config, &self.config_path, &environment);
        let gateway = self.running().gateway();
        gateway
            .reload(loaded.config, &secrets.map_err(|error| error.to_string())?)
            .map(|_| ())
            .map_err(|error| error.to_string())
    }

    /// Stops it and gives what it logged.
    pub(crate) async fn stop(&mut self) -> Vec<Value> {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        self.lines()
    }

    /// The access log so far. Only what was flushed: stop first for everything.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.log_text()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub(crate) fn log_text(&self) -> String {
        String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap()
    }
}

/// The configuration; its master key is in the environment as `KEY`.
pub(crate) fn yaml(setup: &Setup, upstream: SocketAddr) -> String {
    let Setup {
        public,
        limits,
        plans,
        rest,
        tools,
        listen,
        more,
        upstreams,
        ..
    } = setup;
    let tools = tools.replace("@UPSTREAM@", &upstream.to_string());
    // Nobody balances load in most tests.
    let delay = if limits.contains("drain_delay") {
        ""
    } else {
        "  drain_delay: 0s\n"
    };
    format!(
        r#"keys: [{{ id: test, env: KEY }}]
listen:
  public: {public}
  admin: 127.0.0.1:0
{listen}limits:
{delay}{limits}plans:
{plans}{more}upstreams:
  up:
    rest:
      base_url: http://{upstream}
      allow_special_use: [127.0.0.0/8]
      credential: {{ header: X-Api-Key }}
{rest}      tools:
        - name: get_any
          description: Reads one item.
          read_only: true
          loose_schema_because: the hostile cases want to send anything
          request: {{ path: "/v1/items/{{id}}" }}
          input:
            type: object
            additionalProperties: false
            required: [id]
            properties: {{ id: {{ type: string, maxLength: 256 }} }}
        - name: del_item
          description: Removes one item.
          loose_schema_because: the hostile cases want to send anything
          request: {{ method: DELETE, path: "/v1/items/{{id}}" }}
          input:
            type: object
            additionalProperties: false
            required: [id]
            properties: {{ id: {{ type: string, maxLength: 256 }} }}
        - name: files
          description: Reads one file.
          read_only: true
          loose_schema_because: the hostile cases want to send anything
          request: {{ path: "/f/{{path*}}" }}
          input:
            type: object
            additionalProperties: false
            required: [path]
            properties: {{ path: {{ type: string, maxLength: 256 }} }}
        - name: search
          description: Finds items.
          read_only: true
          request: {{ path: /v1/search, query: {{ q: $q, tag: {{ argument: tag }} }} }}
          input:
            type: object
            additionalProperties: false
            required: [q]
            properties:
              q: {{ type: string, maxLength: 64 }}
              tag: {{ type: array, maxItems: 100, items: {{ type: string, maxLength: 16 }} }}
        - name: note
          description: Leaves a note.
          loose_schema_because: the hostile cases want to send anything
          request: {{ method: POST, path: /v1/notes, headers: {{ X-Note: $note }} }}
          input:
            type: object
            additionalProperties: false
            required: [note]
            properties: {{ note: {{ type: string, maxLength: 256 }} }}
        - name: create
          description: Makes an item.
          loose_schema_because: the hostile cases want to send anything
          request: {{ method: POST, path: /v1/items, body: {{ name: $name, qty: $qty, meta: $meta }} }}
          input:
            type: object
            additionalProperties: false
            required: [name]
            properties:
              name: {{ type: string, minLength: 1, maxLength: 64 }}
              qty: {{ type: integer, minimum: 0, maximum: 1000000 }}
              meta: {{ type: object }}
{tools}{upstreams}"#
    )
}
