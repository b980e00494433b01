//! One tenant's visitors who write as much as they can. Who is told to wait goes, and another one
//! comes: so that in the end it is the tenant that has had its share.

use futures_util::future::try_join_all;

use super::{
    Over, TENANT,
    stranger::{Stranger, message, new_id},
};
use crate::{
    address::Address,
    faults::{bound::Figure, figures::Figures},
};

/// So many connections at once, which begin as one visitor.
const AT_ONCE: usize = 8;
/// Bytes of a text: as many as may be.
const TEXT: usize = 16_000;

#[derive(Default)]
struct Answers {
    accepted: f64,
    limited: f64,
    odd: f64,
}

/// Floods until it is over.
pub(super) async fn act(at: &Address, over: Over) -> anyhow::Result<Figures> {
    let first = Stranger::arrive(at, TENANT).await?;
    let all = (0..AT_ONCE).map(|_| flood(at, first.again(at), over.clone()));
    let all = try_join_all(all).await?;
    let sum = |of: fn(&Answers) -> f64| all.iter().map(of).sum::<f64>();
    Ok(Figures::from([
        (Figure::FloodAccepted, sum(|answers| answers.accepted)),
        (Figure::FloodLimited, sum(|answers| answers.limited)),
        (Figure::FloodOdd, sum(|answers| answers.odd)),
    ]))
}

async fn flood(at: &Address, mut stranger: Stranger, over: Over) -> anyhow::Result<Answers> {
    let text = "x".repeat(TEXT);
    let mut answers = Answers::default();
    while !*over.borrow() {
        let body = message(&text, &new_id());
        match stranger.ask("POST", "/api/chat/messages", Some(body)).await {
            Some(answer) if answer.is_success() => answers.accepted += 1.0,
            Some(answer) if answer.status == 429 => {
                answers.limited += 1.0;
                stranger = Stranger::arrive(at, TENANT).await?;
            }
            Some(answer) if answer.status == 503 => {}
            _ => answers.odd += 1.0,
        }
    }
    Ok(answers)
}
