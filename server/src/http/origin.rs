//! Which web pages may connect.
//!
//! A browser lets every page open a WebSocket to every address, and sends along what the address knows
//! the user by. It names the page's origin (RFC 6455, 10.2; RFC 6454), and only the server can refuse.
//! So a page connects when it comes from this host itself, or from an origin the operator listed.
//! What is no browser names no origin and passes: it could write anything there.
//!
//! **The host itself** is what the `Host` header names, which a page cannot choose: the browser writes
//! what it connected to. The page must be at least as protected as the connection: over TLS its scheme
//! is `https`. Without TLS `https` passes as well, because a browser then only comes through a proxy that
//! ends TLS in front of this host.
//!
//! **A name that leads to loopback** proves nothing: whoever owns a domain can let it point to
//! 127.0.0.1 once the page is loaded ("DNS rebinding") and is then of the same origin. So over
//! unencrypted loopback, where guests come in, only `localhost` and addresses count as the host itself.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use homeroom_engine::described;
use hyper::{
    HeaderMap,
    header::{self, HeaderName},
};
use serde::{Deserialize, Serialize};

described! {
    /// Pages from elsewhere.
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub struct OriginSettings {
        /// Origins whose pages may connect beside the host's own, each exactly as browsers send it:
        /// `scheme://host`, with `:port` unless it is the scheme's own, or `null`. Default
        /// none: a page from elsewhere would act as its visitor.
        pub allowed: Vec<Origin>,
    }
}

/// Why a text is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no origin: write scheme://host or scheme://host:port, without a path, or null"
)]
pub struct InvalidOrigin {
    text: String,
}

/// Where a page comes from. Two that are equal are the same place, however they were written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Origin {
    /// A page that has none: from a file, a sandbox, or after a redirect that hides it.
    Null,
    /// Any other.
    Place {
        /// `https`, or another in lower case.
        scheme: String,
        /// Name or address, in lower case.
        host: String,
        /// The port, also where it is the scheme's own; `None`: the scheme has none.
        port: Option<u16>,
    },
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        parse(text).ok_or_else(|| InvalidOrigin {
            text: text.to_owned(),
        })
    }
}

impl TryFrom<String> for Origin {
    type Error = InvalidOrigin;

    fn try_from(text: String) -> Result<Self, InvalidOrigin> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.to_string()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Place { scheme, host, port } => {
                write!(f, "{scheme}://{host}")?;
                match port {
                    Some(port) if own_port(scheme) != Some(*port) => write!(f, ":{port}"),
                    Some(_) | None => Ok(()),
                }
            }
        }
    }
}

fn parse(text: &str) -> Option<Origin> {
    if text == "null" {
        return Some(Origin::Null);
    }
    let (scheme, authority) = text.split_once("://")?;
    // RFC 3986, 3.1.
    let begins = scheme.starts_with(|it: char| it.is_ascii_alphabetic());
    let goes_on = |it: char| it.is_ascii_alphanumeric() || matches!(it, '+' | '-' | '.');
    if !begins || !scheme.chars().all(goes_on) {
        return None;
    }
    let scheme = scheme.to_ascii_lowercase();
    let (host, port) = host_and_port(authority)?;
    let port = port.or_else(|| own_port(&scheme));
    Some(Origin::Place { scheme, host, port })
}

/// `host` or `host:port`, and nothing else: no user, no path, no empty port.
fn host_and_port(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            let port = match rest {
                "" => None,
                rest => Some(rest.strip_prefix(':')?),
            };
            (format!("[{address}]"), port)
        }
        None => {
            let (name, port) = match authority.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (authority, None),
            };
            let known = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '.' | '_');
            if name.is_empty() || !name.chars().all(known) {
                return None;
            }
            (name.to_ascii_lowercase(), port)
        }
    };
    let port = match port {
        None => None,
        Some(digits) if digits.starts_with(|it: char| matches!(it, '1'..='9')) => {
            Some(digits.parse().ok()?)
        }
        Some(_) => return None,
    };
    Some((host, port))
}

fn own_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// Whether a request may connect; if not, what to tell whoever wrote the page.
pub(super) fn check(
    headers: &HeaderMap,
    allowed: &[Origin],
    secure: bool,
    peer: Option<SocketAddr>,
) -> Result<(), String> {
    let mut named = headers.get_all(header::ORIGIN).iter();
    let Some(first) = named.next() else {
        return Ok(());
    };
    if named.next().is_some() {
        return Err("one Origin header at most\n".to_owned());
    }
    let text = String::from_utf8_lossy(first.as_bytes());
    let origin: Origin = text.parse().map_err(|invalid| format!("{invalid}\n"))?;
    if allowed.contains(&origin) || is_own(&origin, headers, secure, peer) {
        return Ok(());
    }
    Err(format!(
        "pages from {origin} may not connect here: that is not this host, and the operator did not \
         list it under origins.allowed\n"
    ))
}

fn is_own(origin: &Origin, headers: &HeaderMap, secure: bool, peer: Option<SocketAddr>) -> bool {
    let Origin::Place { scheme, host, port } = origin else {
        return false;
    };
    let protected = match scheme.as_str() {
        "https" => true,
        "http" => !secure,
        _ => return false,
    };
    let from_loopback = peer.is_none_or(|peer| peer.ip().to_canonical().is_loopback());
    if !protected || (scheme == "http" && from_loopback && is_name(host)) {
        return false;
    }
    let asked = only(headers, header::HOST).and_then(host_and_port);
    asked.is_some_and(|(asked, asked_port)| {
        asked == *host && asked_port.or_else(|| own_port(scheme)) == *port
    })
}

/// Whether a host is one that a name server tells the address of.
fn is_name(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_err() && host != "localhost" && !host.ends_with(".localhost")
}

/// Whether a request was made on this machine for itself: it comes from loopback, asks for a loopback
/// address, and no proxy says that it passes it on for somebody.
pub(super) fn is_local(headers: &HeaderMap, peer: Option<SocketAddr>) -> bool {
    const PASSED_ON: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    let host = only(headers, header::HOST).and_then(host_and_port);
    let asks_for_loopback = host.is_some_and(|(host, _)| {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let address = address.parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|it| it.to_canonical().is_loopback())
    });
    asks_for_loopback
        && peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback())
        && !PASSED_ON.iter().any(|name| headers.contains_key(*name))
}

/// A header's text, where there is exactly one.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    if all.next().is_some() {
        return None;
    }
    first.to_str().ok()
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const FAR: &str = "192.0.2.7:50000";
    const NEAR: &str = "127.0.0.1:50000";

    fn headers(origin: &str, host: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        headers
    }

    fn passes(origin: &str, host: &str, secure: bool) -> bool {
        check(
            &headers(origin, host),
            &[],
            secure,
            Some(FAR.parse().unwrap()),
        )
        .is_ok()
    }

    fn passes_listed(origin: &str, listed: &str) -> bool {
        let listed = [listed.parse().unwrap()];
        let headers = headers(origin, "elsewhere.example");
        check(&headers, &listed, true, Some(FAR.parse().unwrap())).is_ok()
    }

    #[test]
    fn a_page_of_this_host_connects() {
        for (origin, host) in [
            ("http://chat.example", "chat.example"),
            ("http://chat.example", "chat.example:80"),
            ("http://chat.example:80", "chat.example"),
            ("http://chat.example:7400", "chat.example:7400"),
            ("HTTP://Chat.Example:7400", "chat.EXAMPLE:7400"),
            ("http://192.0.2.1:7400", "192.0.2.1:7400"),
            ("http://[2001:DB8::1]:7400", "[2001:db8:0:0::1]:7400"),
            ("https://chat.example", "chat.example"),
            ("https://chat.example", "chat.example:443"),
            ("https://chat.example:8443", "chat.example:8443"),
        ] {
            assert!(passes(origin, host, false), "{origin} at {host}");
            let over_tls = origin.starts_with("https");
            assert_eq!(passes(origin, host, true), over_tls, "{origin} at {host}");
        }
    }

    #[test]
    fn a_page_from_elsewhere_does_not() {
        for origin in [
            "null",
            "",
            "*",
            "https://",
            "https://evil.example",
            "https://chat.example.evil.example",
            "https://evilchat.example",
            "https://evil-chat.example",
            "https://hat.example",
            "https://sub.chat.example",
            "https://chat.example.",
            "https://chat.example/",
            "https://chat.example/path",
            "https://chat.example?",
            "https://chat.example#",
            "https://chat.example:",
            "https://chat.example:0443",
            "https://chat.example:+443",
            "https://chat.example:80",
            "https://chat.example:444",
            "https://chat.example:65979",
            "https://chat.example:443:443",
            "https://evil.example@chat.example",
            "https://chat.example@evil.example",
            "https://user:secret@chat.example",
            "https://chat.example, https://chat.example",
            "https://chat.example https://chat.example",
            " https://chat.example",
            "https://chat.example ",
            "https://chat%2eexample",
            "https://chat.example\\@evil.example",
            "https:chat.example",
            "https:///chat.example",
            "//chat.example",
            "chat.example",
            "wss://chat.example",
            "ftp://chat.example",
            "file://",
            "https://[::1",
            "https://[chat.example]",
            "https://[::1]x",
            "https://::1",
        ] {
            for secure in [false, true] {
                assert!(!passes(origin, "chat.example", secure), "{origin:?}");
                assert!(!passes(origin, "chat.example:443", secure), "{origin:?}");
            }
        }
        let mut not_text = headers("x", "chat.example");
        let bytes = HeaderValue::from_bytes(b"https://chat.example\xff").unwrap();
        not_text.insert(header::ORIGIN, bytes);
        assert!(check(&not_text, &[], true, None).is_err());
    }

    #[test]
    fn an_address_is_this_host_only_as_a_whole() {
        assert!(passes("http://[::1]:7400", "[::1]:7400", false));
        assert!(!passes("http://[::1]:7400", "[::2]:7400", false));
        assert!(!passes("http://[::1]:7400", "[::1]", false));
        assert!(!passes("http://10.0.0.1", "10.0.0.10", false));
    }

    #[test]
    fn who_is_no_browser_names_no_origin_and_passes() {
        assert_eq!(check(&HeaderMap::new(), &[], true, None), Ok(()));
    }

    #[test]
    fn two_origins_or_two_hosts_are_none() {
        let mut two = headers("https://chat.example", "chat.example");
        two.append(
            header::ORIGIN,
            HeaderValue::from_static("https://chat.example"),
        );
        assert!(check(&two, &[], true, None).is_err());
        let mut two = headers("https://chat.example", "evil.example");
        two.append(header::HOST, HeaderValue::from_static("chat.example"));
        assert!(check(&two, &[], true, None).is_err());
        two.remove(header::HOST);
        assert!(check(&two, &[], true, None).is_err());
    }

    #[test]
    fn what_is_listed_passes_and_nothing_that_looks_like_it() {
        for (listed, origin) in [
            ("https://app.example", "https://app.example"),
            ("https://App.Example:443", "https://app.example"),
            ("http://app.example:3000", "http://app.example:3000"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
            ("null", "null"),
        ] {
            assert!(passes_listed(origin, listed), "{origin} by {listed}");
        }
        for origin in [
            "http://app.example",
            "https://app.example:444",
            "https://app.example.evil.example",
            "https://x.app.example",
            "null",
        ] {
            assert!(!passes_listed(origin, "https://app.example"), "{origin}");
        }
        for wrong in ["app.example", "https://app.example/", "https://*.example"] {
            assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_that_was_bent_to_loopback_is_not_this_host() {
        let near = Some(NEAR.parse().unwrap());
        let own =
            |origin: &str, host: &str| check(&headers(origin, host), &[], false, near).is_ok();
        assert!(!own("http://evil.example:7400", "evil.example:7400"));
        assert!(!own(
            "http://localhost.evil.example",
            "localhost.evil.example"
        ));
        for host in [
            "localhost:7400",
            "127.0.0.1:7400",
            "[::1]:7400",
            "a.localhost:7400",
        ] {
            assert!(own(&format!("http://{host}"), host), "{host}");
        }
        // Through a proxy on this machine that has a certificate for the name.
        assert!(own("https://chat.example", "chat.example"));
    }

    #[test]
    fn local_is_who_asks_on_this_machine_for_itself() {
        let asked = |host: &str, peer: &str| {
            let mut headers = headers("null", host);
            headers.remove(header::ORIGIN);
            let direct = is_local(&headers, Some(peer.parse().unwrap()));
            headers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.9"));
            assert!(!is_local(&headers, Some(peer.parse().unwrap())));
            direct
        };
        for host in ["localhost", "127.0.0.1:7400", "[::1]:7400"] {
            assert!(asked(host, NEAR), "{host}");
            assert!(asked(host, "[::1]:1"), "{host}");
            assert!(asked(host, "[::ffff:127.0.0.1]:1"), "{host}");
            assert!(!asked(host, FAR), "{host}");
        }
        assert!(!asked("chat.example", NEAR), "through a proxy, or rebound");
        assert!(!is_local(&headers("null", "localhost"), None));
    }

    #[test]
    fn settings_are_checked_when_they_are_read() {
        let read = serde_json::from_str::<OriginSettings>;
        let settings = read(r#"{"allowed":["https://a.example:443"]}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&settings).unwrap(),
            r#"{"allowed":["https://a.example"]}"#
        );
        let wrong = read(r#"{"allowed":["https://a.example/"]}"#).unwrap_err();
        assert!(wrong.to_string().contains("without a path"), "{wrong}");
    }

    proptest! {
        /// Whatever is read is written such that it is read as the same.
        #[test]
        fn an_origin_is_what_it_is_written_as(text in "[a-zA-Z]{1,5}://[a-z0-9.\\[\\]:@/-]{0,12}") {
            if let Ok(origin) = text.parse::<Origin>() {
                prop_assert_eq!(origin.to_string().parse::<Origin>(), Ok(origin));
            }
        }

        /// Of all texts only those that differ in letter case or in writing out the port are this host.
        #[test]
        fn nothing_else_is_this_host(text in "(https?://)?(chat|a)?[.@:/a-z0-9\\[\\]]{0,3}(chat[ -~]example)?[.:/@a-z0-9]{0,4}") {
            let own = ["https://chat.example", "https://chat.example:443"].contains(&text.as_str());
            prop_assert_eq!(passes(&text, "chat.example", true), own);
        }
    }
}
