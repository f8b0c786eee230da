//! The listener: connection limits, and a shutdown that lets requests finish.

use super::gate::Peer;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Connections at a time. One more waits in the kernel's backlog.
const CONNECTIONS_MAX: usize = 4096;
/// Longest time between the first byte and the end of a request's headers.
const HEADERS_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest request line and headers.
const HEADERS_MAX: usize = 64 * 1024;
/// Most headers.
const HEADER_COUNT_MAX: usize = 100;
/// How long open requests have once the server stops.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Serves until `stop`, then lets open requests finish. Gives whether all did.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> bool {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = stop.cancelled() => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, address)) => connect(stream, address, &router, &graceful, place.ok()),
            Err(error) => {
                // Out of file descriptors: waiting for one to be freed is all there is to do.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    tokio::time::timeout(DRAIN_MAX, graceful.shutdown()).await.is_ok()
}

#[expect(clippy::disallowed_methods, reason = "bounded by the places, and the drain waits for what is watched")]
fn connect(
    stream: TcpStream,
    address: SocketAddr,
    router: &Router,
    graceful: &GracefulShutdown,
    place: Option<tokio::sync::OwnedSemaphorePermit>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY on this connection");
    }
    let router = router.clone();
    let peer = Peer { address: address.ip(), is_secure: false };
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIME_MAX)
        .max_buf_size(HEADERS_MAX)
        .max_headers(HEADER_COUNT_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let watched = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = watched.await {
            tracing::debug!(%error, "connection ended");
        }
        drop(place);
    });
}
