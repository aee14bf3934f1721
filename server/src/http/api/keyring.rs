//! Who calls: a bearer key becomes a caller with a name, tenants and a budget of calls.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use homeroom_engine::{ServiceName, protocol::TenantName};
use hyper::{HeaderMap, header};
use tokio::sync::Semaphore;

use super::{
    key::{Key, KeyHash},
    problem::Problem,
    settings::{ApiSettings, OPERATOR},
};

/// Between two lines in the log about keys that were refused.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// All keys that are taken.
#[derive(Debug)]
pub(super) struct Keyring {
    callers: Vec<(KeyHash, Arc<Caller>)>,
    refused: Mutex<Refused>,
}

/// Whoever holds one key.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) service: ServiceName,
    opens: Opens,
    pub(super) calls: Semaphore,
    /// Those that shut somebody out: they do not queue up with what may be the trouble.
    pub(super) urgent_calls: Semaphore,
}

#[derive(Debug)]
enum Opens {
    Every,
    These(Vec<TenantName>),
}

/// Keys that were refused since the log last told of some.
#[derive(Debug, Default)]
struct Refused {
    told: Option<Instant>,
    count: u64,
}

impl Caller {
    /// Whether its key opens this tenant, whether or not there is one.
    pub(super) fn opens(&self, tenant: &TenantName) -> bool {
        match &self.opens {
            Opens::Every => true,
            Opens::These(tenants) => tenants.contains(tenant),
        }
    }
}

impl Keyring {
    pub(super) fn new(settings: &ApiSettings) -> Self {
        let calls_max = (settings.calls_in_flight_max).clamp(1, Semaphore::MAX_PERMITS);
        let caller = |service, opens| {
            Arc::new(Caller {
                service,
                opens,
                calls: Semaphore::new(calls_max),
                urgent_calls: Semaphore::new(calls_max),
            })
        };
        let operator = settings.operator_key_sha256.map(|hash| {
            let name = ServiceName::new(OPERATOR).expect("a valid name");
            (hash, caller(name, Opens::Every))
        });
        let services = settings.service_keys.iter().map(|key| {
            let opens = Opens::These(key.tenants.clone());
            (key.key_sha256, caller(key.name.clone(), opens))
        });
        Self {
            callers: operator.into_iter().chain(services).collect(),
            refused: Mutex::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.callers.is_empty()
    }

    /// Who calls, by the one `Authorization` header.
    pub(super) fn caller(
        &self,
        headers: &HeaderMap,
        peer: Option<SocketAddr>,
    ) -> Result<Arc<Caller>, Problem> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Problem::unauthenticated(None));
        };
        let found = value.to_str().ok().and_then(|value| self.find(value));
        found.ok_or_else(|| {
            self.note(peer);
            Problem::unauthenticated(Some("invalid_token"))
        })
    }

    fn find(&self, authorization: &str) -> Option<Arc<Caller>> {
        let (scheme, key) = authorization.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let hash = Key::parse(key.trim_matches(' '))?.hash();
        // All are compared: how long it takes does not tell which was nearly right.
        let mut found = None;
        for (known, caller) in &self.callers {
            if known.is(&hash) {
                found = Some(caller);
            }
        }
        found.cloned()
    }

    fn note(&self, peer: Option<SocketAddr>) {
        let mut refused = self
            .refused
            .lock()
            .expect("nothing panics while holding it");
        refused.count += 1;
        if refused.told.is_none_or(|told| told.elapsed() >= LOG_EVERY) {
            let last_from = peer.map(|peer| peer.ip().to_string());
            let count = std::mem::take(&mut refused.count);
            refused.told = Some(Instant::now());
            tracing::warn!(
                count,
                last_from,
                "calls of the back-end API brought no valid key"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::ServiceKey;
    use super::*;

    #[test]
    fn a_key_opens_what_it_is_bound_to() {
        let (operator, service) = (Key::of([1; 32]), Key::of([2; 32]));
        let keyring = Keyring::new(&ApiSettings {
            operator_key_sha256: Some(operator.hash()),
            service_keys: vec![ServiceKey {
                name: ServiceName::new("timetable").unwrap(),
                tenants: vec![TenantName::new("north").unwrap()],
                key_sha256: service.hash(),
            }],
            ..ApiSettings::default()
        });
        let find = |scheme: &str, key: &Key| keyring.find(&format!("{scheme} {}", key.reveal()));
        let (north, south) = (
            TenantName::new("north").unwrap(),
            TenantName::new("south").unwrap(),
        );
        let found = find("bEARER", &service).unwrap();
        assert_eq!(found.service.as_str(), "timetable");
        assert!(found.opens(&north) && !found.opens(&south));
        let found = find("Bearer", &operator).unwrap();
        assert_eq!(found.service.as_str(), "operator");
        assert!(found.opens(&north) && found.opens(&south));
        assert!(find("Basic", &operator).is_none());
        assert!(find("Bearer", &Key::of([3; 32])).is_none());
        assert!(keyring.find(operator.reveal()).is_none());
    }

    #[test]
    fn refused_keys_are_counted_not_logged_one_by_one() {
        let keyring = Keyring::new(&ApiSettings::default());
        for _ in 0..100 {
            keyring.note(None);
        }
        let refused = keyring.refused.lock().unwrap();
        assert_eq!(refused.count, 99, "one line was written");
    }
}
