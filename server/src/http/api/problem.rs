//! Why a call was not done: RFC 9457, with the numbers of the protocol.

use homeroom_engine::{
    BackendError, TenantError, WakeError,
    protocol::ErrorCode,
    upkeep::{SUSPENDED_RETRY_MS, WORK_RETRY_MS},
};
use hyper::{
    Response, StatusCode,
    header::{self, HeaderValue},
};
use serde::Serialize;

use super::super::{Body, reply};

/// What an operator must mend is no better a moment later.
const RETRY_BROKEN_TENANT_MS: u64 = 30_000;
/// A successor, or the next life of a tenant, is there about then.
const RETRY_SOON_MS: u64 = 1_000;

/// An answer that says why not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    code: Option<ErrorCode>,
    detail: String,
    retry_after_ms: Option<u64>,
    allow: Option<&'static str>,
    challenge: Option<String>,
}

/// Its form on the wire.
#[derive(Serialize)]
struct Written<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

/// The status of each code.
pub(super) const fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::Malformed
        | ErrorCode::UnknownKind
        | ErrorCode::InvalidField
        | ErrorCode::UnsupportedVersion => StatusCode::BAD_REQUEST,
        ErrorCode::Unauthenticated | ErrorCode::SessionExpired => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden
        | ErrorCode::NotMember
        | ErrorCode::Banned
        | ErrorCode::Muted
        | ErrorCode::Archived
        | ErrorCode::Apart => StatusCode::FORBIDDEN,
        ErrorCode::RoomNotFound
        | ErrorCode::TenantNotFound
        | ErrorCode::MessageNotFound
        | ErrorCode::RoleNotFound => StatusCode::NOT_FOUND,
        ErrorCode::RoomExists
        | ErrorCode::TooMany
        | ErrorCode::NotHere
        | ErrorCode::UnexpectedFrame => StatusCode::CONFLICT,
        ErrorCode::TooFast => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::KeyConflict => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        ErrorCode::Overloaded | ErrorCode::StorageFailed | ErrorCode::ShuttingDown => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// What each code means to who calls by HTTP, where frames and a hello are no words.
const fn title_of(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Malformed => "The request is not one of this API.",
        ErrorCode::UnknownKind => "This server knows no request of this kind.",
        ErrorCode::InvalidField => {
            "A field or parameter is missing, of the wrong type, too long or out of range."
        }
        ErrorCode::UnexpectedFrame => "This request is not allowed at this point.",
        ErrorCode::UnsupportedVersion => "This version of the API is not spoken here.",
        ErrorCode::TooMany => "A count of this user, room or tenant is at its limit.",
        ErrorCode::Unauthenticated => "The request carried no key that is accepted here.",
        ErrorCode::RoomNotFound
        | ErrorCode::RoomExists
        | ErrorCode::KeyConflict
        | ErrorCode::TenantNotFound
        | ErrorCode::Overloaded
        | ErrorCode::StorageFull
        | ErrorCode::StorageFailed
        | ErrorCode::ShuttingDown
        | ErrorCode::SessionExpired
        | ErrorCode::Forbidden
        | ErrorCode::NotMember
        | ErrorCode::MessageNotFound
        | ErrorCode::NotHere
        | ErrorCode::RoleNotFound
        | ErrorCode::TooFast
        | ErrorCode::Banned
        | ErrorCode::Muted
        | ErrorCode::Archived
        | ErrorCode::Apart => code.meaning(),
    }
}

impl Problem {
    pub(super) fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            status: status_of(code),
            code: Some(code),
            detail: detail.into(),
            retry_after_ms: None,
            allow: None,
            challenge: None,
        }
    }

    /// One that HTTP alone has a word for.
    pub(super) fn http(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            code: None,
            ..Self::new(ErrorCode::Malformed, detail)
        }
    }

    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::Malformed, detail)
    }

    pub(super) fn field(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidField, detail)
    }

    /// The same whether there is no such tenant or the key does not open it.
    pub(super) fn tenant_not_found() -> Self {
        let code = ErrorCode::TenantNotFound;
        Self::new(code, code.meaning())
    }

    /// An operator's doing, and known to them.
    fn closed_tenant(why: &str, retry_after_ms: u64) -> Self {
        Self {
            retry_after_ms: Some(retry_after_ms),
            ..Self::http(StatusCode::SERVICE_UNAVAILABLE, why)
        }
    }

    pub(super) fn unauthenticated(error: Option<&str>) -> Self {
        let error = error.map_or_else(String::new, |error| format!(", error=\"{error}\""));
        Self {
            challenge: Some(format!("Bearer realm=\"homeroom\"{error}")),
            ..Self::new(
                ErrorCode::Unauthenticated,
                "bring one valid key in one header: Authorization: Bearer hrk_…",
            )
        }
    }

    pub(super) fn wrong_method(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::http(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("only {allow} is answered here"),
            )
        }
    }

    pub(super) fn too_many_calls(max: usize) -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            retry_after_ms: Some(RETRY_SOON_MS),
            ..Self::new(
                ErrorCode::Overloaded,
                format!("this key has {max} calls under way, which is its limit"),
            )
        }
    }

    pub(super) fn overtime() -> Self {
        Self {
            retry_after_ms: Some(RETRY_SOON_MS),
            ..Self::new(
                ErrorCode::Overloaded,
                "it took too long; it may have happened: ask again, a write with the same key",
            )
        }
    }

    /// Whether we failed, so that the log has to know.
    pub(super) fn response(self) -> Response<Body> {
        let written = Written {
            r#type: self.code.map_or_else(
                || "about:blank".to_owned(),
                |code| format!("urn:homeroom:error:{}", code.number()),
            ),
            title: match self.code {
                Some(code) => title_of(code),
                None => self.status.canonical_reason().unwrap_or_default(),
            },
            status: self.status.as_u16(),
            code: self.code.map(ErrorCode::number),
            detail: &self.detail,
            retry_after_ms: self.retry_after_ms,
        };
        let body = serde_json::to_vec(&written).expect("plain fields always serialize");
        let mut response = reply::of_type(self.status, "application/problem+json", body);
        let headers = response.headers_mut();
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(ms) = self.retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)));
        }
        let challenge = self.challenge.map(HeaderValue::try_from);
        if let Some(Ok(challenge)) = challenge {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<BackendError> for Problem {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::Refused(refused) => Self {
                retry_after_ms: refused.retry_after_ms,
                ..Self::new(refused.code, refused.explanation)
            },
            BackendError::Tenant(error) => error.into(),
            BackendError::Restarted => Self {
                retry_after_ms: Some(RETRY_SOON_MS),
                ..Self::new(ErrorCode::StorageFailed, error.to_string())
            },
        }
    }
}

impl From<TenantError> for Problem {
    fn from(error: TenantError) -> Self {
        let (code, retry_after_ms) = match &error {
            TenantError::ShutDown => (ErrorCode::ShuttingDown, RETRY_SOON_MS),
            TenantError::Wake(WakeError::NotFound(_)) => return Self::tenant_not_found(),
            TenantError::Wake(WakeError::Suspended(_)) => {
                return Self::closed_tenant("the tenant is suspended", SUSPENDED_RETRY_MS);
            }
            TenantError::Wake(WakeError::Busy(_)) => {
                let why = "the tenant is being restored or repaired";
                return Self::closed_tenant(why, WORK_RETRY_MS);
            }
            // Its words name folders: they are for the operator.
            error => {
                tracing::error!(%error, "a tenant cannot be entered");
                (ErrorCode::StorageFailed, RETRY_BROKEN_TENANT_MS)
            }
        };
        Self {
            retry_after_ms: Some(retry_after_ms),
            ..Self::new(code, code.meaning())
        }
    }
}

#[cfg(test)]
mod tests {
    use homeroom_engine::{protocol::Advice, tenant::Refused};

    use super::*;

    #[test]
    fn the_status_gives_the_advice_of_the_code() {
        for &code in ErrorCode::ALL {
            let status = status_of(code).as_u16();
            let fits = match ErrorCode::advice(code.number()) {
                Advice::Fix => matches!(status, 400 | 404 | 409 | 422),
                Advice::Retry => matches!(status, 429 | 503 | 507),
                Advice::Reauthenticate => status == 401,
                Advice::Stop => status == 403,
            };
            assert!(fits, "{code:?} is answered with {status}");
        }
    }

    #[test]
    fn a_title_speaks_of_requests_and_not_of_connections() {
        for &code in ErrorCode::ALL {
            let title = title_of(code);
            for word in ["frame", "hello", "bytes", "connection"] {
                assert!(!title.contains(word), "{code:?}: {title}");
            }
        }
    }

    #[test]
    fn what_an_operator_did_to_a_tenant_is_no_failure_of_the_storage() {
        let name = || "north".parse().unwrap();
        for (cause, status, retry_after_s) in [
            (WakeError::NotFound(name()), 404, None),
            (WakeError::Suspended(name()), 503, Some("300")),
            (WakeError::Busy(name()), 503, Some("30")),
        ] {
            let problem = Problem::from(BackendError::Tenant(cause.into()));
            assert_ne!(problem.code, Some(ErrorCode::StorageFailed));
            assert!(!problem.detail.contains("homeroom tenant"), "{problem:?}");
            let response = problem.response();
            assert_eq!(response.status(), status);
            let retry_after = response.headers().get(header::RETRY_AFTER);
            let retry_after = retry_after.map(|it| it.to_str().unwrap());
            assert_eq!(retry_after, retry_after_s);
        }
    }

    #[test]
    fn a_refusal_for_now_says_when_to_come_back() {
        let refused = Refused {
            code: ErrorCode::StorageFull,
            retry_after_ms: Some(5_001),
            explanation: "full".into(),
        };
        let response = Problem::from(BackendError::Refused(refused)).response();
        assert_eq!(response.status(), StatusCode::INSUFFICIENT_STORAGE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "6");
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
    }
}
