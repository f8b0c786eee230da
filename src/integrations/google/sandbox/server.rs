//! The sandbox's listener, which can be taken offline: then the port is closed and every connection is cut.

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How long to wait before the port is tried again when it is taken.
const REBIND: Duration = Duration::from_millis(20);

/// Cuts the connection on which a request came, without an answer.
#[derive(Clone)]
pub(super) struct Cut(pub(super) CancellationToken);

/// One listener and what it serves.
pub(super) struct Serving {
    pub(super) app: Router,
    /// Whether it shall be offline.
    pub(super) wanted: watch::Receiver<bool>,
    /// Whether it is.
    pub(super) report: watch::Sender<bool>,
    pub(super) stop: CancellationToken,
}

impl Serving {
    /// Serves until stopped.
    pub(super) async fn run(mut self, listener: TcpListener) {
        let Ok(address) = listener.local_addr() else { return };
        let mut current = Some(listener);
        loop {
            let Some(listener) = current.take() else { return };
            if !self.online(listener).await {
                return;
            }
            self.report.send_replace(true);
            current = self.back(address).await;
            self.report.send_replace(false);
        }
    }

    /// Serves while online. Says whether it ended by going offline.
    async fn online(&mut self, listener: TcpListener) -> bool {
        let mut connections = JoinSet::new();
        let mut switchable = true;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return false,
                changed = self.wanted.changed(), if switchable => match changed {
                    Ok(()) if *self.wanted.borrow_and_update() => {
                        drop(listener);
                        // Cut before it is reported, so that no later request finds a connection open.
                        connections.shutdown().await;
                        return true;
                    }
                    Ok(()) => {}
                    Err(_) => switchable = false,
                },
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => {
                    if let Ok((stream, _)) = accepted {
                        connections.spawn(connection(stream, self.app.clone()));
                    }
                }
            }
        }
    }

    /// The listener again, once it shall be back. `None` when stopped.
    async fn back(&mut self, address: SocketAddr) -> Option<TcpListener> {
        tokio::select! {
            () = self.stop.cancelled() => return None,
            online = self.wanted.wait_for(|offline| !*offline) => { online.ok()?; }
        }
        loop {
            if let Ok(listener) = TcpListener::bind(address).await {
                return Some(listener);
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(REBIND) => {}
            }
        }
    }
}

async fn connection(stream: TcpStream, app: Router) {
    let cut = Cut(CancellationToken::new());
    let token = cut.0.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(cut.clone());
        app.clone().oneshot(request)
    });
    let serving = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        () = token.cancelled() => {}
        // A client that goes away is no fault of the sandbox.
        _ = serving => {}
    }
}
