//! Pages of conversations.

use std::{cell::Cell, rc::Rc, time::Duration};

use anyhow::ensure;
use tokio::{task::spawn_local, time::sleep};

use super::{Drafts, Figures, Size, figures, visitor};
use crate::{
    load::Tally,
    target::Target,
    wire::{self, Connection},
};

const CONNECTIONS: usize = 16;
/// Messages of each conversation: more than a page.
const MESSAGES: usize = 120;
const PATH: &str = "/api/chat/messages?limit=50";
const WARM: Duration = Duration::from_secs(1);
/// The persister has stored what was written.
const STORED: Duration = Duration::from_secs(2);

/// Newest pages of many conversations, in turns.
pub(super) async fn pages(target: &Target, size: Size) -> anyhow::Result<Figures> {
    asked(target, size.conversations, size.lasts).await
}

/// The newest page of one.
pub(super) async fn hot(target: &Target, size: Size) -> anyhow::Result<Figures> {
    asked(target, 1, size.lasts).await
}

async fn asked(target: &Target, conversations: usize, lasts: Duration) -> anyhow::Result<Figures> {
    let tokens = Rc::new(written(target, conversations).await?);
    sleep(STORED).await;
    let tally = Rc::new(Tally::new());
    let turn = Rc::new(Cell::new(0));
    for _ in 0..CONNECTIONS {
        let connection = Connection::open(target.address).await?;
        let (tokens, tally, turn) = (tokens.clone(), tally.clone(), turn.clone());
        tally.clone().client(async move {
            loop {
                turn.set(turn.get() + 1);
                let token = &tokens[turn.get() % tokens.len()];
                let intended = tally.now();
                let request = wire::request("GET", PATH, Some(token), "");
                let answer = connection.call(&request).await?;
                ensure!(answer.status == 200, "{}", wire::text(&answer.body));
                tally.came(intended);
            }
        });
    }
    sleep(WARM).await;
    tally.start();
    let watch = target.watch()?;
    sleep(lasts).await;
    figures(&tally, &watch.end()?)
}

/// Conversations with messages, by their visitors' tokens.
async fn written(target: &Target, conversations: usize) -> anyhow::Result<Vec<String>> {
    let drafts = Rc::new(Drafts::new());
    let mut tokens = Vec::new();
    for _ in 0..conversations {
        tokens.push(visitor(target).await?);
    }
    let writing: Vec<_> = tokens
        .chunks(tokens.len().div_ceil(CONNECTIONS))
        .map(|some| {
            let (some, drafts, address) = (some.to_vec(), drafts.clone(), target.address);
            spawn_local(async move {
                let connection = Connection::open(address).await?;
                for _ in 0..MESSAGES {
                    for token in &some {
                        let body = drafts.body(0);
                        let request =
                            wire::request("POST", "/api/chat/messages", Some(token), &body);
                        let answer = connection.call(&request).await?;
                        ensure!(answer.status == 201, "{}", wire::text(&answer.body));
                    }
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for writer in writing {
        writer.await??;
    }
    Ok(tokens)
}
