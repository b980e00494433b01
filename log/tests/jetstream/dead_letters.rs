//! What can never be kept.

use parlor_log::{Filter, Start};

use super::single::Single;
use crate::suite::{
    Bounds, Harness,
    tools::{
        append, conversation, deliveries, end, follow, persisted, shard, tail, take, tenant, until,
        within,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_kept_with_its_reason() {
    let single = Single::fresh(Bounds::default()).await;
    let log = single.log();
    append(&log, "no record").await;
    let mut reader = deliveries(&log).await;
    let taken = take(&mut reader, 1).await;
    reader.dead_letter(&taken[0], "it is no record:\r\nNats-Rollup: all").await.unwrap();
    // A lost answer makes a reader do it again.
    reader.dead_letter(&taken[0], "it is no record").await.unwrap();
    until("it is persisted", async || persisted(&log).await == taken[0].entry.position).await;

    let mut raw = single.server.raw().await;
    assert_eq!(raw.api("STREAM.INFO.DEAD_LETTERS", "").await["state"]["messages"], 1);
    let subject = format!("dead_letters.{}.shop~example.{}", shard(&log), conversation(1).id);
    let kept = raw
        .api(
            "STREAM.MSG.GET.DEAD_LETTERS",
            &serde_json::json!({ "last_by_subj": subject }).to_string(),
        )
        .await;
    let decode = |field: &str| {
        let text = kept["message"][field].as_str().unwrap();
        String::from_utf8(
            base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap(),
        )
        .unwrap()
    };
    assert_eq!(decode("data"), "no record");
    let headers = decode("hdrs");
    assert!(headers.contains("Parlor-Reason: it is no record:Nats-Rollup: all\r\n"), "{headers}");
    assert!(headers.contains(&format!("Parlor-Stream: {}\r\n", single.stream())), "{headers}");
    assert!(headers.contains("Parlor-Sequence: 1\r\n"), "{headers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_under_a_foreign_subject_is_a_dead_letter_and_skipped_by_tails_and_reads() {
    let single = Single::fresh(Bounds::default()).await;
    let log = single.log();
    let mut tail = tail(&log, Start::End).await;
    let mut raw = single.server.raw().await;
    let start = end(&log).await;
    for subject in ["NOBODY.x", "shop~example.x", "shop~example.07"] {
        let ack = raw.publish(&format!("chat.{}.{subject}", shard(&log)), "", "foreign").await;
        assert!(ack["seq"].as_u64().is_some(), "{ack}");
    }
    let ours = append(&log, "ours").await;
    assert_eq!(follow(&mut tail, 1).await[0].position, ours);
    let tenants = Filter::Tenant(tenant());
    let page = within("a page", log.read(&tenants, start, 10)).await.unwrap();
    assert_eq!((page.entries.len(), page.through), (1, ours));

    let mut reader = deliveries(&log).await;
    let taken = take(&mut reader, 1).await;
    assert_eq!(taken[0].entry.position, ours);
    reader.ack(&taken).await.unwrap();
    until("all is persisted", async || persisted(&log).await == ours).await;
    assert_eq!(raw.api("STREAM.INFO.DEAD_LETTERS", "").await["state"]["messages"], 3);
}
