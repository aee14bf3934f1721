//! The page on which people talk from a browser, and the client library it uses: files of
//! `examples/web` and `clients/web`, compiled in, so that the host stays one file that needs no other.
//!
//! Whoever has the page needs a name and nothing else, so it is served where guests come in. Elsewhere
//! `/` says what answers here.

use bytes::Bytes;
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{self, HeaderValue},
};

use super::{Body, reply};
use crate::identity::Guests;

/// Scripts, styles and pictures of this host alone, which no text that a person wrote can add to; the
/// one connection a page opens is to this host too.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// What `/` says to a browser where the page is not served.
const WHAT_THIS_IS: Asset = Asset {
    path: "/",
    content_type: "text/plain; charset=utf-8",
    bytes: b"This is a Homeroom server: apps connect to it by WebSocket at /v1/connect.\n",
};

/// A file that is served as it is.
#[derive(Debug)]
pub(super) struct Asset {
    path: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

/// One line for each file: where it is served, its type, where it lies.
macro_rules! assets {
    ($($path:literal $content_type:ident $file:literal),+ $(,)?) => {
        &[$(Asset {
            path: $path,
            content_type: $content_type,
            bytes: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../", $file)),
        }),+]
    };
}

const ASSETS: &[Asset] = assets! {
    "/" HTML "examples/web/index.html",
    "/app.js" SCRIPT "examples/web/app.js",
    "/icon.svg" PICTURE "examples/web/icon.svg",
    "/model/address.js" SCRIPT "examples/web/model/address.js",
    "/model/chat.js" SCRIPT "examples/web/model/chat.js",
    "/model/prose.js" SCRIPT "examples/web/model/prose.js",
    "/model/room.js" SCRIPT "examples/web/model/room.js",
    "/model/rows.js" SCRIPT "examples/web/model/rows.js",
    "/model/shelf.js" SCRIPT "examples/web/model/shelf.js",
    "/style/base.css" STYLE "examples/web/style/base.css",
    "/style/door.css" STYLE "examples/web/style/door.css",
    "/style/frame.css" STYLE "examples/web/style/frame.css",
    "/style/timeline.css" STYLE "examples/web/style/timeline.css",
    "/view/clock.js" SCRIPT "examples/web/view/clock.js",
    "/view/composer.js" SCRIPT "examples/web/view/composer.js",
    "/view/dom.js" SCRIPT "examples/web/view/dom.js",
    "/view/door.js" SCRIPT "examples/web/view/door.js",
    "/view/house.js" SCRIPT "examples/web/view/house.js",
    "/view/members.js" SCRIPT "examples/web/view/members.js",
    "/view/panels.js" SCRIPT "examples/web/view/panels.js",
    "/view/sidebar.js" SCRIPT "examples/web/view/sidebar.js",
    "/view/timeline.js" SCRIPT "examples/web/view/timeline.js",
    "/clients/web/client.js" SCRIPT "clients/web/client.js",
    "/clients/web/index.js" SCRIPT "clients/web/index.js",
    "/clients/web/machine/backoff.js" SCRIPT "clients/web/machine/backoff.js",
    "/clients/web/machine/incoming.js" SCRIPT "clients/web/machine/incoming.js",
    "/clients/web/machine/link.js" SCRIPT "clients/web/machine/link.js",
    "/clients/web/machine/machine.js" SCRIPT "clients/web/machine/machine.js",
    "/clients/web/machine/outcome.js" SCRIPT "clients/web/machine/outcome.js",
    "/clients/web/machine/requests.js" SCRIPT "clients/web/machine/requests.js",
    "/clients/web/machine/rooms.js" SCRIPT "clients/web/machine/rooms.js",
    "/clients/web/wire/client.js" SCRIPT "clients/web/wire/client.js",
    "/clients/web/wire/codes.js" SCRIPT "clients/web/wire/codes.js",
    "/clients/web/wire/frames.js" SCRIPT "clients/web/wire/frames.js",
    "/clients/web/wire/limits.js" SCRIPT "clients/web/wire/limits.js",
    "/clients/web/wire/nouns.js" SCRIPT "clients/web/wire/nouns.js",
    "/clients/web/wire/reader.js" SCRIPT "clients/web/wire/reader.js",
    "/clients/web/wire/server.js" SCRIPT "clients/web/wire/server.js",
    "/clients/web/wire/types.js" SCRIPT "clients/web/wire/types.js",
    "/clients/web/wire/writer.js" SCRIPT "clients/web/wire/writer.js",
};

/// What is served at this path, on a host with this rule about guests.
pub(super) fn find(path: &str, guests: Guests) -> Option<&'static Asset> {
    match guests {
        Guests::Allowed => ASSETS.iter().find(|asset| asset.path == path),
        Guests::Refused => (path == WHAT_THIS_IS.path).then_some(&WHAT_THIS_IS),
    }
}

impl Asset {
    /// The file, or that the browser has it already.
    pub(super) fn answer(&self, request: &HeaderMap) -> Response<Body> {
        let tag = self.tag();
        let mut response = if has_tag(request, &tag) {
            let mut response = Response::new(Body::default());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            let bytes = Bytes::from_static(self.bytes);
            reply::of_type(StatusCode::OK, self.content_type, bytes)
        };
        let headers = response.headers_mut();
        // Kept, but asked about each time: the files of one host version are only good together.
        let cached = HeaderValue::from_static("no-cache");
        headers.insert(header::CACHE_CONTROL, cached);
        let policy = HeaderValue::from_static(POLICY);
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        let tag = HeaderValue::try_from(tag).expect("hexadecimal digits in quotes");
        headers.insert(header::ETAG, tag);
        response
    }

    /// A fingerprint of the bytes (FNV-1a): a few dozen kilobytes, cheap enough for each request.
    fn tag(&self) -> String {
        let hash = self.bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("\"{hash:016x}\"")
    }
}

/// Whether the browser names this version among those it has (RFC 9110 §13.1.2: weakly compared).
fn has_tag(request: &HeaderMap, tag: &str) -> bool {
    request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|tags| tags.to_str().ok())
        .flat_map(|tags| tags.split(','))
        .any(|other| matches!(other.trim(), "*") || other.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    /// The files of a folder of the project that browsers are to be served, by the paths of `prefix`.
    fn files(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = format!("{prefix}/{name}");
            if entry.file_type().unwrap().is_dir() {
                if name != "test" {
                    files(&entry.path(), &path, found);
                }
            } else if name != "README.md" && name != "package.json" {
                found.insert(path);
            }
        }
    }

    fn answer(path: &str, if_none_match: Option<&str>) -> Response<Body> {
        let mut request = HeaderMap::new();
        if let Some(tag) = if_none_match {
            request.insert(header::IF_NONE_MATCH, tag.parse().unwrap());
        }
        find(path, Guests::Allowed).unwrap().answer(&request)
    }

    #[test]
    fn every_file_of_the_page_and_its_library_is_served_under_its_own_type() {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut wanted = BTreeSet::new();
        files(&project.join("examples/web"), "", &mut wanted);
        files(&project.join("clients/web"), "/clients/web", &mut wanted);
        assert!(wanted.remove("/index.html"));
        wanted.insert("/".to_owned());
        let served: BTreeSet<String> = ASSETS.iter().map(|asset| asset.path.to_owned()).collect();
        assert_eq!(served, wanted);
        for asset in ASSETS {
            let extension = asset.path.rsplit('.').next().unwrap();
            let content_type = match extension {
                "/" => HTML,
                "js" => SCRIPT,
                "css" => STYLE,
                "svg" => PICTURE,
                other => panic!("no type is known for {other}"),
            };
            assert_eq!(asset.content_type, content_type, "{}", asset.path);
        }
    }

    /// The policy would stop both, but a page that needs another host or a build is no longer this page.
    #[test]
    fn no_file_refers_to_another_host_or_makes_elements_of_text() {
        for asset in ASSETS {
            let text = std::str::from_utf8(asset.bytes).unwrap();
            for banned in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
            ] {
                assert!(!text.contains(banned), "{}: {banned}", asset.path);
            }
            for outside in text.match_indices("://").map(|(at, _)| &text[at..]) {
                let named: String = outside
                    .chars()
                    .skip(3)
                    .take_while(char::is_ascii_alphanumeric)
                    .collect();
                assert!(
                    ["", "www", "HOST"].contains(&named.as_str()),
                    "{}: {named}",
                    asset.path
                );
            }
        }
    }

    #[test]
    fn a_browser_that_has_a_file_is_not_sent_it_again() {
        let first = answer("/app.js", None);
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[header::ETAG].to_str().unwrap();
        for known in [
            tag.to_owned(),
            format!("\"other\", W/{tag}"),
            "*".to_owned(),
        ] {
            let again = answer("/app.js", Some(&known));
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(again.headers()[header::ETAG], tag);
        }
        let other = answer("/", Some(tag));
        assert_eq!(other.status(), StatusCode::OK);
    }

    #[test]
    fn the_page_may_run_its_own_scripts_and_no_others() {
        let page = answer("/", None);
        assert_eq!(page.headers()[header::CONTENT_TYPE], HTML);
        assert_eq!(page.headers()[header::CACHE_CONTROL], "no-cache");
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
        assert!(!policy.contains("unsafe"));
    }

    #[test]
    fn where_guests_are_refused_there_is_a_sentence_instead_of_the_page() {
        let sentence = find("/", Guests::Refused).unwrap();
        assert_eq!(sentence.content_type, "text/plain; charset=utf-8");
        assert!(find("/app.js", Guests::Refused).is_none());
    }

    #[test]
    fn nothing_but_the_table_is_served() {
        for path in [
            "",
            "/index.html",
            "/../Cargo.toml",
            "//",
            "/clients/web/",
            "/APP.JS",
        ] {
            assert!(find(path, Guests::Allowed).is_none(), "{path}");
        }
    }
}
