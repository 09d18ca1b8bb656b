//! The hosts that requests are sent to, or that clients name. Each has a number; their set is bounded.

use crate::labels::protocol::UrlScheme;
use crate::labels::request_head::RequestHead;
use crate::labels::request_labels::HostId;
use crate::record::entry_limit::EntryLimit;
use crate::record::inline_str::InlineStr;
use http::header::HOST;
use std::sync::OnceLock;

/// An append-only list, which is read without a lock. Most clients have a handful of hosts, so that comparing is faster than
/// hashing.
#[derive(Debug)]
pub(crate) struct Hosts {
    /// `None`: the first hosts that are seen.
    allowed: Option<Vec<AllowedHost>>,
    /// For requests that name no host.
    default: Option<(UrlScheme, String)>,
    seen: Box<[OnceLock<Host>]>,
    count: EntryLimit,
}

/// A host and a scheme.
#[derive(Debug)]
pub(crate) struct Host {
    scheme: UrlScheme,
    /// In lower case, and without the default port of the scheme.
    authority: InlineStr,
    address: String,
    port: u16,
}

/// A host that the application has listed. Without a port it has the default port of each scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AllowedHost {
    pub(crate) address: String,
    pub(crate) port: Option<u16>,
}

/// What the builder configured.
#[derive(Clone, Debug)]
pub(crate) struct HostSettings {
    pub(crate) allowed: Option<Vec<AllowedHost>>,
    pub(crate) default: Option<(UrlScheme, String)>,
    /// Only without a list.
    pub(crate) max_seen: usize,
}

impl Hosts {
    pub(crate) fn new(settings: HostSettings) -> Self {
        let HostSettings { allowed, default, max_seen } = settings;
        // A listed host can be seen with each of the two schemes.
        let capacity =
            allowed.as_ref().map_or(max_seen, |allowed| allowed.len() * UrlScheme::COUNT);
        Self {
            allowed,
            default,
            seen: (0..capacity).map(|_| OnceLock::new()).collect(),
            count: EntryLimit::default(),
        }
    }

    /// The number of different [`HostId`]s.
    pub(crate) fn ids(&self) -> usize {
        self.seen.len() + 1
    }

    /// Finds the host of a request with this scheme.
    #[inline]
    pub(crate) fn id(&self, head: RequestHead<'_>, scheme: UrlScheme) -> HostId {
        let uri = head.own_uri();
        let host = match uri.authority() {
            Some(authority) => Some((scheme, authority.as_str())),
            None => self.host_without_authority(head, scheme),
        };
        host.map_or(HostId::OTHER, |(scheme, authority)| self.find(scheme, authority))
    }

    #[inline(never)]
    fn host_without_authority<'a>(
        &'a self,
        head: RequestHead<'a>,
        scheme: UrlScheme,
    ) -> Option<(UrlScheme, &'a str)> {
        let header = head.headers.get(HOST).and_then(|host| host.to_str().ok());
        let default = || self.default.as_ref().map(|(scheme, host)| (*scheme, &**host));
        header.map(|host| (scheme, host)).or_else(default)
    }

    #[inline]
    fn find(&self, scheme: UrlScheme, authority: &str) -> HostId {
        self.position(scheme, authority).unwrap_or_else(|| self.find_or_add(scheme, authority))
    }

    #[inline]
    fn position(&self, scheme: UrlScheme, authority: &str) -> Option<HostId> {
        let seen = self.seen.iter().map_while(OnceLock::get);
        let is_host = |host: &Host| host.scheme == scheme && host.authority.equals(authority);
        // The builder allows fewer hosts than there are numbers.
        seen.zip(1..).find(|(host, _)| is_host(host)).map(|(_, number)| HostId(number))
    }

    /// The host is new, is not allowed, or is spelled in another way: in upper case, or with a default port. This does not
    /// allocate, unless the host is new.
    #[cold]
    fn find_or_add(&self, scheme: UrlScheme, authority: &str) -> HostId {
        let mut buffer = [0; MAX_AUTHORITY];
        let Some(parts) = Parts::read(scheme, authority, &mut buffer) else {
            return HostId::OTHER;
        };
        let Parts { authority, address, port } = parts;
        let is_allowed = |allowed: &AllowedHost| {
            allowed.address == address && allowed.port.unwrap_or(scheme.default_port()) == port
        };
        if self.allowed.as_ref().is_some_and(|allowed| !allowed.iter().any(is_allowed)) {
            return HostId::OTHER;
        }
        let find = || self.position(scheme, authority);
        let create =
            || Host { scheme, authority: authority.into(), address: address.to_owned(), port };
        let insert = |host| {
            let free = self.seen.iter().position(|slot| slot.get().is_none()).unwrap_or_default();
            _ = self.seen[free].set(host);
            HostId(free as u8 + 1)
        };
        let added =
            find().or_else(|| self.count.find_or_insert(self.seen.len(), find, create, insert));
        added.unwrap_or(HostId::OTHER)
    }

    pub(crate) fn get(&self, id: HostId) -> Option<&Host> {
        self.seen.get(usize::from(id.0).checked_sub(1)?)?.get()
    }
}

impl Host {
    pub(crate) fn authority(&self) -> &str {
        self.authority.as_str()
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// The parts of an authority, in lower case.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    /// Without user information and without the default port.
    authority: &'a str,
    /// Without the brackets of an IPv6 address.
    address: &'a str,
    port: u16,
}

impl<'a> Parts<'a> {
    /// `None` if this is not a valid authority, or is longer than a host name can be.
    fn read(
        scheme: UrlScheme,
        authority: &str,
        buffer: &'a mut [u8; MAX_AUTHORITY],
    ) -> Option<Self> {
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = split_port(authority)?;
        let port = port.unwrap_or(scheme.default_port());
        let text = if port == scheme.default_port() { host } else { authority };
        let lower = buffer.get_mut(..text.len())?;
        lower.copy_from_slice(text.as_bytes());
        lower.make_ascii_lowercase();
        let authority = std::str::from_utf8(lower).ok()?;
        let address = authority.get(..host.len())?;
        let address =
            address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
        (!address.is_empty()).then_some(Self { authority, address, port })
    }
}

/// Splits `host:port`. A host in brackets can contain colons.
pub(crate) fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let end = if authority.starts_with('[') { authority.find(']')? + 1 } else { 0 };
    match authority.get(end..)?.find(':') {
        None => Some((authority, None)),
        Some(colon) => {
            let (host, port) = authority.split_at(end + colon);
            Some((host, Some(port.strip_prefix(':')?.parse().ok()?)))
        }
    }
}

/// A host name has at most 253 bytes, a port at most 5.
const MAX_AUTHORITY: usize = 264;

#[cfg(test)]
mod tests {
    use super::*;
    use UrlScheme::{Http, Https};
    use http::Request;

    fn hosts(allowed: Option<&[&str]>, max_seen: usize) -> Hosts {
        let allow = |text: &&str| {
            let (address, port) = split_port(text).unwrap();
            AllowedHost { address: address.to_owned(), port }
        };
        let allowed = allowed.map(|allowed| allowed.iter().map(allow).collect());
        Hosts::new(HostSettings { allowed, default: None, max_seen })
    }

    fn labels(hosts: &Hosts, uri: &str) -> Option<(String, String, u16)> {
        let request = Request::builder().uri(uri).body(()).unwrap();
        let scheme = UrlScheme::of(request.uri().scheme());
        let host = hosts.get(hosts.id(RequestHead::of(&request), scheme))?;
        Some((host.authority().to_owned(), host.address().to_owned(), host.port()))
    }

    //
    #[test]
    fn one_host_has_one_number_however_it_is_spelled() {
        let hosts = hosts(None, 10);
        let expected = |authority: &str, address: &str, port| {
            Some((authority.to_owned(), address.to_owned(), port))
        };
        for uri in [
            "http://shop.example/a",
            "http://SHOP.example:80/b",
            "http://user:secret@shop.example/",
            "http://shop.example",
        ] {
            assert_eq!(labels(&hosts, uri), expected("shop.example", "shop.example", 80), "{uri}");
        }
        for (uri, authority, address, port) in [
            ("https://shop.example/", "shop.example", "shop.example", 443),
            ("https://shop.example:8443/", "shop.example:8443", "shop.example", 8443),
            ("http://[::1]:8080/", "[::1]:8080", "::1", 8080),
            ("http://[::1]/", "[::1]", "::1", 80),
            ("http://10.0.0.1:1/", "10.0.0.1:1", "10.0.0.1", 1),
        ] {
            assert_eq!(labels(&hosts, uri), expected(authority, address, port), "{uri}");
        }
        assert_eq!(hosts.seen.iter().filter(|slot| slot.get().is_some()).count(), 6);
    }

    //
    #[test]
    fn a_crawler_adds_no_more_than_the_limit() {
        let hosts = hosts(None, 3);
        let found = (0..10_000).filter(|i| labels(&hosts, &format!("http://host{i}/")).is_some());
        assert_eq!(found.collect::<Vec<_>>(), [0, 1, 2]);
        assert!(labels(&hosts, "http://host2/").is_some());
    }

    //
    #[test]
    fn only_listed_hosts_have_a_number() {
        let hosts = hosts(Some(&["shop.example", "artifacts:8080"]), 0);
        for (uri, is_listed) in [
            ("http://shop.example/", true),
            ("https://shop.example/", true),
            ("https://Shop.Example:443/", true),
            ("http://shop.example:8080/", false),
            ("http://artifacts:8080/", true),
            ("https://artifacts:8080/", true),
            ("http://artifacts/", false),
            ("http://other/", false),
        ] {
            assert_eq!(labels(&hosts, uri).is_some(), is_listed, "{uri}");
        }
    }

    #[test]
    fn what_is_no_authority_has_no_number() {
        let long = "x".repeat(300);
        let hosts = hosts(None, 10);
        for authority in ["", ":80", "a:b", "a:99999", "[::1", "@", &long] {
            assert_eq!(hosts.find(Http, authority), HostId::OTHER, "{authority:?}");
        }
        assert_ne!(hosts.find(Https, "a"), HostId::OTHER);
    }

    //
    #[test]
    fn without_an_authority_the_host_header_counts_and_then_the_default() {
        let mut hosts = hosts(None, 10);
        hosts.default = Some((Https, "grpc.internal:50051".into()));
        let id = |request: &Request<()>| {
            let id = hosts.id(RequestHead::of(request), Http);
            hosts.get(id).map(|host| host.authority().to_owned())
        };
        let mut request = Request::builder().uri("/pkg.Service/Method").body(()).unwrap();
        assert_eq!(id(&request).as_deref(), Some("grpc.internal:50051"));
        request.headers_mut().insert(HOST, "shop.example".parse().unwrap());
        assert_eq!(id(&request).as_deref(), Some("shop.example"));
    }
}
