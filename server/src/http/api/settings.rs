//! What the operator says about back ends: whose keys are taken, and what their calls may cost.

use std::fmt;

use homeroom_engine::{ServiceName, described, protocol::TenantName};
use serde::{Deserialize, Serialize};

use super::key::KeyHash;

/// The service whose name the operator's key speaks under.
pub(super) const OPERATOR: &str = "operator";

described! {
    /// The back-end API. Without a key nothing is served: there is no default one.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub struct ApiSettings {
        /// SHA-256 of the key that opens every tenant, in hex, as `homeroom key create` prints it. Default:
        /// none.
        pub operator_key_sha256: Option<KeyHash>,
        /// Most calls of one key that may be under way at once; one above it is answered with 429. Default
        /// 64: enough to fill a commit, few enough that one back end's mistake is not everybody's.
        pub calls_in_flight_max: usize,
        /// How long one call may take, body included, in ms. Default 10,000: a disk that stands still
        /// longer is no disk to wait for. What was asked may happen nevertheless.
        pub call_within_ms: u64,
        /// Keys that open some tenants, each for one service. Default: none.
        pub service_keys: Vec<ServiceKey>,
    }
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            operator_key_sha256: None,
            calls_in_flight_max: 64,
            call_within_ms: 10_000,
            service_keys: Vec::new(),
        }
    }
}

/// A key of one service.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct ServiceKey {
    /// The service: what it says for itself has the author `service:NAME`.
    pub name: ServiceName,
    /// The tenants it opens.
    pub tenants: Vec<TenantName>,
    /// SHA-256 of the key, in hex.
    pub key_sha256: KeyHash,
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceKey")
            .field("name", &self.name.as_str())
            .field("tenants", &self.tenants)
            .finish_non_exhaustive()
    }
}

/// A service key as it stands in a file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    tenants: Vec<String>,
    key_sha256: KeyHash,
}

impl TryFrom<Written> for ServiceKey {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written {
            name,
            tenants,
            key_sha256,
        } = written;
        let tenant = |name: String| {
            TenantName::new(&name).map_err(|wrong| format!("the tenant name {name:?} {wrong}"))
        };
        if name == OPERATOR {
            return Err(format!("the service name {name:?} is the operator's own"));
        }
        Ok(Self {
            name: ServiceName::new(&name)
                .map_err(|wrong| format!("the service name {name:?} {wrong}"))?,
            tenants: tenants.into_iter().map(tenant).collect::<Result<_, _>>()?,
            key_sha256,
        })
    }
}

impl From<ServiceKey> for Written {
    fn from(key: ServiceKey) -> Self {
        Self {
            name: key.name.as_str().to_owned(),
            tenants: key.tenants.iter().map(ToString::to_string).collect(),
            key_sha256: key.key_sha256,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_written_and_what_is_wrong_is_named() {
        let hash = "ab".repeat(32);
        let text = format!(
            r#"{{"operator_key_sha256": "{hash}", "service_keys":
                [{{"name": "timetable", "tenants": ["north"], "key_sha256": "{hash}"}}]}}"#
        );
        let settings: ApiSettings = serde_json::from_str(&text).unwrap();
        assert_eq!(settings.calls_in_flight_max, 64);
        assert_eq!(settings.service_keys[0].name.as_str(), "timetable");
        let written = serde_json::to_string(&settings).unwrap();
        assert_eq!(
            serde_json::from_str::<ApiSettings>(&written).unwrap(),
            settings
        );
        for (right, wrong, named) in [
            ("timetable", "Time table", "the service name"),
            ("timetable", "operator", "the operator's own"),
            ("north", "North", "the tenant name"),
            (
                "\"key_sha256\": \"ab",
                "\"key_sha256\": \"x",
                "64 hex digits",
            ),
            ("\"tenants\"", "\"tenant\"", "unknown field"),
        ] {
            let wrong = text.replace(right, wrong);
            let error = serde_json::from_str::<ApiSettings>(&wrong).unwrap_err();
            assert!(error.to_string().contains(named), "{error}");
        }
    }
}
