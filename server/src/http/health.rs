//! Health, for whoever starts, stops and watches the process.

use hyper::{Response, StatusCode};

use super::{Body, reply};

/// The process runs and answers. It tests nothing else: a process is not healed by being restarted
/// because something that it needs is ill.
pub(super) fn live() -> Response<Body> {
    reply::text(StatusCode::OK, "ok")
}
