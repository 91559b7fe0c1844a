//! The same sweep for what the authorization server hands out and is told: each secret is in the
//! one answer that it is for, and nowhere else.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::json;
use url::{Url, form_urlencoded};
use wicketgate::clock::{Clock as _, SystemClock};

use super::{Heard, bytes_of};
use crate::support::{
    browser::filled,
    client::Client,
    gateway::known_address,
    identity::{Provider, Signer},
    oauth::{CALLBACK, VERIFIER, challenge, form, form_request},
    operator::{Operator, Serving},
    wire::{Answer, once},
};

/// Everything the gateway answered, and the secrets with the answers that may hold them.
pub(super) struct Traffic {
    pub(super) gateway: Serving,
    cookies: BTreeMap<String, String>,
    pub(super) answers: Vec<String>,
    secrets: Vec<Secret>,
}

struct Secret {
    what: &'static str,
    text: String,
    /// Numbers of answers.
    at_home: Vec<usize>,
}

impl Traffic {
    /// None yet.
    pub(super) const fn of(gateway: Serving) -> Self {
        Self {
            gateway,
            cookies: BTreeMap::new(),
            answers: Vec::new(),
            secrets: Vec::new(),
        }
    }

    async fn send(&mut self, request: &str) -> Answer {
        let answer = once(self.gateway.public, request).await.expect("an answer");
        let mut text = format!("{}\n", answer.status);
        for (name, value) in &answer.headers {
            writeln!(text, "{name}: {value}").unwrap();
            if name == "set-cookie" {
                let (name, rest) = value.split_once('=').unwrap();
                let value = rest.split(';').next().unwrap();
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        text += &answer.body;
        self.answers.push(text);
        answer
    }

    /// A secret of the newest answer. What is handed out in several, such as a form's field when
    /// the page is shown again, is at home in all of them.
    fn given(&mut self, what: &'static str, text: &str) {
        let here = self.answers.len() - 1;
        assert!(self.answers[here].contains(text), "{what} is in its answer");
        self.secret(what, text, vec![here]);
    }

    /// A secret that no answer may hold.
    fn told(&mut self, what: &'static str, text: &str) {
        self.secret(what, text, Vec::new());
    }

    fn secret(&mut self, what: &'static str, text: &str, at_home: Vec<usize>) {
        assert!(text.len() >= 20, "{what}: {text}");
        let text = text.to_owned();
        self.secrets.push(Secret {
            what,
            text,
            at_home,
        });
    }

    pub(super) async fn page(&mut self, path: &str) -> Answer {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n{}\r\n",
            self.gateway.public,
            self.cookie_line()
        );
        self.send(&request).await
    }

    pub(super) async fn press(
        &mut self,
        page: &Answer,
        label: &str,
        typed: &[(&str, &str)],
    ) -> Answer {
        let (action, fields) = filled(page, label, typed);
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&fields)
            .finish();
        let lines = format!("Sec-Fetch-Site: same-origin\r\n{}", self.cookie_line());
        let request = form_request(self.gateway.public, &action, &lines, &body);
        self.send(&request).await
    }

    fn cookie_line(&self) -> String {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if pairs.is_empty() {
            String::new()
        } else {
            format!("Cookie: {}\r\n", pairs.join("; "))
        }
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = form_request(self.gateway.public, path, "", &form(fields));
        self.send(&request).await
    }

    /// Lists tools, with this credential.
    async fn list(&mut self, token: &str) -> u16 {
        let client = Client::modern(self.gateway.public, token);
        let message = client.message(&json!(1), "tools/list", json!({}));
        self.send(&client.request(&message)).await.status
    }
}

/// The field of a form that makes it ours.
fn field(page: &Answer, label: &str) -> String {
    let (_, fields) = filled(page, label, &[]);
    let field = fields.into_iter().find(|(name, _)| name == "form");
    field.expect("a form of ours").1
}

/// From the address to a code; every secret on the way.
async fn sign_in(traffic: &mut Traffic, address: &str, key: &str) -> String {
    let page = traffic.page(address).await;
    assert_eq!(page.status, 200, "{}", page.body);
    traffic.given("sign-in form", &field(&page, "Continue"));
    let visit = traffic.cookies["visit"].clone();
    traffic.given("visit cookie", &visit);
    let wrong = format!("{}0000", &key[..key.len() - 4]);
    traffic.told("mistyped license key", &wrong);
    let page = traffic
        .press(&page, "Continue", &[("license_key", &wrong)])
        .await;
    assert_eq!(page.status, 400, "{}", page.body);
    traffic.given("sign-in form again", &field(&page, "Continue"));
    let sent = traffic
        .press(&page, "Continue", &[("license_key", key)])
        .await;
    assert_eq!(sent.status, 303, "{}", sent.body);
    let login = traffic.cookies["login"].clone();
    traffic.given("login cookie", &login);
    let consent = traffic.page(address).await;
    traffic.given("consent form", &field(&consent, "Allow"));
    let sent = traffic.press(&consent, "Allow", &[]).await;
    assert_eq!(sent.status, 303, "{}", sent.body);
    let there = Url::parse(sent.header("location").unwrap()).unwrap();
    let code = there.query_pairs().find(|(name, _)| name == "code");
    let code = code.unwrap().1.into_owned();
    traffic.given("code", &code);
    let account = traffic.page("/account").await;
    traffic.given("account form", &field(&account, "Sign out"));
    code
}

/// Registers a client with a secret; its id and secret.
async fn register(traffic: &mut Traffic) -> (String, String) {
    let body = json!({
        "client_name": "Notes",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "client_secret_post",
    });
    let body = body.to_string();
    let request = form_request(traffic.gateway.public, "/register", "", &body).replacen(
        "application/x-www-form-urlencoded",
        "application/json",
        1,
    );
    let made = traffic.send(&request).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let made = made.json();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let secret = text("client_secret");
    traffic.given("client secret", &secret);
    (text("client_id"), secret)
}

/// Redeems, calls, rotates, replays, revokes; and shows every token where it does not belong.
async fn use_tokens(traffic: &mut Traffic, code: &str, (id, secret): (&str, &str)) {
    let who = [("client_id", id), ("client_secret", secret)];
    let code_fields = [
        ("grant_type", "authorization_code"),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("code", code),
    ];
    let mut refresh = String::new();
    for turn in 0..2 {
        let fields = match turn {
            0 => [&who[..], &code_fields[..]].concat(),
            _ => [
                &who[..],
                &[("grant_type", "refresh_token"), ("refresh_token", &refresh)],
            ]
            .concat(),
        };
        let given = traffic.post("/token", &fields).await;
        assert_eq!(given.status, 200, "{}", given.body);
        let given = given.json();
        let access = given["access_token"].as_str().unwrap();
        traffic.given("access token", access);
        let next = given["refresh_token"].as_str().unwrap().to_owned();
        traffic.given("refresh token", &next);
        assert_eq!(traffic.list(access).await, 200);
        // A refresh token calls nothing, and no token is for an address.
        assert_eq!(traffic.list(&next).await, 401);
        let odd = format!("/mcp?access_token={access}");
        assert_eq!(traffic.page(&odd).await.status, 400);
        let odd = format!("/authorize?login_hint={next}&state={access}");
        assert_eq!(traffic.page(&odd).await.status, 400);
        refresh = next;
    }
    let replayed = [&who[..], &code_fields[..]].concat();
    assert_eq!(traffic.post("/token", &replayed).await.status, 400);
    let fields = [&who[..], &[("token", refresh.as_str())]].concat();
    assert_eq!(traffic.post("/revoke", &fields).await.status, 200);
    let other = [("client_id", id), ("client_secret", &refresh)];
    let fields = [&other[..], &code_fields[..]].concat();
    assert_eq!(traffic.post("/token", &fields).await.status, 401);
}

/// `POST /session`, and what an identity provider signed.
async fn other_ways_in(traffic: &mut Traffic, key: &str, tokens: [&str; 2]) {
    let given = traffic.post("/session", &[("license_key", key)]).await;
    assert_eq!(given.status, 200, "{}", given.body);
    let given = given.json();
    let token = given["access_token"].as_str().unwrap();
    traffic.given("session token", token);
    assert_eq!(traffic.list(token).await, 200);
    for (token, status) in tokens.into_iter().zip([200, 401]) {
        traffic.told("a provider's token", token);
        let (_, signature) = token.rsplit_once('.').unwrap();
        traffic.told("its signature", signature);
        assert_eq!(traffic.list(token).await, status);
    }
}

fn operator(issuer: &str) -> Operator {
    let public = known_address();
    let mut operator = Operator::new(&format!(
        "keys: [{{ id: k1, file: master.key }}]\n\
         listen: {{ public: \"{public}\", admin: \"127.0.0.1:0\" }}\n\
         plans: {{ pro: {{ tools: [\"*\"] }} }}\n\
         auth:\n  issuers:\n    - issuer: {issuer}\n      allow_special_use: [127.0.0.0/8]\n      \
         license: {{ claim: org }}\n\
         upstreams:\n  up:\n    rest:\n      base_url: http://127.0.0.1:9\n      \
         allow_special_use: [127.0.0.0/8]\n      tools:\n        - name: get\n          \
         description: Gets it.\n          request: {{ method: GET, path: /it }}\n          \
         input: {{ type: object, additionalProperties: false }}\n"
    ));
    operator.run("key generate --out master.key").done();
    operator.export("WICKETGATE_LOG", "trace");
    operator
}

#[tokio::test]
async fn no_secret_of_a_connection_is_anywhere_but_where_it_belongs() {
    let signer = Signer::p256("a");
    let provider = Provider::start(&[&signer]).await;
    let operator = operator(provider.issuer());
    let issued = operator.run("license issue --name A --plan pro --json");
    let issued = issued.done().json();
    let key = issued["key"].as_str().unwrap();
    let id = issued["id"].as_str().unwrap();
    let gateway = operator.serve().await;
    let resource = format!("http://{}/mcp", gateway.public);
    let now = SystemClock::new().now().as_millis() / 1_000;
    let token = |exp: i64| {
        let claims = json!({ "iss": provider.issuer(), "aud": resource, "sub": "user",
            "exp": exp, "org": id });
        signer.token(&claims)
    };
    let mut traffic = Traffic::of(gateway);
    traffic.told("license key", key);
    let (client, secret) = register(&mut traffic).await;
    let query = form(&[
        ("response_type", "code"),
        ("client_id", &client),
        ("redirect_uri", CALLBACK),
        ("code_challenge", &challenge()),
        ("code_challenge_method", "S256"),
        ("resource", &resource),
        ("scope", "mcp:tools"),
    ]);
    let code = sign_in(&mut traffic, &format!("/authorize?{query}"), key).await;
    use_tokens(&mut traffic, &code, (&client, &secret)).await;
    let tokens = [token(now + 3_600), token(now - 3_600)];
    other_ways_in(&mut traffic, key, [&tokens[0], &tokens[1]]).await;
    traffic.told("verifier", VERIFIER);

    let mut health = Heard::default();
    for path in ["/metrics", "/readyz", "/livez"] {
        health.note(traffic.gateway.ask(path).await);
    }
    let mut said = String::new();
    for line in [
        "session list --all --json",
        "client list --json",
        "license list --json",
    ] {
        let ran = operator.run(line).done();
        said += &(ran.out + &ran.err);
    }
    let while_serving = [
        bytes_of(&operator.place, "wicketgate.db-wal"),
        bytes_of(&operator.place, "wicketgate.db"),
    ];
    assert_eq!(traffic.gateway.stop().await, Some(0));
    let (out, err) = (traffic.gateway.stdout(), traffic.gateway.stderr());
    let after = bytes_of(&operator.place, "wicketgate.db");
    let mut places: Vec<(String, &[u8])> = vec![
        ("access log".into(), out.as_bytes()),
        ("standard error".into(), err.as_bytes()),
        ("health and metrics".into(), health.0.as_bytes()),
        ("commands".into(), said.as_bytes()),
        ("write-ahead log".into(), &while_serving[0]),
        ("database".into(), &while_serving[1]),
        ("database after the end".into(), &after),
    ];
    let first_answer = places.len();
    for (number, answer) in traffic.answers.iter().enumerate() {
        places.push((format!("answer {number}"), answer.as_bytes()));
    }
    let holds = |bytes: &[u8], text: &str| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    let mut found = Vec::new();
    for secret in &traffic.secrets {
        for (at, (place, bytes)) in places.iter().enumerate() {
            let home = at >= first_answer && secret.at_home.contains(&(at - first_answer));
            if holds(bytes, &secret.text) != home {
                found.push(format!("{place} and {}: at home is {home}", secret.what));
            }
        }
    }
    assert_eq!(found, [""; 0]);

    // The control: it was the talkative level, and the search finds what is there.
    assert!(err.contains("\"level\":\"TRACE\"") || err.contains("\"level\":\"DEBUG\""));
    assert!(holds(&after, &client) && holds(out.as_bytes(), "/token"));
    assert!(traffic.secrets.len() >= 17, "{}", traffic.secrets.len());
    assert_eq!(out.lines().count(), traffic.answers.len());
}
