//! One history that is read again and again: it is whole, or refused.

use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::sleep;

use super::{
    Over, TENANT,
    stranger::{Stranger, message, new_id},
};
use crate::{
    address::Address,
    faults::{bound::Figure, figures::Figures},
};

/// More than a page holds.
const MESSAGES: usize = 150;
const WRITERS: usize = 8;
const READERS: usize = 4;
/// How long to wait after a refusal.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Answers {
    whole: f64,
    refused: f64,
    holes: f64,
}

/// Writes a history, and reads it until it is over.
pub(super) async fn act(at: &Address, over: Over) -> anyhow::Result<Figures> {
    let first = Stranger::arrive(at, TENANT).await?;
    let numbers: Vec<usize> = (0..MESSAGES).collect();
    let writers = numbers.chunks(MESSAGES.div_ceil(WRITERS)).map(|numbers| {
        let mut writer = first.again(at);
        async move {
            for number in numbers {
                let body = message(&number.to_string(), &new_id());
                writer.insist("POST", "/api/chat/messages", Some(body)).await?;
            }
            anyhow::Ok(())
        }
    });
    try_join_all(writers).await?;
    let texts = whole(&mut first.again(at), &over).await?;
    let readers = (0..READERS).map(|_| read(first.again(at), &texts, over.clone()));
    let all = try_join_all(readers).await?;
    let sum = |of: fn(&Answers) -> f64| all.iter().map(of).sum::<f64>();
    Ok(Figures::from([
        (Figure::ReadsWhole, sum(|answers| answers.whole)),
        (Figure::ReadsRefused, sum(|answers| answers.refused)),
        (Figure::ReadsWithHoles, sum(|answers| answers.holes)),
    ]))
}

/// The history in its order, once it has every message.
async fn whole(reader: &mut Stranger, over: &Over) -> anyhow::Result<Vec<String>> {
    while !*over.borrow() {
        if let Some(texts) = reader.history().await?.filter(|texts| texts.len() == MESSAGES) {
            return Ok(texts);
        }
        sleep(PAUSE).await;
    }
    Ok(Vec::new())
}

async fn read(mut reader: Stranger, texts: &[String], over: Over) -> anyhow::Result<Answers> {
    let mut answers = Answers::default();
    while !*over.borrow() {
        match reader.history().await? {
            Some(read) if read == texts => answers.whole += 1.0,
            Some(_) => answers.holes += 1.0,
            None => {
                answers.refused += 1.0;
                sleep(PAUSE).await;
            }
        }
    }
    Ok(answers)
}
