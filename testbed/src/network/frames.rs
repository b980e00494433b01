//! Where an answer of a server begins and ends, so that a proxy can lose a whole one.

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Anything: no answer can be told from the next.
    Any,
    /// NATS: a line, and a body after those that begin a message.
    Nats,
    /// CQL, version 4: nine bytes, of which the last four say how many follow.
    Cql,
}

/// Answers that may be lost, one after another.
#[derive(Debug)]
pub(super) struct Frames {
    protocol: Protocol,
    /// The beginning of an answer whose end has not come.
    begun: Vec<u8>,
}

/// Where an answer ends, and whether it is of those that may be lost.
struct Found {
    length: usize,
    may_be_lost: bool,
}

// === impl Frames ===

impl Frames {
    pub(super) fn new(protocol: Protocol) -> Self {
        Self { protocol, begun: Vec::new() }
    }

    /// Takes what has come, and gives what passes: whole answers but for those that are lost.
    pub(super) fn pass(&mut self, bytes: &[u8], is_lost: impl Fn() -> bool) -> Vec<u8> {
        if self.protocol == Protocol::Any {
            return bytes.to_vec();
        }
        self.begun.extend_from_slice(bytes);
        let mut passing = Vec::with_capacity(self.begun.len());
        let mut at = 0;
        while let Some(found) = self.found(&self.begun[at..]) {
            if !(found.may_be_lost && is_lost()) {
                passing.extend_from_slice(&self.begun[at..at + found.length]);
            }
            at += found.length;
        }
        self.begun.drain(..at);
        passing
    }

    fn found(&self, bytes: &[u8]) -> Option<Found> {
        let found = match self.protocol {
            Protocol::Any => None,
            Protocol::Nats => nats(bytes),
            Protocol::Cql => cql(bytes),
        };
        found.filter(|found| found.length <= bytes.len())
    }
}

/// A message may be lost; what keeps the connection alive may not.
fn nats(bytes: &[u8]) -> Option<Found> {
    let line = bytes.iter().position(|byte| *byte == b'\n')? + 1;
    let head = &bytes[..line];
    if !head.starts_with(b"MSG ") && !head.starts_with(b"HMSG ") {
        return Some(Found { length: line, may_be_lost: false });
    }
    let size = std::str::from_utf8(head).ok()?.split_whitespace().next_back()?;
    // A body and its line's end.
    Some(Found { length: line + size.parse::<usize>().ok()? + 2, may_be_lost: true })
}

/// A write's answer may be lost, which is a result (opcode 8) without rows (kind 1): the write has
/// been applied.
fn cql(bytes: &[u8]) -> Option<Found> {
    let head = bytes.get(..9)?;
    let size = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    let is_write = head[4] == 8 && bytes.get(9..13) == Some(&[0, 0, 0, 1]);
    Some(Found { length: 9 + usize::try_from(size).ok()?, may_be_lost: is_write })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What passes of `said` when it comes in pieces of so many bytes and everything is lost that
    /// may be.
    fn left(protocol: Protocol, said: &[u8], piece: usize) -> Vec<u8> {
        let mut frames = Frames::new(protocol);
        said.chunks(piece).flat_map(|piece| frames.pass(piece, || true)).collect()
    }

    #[test]
    fn of_nats_messages_are_lost_wherever_they_are_cut() {
        let said =
            b"INFO {}\r\nMSG a.b 1 4\r\nPING\r\nPING\r\nHMSG a 1 r 2 5\r\n\r\nMSG\r\n+OK\r\n";
        for piece in 1..said.len() {
            let left = left(Protocol::Nats, said, piece);
            assert_eq!(String::from_utf8_lossy(&left), "INFO {}\r\nPING\r\n+OK\r\n", "{piece}");
        }
    }

    #[test]
    fn of_cql_the_answers_to_writes_are_lost_wherever_they_are_cut() {
        let frame = |opcode: u8, body: &[u8]| {
            let size = u8::try_from(body.len()).unwrap();
            [&[0x84, 0, 0, 7, opcode, 0, 0, 0, size], body].concat()
        };
        let (write, rows) = (frame(8, &[0, 0, 0, 1]), frame(8, &[0, 0, 0, 2, 9, 9]));
        let supported = frame(6, &[]);
        let said = [&*supported, &write, &rows, &write, &supported].concat();
        for piece in 1..said.len() {
            let kept = [&*supported, &rows, &supported].concat();
            assert_eq!(left(Protocol::Cql, &said, piece), kept, "{piece}");
        }
        let mut frames = Frames::new(Protocol::Cql);
        assert_eq!(frames.pass(&said, || false), said);
    }
}
