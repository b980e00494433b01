//! The frames of signals.

use std::time::Duration;

use parlor_common::{
    author::AuthorKind,
    frame::{ClientFrame, MAX_VISIBLE, ServerFrame},
    message::Sender,
};

use crate::signals::{
    TYPING_FOR,
    notice::{Look, Notice, Saying},
};

/// What a client's frame says; `None` where it means nothing from this side.
pub(super) fn said(frame: ClientFrame, by_visitor: bool) -> Option<Saying> {
    match frame {
        ClientFrame::Typing { on, .. } if by_visitor => {
            Some(Saying::Typing { conversation: None, on })
        }
        ClientFrame::Typing { conversation_id: conversation @ Some(_), on } => {
            Some(Saying::Typing { conversation, on })
        }
        ClientFrame::Look { open, visible } if !by_visitor && visible.len() <= MAX_VISIBLE => {
            Some(Saying::Look(Look { open, visible }))
        }
        _ => None,
    }
}

/// The frame that tells a client.
pub(super) fn frame(notice: &Notice) -> ServerFrame<'static> {
    match notice.clone() {
        Notice::Typing { conversation, by, author, on } => ServerFrame::Typing {
            conversation_id: conversation,
            by: match by {
                AuthorKind::Visitor => Sender::User,
                AuthorKind::Agent => Sender::Agent,
                AuthorKind::Bot => Sender::Bot,
            },
            author,
            on,
            expires_in_ms: millis(TYPING_FOR),
        },
        Notice::Visitor { conversation, online } => {
            ServerFrame::Visitor { conversation_id: conversation, online }
        }
        Notice::Agents { conversation, agents } => {
            ServerFrame::Agents { conversation_id: conversation, agents }
        }
        Notice::Here(here) => ServerFrame::Here { here },
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
