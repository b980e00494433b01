//! Frames that break RFC 6455 or a bound, written by hand.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::{
    raw::{Raw, frame, header},
    world::{TestNode, World},
};

const TEXT: u8 = 0x81;
const TEXT_BEGINS: u8 = 0x01;
const GOES_ON: u8 = 0x00;
const ENDS: u8 = 0x80;

/// A socket that has said hello.
async fn greeted(node: &TestNode) -> Raw {
    let mut raw = Raw::open(node).await;
    raw.write(&frame(TEXT, json!({"type": "hello", "protocol": 1}).to_string().as_bytes())).await;
    assert_eq!(raw.next().await.unwrap().0, TEXT);
    raw
}

/// A message of exactly this many bytes: a frame of protocol 1 with white space before it.
fn padded(length: usize) -> Vec<u8> {
    let mut bytes =
        json!({"type": "message", "clientMessageId": "m", "text": "x"}).to_string().into_bytes();
    bytes.resize(length, b' ');
    bytes
}

#[tokio::test]
async fn a_peer_that_breaks_the_protocol_is_told_so() {
    let world = World::new().await;
    let node = world.node().await;
    let unmasked = {
        let mut bytes = vec![TEXT, 2];
        bytes.extend(b"{}");
        bytes
    };
    for (what, bytes, code) in [
        ("64 KiB and one", frame(TEXT, &padded(65_537)), 1009),
        ("a length of 2^63", header(TEXT, 1 << 63), 1009),
        ("the longest length", header(TEXT, u64::MAX), 1009),
        ("an unmasked frame", unmasked, 1002),
        ("a binary frame", frame(0x82, b"x"), 1003),
        ("a reserved bit", frame(TEXT | 0x40, b"{}"), 1002),
        ("a reserved opcode", frame(0x83, b""), 1002),
        ("a reserved control opcode", frame(0x8b, b""), 1002),
        ("a ping in fragments", frame(0x09, b""), 1002),
        ("a ping that is too long", frame(0x89, &[b'x'; 126]), 1002),
        ("a pong that is too long", frame(0x8a, &[b'x'; 126]), 1002),
        ("a continuation of nothing", frame(ENDS, b"x"), 1002),
        ("a text within a text", [frame(TEXT_BEGINS, b"x"), frame(TEXT, b"{}")].concat(), 1002),
        ("bad UTF-8", frame(TEXT, b"\"\xff\""), 1007),
        ("bad UTF-8 in fragments", [frame(TEXT_BEGINS, b"\xc3"), frame(ENDS, b"(")].concat(), 1007),
        ("a close of one byte", frame(0x88, b"x"), 1002),
        ("a close with a code that is none", frame(0x88, &1005_u16.to_be_bytes()), 1002),
    ] {
        let mut raw = greeted(&node).await;
        raw.write(&bytes).await;
        assert_eq!(raw.close_code().await, code, "{what}");
        assert_eq!(raw.next().await, None, "{what}: the connection ends");
    }
}

#[tokio::test]
async fn a_message_of_64_kib_is_read_in_one_frame_and_in_many() {
    let world = World::new().await;
    let node = world.node().await;
    let mut raw = greeted(&node).await;
    raw.write(&frame(TEXT, &padded(65_536))).await;
    let accepted =
        |payload: Vec<u8>| assert!(String::from_utf8(payload).unwrap().contains("\"accepted\""));
    accepted(raw.next().await.unwrap().1);

    let message = padded(65_536);
    let (last, rest) = message.split_last_chunk::<1>().map(|(rest, last)| (last, rest)).unwrap();
    let mut bytes = Vec::new();
    for (index, part) in rest.chunks(4_000).enumerate() {
        bytes.extend(frame(if index == 0 { TEXT_BEGINS } else { GOES_ON }, part));
        // Control frames may come between the fragments.
        bytes.extend(frame(0x89, b"between"));
    }
    bytes.extend(frame(ENDS, last));
    raw.write(&bytes).await;
    let mut pongs = 0;
    loop {
        match raw.next().await.unwrap() {
            (0x8a, payload) => {
                assert_eq!(payload, b"between");
                pongs += 1;
            }
            (TEXT, payload) => break accepted(payload),
            other => panic!("unexpected: {other:?}"),
        }
    }
    assert_eq!(pongs, 17);
}

#[tokio::test]
async fn fragments_are_counted_together() {
    let world = World::new().await;
    let node = world.node().await;
    let mut raw = greeted(&node).await;
    raw.write(&frame(TEXT_BEGINS, &[b' '; 65_000])).await;
    raw.write(&frame(GOES_ON, &[b' '; 537])).await;
    assert_eq!(raw.close_code().await, 1009);
}

#[tokio::test]
async fn a_million_fragments_of_a_byte_end_at_the_bound() {
    let world = World::new().await;
    let node = world.node().await;
    let mut raw = greeted(&node).await;
    let mut bytes = frame(TEXT_BEGINS, b" ");
    bytes.extend(frame(GOES_ON, b" ").repeat(999_999));
    let (mut reader, mut writer) = raw.stream.split();
    let write = async {
        // The peer has heard enough long before the end.
        drop(writer.write_all(&bytes).await);
    };
    let read = async {
        let mut answer = Vec::new();
        drop(tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut answer).await);
        answer
    };
    let (_, answer) =
        tokio::time::timeout(Duration::from_secs(30), async { tokio::join!(write, read) })
            .await
            .unwrap();
    assert_eq!(answer[..4], [0x88, 9, 0x03, 0xf1], "1009");
}

#[tokio::test]
async fn empty_fragments_without_end_are_refused() {
    let world = World::new().await;
    let node = world.node().await;
    let mut raw = greeted(&node).await;
    let mut bytes = frame(TEXT_BEGINS, b" ");
    bytes.extend(frame(GOES_ON, b"").repeat(70_000));
    raw.write(&bytes).await;
    assert_eq!(raw.close_code().await, 1009);
}

#[tokio::test]
async fn a_flood_of_pings_ends_the_socket() {
    let world = World::new().await;
    let node = world.node().await;
    let mut raw = greeted(&node).await;
    raw.write(&frame(0x89, b"x").repeat(100)).await;
    assert_eq!(raw.close_code().await, 1008);
}

#[tokio::test]
async fn a_peers_close_is_answered_with_its_code() {
    let world = World::new().await;
    let node = world.node().await;
    for (sent, answer) in [
        (frame(0x88, &[0x03, 0xe8, b'b', b'y', b'e']), vec![0x03, 0xe8]),
        (frame(0x88, &4321_u16.to_be_bytes()), vec![0x10, 0xe1]),
        (frame(0x88, b""), vec![]),
    ] {
        let mut raw = greeted(&node).await;
        raw.write(&sent).await;
        assert_eq!(raw.next().await, Some((0x88, answer)));
        assert_eq!(raw.next().await, None);
    }
}

#[tokio::test]
async fn a_frame_that_arrives_byte_by_byte_is_read() {
    let world = World::new().await;
    let node = world.node().await;
    let mut raw = greeted(&node).await;
    for byte in frame(TEXT, &padded(200)) {
        raw.write(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert!(String::from_utf8(raw.next().await.unwrap().1).unwrap().contains("\"accepted\""));
}
