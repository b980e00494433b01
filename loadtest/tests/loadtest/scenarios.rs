//! Each scenario, small: it does what its name says, and its judgement can fail.

use std::time::Duration;

use parlor_common::drain::Drain;
use parlor_testbed::client::http;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::sleep,
};

use super::{
    harness::{Run, parlor, play, run},
    lies::Lie,
};

/// A load that a machine with other work can bear.
const SMALL: [&str; 14] = [
    "--tenants",
    "2",
    "--conversations",
    "4",
    "--sockets",
    "8",
    "--connect",
    "60s",
    "--warm",
    "0s",
    "--drain",
    "60s",
    "--seed",
    "1",
];

fn with<'a>(scenario: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&[scenario], &SMALL[..], more].concat()
}

#[tokio::test]
async fn a_burst_offers_more_and_is_judged_like_any_load() {
    let data = tempfile::tempdir().unwrap();
    let parlor = parlor(&data, &[]).await;
    let bursts = ["--burst-rate", "80/s", "--burst-for", "1s", "--burst-every", "2s"];
    let arguments = with("burst", &[&["--rate", "10/s", "--for", "4s"], &bursts[..]].concat());
    let run = play(&parlor, Lie::None, &arguments).await;
    run.assert_passed();
    // Two quiet seconds and two bursts.
    let offered = run.number("/score/totals/offered");
    assert!((170..=190).contains(&offered), "{offered}");
}

#[tokio::test]
async fn after_a_storm_everybody_is_back_and_has_missed_nothing() {
    let data = tempfile::tempdir().unwrap();
    let parlor = parlor(&data, &[]).await;
    let storm = ["--rate", "20/s", "--for", "3s", "--storm-at", "1s"];
    let run = play(&parlor, Lie::None, &with("reconnect-storm", &storm)).await;
    run.assert_passed();
    // 8 of visitors, 2 of agents.
    assert!(run.number("/score/totals/losses") >= 10, "{}", run.said());
    assert!(run.number("/score/back/count") >= 10, "{}", run.said());
    assert_eq!(run.report["marks"][0]["what"], "100 % of the sockets cut");
    assert!(run.page.contains("class=\"band\""), "the page does not show the storm");
}

/// Takes another value for an option of [`SMALL`].
fn instead<'a>(mut arguments: Vec<&'a str>, option: &str, value: &'a str) -> Vec<&'a str> {
    let place = arguments.iter().position(|argument| *argument == option).unwrap();
    arguments[place + 1] = value;
    arguments
}

/// Agents' sockets that do not read for a while. There is no proxy between, which would take in for
/// them what they do not read.
async fn slow_readers(more: &[&str]) -> Run {
    let data = tempfile::tempdir().unwrap();
    let much = "{ per_second = 1000000, burst = 100000000 }".to_owned();
    let settings = [
        ("PARLOR_SOCKETS__OUTBOX_FRAMES", "16".to_owned()),
        ("PARLOR_SOCKETS__WRITE_WITHIN", "1s".to_owned()),
        ("PARLOR_LIMITS__TENANT_BYTES", much.clone()),
        ("PARLOR_LIMITS__VISITOR_BYTES", much),
    ];
    let parlor = parlor(&data, &settings).await;
    let rest = format!("http://{}", parlor.listen);
    let slow = ["--slow", "2", "--slow-at", "1s", "--kinds", "parlor1=1", "--rest", &rest];
    let arguments = with("slow-readers", &[&slow[..], more].concat());
    run(&instead(arguments, "--tenants", "1")).await
}

#[tokio::test]
async fn readers_that_stop_are_closed_and_come_back_to_everything() {
    // The kernel holds some megabytes for a socket of loopback before the node notices anything.
    let much = ["--slow-for", "24s", "--for", "25s", "--rate", "40/s", "--bytes", "16000"];
    let run = slow_readers(&much).await;
    run.assert_passed();
    let slow = &run.report["score"]["slow"];
    assert_eq!(run.number("/score/slow/told") + run.number("/score/slow/cut"), 2, "{slow}");
}

#[tokio::test]
async fn readers_that_stop_and_are_not_closed_are_told() {
    let little = ["--slow-for", "2s", "--for", "3s", "--rate", "5/s", "--bytes", "64"];
    let run = slow_readers(&little).await;
    assert_eq!(run.status, 1, "{}", run.said());
    let reasons = run.reasons();
    assert!(reasons.contains("2 of 2 sockets that did not read were not closed"), "{reasons}");
}

#[tokio::test]
async fn a_hot_conversation_gets_its_share_and_all_its_sockets_see_it() {
    let data = tempfile::tempdir().unwrap();
    let parlor = parlor(&data, &[]).await;
    let hot = ["--hot", "100", "--hot-sockets", "12", "--kinds", "parlor1=1"];
    let load = ["--rate", "10/s", "--for", "3s", "--dashboards", "0"];
    let arguments = with("hot-conversation", &[&hot[..], &load].concat());
    let run = play(&parlor, Lie::None, &arguments).await;
    run.assert_passed();
    assert_eq!(run.number("/views/accepted"), 30);
    assert_eq!(run.number("/counts/shown"), 30 * 12);
}

#[tokio::test]
async fn many_tenants_are_kept_apart_and_a_leak_is_found() {
    let data = tempfile::tempdir().unwrap();
    let parlor = parlor(&data, &[]).await;
    let load = ["--rate", "20/s", "--for", "3s", "--kinds", "parlor1=1"];
    let mut arguments = with("many-tenants", &load);
    for option in ["--tenants", "--conversations", "--sockets"] {
        arguments = instead(arguments, option, "12");
    }
    play(&parlor, Lie::None, &arguments).await.assert_passed();
    play(&parlor, Lie::Foreign, &arguments).await.assert_found("foreign", 1);
}

#[tokio::test]
async fn a_soak_breaks_things_in_turns_and_looks_at_its_nodes() {
    let data = tempfile::tempdir().unwrap();
    let parlor = parlor(&data, &[]).await;
    let admin = format!("all=http://{}", parlor.admin);
    let mut arguments = with("soak", &["--rate", "5/s", "--for", "9s", "--admin", &admin]);
    // How much a node grows in seconds is no figure to judge.
    arguments.extend(["--flat", "100"]);
    arguments.extend(["--rotate", "a", "--rotate", "b", "--rotate-every", "2s"]);
    arguments.extend(["--rotate-for", "500ms", "--break", "a=true", "--mend", "a=true"]);
    arguments.extend(["--break", "b=true", "--mend", "b=true"]);
    let run = play(&parlor, Lie::None, &arguments).await;
    run.assert_passed();
    let marks = run.report["marks"].as_array().unwrap();
    let mut what: Vec<_> = marks.iter().map(|mark| mark["what"].as_str().unwrap()).collect();
    // Which of two comes first is the schedule's matter, and not that of a machine that stalls.
    what.sort_unstable();
    assert_eq!(what, ["a", "a", "b", "b"]);
    assert_eq!(run.report["growth"][0]["node"], "all");
    assert!(run.page.contains("What the tiers did"), "the page does not show the node");
}

/// An operators' port of a node that has 100 MiB more each time it is asked.
async fn leaking_node(drain: &Drain) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drain.spawn(async move {
        for asked in 1_u64.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0, "half a request");
            }
            let bytes = asked * (100 << 20);
            let text = format!("process_resident_memory_bytes {bytes}\nprocess_open_fds 50\n");
            let length = text.len();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    format!("leaking=http://{address}")
}

#[tokio::test]
async fn a_node_that_grows_fails_a_soak() {
    let data = tempfile::tempdir().unwrap();
    let parlor = parlor(&data, &[]).await;
    let drain = Drain::new();
    let leaking = leaking_node(&drain).await;
    let arguments = with("soak", &["--rate", "5/s", "--for", "9s", "--admin", &leaking]);
    let run = play(&parlor, Lie::None, &arguments).await;
    assert_eq!(run.status, 1, "{}", run.said());
    assert!(run.reasons().contains("leaking grew from "), "{}", run.reasons());
}

#[tokio::test]
async fn ids_that_are_sent_again_over_a_kill_are_there_once() {
    let data = tempfile::tempdir().unwrap();
    let mut parlor = parlor(&data, &[]).await;
    let repeats = ["--ids", "120", "--most", "10", "--for", "6s"];
    let arguments = with("repeat-ids", &repeats);
    let (rest, admin) = (format!("http://{}", parlor.listen), parlor.admin);
    let arguments = [&arguments[..], &["--rest", &rest]].concat();
    let killing = async {
        // So that the kill falls into the load: the harness has asked for most of it by then.
        while !has_accepted(admin).await {
            sleep(Duration::from_millis(50)).await;
        }
        parlor.kill_and_start_again().await;
    };
    let (run, ()) = tokio::join!(run(&arguments), killing);
    run.assert_passed();
    assert_eq!((run.number("/views/accepted"), run.number("/views/listed")), (120, 120));
    assert!(run.number("/score/totals/losses") >= 10, "the kill came too late: {}", run.said());
    assert!(run.number("/score/totals/duplicates") > 50, "{}", run.said());
}

/// Whether the node has accepted some dozens of messages.
async fn has_accepted(admin: std::net::SocketAddr) -> bool {
    let Ok(answer) = http::get(admin, "/metrics").await else { return false };
    let accepted = r#"parlor_door_actions_total{action="send",outcome="accepted"} "#;
    let text = answer.text();
    let line = text.lines().find_map(|line| line.strip_prefix(accepted));
    line.and_then(|count| count.parse::<f64>().ok()).is_some_and(|count| count > 30.0)
}

#[tokio::test]
async fn an_id_that_is_stored_twice_is_doubled() {
    let data = tempfile::tempdir().unwrap();
    let parlor = parlor(&data, &[]).await;
    let repeats = ["--ids", "60", "--most", "10", "--for", "4s", "--kinds", "parlor1=1"];
    let arguments = [&with("repeat-ids", &repeats)[..], &["--dashboards", "0"]].concat();
    let run = play(&parlor, Lie::Rename, &arguments).await;
    // Once in history, and once at each of the conversation's two sockets.
    run.assert_found("doubled", 3);
}

#[tokio::test]
async fn a_ceiling_climbs_and_plays_the_last_good_step_again() {
    let data = tempfile::tempdir().unwrap();
    let parlor = parlor(&data, &[]).await;
    let climb = ["--rate", "5/s", "--factor", "2", "--up-to", "15/s", "--step", "2s"];
    let reached = with("ceiling", &[&climb[..], &["--p99", "100s"]].concat());
    let run = play(&parlor, Lie::None, &reached).await;
    run.assert_passed();
    let rates: Vec<_> = run.report["steps"].as_array().unwrap().iter().collect();
    assert_eq!(
        rates.iter().map(|step| step["rate"].as_f64().unwrap()).collect::<Vec<_>>(),
        [5.0, 10.0, 10.0],
        "{}",
        run.said()
    );
    assert_eq!(run.report["ceiling"]["rate"], 10.0);
    assert!(run.page.contains("The ceiling"), "the page does not tell");

    let never = with("ceiling", &[&climb[..], &["--p99", "0s"]].concat());
    let run = play(&parlor, Lie::None, &never).await;
    assert_eq!(run.status, 1, "{}", run.said());
    assert!(run.reasons().contains("no rate was good twice"), "{}", run.reasons());
    assert!(run.report["ceiling"]["ended_by"].as_str().unwrap().starts_with("accept p99"));
}

#[tokio::test]
async fn a_loss_ends_a_climb() {
    let data = tempfile::tempdir().unwrap();
    let parlor = parlor(&data, &[]).await;
    let climb = ["--rate", "20/s", "--factor", "2", "--up-to", "50/s", "--step", "3s"];
    let arguments =
        with("ceiling", &[&climb[..], &["--p99", "100s", "--kinds", "parlor1=1"]].concat());
    let run = play(&parlor, Lie::Drop, &instead(arguments, "--drain", "4s")).await;
    assert_eq!(run.status, 1, "{}", run.said());
    assert_eq!(run.number("/verdict/missing"), 1, "{}", run.said());
    let ended = run.report["ceiling"]["ended_by"].as_str().unwrap();
    assert!(ended.contains("did not come"), "{ended}");
}
