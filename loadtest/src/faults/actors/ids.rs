//! One client message id that visitors of every tenant use: it is another message of each.

use futures_util::{StreamExt, stream};

use super::stranger::{Stranger, message, new_id};
use crate::{
    address::Address,
    faults::{bound::Figure, figures::Figures},
};

/// So many tenants' visitors at once.
const AT_ONCE: usize = 16;

/// Each writes with it twice, and looks how often it is there.
pub(super) async fn act(at: &Address, tenants: &[String]) -> anyhow::Result<Figures> {
    let id = new_id();
    let written = tenants.iter().map(|tenant| {
        let id = &id;
        async move {
            let mut stranger = Stranger::arrive(at, tenant).await?;
            for _ in 0..2 {
                let body = message(tenant, id);
                stranger.insist("POST", "/api/chat/messages", Some(body)).await?;
            }
            for _ in 0..50 {
                if let Some(texts) = stranger.history().await? {
                    return anyhow::Ok(texts == [tenant.clone()]);
                }
            }
            anyhow::bail!("the history of {tenant} could not be read")
        }
    });
    let mut written = stream::iter(written).buffer_unordered(AT_ONCE);
    let (mut right, mut wrong) = (0.0, 0.0);
    while let Some(is_right) = written.next().await {
        *if is_right? { &mut right } else { &mut wrong } += 1.0;
    }
    Ok(Figures::from([(Figure::IdsRight, right), (Figure::IdsWrong, wrong)]))
}
