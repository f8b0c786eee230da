//! Where a call goes: a vendor's host on the public internet, or a sandbox on this machine. The type keeps the two apart (decision D25).

use super::guard::Reach;
use hyper::Uri;
use hyper::http::uri::{Authority, Scheme};
use std::net::IpAddr;

/// The longest base address that is read.
const URL_MAX: usize = 2_048;

/// A base address that calls are made to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    scheme: Scheme,
    authority: Authority,
    base: String,
    reach: Reach,
}

/// Why a text is not an endpoint.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EndpointError {
    /// Not an absolute address with a scheme and a host, or one with a query, a fragment or a user.
    #[error("`{0}` is not a base address, as in https://api.example.com")]
    Format(String),
    /// Vendors are reached over https only.
    #[error("`{0}` must start with https://")]
    Scheme(String),
    /// The host can never be on the public internet.
    #[error("the host `{host}` is not on the public internet ({why})")]
    Private {
        /// The host as written.
        host: String,
        /// Which rule refused it.
        why: &'static str,
    },
    /// A sandbox that is not on this machine.
    #[error("`{0}` is not on this machine, and a sandbox must be")]
    NotLoopback(String),
}

impl Endpoint {
    /// A host of a vendor: https on the public internet. The address guard checks every connection again after the name is resolved.
    pub fn vendor(url: &str) -> Result<Self, EndpointError> {
        let (scheme, authority, base) = split(url)?;
        if scheme != Scheme::HTTPS {
            return Err(EndpointError::Scheme(shown(url)));
        }
        let host = bare_host(&authority).to_ascii_lowercase();
        if let Some(why) = private_host(&host) {
            return Err(EndpointError::Private { host, why });
        }
        Ok(Self { scheme, authority, base, reach: Reach::Public })
    }

    /// A sandbox on this machine, over http or https. For the wiring of demo and training and for tests only: the wiring of a live store never
    /// makes one (decision D25).
    pub fn sandbox(url: &str) -> Result<Self, EndpointError> {
        let (scheme, authority, base) = split(url)?;
        let host = bare_host(&authority);
        let here = host.parse::<IpAddr>().map_or(host == "localhost", |address| address.is_loopback());
        if here {
            Ok(Self { scheme, authority, base, reach: Reach::Loopback })
        } else {
            Err(EndpointError::NotLoopback(shown(url)))
        }
    }

    /// Whether this is a sandbox.
    pub const fn is_sandbox(&self) -> bool {
        matches!(self.reach, Reach::Loopback)
    }

    /// Which addresses connections to it may have.
    pub const fn reach(&self) -> Reach {
        self.reach
    }

    /// Host and port as written.
    pub fn host(&self) -> &str {
        self.authority.as_str()
    }

    /// The base address as text, without a slash at its end.
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.base)
    }

    /// The address of a path (with its query) below the base. `None` when the path is not one.
    pub fn at(&self, path_and_query: &str) -> Option<Uri> {
        if !path_and_query.starts_with('/') {
            return None;
        }
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(format!("{}{path_and_query}", self.base))
            .build()
            .ok()
    }
}

/// A host without the brackets of an IPv6 literal.
pub(super) fn bare_host(authority: &Authority) -> &str {
    authority.host().trim_start_matches('[').trim_end_matches(']')
}

fn shown(url: &str) -> String {
    url.chars().take(120).collect()
}

fn split(url: &str) -> Result<(Scheme, Authority, String), EndpointError> {
    let format = || EndpointError::Format(shown(url));
    if url.len() > URL_MAX || url.contains(['#', '\\', '@']) {
        return Err(format());
    }
    let parts = url.parse::<Uri>().map_err(|_unreadable| format())?.into_parts();
    let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else { return Err(format()) };
    let path = parts.path_and_query.ok_or_else(format)?;
    let known = scheme == Scheme::HTTPS || scheme == Scheme::HTTP;
    if !known || path.query().is_some() || bare_host(&authority).is_empty() {
        return Err(format());
    }
    Ok((scheme, authority, path.path().trim_end_matches('/').to_owned()))
}

/// Names that cannot be a vendor's. Numbers in the spellings of old C libraries are refused rather than read.
fn private_host(host: &str) -> Option<&'static str> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Reach::Public.refusal(address);
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or(name);
    let readable = name.split('.').all(|label| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    });
    if !readable {
        return Some("not a host name");
    }
    if last.starts_with("0x") || last.bytes().all(|b| b.is_ascii_digit()) {
        return Some("a number in disguise");
    }
    if !name.contains('.') {
        return Some("a name without a domain");
    }
    [
        "localhost",
        "local",
        "internal",
        "lan",
        "home",
        "corp",
        "intranet",
        "localdomain",
        "test",
        "invalid",
        "onion",
        "arpa",
    ]
    .contains(&last)
    .then_some("a name of local networks")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// the corpus of addresses that people and attackers write.
    #[test]
    fn addresses_that_lead_inside_are_no_vendor_endpoints() {
        let refused = [
            "http://api.example.com",
            "https://localhost",
            "https://localhost.",
            "https://a.localhost/",
            "https://printer.local",
            "https://metadata.google.internal/computeMetadata",
            "https://router.lan",
            "https://intranet",
            "https://127.0.0.1",
            "https://127.1",
            "https://2130706433",
            "https://0x7f000001",
            "https://0x7f.0.0.1",
            "https://0177.0.0.01",
            "https://10.0.0.1:8443",
            "https://192.168.1.1/admin",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]",
            "https://[::ffff:10.0.0.1]",
            "https://[fe80::1]",
            "https://[fd00::1]:443",
            "https://[::]",
            "https://0.0.0.0",
            "https://0",
            "https://user@api.example.com",
            "https://api.example.com@10.0.0.1",
            "https://api.example.com#@10.0.0.1",
            "https://api.example.com/?x=1",
            "https://api.example.com\\@10.0.0.1",
            "ftp://api.example.com",
            "file:///etc/passwd",
            "gopher://api.example.com",
            "api.example.com",
            "//api.example.com",
            "",
            "https://",
            "https:///path",
            "https://a..b.com",
            "https://255.255.255.255",
            "https://224.0.0.1",
            "https://100.64.0.1",
            "https://1.in-addr.arpa",
            "https://exa mple.com",
        ];
        for url in refused {
            assert!(Endpoint::vendor(url).is_err(), "{url} must be refused");
        }
    }

    #[test]
    fn a_vendors_address_keeps_its_base_path_and_port() {
        for url in [
            "https://merchantapi.googleapis.com",
            "https://api.example.com:8443/v2",
            "https://8.8.8.8",
            "https://[2606:4700::1111]",
        ] {
            assert_eq!(Endpoint::vendor(url).unwrap().url(), url);
        }
        let endpoint = Endpoint::vendor("https://api.example.com/v2/").unwrap();
        assert_eq!(endpoint.at("/a?b=c").unwrap().to_string(), "https://api.example.com/v2/a?b=c");
        assert!(endpoint.at("a").is_none() && !endpoint.is_sandbox());
    }

    /// D25: a sandbox cannot be anywhere but here.
    #[test]
    fn a_sandbox_is_on_this_machine() {
        for url in ["http://127.0.0.1:4010", "http://localhost:4010/base", "http://[::1]:80", "https://127.0.0.1:4443"]
        {
            assert!(Endpoint::sandbox(url).unwrap().is_sandbox(), "{url}");
        }
        for url in [
            "http://192.168.1.5:80",
            "http://sandbox.example.com",
            "http://0.0.0.0:80",
            "http://localhost@10.0.0.1",
            "http://2130706433",
        ] {
            assert!(Endpoint::sandbox(url).is_err(), "{url}");
        }
    }
}
