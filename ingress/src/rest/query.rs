//! The parameters of an address: cursors, limit, status. Unknown ones are ignored, known ones are
//! checked.

use parlor_common::{
    cursor::Cursors,
    position::Position,
    problem::{Code, Problem},
    state::Status,
    tenant::TenantId,
};
use percent_encoding::percent_decode_str;

/// How many a page holds unless the client says so.
const DEFAULT_LIMIT: usize = 50;
/// The most a page holds.
const MAX_LIMIT: usize = 100;

/// The known parameters of one request, decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    before: Option<String>,
    after: Option<String>,
    limit: Option<String>,
    status: Option<String>,
}

/// Where a page lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Newest,
    Before(Position),
    After(Position),
}

// === impl Query ===

impl Query {
    /// Reads what follows the `?`.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, Problem> {
        let mut query = Self::default();
        for pair in text.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, place) = match name {
                "before" => ("before", &mut query.before),
                "after" => ("after", &mut query.after),
                "limit" => ("limit", &mut query.limit),
                "status" => ("status", &mut query.status),
                _ => continue,
            };
            if place.is_some() {
                return Err(bad(name, "repeated", format!("{name} is given twice")));
            }
            let value = percent_decode_str(value).decode_utf8();
            let value = value.map_err(|_| bad(name, "not_utf8", format!("{name} is not UTF-8")))?;
            *place = Some(value.into_owned());
        }
        Ok(query)
    }

    /// 1 to 100.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let Some(text) = &self.limit else { return Ok(DEFAULT_LIMIT) };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let limit = text.parse().ok().filter(|limit| digits && (1..=MAX_LIMIT).contains(limit));
        limit.ok_or_else(|| {
            bad("limit", "out_of_range", format!("limit is a number from 1 to {MAX_LIMIT}"))
        })
    }

    /// `before` and `after`, which exclude each other.
    pub(super) fn place(&self, tenant: &TenantId, cursors: &Cursors) -> Result<Place, Problem> {
        match (&self.before, &self.after) {
            (None, None) => Ok(Place::Newest),
            (Some(before), None) => read(cursors, tenant, "before", before).map(Place::Before),
            (None, Some(after)) => read(cursors, tenant, "after", after).map(Place::After),
            (Some(_), Some(_)) => {
                Err(bad("after", "excluded", "before and after exclude each other".to_owned())
                    .detail("before", "excluded"))
            }
        }
    }

    /// `after` as the inbox means it: everything that was active before.
    pub(super) fn inbox_before(
        &self,
        tenant: &TenantId,
        cursors: &Cursors,
    ) -> Result<Position, Problem> {
        self.after.as_ref().map_or(Ok(Position::MAX), |after| read(cursors, tenant, "after", after))
    }

    /// Which conversations an agent asks for; the open ones unless the address says otherwise.
    pub(super) fn status(&self) -> Result<Status, Problem> {
        match self.status.as_deref() {
            None | Some("open") => Ok(Status::Open),
            Some("closed") => Ok(Status::Closed),
            Some(_) => Err(bad("status", "unknown", "status is open or closed".to_owned())),
        }
    }
}

fn read(
    cursors: &Cursors,
    tenant: &TenantId,
    name: &'static str,
    text: &str,
) -> Result<Position, Problem> {
    let cursor = cursors.read(tenant, text);
    cursor.map_err(|bad| Problem::new(Code::BadCursor, bad.to_string()).detail(name, "bad_cursor"))
}

fn bad(name: &'static str, code: &'static str, message: String) -> Problem {
    Problem::new(Code::BadRequest, message).detail(name, code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(text: &str) -> Result<usize, Code> {
        Query::parse(Some(text)).and_then(|query| query.limit()).map_err(|problem| problem.code)
    }

    #[test]
    fn a_limit_is_1_to_100_and_50_by_default() {
        assert_eq!(limit(""), Ok(50));
        assert_eq!(limit("limit=1"), Ok(1));
        assert_eq!(limit("x=y&limit=%31%30%30&z"), Ok(100));
        for text in [
            "limit=0",
            "limit=101",
            "limit=-1",
            "limit=+5",
            "limit=",
            "limit=1e1",
            "limit=99999999999999999999",
        ] {
            assert_eq!(limit(text), Err(Code::BadRequest), "{text}");
        }
    }

    #[test]
    fn a_known_parameter_is_given_once_and_in_utf8() {
        for text in ["limit=1&limit=1", "before=a&before=", "after=%ff"] {
            assert_eq!(Query::parse(Some(text)).unwrap_err().code, Code::BadRequest, "{text}");
        }
        assert_eq!(Query::parse(Some("other=%ff&other=2&=&&=x&%")), Ok(Query::default()));
    }

    #[test]
    fn everything_is_open() {
        let status = |text| {
            Query::parse(Some(text))
                .and_then(|query| query.status())
                .map_err(|problem| problem.code)
        };
        assert_eq!(status(""), Ok(Status::Open));
        assert_eq!(status("status=open"), Ok(Status::Open));
        assert_eq!(status("status=closed"), Ok(Status::Closed));
        assert_eq!(status("status=Open"), Err(Code::BadRequest));
    }
}
