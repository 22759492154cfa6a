//! Connections: bounded in number, in the time for a request's head, and in how long a client may read nothing. `axum::serve` has none of
//! these bounds.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

use super::app::PeerAddress;
use super::format::take_suffix;
use super::stall_guard::StallGuard;
use crate::model::saturating;
use crate::system::cancellation::Cancellation;

/// How long a client may take to send a request's head.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The age at which a connection is closed after the request in progress: a client that reads a byte a second must not hold it for ever.
const MOST_AGE: Duration = Duration::from_secs(900);
/// The largest head of a request, bytes.
const LARGEST_HEAD: usize = 64 << 10;
/// The most headers of a request.
const MOST_HEADERS: usize = 100;
/// How long answers in progress may take after a request to stop.
pub(crate) const GRACE: Duration = Duration::from_secs(30);
/// Pause after an accept that failed, as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How connections are made and bounded.
pub(super) struct Transport {
    /// Connections at the same time.
    pub connections: usize,
    /// How long an answer may stay unread.
    pub unread_time: Duration,
    /// `None` for plain HTTP.
    pub tls: Option<TlsAcceptor>,
}

/// Answers connections until it is cancelled, and then those that have a request in progress. Whether all of them ended.
pub(super) async fn answer(listener: TcpListener, router: Router, transport: Transport, cancellation: &Cancellation) -> bool {
    let Transport {
        connections,
        unread_time,
        tls,
    } = transport;
    let permits = Arc::new(Semaphore::new(connections));
    loop {
        let permit = tokio::select! {
            _ = cancellation.cancelled() => break,
            permit = Arc::clone(&permits).acquire_owned() => permit,
        };
        let Ok(permit) = permit else { break };
        let accepted = tokio::select! {
            _ = cancellation.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        bound(&stream, unread_time);
        let stream = StallGuard::new(stream, unread_time);
        let (router, stopping, tls) = (router.clone(), cancellation.clone(), tls.clone());
        tokio::spawn(async move {
            let ended = match tls {
                None => converse(stream, router, peer, &stopping).await,
                Some(tls) => match tokio::time::timeout(HEAD_TIME, tls.accept(stream)).await {
                    Ok(Ok(stream)) => converse(stream, router, peer, &stopping).await,
                    Ok(Err(error)) => Err(error.into()),
                    Err(_) => Err("no TLS handshake in time".into()),
                },
            };
            // A client that broke off, or sent what is no HTTP.
            if let Err(error) = ended {
                tracing::debug!(%peer, %error, "connection ended");
            }
            drop(permit);
        });
    }
    drop(listener);
    let all = saturating::to_u32(connections);
    tokio::time::timeout(GRACE, permits.acquire_many(all)).await.is_ok()
}

type ConversationError = Box<dyn std::error::Error + Send + Sync>;

/// Answers the requests of a connection, one after another.
async fn converse<S>(stream: S, router: Router, peer: SocketAddr, stopping: &Cancellation) -> Result<(), ConversationError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), hyper::service::service_fn(service(router, peer)));
    let mut connection = std::pin::pin!(connection);
    let is_stopping = tokio::select! {
        ended = connection.as_mut() => return Ok(ended?),
        _ = stopping.cancelled() => true,
        () = tokio::time::sleep(MOST_AGE) => false,
    };
    // The request in progress is the last one.
    connection.as_mut().graceful_shutdown();
    if is_stopping {
        return Ok(connection.await?);
    }
    match tokio::time::timeout(GRACE, connection).await {
        Ok(ended) => Ok(ended?),
        Err(_) => Err("the answer was read too slowly".into()),
    }
}

fn service(router: Router, peer: SocketAddr) -> impl Fn(Request<Incoming>) -> ServiceFuture {
    move |request| {
        let mut request = take_suffix(request.map(Body::new));
        request.extensions_mut().insert(PeerAddress(peer));
        // A router is always ready.
        Box::pin(router.clone().call(request))
    }
}

type ServiceFuture = Pin<Box<dyn Future<Output = Result<axum::response::Response, Infallible>> + Send>>;

/// The kernel ends connections whose client does not read; answers are sent as soon as they are there.
fn bound(stream: &TcpStream, unread_time: Duration) {
    let socket = socket2::SockRef::from(stream);
    #[cfg(target_os = "linux")]
    if let Err(error) = socket.set_tcp_user_timeout(Some(unread_time)) {
        tracing::debug!(%error, "cannot bound unread answers");
    }
    if let Err(error) = socket.set_tcp_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
}
