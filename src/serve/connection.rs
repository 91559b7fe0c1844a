//! One connection: its bytes watched, its requests counted, its end orderly.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request};
use bytes::Bytes;
use http::{HeaderValue, Response, header::CONNECTION};
use http_body::{Frame, SizeHint};
use hyper::{body::Incoming, rt, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tower::Service as _;

use super::{
    accept::Door,
    pulse::{AnswerId, Progress, Pulse, Turn},
};
use crate::http::Peer;

/// Buffer for a request's head.
const HEAD_BUFFER: usize = 64 << 10;
/// How long a client has to take part in an orderly end, twice.
const FAREWELL: Duration = Duration::from_secs(1);
const STREAMS: u32 = 100;
const HEADER_LIST: u32 = 16 << 10;

/// Serves one connection until it ends, is idle for too long, or the process stops.
pub async fn serve(stream: TcpStream, peer: Peer, door: &Door) {
    let pulse = Arc::new(Pulse::new(Arc::clone(&door.clock), door.waits.connection));
    let watched = Watched {
        stream: TokioIo::new(stream),
        pulse: Arc::clone(&pulse),
    };
    let service = service_fn(|request: http::Request<Incoming>| {
        let (mut router, pulse) = (Router::clone(&door.service.load()), Arc::clone(&pulse));
        let version = request.version();
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(door.waits.body);
        pulse.request_begins();
        let counted = Counted {
            pulse,
            version,
            answer: None,
        };
        let answer = router.call(request);
        let goodbye = door.goodbye.clone();
        async move {
            let mut answer = answer.await?;
            // A client that keeps the connection may send on it just as it closes. HTTP/2 says which
            // requests were taken (RFC 9113 section 6.8), HTTP/1 does not.
            if goodbye.is_cancelled() && version <= http::Version::HTTP_11 {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(CONNECTION, close);
            }
            Ok::<_, std::convert::Infallible>(with_count(answer, counted))
        }
    });
    let builder = builder();
    let mut connection = pin!(builder.serve_connection(watched, service));
    let mut watchdog = pin!(watch(&pulse));
    tokio::select! {
        // A connection that fails has nobody left to be told.
        _ = connection.as_mut() => {}
        () = watchdog.as_mut() => {}
        () = door.stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                _ = connection => {}
                () = watchdog => {}
                // An orderly end of HTTP/2 waits for the client; one that is asleep never answers.
                () = quiet(&pulse) => {}
            }
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // The pulse keeps both limits; see there.
        .header_read_timeout(None)
        .max_buf_size(HEAD_BUFFER)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_LIST)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(100);
    builder
}

/// Two looks in a row without a request.
async fn quiet(pulse: &Pulse) {
    let mut looks = 0;
    while looks < 2 {
        tokio::time::sleep(FAREWELL).await;
        looks = if pulse.is_quiet() { looks + 1 } else { 0 };
    }
}

async fn watch(pulse: &Pulse) {
    while let Some(left) = pulse.left() {
        tokio::time::sleep(left).await;
    }
}

/// A request that is being answered, until dropped.
struct Counted {
    pulse: Arc<Pulse>,
    version: http::Version,
    answer: Option<AnswerId>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(id) = self.answer {
            self.pulse.answer_ends(id);
        }
        self.pulse.request_ends(self.version);
    }
}

fn with_count(response: Response<Body>, mut counted: Counted) -> Response<CountedBody> {
    counted.answer = Some(counted.pulse.answer_begins());
    response.map(|body| CountedBody { body, counted })
}

/// A body whose request counts as running until it is gone.
struct CountedBody {
    body: Body,
    counted: Counted,
}

impl http_body::Body for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Some(id) = self.counted.answer {
            let turn = if matches!(polled, Poll::Ready(Some(_))) {
                Turn::Client
            } else {
                Turn::Ours
            };
            self.counted.pulse.answer_at(id, turn);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that tells the pulse what passes.
struct Watched<S> {
    stream: TokioIo<S>,
    pulse: Arc<Pulse>,
}

impl<S: AsyncRead + Unpin> rt::Read for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: rt::ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if polled.is_ready() {
            self.pulse.received();
        }
        polled
    }
}

impl<S> Watched<S> {
    fn note<T>(&self, polled: &Poll<std::io::Result<T>>) {
        self.pulse.wrote(if polled.is_pending() {
            Progress::None
        } else {
            Progress::Some
        });
    }
}

impl<S: AsyncWrite + Unpin> rt::Write for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(&polled);
        polled
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.note(&polled);
        polled
    }
}
