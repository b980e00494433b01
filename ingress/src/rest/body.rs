//! The bodies that clients send: a draft, and what a session is asked for.

use http::{HeaderMap, HeaderName};
use parlor_common::{
    id::ClientMessageId,
    message::{Draft, Text},
    problem::{Code, Problem},
};
use serde_json::{Map, Value, error::Category};

pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const CLIENT_MESSAGE_ID: &str = "clientMessageId";

/// Where a session's visitor token goes.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) enum Handover {
    /// Into a cookie.
    Cookie,
    /// Into the answer, for clients without cookies.
    Token,
    /// Into the answer, for the visitor whom this JWT proves.
    Proven(String),
}

/// Reads a draft: `{"text","clientMessageId"?}`, or the id as `Idempotency-Key`. Other fields are
/// ignored.
pub(super) fn draft(headers: &HeaderMap, body: &[u8]) -> Result<Draft, Problem> {
    let mut fields = object(body)?;
    let text = match fields.remove("text") {
        Some(Value::String(text)) => Text::parse(text)?,
        Some(_) => return Err(Problem::field("text", "wrong_type", "text is not a string")),
        None => return Err(Problem::field("text", "missing", "text is missing")),
    };
    let named = fields.remove(CLIENT_MESSAGE_ID);
    let client_message_id = one_id(named, idempotency_key(headers)?)?;
    Ok(Draft { text, client_message_id })
}

/// The client's id of what it asks for, by the field `clientMessageId` or by the header.
pub(super) fn one_id(
    named: Option<Value>,
    key: Option<ClientMessageId>,
) -> Result<Option<ClientMessageId>, Problem> {
    let named = match named {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) => Some(client_message_id(&id)?),
        Some(_) => {
            return Err(Problem::field(
                CLIENT_MESSAGE_ID,
                "wrong_type",
                "clientMessageId is not a string",
            ));
        }
    };
    match (named, key) {
        (Some(named), Some(key)) if named != key => Err(disagree()),
        (named, key) => Ok(named.or(key)),
    }
}

/// Reads what a session is asked for: nothing, or an object that may have `"credential": "token"`,
/// or the tenant's JWT as `identity`, whose visitor is in no cookie.
pub(super) fn handover(body: &[u8]) -> Result<Handover, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Handover::Cookie);
    }
    let mut body = object(body)?;
    if let Some(identity) = identity(&mut body)? {
        return Ok(Handover::Proven(identity));
    }
    match body.get("credential") {
        None | Some(Value::Null) => Ok(Handover::Cookie),
        Some(Value::String(credential)) if credential == "token" => Ok(Handover::Token),
        Some(Value::String(credential)) if credential == "cookie" => Ok(Handover::Cookie),
        Some(_) => Err(Problem::field("credential", "unknown", "credential is cookie or token")),
    }
}

/// The tenant's JWT, where the body has one.
pub(super) fn identity(body: &mut Map<String, Value>) -> Result<Option<String>, Problem> {
    match body.remove("identity") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(identity)) => Ok(Some(identity)),
        Some(_) => Err(Problem::field("identity", "wrong_type", "identity is not a string")),
    }
}

/// `serde_json` bounds the depth to 128, and refuses lone surrogates and what is not UTF-8.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => Problem::new(Code::BadJson, "the body is not a JSON object"),
        // The library has no error kind for a body that is nested too deep.
        Category::Syntax if error.to_string().starts_with("recursion limit") => {
            Problem::field("body", "too_deep", "the body is nested deeper than 128")
        }
        Category::Io | Category::Syntax | Category::Eof => {
            Problem::new(Code::BadJson, "the body is not JSON")
        }
    })
}

fn client_message_id(text: &str) -> Result<ClientMessageId, Problem> {
    ClientMessageId::parse(text)
        .map_err(|bad| Problem::field(CLIENT_MESSAGE_ID, "malformed", bad.to_string()))
}

/// The id in the header `Idempotency-Key`.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<ClientMessageId>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.any(|other| other != value) {
        return Err(disagree());
    }
    client_message_id(value.to_str().unwrap_or_default()).map(Some)
}

fn disagree() -> Problem {
    Problem::field(
        CLIENT_MESSAGE_ID,
        "disagrees",
        "clientMessageId and Idempotency-Key are two spellings of one id",
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn refused(body: &str) -> (u16, Option<String>) {
        let problem = draft(&HeaderMap::new(), body.as_bytes()).unwrap_err();
        (
            problem.code.status().as_u16(),
            problem.details.first().map(|detail| format!("{}/{}", detail.field, detail.code)),
        )
    }

    #[test]
    fn a_body_that_is_no_object_is_400_and_a_wrong_field_422() {
        let deep = format!(r#"{{"text":"a","x":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
        for body in ["", "{", "[]", "null", "\"text\"", "{\"text\":\"a\"", r#"{"text":"\ud800"}"#] {
            assert_eq!(refused(body), (400, None), "{body}");
        }
        assert_eq!(refused(&deep), (422, Some("body/too_deep".to_owned())));
        for (body, detail) in [
            ("{}", "text/missing"),
            (r#"{"text":5}"#, "text/wrong_type"),
            (r#"{"text":null}"#, "text/wrong_type"),
            (r#"{"text":" \n"}"#, "text/empty"),
            (r#"{"text":"a\u0000"}"#, "text/nul"),
            (r#"{"text":"a","clientMessageId":7}"#, "clientMessageId/wrong_type"),
            (r#"{"text":"a","clientMessageId":""}"#, "clientMessageId/malformed"),
            (r#"{"text":"a","clientMessageId":"a b"}"#, "clientMessageId/malformed"),
        ] {
            assert_eq!(refused(body), (422, Some(detail.to_owned())), "{body}");
        }
    }

    #[test]
    fn an_idempotency_key_is_another_spelling_of_the_client_message_id() {
        let draft = |keys: &[&'static [u8]], body: &str| {
            let mut headers = HeaderMap::new();
            for key in keys {
                headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(key).unwrap());
            }
            let draft = draft(&headers, body.as_bytes()).map_err(|problem| problem.code)?;
            Ok(draft.client_message_id.map(String::from))
        };
        let (plain, named) = (r#"{"text":"a"}"#, r#"{"text":"a","clientMessageId":"m1"}"#);
        assert_eq!(draft(&[], plain), Ok(None));
        assert_eq!(draft(&[b"k1"], plain), Ok(Some("k1".to_owned())));
        assert_eq!(draft(&[b"m1", b"m1"], named), Ok(Some("m1".to_owned())));
        for keys in [&[&b"k1"[..]][..], &[b"\xe9"], &[b""], &[b"m1", b"m2"]] {
            assert_eq!(draft(keys, named), Err(Code::Invalid), "{keys:?}");
        }
    }

    #[test]
    fn a_session_may_ask_for_the_token_itself() {
        let handover = |body: &str| handover(body.as_bytes()).map_err(|problem| problem.code);
        for body in [
            "",
            " \n",
            "{}",
            r#"{"tenantId":"a"}"#,
            r#"{"credential":null}"#,
            r#"{"credential":"cookie"}"#,
        ] {
            assert_eq!(handover(body), Ok(Handover::Cookie), "{body}");
        }
        assert_eq!(handover(r#"{"credential":"token"}"#), Ok(Handover::Token));
        assert_eq!(handover(r#"{"credential":"other"}"#), Err(Code::Invalid));
        let proven = Handover::Proven("a.b.c".to_owned());
        assert_eq!(handover(r#"{"identity":"a.b.c","credential":"cookie"}"#), Ok(proven));
        assert_eq!(handover(r#"{"identity":null}"#), Ok(Handover::Cookie));
        assert_eq!(handover(r#"{"identity":7}"#), Err(Code::Invalid));
        assert_eq!(handover("{"), Err(Code::BadJson));
    }
}
