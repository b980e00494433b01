//! The parameters of an address: cursors, limit, what a list holds. Unknown ones are ignored, known
//! ones are checked.

use parlor_common::{
    cursor::Cursors,
    position::Position,
    problem::{Code, Problem},
    state::{Status, Waiting},
    tenant::TenantId,
};
use parlor_store::{InboxFilter, List};
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
    since: Option<String>,
    limit: Option<String>,
    list: Option<String>,
    status: Option<String>,
    waiting: Option<String>,
    email: Option<String>,
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
                "since" => ("since", &mut query.since),
                "list" => ("list", &mut query.list),
                "status" => ("status", &mut query.status),
                "waiting" => ("waiting", &mut query.waiting),
                "email" => ("email", &mut query.email),
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

    /// `since`, the end of what is known.
    pub(super) fn since(
        &self,
        tenant: &TenantId,
        cursors: &Cursors,
    ) -> Result<Option<Position>, Problem> {
        self.since.as_ref().map(|since| read(cursors, tenant, "since", since)).transpose()
    }

    /// Which conversations the agent `me` asks for; all of them unless the address says otherwise.
    pub(super) fn filter(&self, me: &str) -> Result<InboxFilter, Problem> {
        let list = match self.list.as_deref().unwrap_or("all") {
            "all" => List::All,
            "mine" => List::Assignee(me.to_owned()),
            "none" => List::Unassigned,
            other => match other.split_once('/') {
                Some(("agent", agent)) if !agent.is_empty() => List::Assignee(agent.to_owned()),
                Some(("team", team)) if !team.is_empty() => List::Team(team.to_owned()),
                Some(("label", label)) if !label.is_empty() => List::Label(label.to_owned()),
                _ => {
                    let names = "all, mine, none, agent/ID, team/NAME or label/NAME";
                    return Err(bad("list", "unknown", format!("list is {names}")));
                }
            },
        };
        let status = match self.status.as_deref().unwrap_or("any") {
            "any" => None,
            other => Some(Status::parse(other).ok_or_else(|| {
                bad("status", "unknown", "status is open, snoozed, closed or any".to_owned())
            })?),
        };
        let waiting = match self.waiting.as_deref() {
            None => None,
            Some("team") => Some(Waiting::Team),
            Some("visitor") => Some(Waiting::Visitor),
            Some(_) => {
                return Err(bad("waiting", "unknown", "waiting is team or visitor".to_owned()));
            }
        };
        Ok(InboxFilter { list, status, waiting, email: self.email.clone() })
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
    fn a_list_is_what_the_address_says() {
        let filter = |text: &str| {
            let query = Query::parse(Some(text)).and_then(|query| query.filter("ann"));
            query.map_err(|problem| format!("{}", problem.details[0].field))
        };
        let of = |list| InboxFilter { list, ..InboxFilter::default() };
        let agent = |id: &str| of(List::Assignee(id.to_owned()));
        assert_eq!(filter(""), Ok(InboxFilter::default()));
        assert_eq!(filter("list=all&status=any"), Ok(InboxFilter::default()));
        assert_eq!(filter("list=mine"), Ok(agent("ann")));
        assert_eq!(filter("list=none"), Ok(of(List::Unassigned)));
        assert_eq!(filter("list=agent/a%2Fb"), Ok(agent("a/b")));
        assert_eq!(filter("list=team/sales"), Ok(of(List::Team("sales".to_owned()))));
        assert_eq!(filter("list=label/%C3%A9"), Ok(of(List::Label("é".to_owned()))));
        let all = InboxFilter {
            status: Some(Status::Snoozed),
            waiting: Some(Waiting::Team),
            email: Some("a+b@example.com".to_owned()),
            ..InboxFilter::default()
        };
        assert_eq!(filter("status=snoozed&waiting=team&email=a%2Bb@example.com"), Ok(all));
        for text in ["list=", "list=ann", "list=agent/", "list=owner/ann"] {
            assert_eq!(filter(text), Err("list".to_owned()), "{text}");
        }
        assert_eq!(filter("status=Open"), Err("status".to_owned()));
        assert_eq!(filter("waiting=bot"), Err("waiting".to_owned()));
    }
}
