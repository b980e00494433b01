//! Reading a request's body, bounded in bytes and in time.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::time::{Instant, timeout_at};

use parlor_common::problem::{Code, Problem};

/// A whole body may take this many times the limit of a stall, so that a client cannot hold its
/// request by sending a byte now and then.
const STALLS_IN_ALL: u32 = 4;

/// Reads a whole body of at most `limit` bytes, none of whose parts may take longer than `stall`.
///
/// A body whose announced length is over the limit is not read at all. Not cancel safe: what was
/// read is lost.
///
/// # Errors
/// `TooLarge` over the limit, `RequestTimeout` where it stalls, `BadRequest` where the client broke
/// off.
pub async fn read_body(mut body: Body, limit: usize, stall: Duration) -> Result<Bytes, Problem> {
    let too_large =
        || Problem::new(Code::TooLarge, format!("the body has more than {limit} bytes"));
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    let end = Instant::now() + stall * STALLS_IN_ALL;
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    loop {
        let deadline = end.min(Instant::now() + stall);
        let frame = match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => return Err(Problem::new(Code::BadRequest, "the body broke off")),
            Ok(None) => break,
            Err(_) => {
                return Err(Problem::new(Code::RequestTimeout, "the body did not come in time"));
            }
        };
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + all.len() + data.len() > limit {
            return Err(too_large());
        }
        // Most bodies come in one piece, which needs no copy.
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}
