//! The address guard: which addresses the product may connect to. Checked on the address that is connected to, after the name was resolved, so that
//! no name, however it is spelled or rebound, reaches a machine of the store's own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses a connection may have.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reach {
    /// Globally routable unicast addresses only.
    Public,
    /// This machine only: sandboxes.
    Loopback,
}

impl Reach {
    /// Why a connection to `address` is refused, `None` when it is allowed.
    pub fn refusal(self, address: IpAddr) -> Option<&'static str> {
        match self {
            Self::Public => match address {
                IpAddr::V4(v4) => refusal_v4(v4),
                IpAddr::V6(v6) => refusal_v6(v6),
            },
            Self::Loopback => (!address.is_loopback()).then_some("a sandbox is on this machine only"),
        }
    }
}

/// The special-purpose registry of RFC 6890 and its successors, as far as its blocks are not globally reachable.
fn refusal_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("this network"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some("private"),
        [100, 64..=127, ..] => Some("carrier-grade NAT"),
        [127, ..] => Some("loopback"),
        [169, 254, ..] => Some("link-local"),
        [192, 0, 0, _] => Some("protocol assignments"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some("documentation"),
        [192, 88, 99, _] => Some("6to4 relay"),
        [198, 18..=19, ..] => Some("benchmarking"),
        [224..=239, ..] => Some("multicast"),
        [240..=255, ..] => Some("reserved"),
        _ => None,
    }
}

/// Only `2000::/3` is global unicast; out of it the blocks that wrap or stand in for other addresses are refused as well. The well-known `NAT64`
/// prefix is how an IPv6-only line reaches an IPv4 host, so it is judged by the address that it carries.
fn refusal_v6(address: Ipv6Addr) -> Option<&'static str> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("loopback"),
        [0, 0, 0, 0, 0, 0xffff, ..] => Some("IPv4-mapped"),
        [0, 0, 0, 0, 0, 0, ..] => Some("IPv4-compatible"),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            refusal_v4(Ipv4Addr::new(a, b, c, d))
        }
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xfec0..=0xfeff, ..] => Some("site-local"),
        [0xfc00..=0xfdff, ..] => Some("unique local"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        [0x2001, 0..=0x01ff, ..] => Some("protocol assignments"),
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Some("documentation"),
        [0x2002, ..] => Some("6to4"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("not global unicast"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_refused(addresses: &[&str]) {
        for text in addresses {
            let address: IpAddr = text.parse().unwrap();
            assert!(Reach::Public.refusal(address).is_some(), "{text} must be refused");
        }
    }

    /// no vendor host may lead into the store's own network.
    #[test]
    fn v4_addresses_that_are_not_on_the_public_internet_are_refused() {
        let refused = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.0",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.0",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.1.2.3",
            "127.255.255.255",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.20.10.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.7",
            "192.88.99.1",
            "192.168.0.1",
            "192.168.255.255",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.9",
            "203.0.113.80",
            "224.0.0.1",
            "224.0.0.251",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
        ];
        assert_refused(&refused);
    }

    #[test]
    fn v6_addresses_that_are_not_global_or_wrap_another_are_refused() {
        let refused = [
            "::",
            "::1",
            "::2",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:c0a8:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00::1",
            "fd12:3456:789a::1",
            "fdff:ffff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "feff::1",
            "ff02::1",
            "ff05::2",
            "ffff::1",
            "4000::1",
            "1::1",
        ];
        assert_refused(&refused);
    }

    #[test]
    fn public_addresses_pass_up_to_the_edges_of_the_refused_blocks() {
        let allowed = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "142.250.74.78",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2a00:1450:4001:82a::200e",
            "2606:4700::1111",
            "2003::1",
            "3ffe::1",
            "64:ff9b::8.8.8.8",
        ];
        for text in allowed {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(Reach::Public.refusal(address), None, "{text} must pass");
        }
    }

    #[test]
    fn a_sandbox_reaches_this_machine_only() {
        for text in ["127.0.0.1", "127.8.8.8", "::1"] {
            assert_eq!(Reach::Loopback.refusal(text.parse().unwrap()), None, "{text}");
        }
        for text in ["8.8.8.8", "10.0.0.1", "::ffff:127.0.0.1", "fe80::1", "0.0.0.0"] {
            assert!(Reach::Loopback.refusal(text.parse().unwrap()).is_some(), "{text}");
        }
    }
}
