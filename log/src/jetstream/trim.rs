//! Trimming: the oldest part of a stream is purged, a tenth at a time.

use parlor_common::clock::Timestamp;

use super::{
    JetStreamLog,
    names::StreamRef,
    shapes::{StreamState, read_time},
};
use crate::{LogError, PERSISTER, Trim};

/// A step purges so many parts of a hundred of the stream: its messages differ in size, and only
/// what is left tells what a step has freed.
const STEP_PERCENT: u64 = 10;

/// The most steps of one trim: from full to a tenth.
const STEPS: usize = 22;

pub(super) async fn trim(
    log: &JetStreamLog,
    stream: &StreamRef,
    trim: Trim,
) -> Result<u64, LogError> {
    let through = match trim.through.epoch().cmp(&stream.epoch) {
        // What is of an older epoch is in another stream.
        std::cmp::Ordering::Less => return Ok(0),
        std::cmp::Ordering::Equal => trim.through.sequence(),
        std::cmp::Ordering::Greater => {
            let Trim { through, .. } = trim;
            let epoch = stream.epoch;
            return Err(LogError::Rejected(format!("{through} is of a later epoch than {epoch}")));
        }
    };
    let through = through.min(acknowledged(log, stream).await?);
    let mut gone = 0;
    for _ in 0..STEPS {
        let info = log.stream(stream).await?;
        if info.state.bytes <= trim.down_to {
            break;
        }
        let before = trim.keeps_from(read_time(&info.ts)?);
        let Some(step) = step(log, stream, &info.state, through, before).await? else { break };
        gone += log.shared.api.purge(&stream.name, step).await?;
    }
    Ok(gone)
}

/// Up to where every group has acknowledged everything.
async fn acknowledged(log: &JetStreamLog, stream: &StreamRef) -> Result<u64, LogError> {
    let consumers = log.shared.api.consumers(&stream.name).await?;
    // Tails acknowledge nothing.
    let groups: Vec<_> =
        consumers.iter().filter(|consumer| consumer.config.ack_policy != "none").collect();
    if !groups.iter().any(|group| group.config.name == PERSISTER) {
        let why = format!("stream {} has no consumer {PERSISTER}", stream.name);
        return Err(LogError::Rejected(why));
    }
    for group in &groups {
        log.stream_of_group(stream, group).await?;
    }
    Ok(groups.iter().map(|group| group.ack_floor.stream_seq).min().unwrap_or(0))
}

/// The end of the next part that may go: a tenth of the stream, or less where that would be too
/// young, or beyond `through`, or the last message.
async fn step(
    log: &JetStreamLog,
    stream: &StreamRef,
    state: &StreamState,
    through: u64,
    before: Timestamp,
) -> Result<Option<u64>, LogError> {
    let first = state.first_seq.max(1);
    let most = (through.min(state.last_seq.saturating_sub(1)) + 1).saturating_sub(first);
    let part = (state.last_seq + 1).saturating_sub(first) * STEP_PERCENT / 100;
    let mut count = part.max(1).min(most);
    while count > 0 {
        let end = first + count - 1;
        // Times rise with the sequences: where this one is old enough, all before it are.
        let stored = log.stored_after(stream, end - 1).await?;
        if stored.is_some_and(|stored| stored < before) {
            return Ok(Some(end));
        }
        count /= 2;
    }
    Ok(None)
}
