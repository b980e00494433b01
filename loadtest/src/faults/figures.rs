//! The figures of a run: from the report as it is written, and from what was seen at the nodes.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use tokio::time::Instant;

use super::{bound::Figure, moments::Moments, watch::Seen};

/// Figures by name; one that could not be seen is not there.
pub(super) type Figures = BTreeMap<Figure, f64>;

/// Sockets that were dropped are back within this time after everything is mended.
const BACK_WITHIN: Duration = Duration::from_secs(10);

/// Codes of answers that are none of the protocol's.
const ODD: [&str; 3] = ["no_answer", "no_token", "status_"];

/// What a run came to. `started` is the report's time 0.
pub(super) fn figures(report: &Value, seen: &Seen, moments: Moments, started: Instant) -> Figures {
    let mut figures = Figures::new();
    let mut from_report = |figure: Figure, pointer: &str| {
        if let Some(value) = report.pointer(pointer).and_then(Value::as_f64) {
            figures.insert(figure, value);
        }
    };
    for (figure, pointer) in [
        (Figure::Lost, "/verdict/lost"),
        (Figure::Missing, "/verdict/missing"),
        (Figure::Doubled, "/verdict/doubled"),
        (Figure::Reordered, "/verdict/reordered"),
        (Figure::Foreign, "/verdict/foreign"),
        (Figure::Invented, "/verdict/invented"),
        (Figure::Rows, "/verdict/rows"),
        (Figure::Winners, "/verdict/winners"),
        (Figure::States, "/verdict/states"),
        (Figure::Gaps, "/counts/gaps"),
        (Figure::Gone, "/score/totals/gone"),
        (Figure::AcceptP99, "/score/accept/p99"),
        (Figure::AcceptMax, "/score/accept/max"),
        (Figure::DeliverMax, "/score/deliver/max"),
        (Figure::BackP99, "/score/back/p99"),
    ] {
        from_report(figure, pointer);
    }
    let mut insert = |figure: Figure, value: Option<f64>| {
        if let Some(value) = value {
            figures.insert(figure, value);
        }
    };
    insert(Figure::Unread, report.pointer("/verdict/unread").and_then(length));
    insert(Figure::FailedPercent, failed(report));
    insert(Figure::OddAnswers, odd(report));
    let since = |moment: Option<Instant>| {
        moment.map(|moment| moment.saturating_duration_since(started).as_secs_f64())
    };
    let (begun, broken, mended) =
        (since(moments.begun), since(moments.broken), since(moments.mended));
    if let (Some(begun), Some(broken), Some(mended)) = (begun, broken, mended) {
        let ratio = |of: &str| {
            let before = usual(report, of, begun, broken)?;
            Some(usual(report, of, broken, mended)? / before)
        };
        insert(Figure::AcceptRatio, ratio("accept"));
        insert(Figure::DeliverRatio, ratio("deliver"));
        let mending = since(moments.mending);
        insert(
            Figure::AcceptingAgain,
            mending.and_then(|mending| accepting_again(report, mending)),
        );
    }
    if let Some(mended) = moments.mended {
        insert(Figure::BacklogGone, seen.stored_after(mended));
        insert(Figure::ReadyAgain, seen.ready_after(mended));
    }
    insert(Figure::AdminMax, Some(seen.slowest.as_secs_f64() * 1000.0));
    insert(Figure::LostLines, Some(seen.grown("parlor_telemetry_lost_lines_total")));
    insert(Figure::SlowCloses, Some(seen.grown("parlor_socket_closes_total{code=\"slow\"}")));
    insert(Figure::MissingTenants, Some(seen.most("parlor_auth_missing_tenants")));
    insert(
        Figure::LogRefusals,
        Some(
            seen.grown("parlor_log_appends_total{outcome=\"full\"}")
                + seen.grown("parlor_log_appends_total{outcome=\"unavailable\"}"),
        ),
    );
    let share = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
    if let (Some(broken), Some(mended)) = (moments.broken, moments.mended) {
        // What the harness reads back at the end is not part of it.
        let between = |counter| seen.grown_between(counter, broken, mended + BACK_WITHIN);
        let resumes = between("parlor_resume_outcomes_total");
        let reads = between("parlor_history_store_reads_total");
        insert(Figure::StoreReadsPerResume, reads.zip(resumes).and_then(|(r, all)| share(r, all)));
    }
    let attempts = seen.grown("parlor_jetstream_append_attempts_total");
    let retries = seen.grown("parlor_jetstream_append_retries_total");
    insert(Figure::AppendRetries, share(100.0 * retries, attempts));
    figures
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵²")]
fn length(list: &Value) -> Option<f64> {
    list.as_array().map(|list| list.len() as f64)
}

/// Of 100 sends, those that were refused, failed, or have no answer and are not there.
fn failed(report: &Value) -> Option<f64> {
    let value = |pointer: &str| report.pointer(pointer).and_then(Value::as_f64);
    let failed = value("/score/totals/unsent")?
        + value("/counts/refused")?
        + value("/counts/failed")?
        + value("/verdict/unanswered")?;
    Some(100.0 * failed / value("/score/totals/offered")?.max(1.0))
}

fn odd(report: &Value) -> Option<f64> {
    let refusals = report.pointer("/score/refusals")?.as_object()?;
    let is_odd = |code: &String| ODD.iter().any(|odd| code.starts_with(odd));
    let odd = refusals.iter().filter(|(code, _)| is_odd(code));
    Some(odd.filter_map(|(_, count)| count.as_f64()).fold(0.0, |sum, count| sum + count))
}

/// The p99 of the seconds between two times, of which half were better. (The worst of them would
/// be worse in the longer time alone.)
fn usual(report: &Value, of: &str, from: f64, to: f64) -> Option<f64> {
    let points = report.pointer("/score/series")?.as_array()?.iter();
    let within =
        points.filter(|point| point["at"].as_f64().is_some_and(|at| at > from && at <= to));
    let all = within.filter_map(|point| point[of]["p99"].as_f64());
    let mut seen: Vec<f64> = all.filter(|p99| *p99 > 0.0).collect();
    seen.sort_by(f64::total_cmp);
    seen.get(seen.len() / 2).copied()
}

/// Seconds from `mending` to the end of the first second in which something was accepted.
fn accepting_again(report: &Value, mending: f64) -> Option<f64> {
    let points = report.pointer("/score/series")?.as_array()?.iter();
    let mut later = points.filter(|point| point["at"].as_f64().is_some_and(|at| at > mending));
    let first = later.find(|point| point["counts"]["accepted"].as_f64().unwrap_or(0.0) > 0.0)?;
    Some(first["at"].as_f64()? - mending)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn figures_are_read_from_the_report_and_what_is_not_there_is_not_made_up() {
        let started = Instant::now();
        let at = |seconds| Some(started + Duration::from_secs(seconds));
        let point = |at: u32, accepted: u32, p99: f64| {
            let counts = json!({ "accepted": accepted });
            json!({ "at": at, "counts": counts, "accept": { "p99": p99 } })
        };
        let before = [point(1, 5, 10.0), point(2, 5, 20.0)];
        let broken = [point(3, 0, 0.0), point(4, 1, 60.0)];
        let series = [&before[..], &broken, &[point(5, 0, 0.0), point(6, 9, 10.0)]].concat();
        let report = json!({
            "verdict": { "lost": 2, "unread": ["a"], "unanswered": 1 },
            "counts": { "refused": 1, "failed": 2, "gaps": 0 },
            "score": {
                "totals": { "offered": 200, "unsent": 0 },
                "refusals": { "unavailable": 2, "no_answer": 1, "status_500": 1 },
                "series": series,
            },
        });
        let moments = Moments { begun: at(0), broken: at(2), mending: at(4), mended: at(4) };
        let figures = figures(&report, &Seen::default(), moments, started);
        let value = |figure| figures.get(&figure).copied();
        assert_eq!(value(Figure::Lost), Some(2.0));
        assert_eq!(value(Figure::Unread), Some(1.0));
        assert_eq!(value(Figure::FailedPercent), Some(2.0));
        assert_eq!(value(Figure::OddAnswers), Some(2.0));
        assert_eq!(value(Figure::AcceptRatio), Some(3.0));
        assert_eq!(value(Figure::AcceptingAgain), Some(2.0));
        assert_eq!(value(Figure::Rows), None, "it was not compared");
        assert_eq!(value(Figure::BacklogGone), None, "nobody looked");
    }
}
