//! The demo's upstream: a small bookshop API on loopback that refuses every request without its
//! secret header, and remembers what it last received. Never serves anything real.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{HeaderName, HeaderValue, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::secret::SecretString;

/// The header that carries the secret.
pub const SECRET_HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// A running bookshop; stops when dropped.
pub struct Bookshop {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<Counter>,
    _stop: DropGuard,
}

/// What a request brought, as the bookshop saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Received {
    /// The request line's method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// What was in the secret header. Never the value.
    pub key: KeyState,
}

/// What was in the secret header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// The secret.
    Right,
    /// Something else.
    Wrong,
    /// Nothing.
    Missing,
}

struct Counter {
    secret: SecretString,
    last: Mutex<Option<Received>>,
}

impl Bookshop {
    /// Opens the shop on a free loopback port.
    pub async fn open(secret: SecretString) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Counter {
            secret,
            last: Mutex::new(None),
        });
        let stop = CancellationToken::new();
        let router = Router::new()
            .route("/books", get(async |query: Query<Search>| search(query)))
            .route("/books/{isbn}", get(async |isbn: Path<String>| book(&isbn)))
            .route("/genres", get(async || genres()))
            .layer(middleware::from_fn_with_state(
                Arc::clone(&state),
                only_with_secret,
            ));
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(async move {
            // An accept error ends the demo's upstream; the call made next says so.
            let _ = axum::serve(listener, router)
                .with_graceful_shutdown(stopped)
                .await;
        });
        Ok(Self {
            address,
            state,
            _stop: stop.drop_guard(),
        })
    }

    /// The last request that came, whether it was let in or not.
    pub fn last_received(&self) -> Option<Received> {
        self.state
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Counter {
    fn judge(&self, value: Option<&HeaderValue>) -> KeyState {
        let Some(value) = value else {
            return KeyState::Missing;
        };
        if value
            .as_bytes()
            .ct_eq(self.secret.expose().as_bytes())
            .into()
        {
            KeyState::Right
        } else {
            KeyState::Wrong
        }
    }
}

async fn only_with_secret(
    State(counter): State<Arc<Counter>>,
    request: Request,
    next: Next,
) -> Response {
    let key = counter.judge(request.headers().get(SECRET_HEADER));
    let received = Received {
        method: request.method().to_string(),
        target: request.uri().to_string(),
        key,
    };
    *counter.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(received);
    if key == KeyState::Right {
        next.run(request).await
    } else {
        (
            StatusCode::UNAUTHORIZED,
            Json(json!({ "error": "missing or wrong X-Api-Key" })),
        )
            .into_response()
    }
}

struct Book {
    isbn: &'static str,
    title: &'static str,
    author: &'static str,
    genre: &'static str,
    price_cents: u32,
    stock: u32,
    /// Never leaves the gateway: the tools' keep-lists leave it out.
    supplier_note: &'static str,
}

const BOOKS: [Book; 6] = [
    Book::new(
        "9780000000011",
        "The Lighthouse Ledger",
        "Ines Marlow",
        "mystery",
        1_890,
        4,
    ),
    Book::new(
        "9780000000028",
        "Salt and Circuitry",
        "Tomas Brandt",
        "science-fiction",
        2_250,
        0,
    ),
    Book::new(
        "9780000000035",
        "A Field Guide to Small Gates",
        "Orla Penn",
        "essays",
        1_400,
        12,
    ),
    Book::new(
        "9780000000042",
        "Bread for a Long Winter",
        "Miriam Castell",
        "cooking",
        2_990,
        7,
    ),
    Book::new(
        "9780000000059",
        "The Cartographer's Debt",
        "Ines Marlow",
        "mystery",
        1_990,
        2,
    ),
    Book::new(
        "9780000000066",
        "Nine Rivers North",
        "Jonas Eide",
        "travel",
        1_650,
        5,
    ),
];

impl Book {
    const fn new(
        isbn: &'static str,
        title: &'static str,
        author: &'static str,
        genre: &'static str,
        price_cents: u32,
        stock: u32,
    ) -> Self {
        Self {
            isbn,
            title,
            author,
            genre,
            price_cents,
            stock,
            supplier_note: "cost 40 % of list",
        }
    }

    fn summary(&self) -> Value {
        json!({ "isbn": self.isbn, "title": self.title, "author": self.author })
    }

    fn details(&self) -> Value {
        json!({
            "isbn": self.isbn,
            "title": self.title,
            "author": self.author,
            "genre": self.genre,
            "price_cents": self.price_cents,
            "stock": self.stock,
            "supplier_note": self.supplier_note,
        })
    }
}

#[derive(Deserialize)]
struct Search {
    q: Option<String>,
    genre: Option<String>,
    limit: Option<usize>,
}

fn search(Query(search): Query<Search>) -> Json<Value> {
    let words = search.q.unwrap_or_default().to_lowercase();
    let fits = |book: &&Book| {
        let text = format!("{} {}", book.title, book.author).to_lowercase();
        text.contains(&words)
            && search
                .genre
                .as_ref()
                .is_none_or(|genre| book.genre == genre)
    };
    let books: Vec<_> = BOOKS
        .iter()
        .filter(fits)
        .take(search.limit.unwrap_or(BOOKS.len()))
        .map(Book::summary)
        .collect();
    Json(json!({ "count": books.len(), "books": books }))
}

fn book(isbn: &str) -> Response {
    match BOOKS.iter().find(|book| book.isbn == isbn) {
        Some(book) => Json(book.details()).into_response(),
        None => (
            StatusCode::NOT_FOUND,
            Json(json!({ "error": "no such book" })),
        )
            .into_response(),
    }
}

fn genres() -> Json<Value> {
    let mut genres: Vec<_> = BOOKS.iter().map(|book| book.genre).collect();
    genres.sort_unstable();
    genres.dedup();
    Json(json!({ "genres": genres }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http_body_util::Full;

    use super::*;
    use crate::{cli::loopback, secret::Secret};

    async fn ask(shop: &Bookshop, target: &str, key: Option<&str>) -> (u16, Value) {
        let mut request = http::Request::get(target);
        if let Some(key) = key {
            request = request.header(SECRET_HEADER, key);
        }
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let reply = loopback::send(shop.address, request, Duration::from_secs(10))
            .await
            .unwrap();
        (
            reply.status.as_u16(),
            serde_json::from_slice(&reply.body).unwrap(),
        )
    }

    #[tokio::test]
    async fn every_route_is_closed_without_the_secret() {
        let shop = Bookshop::open(Secret::new("open sesame".to_owned()))
            .await
            .unwrap();
        for target in ["/books", "/books/9780000000011", "/genres", "/nowhere"] {
            assert_eq!(ask(&shop, target, None).await.0, 401, "{target}");
            assert_eq!(ask(&shop, target, Some("open")).await.0, 401, "{target}");
        }
        let last = shop.last_received().unwrap();
        assert_eq!(
            (last.target.as_str(), last.key),
            ("/nowhere", KeyState::Wrong)
        );
    }

    #[tokio::test]
    async fn books_are_found_by_word_genre_and_number() {
        let shop = Bookshop::open(Secret::new("key".to_owned())).await.unwrap();
        let (status, found) =
            ask(&shop, "/books?q=marlow&genre=mystery&limit=1", Some("key")).await;
        assert_eq!((status, &found["count"]), (200, &json!(1)));
        let (status, book) = ask(&shop, "/books/9780000000035", Some("key")).await;
        assert_eq!((status, &book["stock"]), (200, &json!(12)));
        assert_eq!(ask(&shop, "/books/1", Some("key")).await.0, 404);
        assert_eq!(shop.last_received().unwrap().key, KeyState::Right);
    }
}
