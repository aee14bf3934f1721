//! Health, for whoever starts, stops and watches the process.
//!
//! **Alive** is a process that answers. It tests nothing else: restarting it heals nothing that it
//! needs.
//!
//! **Ready** is one that clients shall be led to: not before it listens, and no more once it is about
//! to leave. An ill tenant does not make its host unready, because the others are served well here and
//! the ill one nowhere else; it is named instead, with the part of it that is degraded.

use hyper::{Response, StatusCode};
use serde::Serialize;

use super::{Body, reply};
use crate::service::Service;

/// How far a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// It does not listen for clients yet.
    Starting,
    /// It serves.
    Ready,
    /// It is about to leave: who is in is still served, newcomers should go elsewhere.
    Draining,
}

/// What `GET /health/ready` says.
#[derive(Debug, Serialize)]
struct Report {
    status: Stage,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

/// For operators alone.
#[derive(Debug, Serialize)]
struct Details {
    connections: usize,
}

/// The process runs and answers.
pub(super) fn live() -> Response<Body> {
    reply::text(StatusCode::OK, "ok")
}

/// Whether clients shall be led here; `inside` is told more.
pub(super) fn ready(service: &Service, inside: bool) -> Response<Body> {
    let stage = service.stage();
    let status = match stage {
        Stage::Ready => StatusCode::OK,
        Stage::Starting | Stage::Draining => StatusCode::SERVICE_UNAVAILABLE,
    };
    let details = inside.then(|| Details {
        connections: service.connections(),
    });
    let report = Report {
        status: stage,
        details,
    };
    let json = serde_json::to_vec(&report).expect("plain fields always serialise");
    reply::of_type(status, "application/json", json)
}
