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
const READERS: usize = 4;
/// What a visitor may write a second is 20.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Answers {
    whole: f64,
    refused: f64,
    holes: f64,
}

/// Writes a history, and reads it until it is over.
pub(super) async fn act(at: &Address, over: Over) -> anyhow::Result<Figures> {
    let mut writer = Stranger::arrive(at, TENANT).await?;
    let texts: Vec<String> = (0..MESSAGES).map(|number| number.to_string()).collect();
    for text in &texts {
        let body = message(text, &new_id());
        writer.insist("POST", "/api/chat/messages", Some(body)).await?;
        sleep(PAUSE).await;
    }
    let readers = (0..READERS).map(|_| read(writer.again(at), &texts, over.clone()));
    let all = try_join_all(readers).await?;
    let sum = |of: fn(&Answers) -> f64| all.iter().map(of).sum::<f64>();
    Ok(Figures::from([
        (Figure::ReadsWhole, sum(|answers| answers.whole)),
        (Figure::ReadsRefused, sum(|answers| answers.refused)),
        (Figure::ReadsWithHoles, sum(|answers| answers.holes)),
    ]))
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
