//! Drafts by POST.

use std::{rc::Rc, time::Duration};

use anyhow::ensure;
use tokio::time::sleep;

use super::{Drafts, Figures, Size, figures, visitor};
use crate::{
    load::Tally,
    target::Target,
    wire::{self, Connection},
};

const CONNECTIONS: usize = 32;
const WARM: Duration = Duration::from_secs(1);

pub(super) async fn posts(target: &Target, size: Size) -> anyhow::Result<Figures> {
    let (tally, drafts) = (Rc::new(Tally::new()), Rc::new(Drafts::new()));
    for _ in 0..CONNECTIONS {
        let token = visitor(target).await?;
        let connection = Connection::open(target.address).await?;
        let (tally, drafts) = (tally.clone(), drafts.clone());
        tally.clone().client(async move {
            loop {
                let intended = tally.now();
                let body = drafts.body(intended);
                let request = wire::request("POST", "/api/chat/messages", Some(&token), &body);
                let answer = connection.call(&request).await?;
                ensure!(answer.status == 201, "{}", wire::text(&answer.body));
                tally.came(intended);
            }
        });
    }
    sleep(WARM).await;
    tally.start();
    let watch = target.watch()?;
    sleep(size.lasts).await;
    figures(&tally, &watch.end()?)
}
