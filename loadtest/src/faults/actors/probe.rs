//! A visitor whose shard of the log goes away and comes back: what is said to it meanwhile.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    Over, TENANT,
    stranger::{Stranger, message, new_id},
};
use crate::{
    address::Address,
    faults::{bound::Figure, figures::Figures},
};

const PAUSE: Duration = Duration::from_millis(200);

/// Writes until it is over: how often it was refused, and whether it was accepted at the end.
pub(super) async fn act(at: &Address, over: Over) -> anyhow::Result<Figures> {
    let mut stranger = Stranger::arrive(at, TENANT).await?;
    let (mut refused, mut accepted_last) = (0.0, 0.0);
    while !*over.borrow() {
        let body = message("is anybody there?", &new_id());
        let answer = stranger.ask("POST", "/api/chat/messages", Some(body)).await;
        let is_accepted = answer.is_some_and(|answer| answer.is_success());
        accepted_last = f64::from(u8::from(is_accepted));
        refused += 1.0 - accepted_last;
        sleep(PAUSE).await;
    }
    Ok(Figures::from([(Figure::ProbeRefused, refused), (Figure::ProbeAccepted, accepted_last)]))
}
