//! Health, for whoever starts, stops and watches the process.
//!
//! **Alive** is a process that answers. It tests nothing else: restarting it heals nothing that it
//! needs.
//!
//! **Ready** is one that clients shall be led to: not before it listens, and no more once it is about
//! to leave. An ill tenant does not make its host unready, because the others are served well here and
//! the ill one nowhere else; it is named instead, with the part of it that is degraded.

use homeroom_engine::metrics::Health;
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
    #[serde(flatten)]
    ills: Option<Ills>,
}

/// What does not work, for operators alone: it names tenants. The engine bounds it.
#[derive(Debug, Serialize)]
struct Ills {
    degraded: Vec<Ill>,
    /// How many more there are.
    left_off: usize,
}

/// A part of a tenant that does not work as it should.
#[derive(Debug, Serialize)]
struct Ill {
    tenant: String,
    part: &'static str,
    /// In ms since 1970.
    since: u64,
    what: String,
    /// Nobody can enter the tenant while this lasts.
    keeps_out: bool,
}

impl From<Health> for Ills {
    fn from(health: Health) -> Self {
        let degraded = health.degraded.into_iter().map(|it| Ill {
            tenant: it.tenant.to_string(),
            part: it.part.name(),
            since: it.since.0,
            what: it.what,
            keeps_out: it.keeps_out,
        });
        Self {
            degraded: degraded.collect(),
            left_off: health.left_off,
        }
    }
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
    let report = Report {
        status: stage,
        ills: inside.then(|| service.engine().health().into()),
    };
    let json = serde_json::to_vec(&report).expect("plain fields always serialise");
    reply::of_type(status, "application/json", json)
}

#[cfg(test)]
mod tests {
    use homeroom_engine::{
        Engine,
        metrics::{Degraded, Part},
    };
    use homeroom_protocol::Timestamp;
    use serde_json::{Value, json, to_value};

    use super::*;
    use crate::Terms;

    #[tokio::test]
    async fn only_between_start_and_leave_it_is_ready() {
        let engine = Engine::in_memory().await.unwrap();
        let service = Service::at(Stage::Starting, engine, Terms::default());
        let asked = || ready(&service, false).status();
        assert_eq!(asked(), StatusCode::SERVICE_UNAVAILABLE);
        service.reach(Stage::Ready);
        assert_eq!(asked(), StatusCode::OK);
        service.leave();
        assert_eq!(asked(), StatusCode::SERVICE_UNAVAILABLE);
        service.reach(Stage::Ready);
        assert_eq!(
            asked(),
            StatusCode::SERVICE_UNAVAILABLE,
            "it never goes back"
        );
    }

    #[test]
    fn an_ill_tenant_is_named_with_its_part() {
        let health = Health {
            degraded: vec![Degraded {
                tenant: "north".parse().unwrap(),
                part: Part::Space,
                since: Timestamp(5),
                what: "the disk is full".to_owned(),
                keeps_out: false,
            }],
            left_off: 2,
        };
        let report = |ills| {
            let status = Stage::Ready;
            to_value(Report { status, ills }).unwrap()
        };
        let expected: Value = json!({
            "status": "ready",
            "degraded": [{
                "tenant": "north", "part": "space", "since": 5,
                "what": "the disk is full", "keeps_out": false,
            }],
            "left_off": 2,
        });
        assert_eq!(report(Some(health.into())), expected);
        assert_eq!(report(None), json!({"status": "ready"}));
    }
}
