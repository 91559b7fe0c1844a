//! One request to a provider: short, small, never redirected. Nothing of its answer is logged.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, USER_AGENT},
};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::AccountSite;
use crate::{
    egress::{EgressClient, EgressError, EgressRequest, body::BODY_IDLE, read_body},
    secret::{SecretBytes, SecretString},
};

/// Longest time for one request, from the name to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);

/// Largest answer.
const LARGEST: usize = 64 * 1024;

/// GitHub answers nobody who has none.
const NAME: &str = concat!("wicketgate/", env!("CARGO_PKG_VERSION"));

/// What a provider answered. Its body may hold tokens, also when it is an error.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: SecretBytes,
}

/// Why a provider gave no answer that can be used. Holds nothing of what it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskFault {
    /// No answer.
    #[error("{0}")]
    Egress(#[from] EgressError),
    /// None in ten seconds.
    #[error("no answer in time")]
    Late,
    /// It wants us to ask elsewhere. We do not.
    #[error("a redirect")]
    Redirected,
    /// It has trouble of its own, or enough of us.
    #[error("status {0}")]
    Trouble(u16),
    /// Not in the form that the specification asks for.
    #[error("an answer that cannot be read")]
    Unreadable,
    /// An error that says nothing about the grant or the client.
    #[error("an error answer")]
    OtherError,
}

/// A request without what is said in every one.
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
}

impl Question {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: None,
        }
    }

    /// With an access token.
    pub(super) fn with_bearer(mut self, token: &SecretString) -> Result<Self, AskFault> {
        let value = zeroize::Zeroizing::new(format!("Bearer {}", token.expose()));
        let mut value = HeaderValue::from_str(&value).map_err(|_| AskFault::Unreadable)?;
        value.set_sensitive(true);
        self.headers.insert(AUTHORIZATION, value);
        Ok(self)
    }
}

impl AccountSite {
    /// Asks the provider. Answers of 3xx, 429 and 5xx are faults.
    pub(super) async fn ask(&self, question: Question) -> Result<Reply, AskFault> {
        question.ask(&self.egress).await
    }
}

impl Question {
    /// Asks by this way. Answers of 3xx, 429 and 5xx are faults.
    pub(super) async fn ask(self, egress: &EgressClient) -> Result<Reply, AskFault> {
        self.ask_within(egress, PATIENCE).await
    }

    async fn ask_within(
        self,
        egress: &EgressClient,
        patience: Duration,
    ) -> Result<Reply, AskFault> {
        let question = self;
        let mut headers = question.headers;
        headers
            .entry(ACCEPT)
            .or_insert(HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(NAME));
        let request = EgressRequest {
            method: question.method,
            url: question.url,
            headers,
            body: question.body,
        };
        let deadline = Instant::now() + patience;
        let sent = timeout_at(deadline, egress.send(request)).await;
        let response = sent.map_err(|_| AskFault::Late)??;
        let status = response.status();
        if status.is_redirection() {
            return Err(AskFault::Redirected);
        }
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(AskFault::Trouble(status.as_u16()));
        }
        let body = read_body(response, LARGEST, BODY_IDLE, deadline).await?;
        Ok(Reply {
            status,
            body: SecretBytes::new(body.to_vec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;
    use crate::egress::{EgressProfile, Scheme, install_tls_provider};

    #[tokio::test]
    async fn c_10_an_answer_that_never_ends_is_given_up() {
        const SHORT: Duration = Duration::from_millis(200);
        install_tls_provider();
        for begins in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{ \"access_token\": \"ca",
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/token", listener.local_addr().unwrap());
            let stalls = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 1024]).await.unwrap();
                stream.write_all(begins.as_bytes()).await.unwrap();
                std::future::pending::<()>().await;
            });
            let egress = EgressClient::for_upstream(&EgressProfile {
                allow_special_use: vec!["127.0.0.0/8".parse().unwrap()],
                ..EgressProfile::new(Scheme::Http)
            });
            let began = Instant::now();
            let question = Question::new(Method::POST, Url::parse(&url).unwrap());
            let fault = question.ask_within(&egress.unwrap(), SHORT).await.err();
            assert!(
                matches!(fault, Some(AskFault::Late | AskFault::Egress(_))),
                "{begins}: {fault:?}"
            );
            let took = began.elapsed();
            assert!(took >= SHORT && took < PATIENCE, "{took:?}");
            stalls.abort();
        }
    }
}
