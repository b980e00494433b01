//! A conversation by REST, whoever asks: a page of it, and a draft for it.

use std::{future::Future, ops::Not, time::Duration};

use axum::{body::Body, response::Response};
use http::StatusCode;
use parlor_common::{
    action::Action,
    author::Author,
    conversation::ConversationSet,
    deadline::in_time,
    door::{Receipt, Submission},
    event::{Audience, Transport},
    message::{Draft, Message},
    position::Position,
    problem::{Code, Problem},
    tenant::TenantId,
};
use parlor_history::{HistoryError, HistoryPage};
use parlor_http::read_body;
use parlor_store::PageRange;
use serde::Serialize;
use tracing::debug;

use super::{
    body,
    call::{Call, json},
    deps::Deps,
    query::{Place, Query},
};

/// What a reader asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    place: Place,
    limit: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PageBody {
    messages: Vec<Message>,
    has_more: bool,
    cursor: String,
    #[serde(skip_serializing_if = "<&bool>::not")]
    incomplete: bool,
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

/// That part of the conversations.
pub(super) async fn page(
    rest: &Deps,
    set: &ConversationSet,
    audience: Audience,
    wanted: Wanted,
) -> Result<HistoryPage, Problem> {
    let Wanted { place, limit } = wanted;
    let history = &rest.history;
    let page = async {
        match place {
            Place::Newest => {
                history.page(set, audience, PageRange::Before(Position::MAX), limit).await.map_err(
                    |error| match error {
                        // No position was asked for: the log has just been made anew, and the next
                        // sample will know it.
                        HistoryError::UnknownPosition => {
                            HistoryError::Unavailable(error.to_string())
                        }
                        HistoryError::Unavailable(_) => error,
                    },
                )
            }
            Place::After(after) => {
                history.page(set, audience, PageRange::After(after), limit).await
            }
            Place::Before(before) => {
                let (_, page) = tokio::try_join!(
                    not_ahead(rest, set, audience, before),
                    history.page(set, audience, PageRange::Before(before), limit)
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

/// The page as JSON.
pub(super) fn page_answer(
    rest: &Deps,
    tenant: &TenantId,
    page: &HistoryPage,
) -> Result<Response, Problem> {
    let messages =
        page.events.iter().filter_map(|event| Message::of(event, &rest.cursors)).collect();
    let cursor = rest.cursors.write(tenant, page.through);
    json(
        StatusCode::OK,
        &PageBody { messages, has_more: page.more, cursor, incomplete: page.incomplete },
    )
}

/// The page of a visitor who has written nothing: nothing is read, since every view of a page asks
/// for it.
pub(super) fn empty_page(rest: &Deps, tenant: &TenantId) -> Result<Response, Problem> {
    let page = HistoryPage {
        events: Vec::new(),
        more: false,
        through: persisted(rest, tenant),
        incomplete: false,
    };
    page_answer(rest, tenant, &page)
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
    let submission = Submission {
        conversations,
        author,
        session: None,
        transport: Transport::Rest,
        arrived: call.arrived,
        action: Action::Send(draft),
    };
    let Receipt { event, duplicate } = rest.door.accept(submission).await?;
    let message = Message::of(&event, &rest.cursors)
        .ok_or_else(|| Problem::new(Code::Internal, "the first event of this id is no message"))?;
    json(
        if duplicate { StatusCode::OK } else { StatusCode::CREATED },
        &ReceiptBody { message, duplicate },
    )
}
