//! One HTTP/1.1 request to a listener of our own: health checks and the demo's front door.
//! Not for upstreams: those go through `egress`, with its guard.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

/// Longest answer that is read.
const MAX_ANSWER: usize = 1024 * 1024;

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The whole body.
    pub body: Bytes,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum LoopbackError {
    /// Nobody listens there.
    #[error("cannot connect to {0}")]
    Connect(SocketAddr),
    /// It listens and does not answer in HTTP.
    #[error("{0} gave no usable HTTP answer")]
    Answer(SocketAddr),
    /// It took too long.
    #[error("{0} did not answer in time")]
    TimedOut(SocketAddr),
}

/// Sends one request on a connection of its own and reads the answer.
///
/// The request's URI is a path; `Host` is set here.
pub async fn send(
    address: SocketAddr,
    mut request: Request<Full<Bytes>>,
    limit: Duration,
) -> Result<Reply, LoopbackError> {
    if let Ok(host) = address.to_string().parse() {
        request.headers_mut().insert(http::header::HOST, host);
    }
    timeout(limit, exchange(address, request))
        .await
        .unwrap_or(Err(LoopbackError::TimedOut(address)))
}

async fn exchange(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Result<Reply, LoopbackError> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|_| LoopbackError::Connect(address))?;
    let unusable = |_| LoopbackError::Answer(address);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(unusable)?;
    let answer = async move {
        let response = sender.send_request(request).await.map_err(unusable)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await
            .map_err(|_| LoopbackError::Answer(address))?;
        Ok(Reply {
            status,
            body: body.to_bytes(),
        })
    };
    // The connection is driven beside the exchange and dropped with it.
    tokio::pin!(answer);
    tokio::select! {
        reply = &mut answer => reply,
        _ = connection => answer.await,
    }
}
