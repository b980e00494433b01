//! Problems as HTTP answers.

use std::time::Duration;

use axum::{body::Body, response::Response};
use http::{HeaderValue, header};

use crate::request_id::RequestId;
use parlor_common::problem::{Code, Problem};

/// The answer that tells `problem`: its status, its JSON, `Retry-After` in whole seconds where it
/// has one, and `Cache-Control: no-store`. `Connection: close` where the rest of the request is not
/// going to be read.
///
/// The caller adds the headers that depend on the request's Origin.
pub fn problem_response(problem: &Problem, id: &RequestId) -> Response {
    let body = serde_json::to_vec(&problem.body(id.as_str()))
        .expect("a problem has string keys and no fallible field");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = problem.code.status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if matches!(problem.code, Code::TooLarge | Code::RequestTimeout) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(after) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
    }
    response
}

/// Rounded up, and at least 1: a client that comes back too early is refused again.
fn whole_seconds(after: Duration) -> u64 {
    (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds() {
        let header = |millis| {
            let problem = Problem::busy(Duration::from_millis(millis), "full");
            problem_response(&problem, &RequestId::taken("r")).headers()[header::RETRY_AFTER]
                .to_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(header(0), "1");
        assert_eq!(header(800), "1");
        assert_eq!(header(1000), "1");
        assert_eq!(header(1001), "2");
    }

    #[test]
    fn a_problem_says_when_the_rest_of_the_request_is_not_read() {
        let response =
            problem_response(&Problem::new(Code::TooLarge, "too large"), &RequestId::taken("r"));
        assert_eq!(response.headers()[header::CONNECTION], "close");
        let response = problem_response(&Problem::not_found(), &RequestId::taken("r"));
        assert!(!response.headers().contains_key(header::CONNECTION));
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    }
}
