//! A conversation by REST, whoever asks: a page of it, and a draft for it.

use std::{future::Future, time::Duration};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::StatusCode;
use parlor_common::{
    action::Action,
    author::Author,
    conversation::{ConversationKey, ConversationSet},
    cursor::Cursors,
    deadline::in_time,
    door::{Receipt, Submission},
    event::{Audience, Event, Transport},
    message::{Draft, Message, write_message, written_size},
    position::Position,
    problem::{Code, Problem},
    tenant::TenantId,
};
use parlor_history::{Form, HistoryError, WrittenPage};
use parlor_http::read_body;
use parlor_store::PageRange;
use serde::Serialize;
use tracing::debug;

use super::{
    body,
    call::{Call, json, of_json},
    deps::Deps,
    fields::Fields,
    query::{Place, Query},
};

/// What a reader asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    place: Place,
    limit: usize,
}

/// The name of the form in which messages stand in a page, and of the page's list of them.
pub(super) const MESSAGES: &str = "messages";

/// How far somebody has read now.
#[derive(Serialize)]
pub(super) struct MarkBody {
    pub(super) read: String,
}

#[derive(Serialize)]
struct ReceiptBody {
    message: Message,
    duplicate: bool,
}

// === impl Wanted ===

impl Wanted {
    /// Whether it is the page with which the widget opens.
    pub(super) const fn is_newest(self) -> bool {
        matches!(self.place, Place::Newest)
    }
}

// === reading ===

/// Reads what the address asks for, before anything is looked up.
pub(super) fn wanted(rest: &Deps, call: &Call, tenant: &TenantId) -> Result<Wanted, Problem> {
    let query = Query::parse(call.query())?;
    Ok(Wanted { place: query.place(tenant, &rest.cursors)?, limit: query.limit()? })
}

/// The messages of that part of the conversations.
pub(super) async fn page(
    rest: &Deps,
    set: &ConversationSet,
    wanted: Wanted,
) -> Result<WrittenPage, Problem> {
    let form = Form { name: MESSAGES, write: |events: &[Event]| messages(&rest.cursors, events) };
    // Messages are all that a visitor reads, and whoever pages through them alone must meet no page
    // that is full of what is none.
    page_of(rest, set, Audience::Visitor, wanted, form).await
}

/// What `audience` reads of that part of the conversations.
pub(super) async fn page_of(
    rest: &Deps,
    set: &ConversationSet,
    audience: Audience,
    wanted: Wanted,
    form: Form<impl Fn(&[Event]) -> Bytes + Copy + Send>,
) -> Result<WrittenPage, Problem> {
    let Wanted { place, limit } = wanted;
    let read = |range| rest.history.written_page(set, audience, range, limit, form);
    let page = async {
        match place {
            Place::Newest => {
                read(PageRange::Before(Position::MAX)).await.map_err(|error| match error {
                    // No position was asked for: the log has just been made anew, and the next
                    // sample will know it.
                    HistoryError::UnknownPosition => HistoryError::Unavailable(error.to_string()),
                    HistoryError::Unavailable(_) => error,
                })
            }
            Place::After(after) => read(PageRange::After(after)).await,
            Place::Before(before) => {
                let (_, page) = tokio::try_join!(
                    not_ahead(rest, set, audience, before),
                    read(PageRange::Before(before))
                )?;
                Ok(page)
            }
        }
    };
    within(rest.settings.read_within, page).await
}

/// Checks that `before` is not ahead of the log's end, which reading backwards would not notice.
/// What the store has cannot be ahead, so that the log is not asked about it.
async fn not_ahead(
    rest: &Deps,
    set: &ConversationSet,
    audience: Audience,
    before: Position,
) -> Result<(), HistoryError> {
    if before > persisted(rest, set.tenant()) {
        let primary = ConversationSet::only(&set.primary());
        rest.history.page(&primary, audience, PageRange::After(before), 1).await?;
    }
    Ok(())
}

/// Everything of `tenant` up to here is in the store. The position is never ahead of the log's end,
/// and the monitor knows it without asking.
pub(super) fn persisted(rest: &Deps, tenant: &TenantId) -> Position {
    rest.monitor.persisted(rest.log.shards().of(tenant))
}

/// The messages among events as JSON, with commas between them.
fn messages(cursors: &Cursors, events: &[Event]) -> Bytes {
    let mut out = Vec::with_capacity(events.iter().map(written_size).sum());
    let mut end = 0;
    for event in events {
        if end > 0 {
            out.push(b',');
        }
        if write_message(event, cursors, &mut out) {
            end = out.len();
        }
        out.truncate(end);
    }
    out.into()
}

/// The page as JSON, whose list is called `list`.
pub(super) fn page_answer(
    rest: &Deps,
    tenant: &TenantId,
    list: &str,
    page: &WrittenPage,
) -> Response {
    /// The names, and what stands after the list.
    const BESIDE_MESSAGES: usize = 100;
    let flag = |is_set| if is_set { "true" } else { "false" };
    let mut body = Vec::with_capacity(page.bytes.len() + BESIDE_MESSAGES);
    body.extend_from_slice(br#"{""#);
    body.extend_from_slice(list.as_bytes());
    body.extend_from_slice(br#"":["#);
    body.extend_from_slice(&page.bytes);
    body.extend_from_slice(br#"],"hasMore":"#);
    body.extend_from_slice(flag(page.more).as_bytes());
    body.extend_from_slice(br#","cursor":""#);
    rest.cursors.write_into(tenant, page.through, &mut body);
    body.push(b'"');
    if page.incomplete {
        body.extend_from_slice(br#","incomplete":true"#);
    }
    body.push(b'}');
    of_json(StatusCode::OK, body)
}

/// The page of a visitor who has written nothing: nothing is read, since every view of a page asks
/// for it.
pub(super) fn empty_page(rest: &Deps, tenant: &TenantId) -> WrittenPage {
    WrittenPage::empty(persisted(rest, tenant))
}

/// What is read, or a retryable problem once it has taken too long.
pub(super) async fn within<T>(
    deadline: Duration,
    read: impl Future<Output = Result<T, HistoryError>>,
) -> Result<T, Problem> {
    in_time(deadline, HistoryError::Unavailable, read).await.map_err(|error| {
        debug!(%error, "a page cannot be read");
        Problem::from(error)
    })
}

// === writing ===

/// Reads the body as a draft.
pub(super) async fn draft(rest: &Deps, call: &Call, body: Body) -> Result<Draft, Problem> {
    let body = read_body(body, rest.settings.max_body, rest.settings.body_stall).await?;
    body::draft(call.headers(), &body)
}

/// Hands the draft to the door: 201, or 200 with the first message for a repeat.
pub(super) async fn accept(
    rest: &Deps,
    call: &Call,
    conversations: ConversationSet,
    author: Author,
    draft: Draft,
) -> Result<Response, Problem> {
    let Receipt { event, duplicate } =
        submit_to(rest, call, conversations, author, Action::Send(draft)).await?;
    let message = Message::of(&event, &rest.cursors).ok_or_else(not_of_this_kind)?;
    json(status_of(duplicate), &ReceiptBody { message, duplicate })
}

/// Reads `{"read":"<cursor>"}`: up to where somebody has read.
pub(super) async fn read_up_to(
    rest: &Deps,
    tenant: &TenantId,
    body: Body,
) -> Result<Position, Problem> {
    let body = read_body(body, rest.settings.max_body, rest.settings.body_stall).await?;
    let cursor = Fields::parse(&body)?.cursor("read")?;
    let read = rest.cursors.read(tenant, &cursor);
    read.map_err(|bad| Problem::new(Code::BadCursor, bad.to_string()).detail("read", "bad_cursor"))
}

/// Asks the door for something in one conversation.
pub(super) async fn submit(
    rest: &Deps,
    call: &Call,
    key: &ConversationKey,
    author: Author,
    action: Action,
) -> Result<Receipt, Problem> {
    submit_to(rest, call, ConversationSet::only(key), author, action).await
}

/// Asks the door for something in a visitor's conversations.
pub(super) async fn submit_to(
    rest: &Deps,
    call: &Call,
    conversations: ConversationSet,
    author: Author,
    action: Action,
) -> Result<Receipt, Problem> {
    let submission = Submission {
        conversations,
        author,
        session: None,
        transport: Transport::Rest,
        arrived: call.arrived,
        action,
    };
    rest.door.accept(submission).await
}

/// 201, or 200 for a repeat.
pub(super) const fn status_of(duplicate: bool) -> StatusCode {
    if duplicate { StatusCode::OK } else { StatusCode::CREATED }
}

/// What was accepted first under an id is something else: no two ids are the same.
pub(super) fn not_of_this_kind() -> Problem {
    Problem::new(Code::Internal, "the first event of this id is of another kind")
}
