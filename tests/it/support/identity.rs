//! An identity provider on loopback: signs tokens, publishes its keys, counts who asks.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use axum::{
    Router,
    extract::{Request, State},
    response::Response,
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use tokio::net::TcpListener;

fn b64(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// A key pair that signs tokens.
pub(crate) struct Signer {
    pair: Pair,
    pub(crate) jwk: Value,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
}

impl Signer {
    pub(crate) fn p256(id: &str) -> Self {
        let (signing, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let der = EcdsaKeyPair::generate_pkcs8(signing, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(signing, der.as_ref()).unwrap();
        let point = pair.public_key().as_ref();
        let (x, y) = (b64(&point[1..33]), b64(&point[33..]));
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": id, "use": "sig" });
        Self {
            pair: Pair::P256(pair),
            jwk,
        }
    }

    pub(crate) fn rsa(id: &str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = pair.public_key();
        let n = public.modulus().big_endian_without_leading_zero().to_vec();
        let e = public.exponent().big_endian_without_leading_zero().to_vec();
        let jwk = json!({ "kty": "RSA", "n": b64(&n), "e": b64(&e), "kid": id, "alg": "RS256" });
        Self {
            pair: Pair::Rsa(Box::new(pair)),
            jwk,
        }
    }

    /// The usual header.
    pub(crate) fn header(&self) -> Value {
        let alg = match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
        };
        json!({ "alg": alg, "typ": "at+jwt", "kid": self.jwk["kid"] })
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_as(&self.header(), claims)
    }

    /// Signed by this key whatever the header says.
    pub(crate) fn token_as(&self, header: &Value, claims: &Value) -> String {
        let message = unsigned(header, claims);
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &random,
                    message.as_bytes(),
                    &mut signature,
                )
                .unwrap();
                signature
            }
            Pair::P256(pair) => {
                let signature = pair.sign(&random, message.as_bytes()).unwrap();
                signature.as_ref().to_vec()
            }
        };
        format!("{message}.{}", b64(&signature))
    }
}

/// Header and claims without a signature.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| b64(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

/// How it answers.
pub(crate) struct Answers {
    /// The keys that are published.
    pub(crate) keys: Vec<Value>,
    /// What the discovery document says besides or instead of the truth.
    pub(crate) discovery: Value,
    /// Every answer has this status.
    pub(crate) status: u16,
    /// The discovery document is at RFC 8414's place.
    pub(crate) path_inserted: bool,
    /// Fields of the key set's answer.
    pub(crate) fields: Vec<(&'static str, String)>,
    /// What is behind the key set.
    pub(crate) tail: String,
}

/// The provider.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    answers: Mutex<Answers>,
    asked: Mutex<Vec<String>>,
    issuer: String,
}

impl Provider {
    pub(crate) async fn start(keys: &[&Signer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answers: Mutex::new(Answers {
                keys: keys.iter().map(|key| key.jwk.clone()).collect(),
                discovery: json!({}),
                status: 200,
                path_inserted: false,
                fields: vec![("cache-control", "max-age=600".into())],
                tail: String::new(),
            }),
            asked: Mutex::default(),
            issuer: format!("http://{address}/tenant"),
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared }
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.shared.issuer
    }

    pub(crate) fn answers(&self) -> MutexGuard<'_, Answers> {
        self.shared.answers.lock().unwrap()
    }

    /// Publishes these keys from now on.
    pub(crate) fn publish(&self, keys: &[&Signer]) {
        self.answers().keys = keys.iter().map(|key| key.jwk.clone()).collect();
    }

    /// What was asked for, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// How often the keys were asked for.
    pub(crate) fn key_requests(&self) -> usize {
        self.asked().iter().filter(|path| *path == "/keys").count()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    shared.asked.lock().unwrap().push(path.clone());
    let answers = shared.answers.lock().unwrap();
    let place = if answers.path_inserted {
        "/.well-known/oauth-authorization-server/tenant"
    } else {
        "/tenant/.well-known/openid-configuration"
    };
    let (mut fields, body) = (
        Vec::new(),
        match path.as_str() {
            "/keys" => Some(json!({ "keys": answers.keys }).to_string() + &answers.tail),
            path if path == place => {
                let origin = shared.issuer.trim_end_matches("/tenant");
                let mut document =
                    json!({ "issuer": shared.issuer, "jwks_uri": format!("{origin}/keys") });
                for (name, value) in answers.discovery.as_object().unwrap() {
                    document[name] = value.clone();
                }
                Some(document.to_string())
            }
            _ => None,
        },
    );
    if path == "/keys" {
        fields.clone_from(&answers.fields);
    }
    let status = if body.is_some() { answers.status } else { 404 };
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(name, value);
    }
    response.body(body.unwrap_or_default().into()).unwrap()
}
