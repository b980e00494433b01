use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::*;

#[test]
fn a_close_frame_is_checked() {
    assert_eq!(closed(b""), Ok(None));
    assert_eq!(closed(&1000_u16.to_be_bytes()), Ok(Some(1000)));
    assert_eq!(closed(b"\x0f"), Err(ReadEnd::Violation(CloseCode::ProtocolError)));
    assert_eq!(closed(&1005_u16.to_be_bytes()), Err(ReadEnd::Violation(CloseCode::ProtocolError)));
    assert_eq!(closed(b"\x03\xe8\xff"), Err(ReadEnd::Violation(CloseCode::BadPayload)));
}

/// All that comes of these bytes, cut into pieces of these lengths.
fn incoming(bytes: &[u8], cuts: &[usize]) -> Vec<Result<Incoming, ReadEnd>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let (mut reader, _writer) = Socket::over(near).split(Duration::from_secs(1));
        let mut all = Vec::new();
        let read = async {
            loop {
                let incoming = reader.next().await;
                let ended = incoming.is_err();
                all.push(incoming);
                if ended {
                    break;
                }
            }
        };
        let write = async {
            let (mut rest, mut cuts) = (bytes, cuts.iter().cycle());
            while !rest.is_empty() {
                let cut = cuts.next().map_or(rest.len(), |cut| (*cut).min(rest.len()));
                far.write_all(&rest[..cut]).await.unwrap();
                rest = &rest[cut..];
                tokio::task::yield_now().await;
            }
            drop(far);
        };
        tokio::join!(read, write);
        all
    })
}

/// A frame as a client writes it.
fn masked(head: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![head, 0x80 | 126];
    frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_bytes_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        cuts in prop::collection::vec(1..40_usize, 1..5),
    ) {
        let all = incoming(&bytes, &cuts);
        prop_assert!(all.last().unwrap().is_err() && all.len() <= bytes.len() + 1);
    }

    #[test]
    fn a_text_is_the_same_however_it_is_cut(
        text in "\\PC{0,200}",
        fragments in prop::collection::vec(0..60_usize, 0..6),
        ping in any::<bool>(),
        mask in any::<[u8; 4]>(),
        cuts in prop::collection::vec(1..90_usize, 1..5),
    ) {
        let (mut bytes, mut rest, mut opcode) = (Vec::new(), text.as_bytes(), 1);
        for length in fragments {
            let (fragment, others) = rest.split_at(length.min(rest.len()));
            bytes.extend(masked(opcode, fragment, mask));
            if ping {
                bytes.extend(masked(0x89, b"?", mask));
            }
            (rest, opcode) = (others, 0);
        }
        bytes.extend(masked(0x80 | opcode, rest, mask));
        let all = incoming(&bytes, &cuts);
        let texts: Vec<_> = all
            .iter()
            .filter_map(|one| if let Ok(Incoming::Text(text)) = one { Some(text) } else { None })
            .collect();
        prop_assert_eq!(texts, vec![&text]);
        prop_assert_eq!(all.last().unwrap().as_ref().unwrap_err(), &ReadEnd::Gone);
    }
}

#[test]
fn a_message_without_end_is_too_big_however_small_its_fragments() {
    let one = masked(0, b"", [0; 4]);
    let mut bytes = masked(1, b"", [0; 4]);
    (0..=MAX_MESSAGE_BYTES).for_each(|_| bytes.extend(&one));
    let all = incoming(&bytes, &[1 << 16]);
    assert!(matches!(all[..], [Err(ReadEnd::Violation(CloseCode::TooBig))]), "{}", all.len());
}
