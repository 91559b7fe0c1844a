use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

use super::{
    super::{Client, tests::Ground},
    *,
};

/// A site on loopback with a certificate of its own authority.
struct Site {
    port: u16,
    /// Connections that came.
    seen: Arc<AtomicUsize>,
    ca: tempfile::NamedTempFile,
}

impl Site {
    /// Answers every request with these bytes, the last one after a `pause`.
    async fn start(answer: Vec<u8>, pause: Duration) -> Self {
        crate::egress::install_tls_provider();
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), pair.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(pair.signing_key.serialize_der()).unwrap();
        let tls = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![pair.cert.der().clone()], key)
            .unwrap();
        let tls = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Ports that the system gives out have five digits, so lengths stay as they were.
        let answer = match std::str::from_utf8(&answer) {
            Ok(text) => text.replace("#####", &format!("{port:05}")).into_bytes(),
            Err(_) => answer,
        };
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (tls, answer) = (tls.clone(), answer.clone());
                tokio::spawn(async move {
                    let Ok(mut socket) = tls.accept(socket).await else {
                        return;
                    };
                    let _ = socket.read(&mut [0; 4096]).await;
                    let (start, last) = answer.split_at(answer.len() - 1);
                    let _ = socket.write_all(start).await;
                    let _ = socket.flush().await;
                    tokio::time::sleep(pause).await;
                    let _ = socket.write_all(last).await;
                    let _ = socket.shutdown().await;
                });
            }
        });
        Self { port, seen, ca }
    }

    async fn plain(head: &str, body: &str) -> Self {
        let length = body.len();
        let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n{body}");
        Self::start(answer.into_bytes(), Duration::ZERO).await
    }

    fn url(&self) -> Url {
        let port = self.port;
        Url::parse(&format!("https://localhost:{port}/client")).unwrap()
    }

    /// A way out that trusts this site and may reach loopback.
    fn web(&self) -> Web {
        Web::new(&ClientDocumentsConfig {
            allow_special_use: vec!["127.0.0.0/8".parse().unwrap()],
            ca_file: Some(self.ca.path().to_owned()),
            ..ClientDocumentsConfig::default()
        })
        .unwrap()
    }

    async fn read(&self) -> Result<Read, ReadFault> {
        self.web().read(self.url(), 5 * 1024).await
    }
}

const OK: &str = "200 OK\r\nContent-Type: application/json";

#[track_caller]
fn refused(found: Result<Read, ReadFault>, part: &str) {
    match found {
        Err(ReadFault::Refused(text) | ReadFault::Unreadable(text)) => {
            assert!(text.contains(part), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_document_is_read_over_tls_of_a_private_authority() {
    let site = Site::plain(&format!("{OK}\r\nCache-Control: max-age=3600"), "{}").await;
    let read = site.read().await.unwrap();
    assert_eq!(read.body, "{}");
    assert_eq!(read.fresh, Duration::from_hours(1));
    let vendor = "200 OK\r\nContent-Type: application/cimd+json; charset=utf-8";
    assert!(Site::plain(vendor, "{}").await.read().await.is_ok());
}

#[tokio::test]
async fn a_client_is_known_by_its_document_over_real_tls() {
    let document = r#"{"client_id":"https://localhost:#####/client","client_name":"Real",
        "redirect_uris":["http://localhost/callback"]}"#;
    let site = Site::plain(OK, document).await;
    let ground = Ground::over(Arc::new(site.web()), |_| {}).await;
    let client = ground
        .find(&site.url().as_str().parse().unwrap())
        .await
        .unwrap();
    assert_eq!(client.name, "Real");
    assert_eq!(client.redirect_uris, ["http://localhost/callback"]);
    // Another path of the same site has the same document, which names the first.
    let other = site.url().as_str().replace("/client", "/other");
    let found = ground.find(&other.parse().unwrap()).await;
    refused_client(found, "differs from its address");
    let guarded = Web::new(&ClientDocumentsConfig::default()).unwrap();
    let ground = Ground::over(Arc::new(guarded), |_| {}).await;
    let found = ground.find(&site.url().as_str().parse().unwrap()).await;
    refused_client(found, "not out on the Internet");
}

#[track_caller]
fn refused_client(found: Result<Client, ClientFault>, part: &str) {
    match found {
        Err(ClientFault::Document(text)) => assert!(text.contains(part), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn s_18_a_certificate_nobody_vouches_for_is_refused() {
    let site = Site::plain(OK, "{}").await;
    let policy = ClientDocumentsConfig {
        allow_special_use: vec!["127.0.0.0/8".parse().unwrap()],
        ..ClientDocumentsConfig::default()
    };
    let stranger = Web::new(&policy).unwrap();
    let found = stranger.read(site.url(), 5 * 1024).await;
    assert_eq!(found, Err(ReadFault::Silent));
    // The right authority, another name.
    let url = site.url().as_str().replace("localhost", "127.0.0.1");
    let found = site.web().read(Url::parse(&url).unwrap(), 5 * 1024).await;
    assert_eq!(found, Err(ReadFault::Silent));
}

#[tokio::test]
async fn s_01_to_s_07_special_use_addresses_are_not_dialled() {
    let site = Site::plain(OK, "{}").await;
    let web = Web::new(&ClientDocumentsConfig {
        ca_file: Some(site.ca.path().to_owned()),
        ..ClientDocumentsConfig::default()
    })
    .unwrap();
    let port = site.port;
    for host in [
        "169.254.169.254",
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "0.0.0.0",
        "10.0.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "100.64.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[fd00:ec2::254]",
        "localhost",
        "localhost.",
        "foo.localhost",
    ] {
        let url = Url::parse(&format!("https://{host}:{port}/c")).unwrap();
        refused(
            web.read(url.clone(), 5_120).await,
            "not out on the Internet",
        );
        assert!(host.ends_with('.') || !web.permits(&url), "{host}");
    }
    let plain = Url::parse(&format!("http://127.0.0.1:{port}/c")).unwrap();
    refused(
        site.web().read(plain, 5_120).await,
        "not out on the Internet",
    );
    assert_eq!(site.seen.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn s_19_other_ports_are_listed_or_inside() {
    let site = Site::plain(OK, "{}").await;
    let port = site.port;
    let of = |hosts: Vec<String>, networks: &[&str]| {
        Web::new(&ClientDocumentsConfig {
            hosts,
            allow_special_use: networks.iter().map(|net| net.parse().unwrap()).collect(),
            ca_file: Some(site.ca.path().to_owned()),
            ..ClientDocumentsConfig::default()
        })
        .unwrap()
    };
    let permits = |web: &Web, url: &str| web.permits(&Url::parse(url).unwrap());
    let public = of(vec!["a.test:8443".to_owned()], &[]);
    for (url, good) in [
        ("https://a.test/c", true),
        ("https://a.test:443/c", true),
        ("https://a.test:8443/c", true),
        ("https://a.test:22/c", false),
        ("https://b.test:8443/c", false),
        ("https://9.9.9.9/c", true),
        ("https://9.9.9.9:22/c", false),
    ] {
        assert_eq!(permits(&public, url), good, "{url}");
    }
    let odd = Url::parse("https://b.test:22/c").unwrap();
    refused(public.read(odd, 5_120).await, "a port other than 443");
    // An allowed network is reached at any port, but nothing beside it.
    let inside = of(vec![], &["127.0.0.0/8"]);
    assert!(inside.read(site.url(), 5_120).await.is_ok());
    assert!(!permits(&inside, "https://9.9.9.9:8443/c"));
    // A listed port does not open a network.
    let listed = of(vec![format!("localhost:{port}")], &[]);
    refused(
        listed.read(site.url(), 5_120).await,
        "not out on the Internet",
    );
    assert_eq!(site.seen.load(Ordering::SeqCst), 1);
}

#[test]
fn names_inside_are_told_as_names_that_are_not() {
    let absent = fault_of(EgressError::Connect);
    assert_eq!(fault_of(EgressError::AddressRefused), absent);
    assert_eq!(fault_of(EgressError::ConnectTimeout), absent);
    assert_eq!(ClientFault::from(absent), ClientFault::Unavailable);
}

#[tokio::test]
async fn s_11_a_redirect_is_a_refusal() {
    let other = Site::plain(OK, "{}").await;
    let head = format!("302 Found\r\nLocation: {}", other.url());
    let site = Site::plain(&head, "").await;
    refused(site.read().await, "leads elsewhere");
    assert_eq!(other.seen.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn s_17_bodies_are_counted_and_soon_over() {
    let exact = Site::plain(OK, &"x".repeat(5_120)).await;
    assert_eq!(exact.read().await.unwrap().body.len(), 5_120);
    let one_more = Site::plain(OK, &"x".repeat(5_121)).await;
    refused(one_more.read().await, "too large");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
    let huge = format!(
        "HTTP/1.1 {OK}\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        chunk.repeat(160)
    );
    let huge = Site::start(huge.into_bytes(), Duration::ZERO).await;
    refused(huge.read().await, "too large");
    let slow = format!("HTTP/1.1 {OK}\r\nContent-Length: 2\r\n\r\n{{}}");
    let slow = Site::start(slow.into_bytes(), Duration::from_mins(1)).await;
    let since = Instant::now();
    assert_eq!(slow.read().await, Err(ReadFault::Silent));
    assert!(
        since.elapsed() < Duration::from_secs(7),
        "{:?}",
        since.elapsed()
    );
}

#[tokio::test]
async fn what_is_no_json_document_is_refused() {
    for (head, part) in [
        ("200 OK\r\nContent-Type: text/html", "not sent as JSON"),
        (
            "200 OK\r\nContent-Type: application/jsonx",
            "not sent as JSON",
        ),
        ("200 OK", "not sent as JSON"),
        (
            "200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip",
            "compressed",
        ),
        (
            "404 Not Found\r\nContent-Type: application/json",
            "nothing can be read",
        ),
        (
            "201 Created\r\nContent-Type: application/json",
            "nothing can be read",
        ),
    ] {
        refused(Site::plain(head, "{}").await.read().await, part);
    }
    let down = Site::plain("503 Down\r\nContent-Type: application/json", "{}").await;
    assert_eq!(down.read().await, Err(ReadFault::Silent));
}

#[test]
fn freshness_keeps_its_bounds() {
    let of = |text: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(text));
        freshness(&headers).as_secs()
    };
    assert_eq!(of("max-age=3600"), 3_600);
    assert_eq!(of("public, Max-Age=600, must-revalidate"), 600);
    for least in [
        "max-age=1",
        "no-store",
        "max-age=3600, no-store",
        "max-age=x",
        "",
    ] {
        assert_eq!(of(least), 300, "{least}");
    }
    assert_eq!(of("max-age=31536000"), 86_400);
    assert_eq!(freshness(&HeaderMap::new()).as_secs(), 300);
}

#[test]
fn a_file_without_certificates_is_told_at_the_start() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let web = |path: &Path| {
        let policy = ClientDocumentsConfig {
            ca_file: Some(path.to_owned()),
            ..ClientDocumentsConfig::default()
        };
        Web::new(&policy).map(|_| ()).unwrap_err().to_string()
    };
    assert!(web(file.path()).contains("no PEM certificates"));
    assert!(web(Path::new("/nowhere/ca.pem")).contains("cannot be read"));
}
