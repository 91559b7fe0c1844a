//! A browser that keeps cookies and fills in forms, and the clients whose addresses it opens.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use url::{Url, form_urlencoded};
use wicketgate::{
    crypto::{ClientId as Minted, TokenDigest},
    entropy::OsEntropy,
    grant::{ClientAuth, ClientId, ClientKind},
    store::ClientRecord,
};

use super::{
    gateway::{Setup, TestGateway},
    wire::{Answer, Wire},
};

/// The gateway as these tests name it.
pub(crate) const HOST: &str = "gw.test";
pub(crate) const ORIGIN: &str = "https://gw.test";
/// Where most of the clients here are answered.
pub(crate) const CALLBACK: &str = "https://app.test/cb";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A public address for the gateway, as behind a load balancer.
pub(crate) fn public(setup: &mut Setup) {
    setup.more.push_str("public_url: https://gw.test\n");
}

/// A person's browser.
pub(crate) struct Browser<'g> {
    /// Each request goes to the next of them.
    gateways: &'g [SocketAddr],
    pub(crate) sent: usize,
    /// The id of each answer, in the order of the requests.
    pub(crate) trail: Vec<String>,
    from: IpAddr,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl<'g> Browser<'g> {
    pub(crate) fn new(gateway: &'g TestGateway) -> Self {
        Self::over(std::slice::from_ref(&gateway.address))
    }

    /// Before several replicas: each request goes to another one than the one before.
    pub(crate) fn over(gateways: &'g [SocketAddr]) -> Self {
        Self {
            gateways,
            sent: 0,
            trail: Vec::new(),
            from: [127, 0, 0, 1].into(),
            cookies: BTreeMap::new(),
        }
    }

    /// The same from another address of this machine.
    pub(crate) fn from(gateway: &'g TestGateway, last: u8) -> Self {
        Self {
            from: [127, 0, 1, last].into(),
            ..Self::new(gateway)
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, "", "").await
    }

    /// Sends a form with further header lines.
    pub(crate) async fn post(
        &mut self,
        path: &str,
        fields: &[(String, String)],
        lines: &str,
    ) -> Answer {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.send("POST", path, &format!("{form}{lines}"), &body.finish())
            .await
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        lines: &str,
        body: &str,
    ) -> Answer {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        let cookies = if pairs.is_empty() {
            String::new()
        } else {
            format!("Cookie: {}\r\n", pairs.join("; "))
        };
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n{cookies}{lines}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let gateway = self.gateways[self.sent % self.gateways.len()];
        self.sent += 1;
        let mut wire = Wire::connect_from(self.from, gateway).await;
        wire.send(text.as_bytes()).await;
        let answer = wire.answer().await.expect("an answer");
        self.trail
            .extend(answer.header("x-request-id").map(str::to_owned));
        for (name, value) in &answer.headers {
            if name == "set-cookie" {
                let (name, rest) = value.split_once('=').unwrap();
                let value = rest.split(';').next().unwrap();
                if value.is_empty() {
                    self.cookies.remove(name);
                } else {
                    self.cookies.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        answer
    }

    /// Fills in the page's form that has this button and presses it, as browsers do.
    pub(crate) async fn press(
        &mut self,
        page: &Answer,
        label: &str,
        typed: &[(&str, &str)],
    ) -> Answer {
        let (action, fields) = filled(page, label, typed);
        self.post(
            &action,
            &fields,
            "Sec-Fetch-Site: same-origin\r\nOrigin: null\r\n",
        )
        .await
    }

    /// Signs in on this page and follows to where it leads.
    pub(crate) async fn sign_in(&mut self, page: &Answer, key: &str) -> Answer {
        let sent = self.press(page, "Continue", &[("license_key", key)]).await;
        assert_eq!(sent.status, 303, "{}", sent.body);
        let address = sent.header("location").unwrap().to_owned();
        self.get(&address).await
    }
}

/// The form that a button belongs to: its address and all that it would send.
pub(crate) fn filled(
    page: &Answer,
    label: &str,
    typed: &[(&str, &str)],
) -> (String, Vec<(String, String)>) {
    let forms = page.body.split("<form ").skip(1);
    let form = forms
        .map(|form| form.split("</form>").next().unwrap())
        .find(|form| form.contains(&format!(">{label}<")))
        .unwrap_or_else(|| panic!("no button {label} in {}", page.body));
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!("{name}=\""))?;
        Some(unescaped(rest.split('"').next().unwrap()))
    };
    let mut fields: Vec<(String, String)> = form
        .split("<input type=\"hidden\"")
        .skip(1)
        .map(|tag| {
            (
                attribute(tag, "name").unwrap(),
                attribute(tag, "value").unwrap(),
            )
        })
        .collect();
    for (name, value) in typed {
        fields.push(((*name).to_owned(), (*value).to_owned()));
    }
    let button = form
        .split("<button")
        .skip(1)
        .find(|tag| tag.contains(&format!(">{label}<")))
        .unwrap();
    fields.push((
        attribute(button, "name").unwrap(),
        attribute(button, "value").unwrap(),
    ));
    (attribute(form, "action").unwrap(), fields)
}

fn unescaped(text: &str) -> String {
    let mut text = text.to_owned();
    for (escape, c) in [
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
    ] {
        text = text.replace(escape, c);
    }
    text.replace("&#38;", "&")
}

/// The address that a client opens.
pub(crate) fn authorize(client: &ClientId, change: &[(&str, &str)]) -> String {
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", client.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("resource", "https://gw.test/mcp"),
        ("scope", "mcp:tools"),
        ("state", "s-1"),
    ];
    for (name, value) in change {
        pairs.retain(|(known, _)| known != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    format!("/authorize?{}", query.extend_pairs(pairs).finish())
}

/// What a redirect to the client says.
pub(crate) fn told(answer: &Answer) -> BTreeMap<String, String> {
    assert_eq!(answer.status, 303, "{}", answer.body);
    let address = Url::parse(answer.header("location").unwrap()).unwrap();
    address.query_pairs().into_owned().collect()
}

impl TestGateway {
    /// A client that registered itself under this name.
    pub(crate) async fn client(&self, name: &str, redirect_uris: &[&str]) -> ClientId {
        let id = ClientId::from(&Minted::generate(&OsEntropy));
        let mut fingerprint = [0; 32];
        fingerprint[..16].copy_from_slice(&id.as_str().as_bytes()[4..20]);
        let record = ClientRecord {
            id: id.clone(),
            kind: ClientKind::Registered,
            name: name.to_owned(),
            redirect_uris: redirect_uris.iter().map(|uri| (*uri).to_owned()).collect(),
            auth: ClientAuth::None,
            secret: None,
            secret_hint: None,
            jwks: None,
            jwks_uri: None,
            fingerprint: Some(TokenDigest::from_bytes(fingerprint)),
            created: self.clock.now(),
            used: None,
        };
        self.store.register_client(&record, 1_000).await.unwrap();
        id
    }
}
