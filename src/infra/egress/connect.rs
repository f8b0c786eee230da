//! Connecting: names are resolved by our own resolver, addresses pass the guard, and the whole has a time limit.
//!
//! The binary is linked statically against glibc, whose `getaddrinfo` would load NSS modules at run time. No name is therefore ever given to the
//! system: hickory reads `/etc/resolv.conf` and `/etc/hosts` itself, and literal addresses are parsed here.

use super::endpoint::bare_host;
use super::error::{EgressError, OfflineCause};
use super::guard::Reach;
use hickory_resolver::TokioResolver;
use hyper::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tower::Service;

/// How long one try at one name server may take.
const DNS_TRY: Duration = Duration::from_secs(2);
/// How long one address of several may take to answer.
const ADDRESS_TRY: Duration = Duration::from_secs(4);
/// The most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 6;

/// A connection that was not made, carried through hyper's error.
#[derive(Debug)]
pub(super) struct ConnectFault(pub(super) EgressError);

impl fmt::Display for ConnectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for ConnectFault {}

fn offline(cause: OfflineCause, reason: String) -> ConnectFault {
    ConnectFault(EgressError::Offline { cause, reason })
}

/// The resolver, made at first use and again after a failure: a laptop that changes networks changes `/etc/resolv.conf` under us.
#[derive(Clone, Default)]
pub(super) struct Names(Arc<Mutex<Option<Arc<TokioResolver>>>>);

impl Names {
    fn resolver(&self) -> Result<Arc<TokioResolver>, ConnectFault> {
        let mut slot = self.0.lock();
        if let Some(resolver) = slot.as_ref() {
            return Ok(Arc::clone(resolver));
        }
        let mut builder = TokioResolver::builder_tokio()
            .map_err(|error| offline(OfflineCause::Dns, format!("no name servers are configured ({error})")))?;
        let options = builder.options_mut();
        options.timeout = DNS_TRY;
        options.attempts = 2;
        let resolver = Arc::new(builder.build());
        *slot = Some(Arc::clone(&resolver));
        drop(slot);
        Ok(resolver)
    }

    async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, ConnectFault> {
        if let Ok(literal) = host.parse::<IpAddr>() {
            return Ok(vec![literal]);
        }
        match self.resolver()?.lookup_ip(host).await {
            Ok(found) => Ok(found.iter().take(ADDRESSES_MAX).collect()),
            Err(error) => {
                *self.0.lock() = None;
                Err(offline(OfflineCause::Dns, format!("the name {host} cannot be resolved ({error})")))
            }
        }
    }
}

/// Makes TCP connections that passed the guard.
#[derive(Clone)]
pub(super) struct Guarded {
    pub(super) names: Names,
    pub(super) reach: Reach,
}

impl Guarded {
    async fn connect(self, target: Uri) -> Result<TokioIo<TcpStream>, ConnectFault> {
        let authority = target.authority().ok_or_else(|| ConnectFault(EgressError::Malformed("no host".to_owned())))?;
        let host = bare_host(authority);
        let port = authority.port_u16().unwrap_or(if target.scheme_str() == Some("http") { 80 } else { 443 });
        let mut last = offline(OfflineCause::Dns, format!("the name {host} has no address"));
        for address in self.names.lookup(host).await? {
            if let Some(why) = self.reach.refusal(address) {
                return Err(ConnectFault(EgressError::Blocked { host: host.to_owned(), address, why }));
            }
            match tokio::time::timeout(ADDRESS_TRY, TcpStream::connect(SocketAddr::new(address, port))).await {
                Ok(Ok(stream)) => {
                    // Small requests wait for no acknowledgement; that it cannot be set is no reason to give up.
                    stream.set_nodelay(true).unwrap_or_default();
                    return Ok(TokioIo::new(stream));
                }
                Ok(Err(error)) => {
                    last = offline(OfflineCause::Connect, format!("{host} refused the connection ({error})"));
                }
                Err(_) => last = offline(OfflineCause::ConnectTimeout, format!("{host} did not answer")),
            }
        }
        Err(last)
    }
}

impl Service<Uri> for Guarded {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectFault;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        Box::pin(self.clone().connect(target))
    }
}

/// Limits name resolution, TCP and TLS together, and tells a TLS fault from the others.
#[derive(Clone)]
pub(super) struct Timed {
    pub(super) inner: HttpsConnector<Guarded>,
    pub(super) limit: Duration,
}

impl Service<Uri> for Timed {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = ConnectFault;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let host = target.host().unwrap_or_default().to_owned();
        let connecting = self.inner.call(target);
        let limit = self.limit;
        Box::pin(async move {
            match tokio::time::timeout(limit, connecting).await {
                Ok(Ok(stream)) => Ok(stream),
                Ok(Err(error)) => Err(match error.downcast::<ConnectFault>() {
                    Ok(fault) => *fault,
                    Err(tls) => offline(
                        OfflineCause::Tls,
                        format!(
                            "no trusted connection to {host} ({tls}); if the certificate is said to be \
                             out of date, check this machine's clock"
                        ),
                    ),
                }),
                Err(_) => Err(offline(OfflineCause::ConnectTimeout, format!("{host} did not answer within {limit:?}"))),
            }
        })
    }
}
