//! Documents as [`Clients`] reads them, over a double for the web; and what the other tests of this
//! folder stand on.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::Notify;
use url::Url;

use super::{web::Read, *};
use crate::{
    clock::{ManualClock, Timestamp},
    config::auth::{AcceptDocuments, ClientDocumentsConfig, RegistrationConfig},
    entropy::OsEntropy,
    limit::LocalLimiter,
    store::StoreTarget,
};

pub(super) const NOW: i64 = 1_795_000_000;
pub(super) const ID: &str = "https://cimd.test/client";

/// What the web holds: a document by address, or why there is none.
#[derive(Default)]
pub(super) struct Double {
    pages: Mutex<HashMap<String, Result<Value, ReadFault>>>,
    pub(super) reads: AtomicUsize,
    /// Readings from hosts of strangers that never answer.
    hung: Mutex<Vec<Url>>,
    /// Readings wait for this, when it is there.
    gate: Mutex<Option<Arc<Notify>>>,
}

impl Double {
    pub(super) fn put(&self, address: &str, page: Result<Value, ReadFault>) {
        self.pages.lock().unwrap().insert(address.to_owned(), page);
    }

    pub(super) fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

impl Reader for Double {
    fn permits(&self, url: &Url) -> bool {
        url.host_str() != Some("10.0.0.1")
    }

    fn read(&self, url: Url, _: usize) -> BoxFuture<'static, Result<Read, ReadFault>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let page = self.pages.lock().unwrap().get(url.as_str()).cloned();
        let gate = self.gate.lock().unwrap().clone();
        let is_hung = url.host_str().is_some_and(|host| host.starts_with("hang"));
        if is_hung {
            self.hung.lock().unwrap().push(url);
        }
        Box::pin(async move {
            if is_hung {
                std::future::pending::<()>().await;
            }
            if let Some(gate) = gate {
                gate.notified().await;
            }
            let page = page.unwrap_or(Err(ReadFault::Silent))?;
            let body = Bytes::from(page.to_string());
            let fresh = Duration::from_mins(5);
            Ok(Read { body, fresh })
        })
    }
}

/// Clients over an empty store.
pub(super) struct Ground {
    pub(super) clients: Arc<Clients>,
    pub(super) store: Store,
    pub(super) web: Arc<Double>,
    pub(super) clock: Arc<ManualClock>,
}

impl Ground {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let web = Arc::new(Double::default());
        let (clients, store, clock) = made(web.clone(), change).await;
        Self {
            clients,
            store,
            web,
            clock,
        }
    }

    /// Clients alone, over another way out.
    pub(super) async fn over(
        reader: Arc<dyn Reader>,
        change: impl FnOnce(&mut Settings),
    ) -> Arc<Clients> {
        made(reader, change).await.0
    }
}

async fn made(
    reader: Arc<dyn Reader>,
    change: impl FnOnce(&mut Settings),
) -> (Arc<Clients>, Store, Arc<ManualClock>) {
    let store = Store::open(&StoreTarget::SqliteMemory).await.unwrap();
    let now = Timestamp::from_millis(NOW * 1_000);
    let clock = Arc::new(ManualClock::new(now));
    store.migrate(now).await.unwrap();
    let mut settings = Settings {
        issuer: "https://gw.test".into(),
        resource: "https://gw.test/mcp".into(),
        access: Duration::from_hours(24),
        idle: Duration::from_hours(24),
        absolute: Duration::from_hours(24),
        browser: Duration::from_hours(12),
        exchange: Duration::from_hours(1),
        documents: ClientDocumentsConfig::default(),
        registration: RegistrationConfig::default(),
    };
    change(&mut settings);
    let clients = Clients::new(ClientsParts {
        store: store.clone(),
        settings: Arc::new(settings),
        pepper: Pepper::new(&[7; 32]),
        limiter: Arc::new(Limiter::Local(LocalLimiter::new(clock.clone()))),
        clock: clock.clone(),
        entropy: Arc::new(OsEntropy),
        reader,
    });
    (Arc::new(clients), store, clock)
}

fn document() -> Value {
    json!({ "client_id": ID, "client_name": "Cimd", "redirect_uris": ["https://cimd.test/cb"] })
}

fn id() -> ClientId {
    ID.parse().unwrap()
}

#[tokio::test]
async fn a_document_is_read_once_while_it_counts() {
    let ground = Ground::new().await;
    ground.web.put(ID, Ok(document()));
    for _ in 0..3 {
        let client = ground.clients.find(&id()).await.unwrap();
        assert_eq!(
            (client.name.as_str(), client.publisher),
            ("Cimd", Publisher::Unknown)
        );
    }
    assert_eq!(ground.web.reads(), 1);
    ground.clock.advance(Duration::from_mins(5));
    ground.clients.find(&id()).await.unwrap();
    assert_eq!(ground.web.reads(), 2);
}

#[tokio::test]
async fn o_24_an_odd_address_is_never_read() {
    let ground = Ground::new().await;
    for bad in [
        "https://cimd.test/a/../b",
        "https://u:p@cimd.test/b",
        "https://cimd.test/",
    ] {
        let found = ground.clients.find(&bad.parse().unwrap()).await;
        assert!(matches!(found, Err(ClientFault::Document(_))), "{bad}");
    }
    assert_eq!(ground.web.reads(), 0);
}

#[tokio::test]
async fn o_26_a_changed_document_is_seen_when_the_copy_ends() {
    let ground = Ground::new().await;
    ground.web.put(ID, Ok(document()));
    let before = ground.clients.find(&id()).await.unwrap();
    let mut more = document();
    more["redirect_uris"] = json!(["https://cimd.test/cb", "https://cimd.test/more"]);
    ground.web.put(ID, Ok(more));
    assert_eq!(ground.clients.find(&id()).await.unwrap(), before);
    ground.clock.advance(Duration::from_mins(5));
    let after = ground.clients.find(&id()).await.unwrap();
    assert_eq!(after.redirect_uris.len(), 2);
}

#[tokio::test]
async fn o_27_a_failure_is_not_remembered() {
    let ground = Ground::new().await;
    let missing = ReadFault::Unreadable("nothing can be read");
    ground.web.put(ID, Err(missing));
    assert_eq!(ground.clients.find(&id()).await, Err(missing.into()));
    let mut wrong = document();
    wrong["client_id"] = json!("https://cimd.test/Client");
    ground.web.put(ID, Ok(wrong));
    assert!(ground.clients.find(&id()).await.is_err());
    ground.web.put(ID, Ok(document()));
    assert!(ground.clients.find(&id()).await.is_ok());
    assert_eq!(ground.web.reads(), 3);
}

async fn for_token(ground: &Ground, way: ClientAuth) -> Result<Client, ClientFault> {
    let patience = Patience::new();
    ground.clients.find_for_token(&id(), way, &patience).await
}

#[tokio::test]
async fn a_stale_copy_serves_only_tokens_and_only_for_a_day() {
    let ground = Ground::new().await;
    let clients = &ground.clients;
    ground.web.put(ID, Ok(document()));
    let known = clients.find(&id()).await;
    assert!(known.is_ok());
    ground.clock.advance(Duration::from_hours(24));
    // Also what is no document takes nothing back.
    for fault in [
        ReadFault::Silent,
        ReadFault::Unreadable("an address of the client leads elsewhere"),
    ] {
        ground.web.put(ID, Err(fault));
        assert_eq!(clients.find(&id()).await, Err(fault.into()));
        assert_eq!(for_token(&ground, ClientAuth::None).await, known);
    }
    ground.web.put(ID, Ok(json!({ "error": "maintenance" })));
    assert_eq!(for_token(&ground, ClientAuth::None).await, known);
    // A document that takes the client back is heard.
    let mut other = document();
    other["client_id"] = json!("https://cimd.test/other");
    ground.web.put(ID, Ok(other));
    let heard = for_token(&ground, ClientAuth::None).await;
    assert!(matches!(heard, Err(ClientFault::Document(_))), "{heard:?}");
    ground.web.put(ID, Err(ReadFault::Silent));
    ground.clock.advance(Duration::from_mins(5));
    let unread = for_token(&ground, ClientAuth::None).await;
    assert_ne!(unread, known);
}

#[tokio::test]
async fn a_form_can_be_sent_while_its_clients_document_is_away() {
    let ground = Ground::new().await;
    ground.web.put(ID, Ok(document()));
    let shown = ground.clients.find(&id()).await;
    assert!(shown.is_ok());
    ground
        .clock
        .advance(Duration::from_mins(5 + 10) - Duration::from_secs(1));
    for fault in [ReadFault::Silent, ReadFault::Unreadable("404")] {
        ground.web.put(ID, Err(fault));
        assert_eq!(ground.clients.find(&id()).await, shown);
    }
    // What the document says now counts, also that it refuses.
    ground
        .web
        .put(ID, Ok(json!({ "client_id": ID, "redirect_uris": [] })));
    let heard = ground.clients.find(&id()).await;
    assert!(matches!(heard, Err(ClientFault::Document(_))), "{heard:?}");
    ground.web.put(ID, Err(ReadFault::Silent));
    ground.clock.advance(Duration::from_secs(1));
    assert_eq!(
        ground.clients.find(&id()).await,
        Err(ClientFault::Unavailable)
    );
}

#[tokio::test]
async fn a_restart_ends_no_session_of_a_public_document_client() {
    for fault in [ReadFault::Silent, ReadFault::Unreadable("404")] {
        let ground = Ground::new().await;
        ground.web.put(ID, Err(fault));
        let client = for_token(&ground, ClientAuth::None).await.unwrap();
        assert_eq!((client.id, client.kind), (id(), ClientKind::Document));
        assert_eq!(client.auth, ClientAuth::None);
        // Nothing can be sent there: no login begins with it.
        assert!(client.redirect_uris.is_empty());
        assert_eq!(ground.clients.find(&id()).await, Err(fault.into()));
        for way in [
            ClientAuth::PrivateKeyJwt,
            ClientAuth::ClientSecretBasic,
            ClientAuth::ClientSecretPost,
        ] {
            let found = for_token(&ground, way).await;
            assert_eq!(found, Err(ClientFault::Unavailable), "{way:?}");
        }
    }
    let off = Ground::with(|settings| settings.documents.accept = AcceptDocuments::Off).await;
    let found = for_token(&off, ClientAuth::None).await;
    assert!(matches!(found, Err(ClientFault::Document(_))));
}

#[tokio::test]
async fn who_had_keys_does_not_become_public_when_its_document_is_away() {
    let ground = Ground::new().await;
    let mut keyed = document();
    keyed["token_endpoint_auth_method"] = json!("private_key_jwt");
    keyed["jwks_uri"] = json!("https://cimd.test/jwks");
    ground.web.put(ID, Ok(keyed));
    ground.clients.find(&id()).await.unwrap();
    ground.web.put(ID, Err(ReadFault::Silent));
    ground.clock.advance(Duration::from_hours(48));
    let found = for_token(&ground, ClientAuth::None).await;
    assert_eq!(found, Err(ClientFault::Unavailable));
}

#[tokio::test]
async fn s_20_readings_are_few_and_shared() {
    let ground = Ground::new().await;
    let gate = Arc::new(Notify::new());
    *ground.web.gate.lock().unwrap() = Some(Arc::clone(&gate));
    ground.web.put(ID, Ok(document()));
    let mut asking = tokio::task::JoinSet::new();
    let ask = |set: &mut tokio::task::JoinSet<_>, id: &str| {
        let (clients, id) = (Arc::clone(&ground.clients), id.parse::<ClientId>().unwrap());
        set.spawn(async move { clients.find(&id).await });
    };
    for _ in 0..50 {
        ask(&mut asking, ID);
    }
    while ground.web.reads() < 1 {
        tokio::task::yield_now().await;
    }
    let mut others = tokio::task::JoinSet::new();
    for number in 0..20 {
        ask(&mut others, &format!("https://other{number}.test/c"));
    }
    // Five more are under way; the others wait a moment and are told then.
    for _ in 0..15 {
        let told = others.join_next().await.unwrap().unwrap();
        assert_eq!(told, Err(ClientFault::Unavailable));
    }
    assert_eq!(ground.web.reads(), 6);
    *ground.web.gate.lock().unwrap() = None;
    while !(asking.is_empty() && others.is_empty()) {
        gate.notify_waiters();
        tokio::select! {
            Some(found) = asking.join_next() => assert!(found.unwrap().is_ok()),
            Some(found) = others.join_next() => assert!(found.unwrap().is_err()),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(ground.web.reads(), 6);
    assert!(ground.clients.documents.inner_is_idle());
}

/// Asks for what strangers named and does not wait for the answer.
fn flood(ground: &Ground, addresses: impl Iterator<Item = String>) -> tokio::task::JoinSet<()> {
    addresses
        .map(|id| (Arc::clone(&ground.clients), id.parse::<ClientId>().unwrap()))
        .map(|(clients, id)| async move { drop(clients.find(&id).await) })
        .collect()
}

async fn hung(ground: &Ground, count: usize) -> Vec<Url> {
    let hung = || ground.web.hung.lock().unwrap().clone();
    while hung().len() < count {
        tokio::task::yield_now().await;
    }
    hung()
}

#[tokio::test]
async fn s_20_a_flood_of_strangers_leaves_good_logins_alone() {
    let listed = "https://listed.test/client";
    let ground = Ground::with(|settings| {
        settings.documents.hosts = vec!["listed.test".into()];
    })
    .await;
    ground.web.put(ID, Ok(document()));
    ground.clients.find(&id()).await.unwrap();
    ground.clock.advance(Duration::from_mins(5));
    let asked = flood(
        &ground,
        (0..1_000).map(|n| format!("https://hang{n}.test/c")),
    );
    hung(&ground, 6).await;
    // One that is known, and one whose host is listed, are read meanwhile and do not wait.
    assert!(ground.clients.find(&id()).await.is_ok());
    let mut other = document();
    other["client_id"] = json!(listed);
    ground.web.put(listed, Ok(other));
    assert!(ground.clients.find(&listed.parse().unwrap()).await.is_ok());
    assert_eq!(ground.web.hung.lock().unwrap().len(), 6);
    drop(asked);
}

#[tokio::test]
async fn s_20_new_hosts_are_counted_by_the_minute_and_met_ones_are_not() {
    let ground = Ground::new().await;
    ground.web.put(ID, Ok(document()));
    ground.clients.find(&id()).await.unwrap();
    let ask = async |id: String| ground.clients.find(&id.parse().unwrap()).await;
    for number in 0..100 {
        assert!(ask(format!("https://s{number}.test/c")).await.is_err());
    }
    assert_eq!(ground.web.reads(), 60);
    // Another document of a host that was read well before.
    let other = "https://cimd.test/other";
    let mut more = document();
    more["client_id"] = json!(other);
    ground.web.put(other, Ok(more));
    assert!(ask(other.to_owned()).await.is_ok());
    // Addresses of such a host that nobody published have a count of their own.
    for number in 0..100 {
        assert!(ask(format!("https://cimd.test/{number}")).await.is_err());
    }
    assert_eq!(ground.web.reads(), 60 + 60);
    ground.clock.advance(Duration::from_mins(5));
    assert!(ask(ID.to_owned()).await.is_ok());
}

#[tokio::test]
async fn few_readings_of_one_host_run_at_once() {
    let ground = Ground::new().await;
    let one = (0..20).map(|n| format!("https://hang.test/{n}"));
    let asked = flood(&ground, one);
    hung(&ground, 1).await;
    let two = flood(&ground, std::iter::once("https://hang2.test/c".to_owned()));
    let hung = hung(&ground, 2).await;
    let of = |host| {
        hung.iter()
            .filter(|url| url.host_str() == Some(host))
            .count()
    };
    assert!(of("hang.test") <= 2 && of("hang2.test") == 1, "{hung:?}");
    drop((asked, two));
}

#[tokio::test]
async fn who_asked_first_may_go_away() {
    let ground = Ground::new().await;
    let gate = Arc::new(Notify::new());
    *ground.web.gate.lock().unwrap() = Some(Arc::clone(&gate));
    ground.web.put(ID, Ok(document()));
    let first = ground.clients.clone();
    let first = tokio::spawn(async move { first.find(&id()).await });
    while ground.web.reads() < 1 {
        tokio::task::yield_now().await;
    }
    first.abort();
    let second = ground.clients.clone();
    let second = tokio::spawn(async move { second.find(&id()).await });
    while !second.is_finished() {
        gate.notify_waiters();
        tokio::task::yield_now().await;
    }
    assert!(second.await.unwrap().is_ok());
    assert_eq!(ground.web.reads(), 1);
}

#[tokio::test]
async fn documents_can_be_listed_or_off() {
    let listed = Ground::with(|settings| {
        settings.documents.accept = AcceptDocuments::Listed;
        settings.documents.hosts = vec!["cimd.test".into()];
    })
    .await;
    listed.web.put(ID, Ok(document()));
    let client = listed.clients.find(&id()).await.unwrap();
    assert_eq!(client.publisher, Publisher::Listed);
    let other = "https://other.test/c".parse().unwrap();
    assert!(matches!(
        listed.clients.find(&other).await,
        Err(ClientFault::Document(_))
    ));
    let off = Ground::with(|settings| settings.documents.accept = AcceptDocuments::Off).await;
    assert!(matches!(
        off.clients.find(&id()).await,
        Err(ClientFault::Document(_))
    ));
    assert_eq!((listed.web.reads(), off.web.reads()), (1, 0));
}
