//! What a call brings besides its path: a bounded JSON body, and the key that makes it safe to retry.

use homeroom_engine::protocol::IdempotencyKey;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Request, StatusCode,
    body::{Body as _, Incoming},
    header,
};
use serde::de::DeserializeOwned;

use super::{key::hex, problem::Problem};

/// Largest body of a call, in bytes: a message of 16 KiB of which every byte is escaped.
pub const BODY_BYTES_MAX: usize = 128 * 1024;

/// Most characters of what is said to be wrong with a body.
const WRONG_CHARS_MAX: usize = 300;

/// The header that makes a write safe to retry.
pub(super) const KEY_HEADER: &str = "idempotency-key";

/// Reads a JSON body.
pub(super) async fn json<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Problem> {
    check_content_type(request.headers())?;
    let too_large = || {
        Problem::http(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("a body has at most {BODY_BYTES_MAX} bytes"),
        )
    };
    let body = request.into_body();
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(too_large()),
        Err(_) => return Err(Problem::malformed("the body broke off")),
    };
    parse(&body)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // A list of bare values would be read too, in an order that nobody was told.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::malformed("the body is no JSON object"));
    }
    serde_json::from_slice(body).map_err(|wrong| {
        // It may quote what is wrong, and that may be long.
        let wrong: String = wrong.to_string().chars().take(WRONG_CHARS_MAX).collect();
        Problem::malformed(format!("the body: {wrong}"))
    })
}

/// The idempotency key: 16 bytes as a UUID or 32 hex digits, bare or in the quotes of RFC 9651.
pub(super) fn key(headers: &HeaderMap) -> Result<IdempotencyKey, Problem> {
    let mut values = headers.get_all(KEY_HEADER).iter();
    let wrong = || {
        Problem::field(
            "a write needs one header Idempotency-Key: a UUID or 32 hex digits, new for each write \
             and the same for its retries",
        )
    };
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(wrong());
    };
    let text = value.to_str().map_err(|_| wrong())?;
    let text = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    parse_key(text).ok_or_else(wrong)
}

fn parse_key(text: &str) -> Option<IdempotencyKey> {
    let groups: Vec<_> = text.split('-').collect();
    let lengths: Vec<_> = groups.iter().map(|group| group.len()).collect();
    let is_key = matches!(lengths[..], [32] | [8, 4, 4, 4, 12]);
    let bytes = is_key.then(|| hex(&groups.concat())).flatten()?;
    Some(IdempotencyKey(bytes))
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let value = values.next().and_then(|value| value.to_str().ok());
    let media_type = value.and_then(|value| value.split(';').next());
    let is_json =
        media_type.is_some_and(|found| found.trim().eq_ignore_ascii_case("application/json"));
    if is_json && values.next().is_none() {
        return Ok(());
    }
    Err(Problem::http(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "send JSON and say so: Content-Type: application/json",
    ))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn read(value: &'static str) -> Option<[u8; 16]> {
        let mut headers = HeaderMap::new();
        headers.insert(KEY_HEADER, HeaderValue::from_static(value));
        key(&headers).ok().map(|key| key.0)
    }

    #[test]
    fn a_key_is_a_uuid_or_hex_with_or_without_quotes() {
        let expected = Some(std::array::from_fn(|at| u8::try_from(at).unwrap()));
        for text in [
            "000102030405060708090a0b0c0d0e0f",
            "00010203-0405-0607-0809-0a0b0c0d0e0f",
            "00010203-0405-0607-0809-0A0B0C0D0E0F",
            "\"00010203-0405-0607-0809-0a0b0c0d0e0f\"",
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        for text in [
            "",
            "order-17",
            "000102030405060708090a0b0c0d0e0",
            "000102030405060708090a0b0c0d0e0f00",
            "0001020304-05-0607-0809-0a0b0c0d0e0f",
            "0001020-30405-0607-0809-0a0b0c0d0e0f",
            "+0010203-0405-0607-0809-0a0b0c0d0e0f",
            "\"000102030405060708090a0b0c0d0e0f",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(key(&HeaderMap::new()).is_err());
        let mut twice = HeaderMap::new();
        for _ in 0..2 {
            let value = HeaderValue::from_static("000102030405060708090a0b0c0d0e0f");
            twice.append(KEY_HEADER, value);
        }
        assert!(key(&twice).is_err(), "which of the two?");
    }

    #[test]
    fn a_body_is_one_object_and_what_is_wrong_with_it_is_said_in_short() {
        use super::super::forms::Draft;

        let said = parse::<Draft>(b" \n{\"text\": \"hello\"}").unwrap();
        assert_eq!(said.draft().unwrap(), "hello".into());
        for wrong in ["", "[\"hello\"]", "\"hello\"", "null", "\u{feff}{}"] {
            assert!(parse::<Draft>(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let long = format!("{{\"{}\": 1}}", "x".repeat(100_000));
        let problem = parse::<Draft>(long.as_bytes()).unwrap_err();
        assert!(format!("{problem:?}").len() < 2 * WRONG_CHARS_MAX);
    }

    #[test]
    fn only_json_is_read() {
        let check = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
            check_content_type(&headers).is_ok()
        };
        assert!(check("application/json"));
        assert!(check("Application/JSON ; charset=utf-8"));
        for wrong in [
            "",
            "text/plain",
            "application/jsonp",
            "application/x-www-form-urlencoded",
        ] {
            assert!(!check(wrong), "{wrong}");
        }
        assert!(check_content_type(&HeaderMap::new()).is_err());
    }
}
