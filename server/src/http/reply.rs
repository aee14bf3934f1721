//! Answers: how they are made, and the headers that every one of them carries.

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    header::{self, HeaderName, HeaderValue},
};

use super::Body;

/// What an answer says unless it says something else itself. None of them is a page, so a browser that
/// was led here shall neither guess a type, nor run, frame, store or pass on anything.
const UNLESS_SAID: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
];

/// Text for a person.
pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    of_type(status, "text/plain; charset=utf-8", text)
}

/// Bytes of any type.
pub(crate) fn of_type(
    status: StatusCode,
    content_type: &'static str,
    bytes: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(Body::new(bytes.into()));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    response
}

/// There is nothing at this path.
pub(crate) fn not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "there is nothing here\n")
}

/// There is, but not for this method; `allowed` lists those that there are ("GET, HEAD").
pub(crate) fn wrong_method(allowed: &'static str) -> Response<Body> {
    let words = format!("only {allowed} is answered here\n");
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, words);
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

/// Adds what an answer has to say to browsers and did not say itself.
pub(super) fn harden(response: &mut Response<Body>) {
    for (name, value) in UNLESS_SAID {
        let value = HeaderValue::from_static(value);
        response.headers_mut().entry(name).or_insert(value);
    }
}
