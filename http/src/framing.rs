//! Framing: follows the heads of a connection's requests as their bytes come, to notice what hyper
//! does not tell.
//!
//! hyper (1.12) reads a request with both Content-Length and Transfer-Encoding as chunked, drops
//! the length before a handler sees it, and closes afterwards. Such a request is how one server is
//! made to see another request than the proxy before it, and is to be refused; so its head is read
//! here as well.

/// What is known of a request's framing, by its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its end is known, and the next head is followed too.
    Plain,
    /// Its end is not known here: it must be the connection's last.
    Last,
    /// It has both Content-Length and Transfer-Encoding. Nothing after it is a request.
    Ambiguous,
}

/// Follows one connection.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    state: State,
    /// The start of the line that has not ended yet.
    line: Vec<u8>,
    /// The line has more than that.
    cut: bool,
    length: Option<u64>,
    length_unknown: bool,
    encoded: bool,
    /// Heads that ended; the last one where `unframed` is set.
    heads: u64,
    unframed: Option<Verdict>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a request line; empty lines are skipped, as hyper does.
    #[default]
    Start,
    Headers,
    Body(u64),
    /// The rest is not looked at.
    Blind,
}

/// A line longer than this is neither of the two headers, or one whose value cannot be read.
const MAX_LINE: usize = 64;

impl Framing {
    /// Takes the connection's next bytes.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.state {
                State::Blind => return,
                State::Body(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = &bytes[here..];
                    let left = left - here as u64;
                    self.state = if left == 0 { State::Start } else { State::Body(left) };
                }
                State::Start | State::Headers => {
                    let end = bytes.iter().position(|&byte| byte == b'\n');
                    let (part, rest) =
                        end.map_or((bytes, &[][..]), |end| (&bytes[..end], &bytes[end + 1..]));
                    let room = MAX_LINE - self.line.len();
                    self.cut |= part.len() > room;
                    self.line.extend_from_slice(&part[..part.len().min(room)]);
                    bytes = rest;
                    if end.is_some() {
                        self.end_line();
                    }
                }
            }
        }
    }

    /// What the head of the request with this number, counted from 0, says.
    pub(crate) fn verdict(&self, request: u64) -> Verdict {
        // hyper has seen a head that ended, so it ended here too; if the two disagree, nothing else
        // may follow.
        if request >= self.heads {
            return Verdict::Last;
        }
        self.unframed.filter(|_| request + 1 == self.heads).unwrap_or(Verdict::Plain)
    }

    fn end_line(&mut self) {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        match self.state {
            State::Start if line.is_empty() => {}
            State::Start => self.state = State::Headers,
            _ if line.is_empty() && !self.cut => self.end_head(),
            _ => {
                let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
                let (name, value) = line.split_at(colon);
                if name.eq_ignore_ascii_case(b"transfer-encoding") {
                    self.encoded = true;
                } else if name.eq_ignore_ascii_case(b"content-length") {
                    let value = value.get(1..).and_then(|value| std::str::from_utf8(value).ok());
                    let length = value
                        .and_then(|value| value.trim().parse::<u64>().ok())
                        .filter(|_| !self.cut);
                    self.length_unknown |= length.is_none();
                    self.length = length.or(self.length);
                }
            }
        }
        self.line.clear();
        self.cut = false;
    }

    fn end_head(&mut self) {
        self.heads += 1;
        let has_length = self.length.is_some() || self.length_unknown;
        self.unframed = match (self.encoded, has_length) {
            (true, true) => Some(Verdict::Ambiguous),
            (true, false) => Some(Verdict::Last),
            (false, _) => self.length_unknown.then_some(Verdict::Last),
        };
        self.state = match (self.unframed, self.length.take()) {
            (Some(_), _) => State::Blind,
            (None, None | Some(0)) => State::Start,
            (None, Some(length)) => State::Body(length),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn verdicts(parts: &[&[u8]], count: u64) -> Vec<Verdict> {
        let mut framing = Framing::default();
        for part in parts {
            framing.feed(part);
        }
        (0..count).map(|request| framing.verdict(request)).collect()
    }

    #[test]
    fn both_headers_are_ambiguous_in_either_order_and_any_spelling() {
        for head in [
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
            "\r\n\nPOST / HTTP/1.1\ncontent-length:5\nTRANSFER-ENCODING:chunked\n\n",
            "POST / HTTP/1.1\r\nContent-Length: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        ] {
            assert_eq!(verdicts(&[head.as_bytes()], 1), [Verdict::Ambiguous], "{head}");
        }
        let long = format!(
            "POST / HTTP/1.1\r\nContent-Length:{}5\r\nTransfer-Encoding: chunked\r\n\r\n",
            " ".repeat(99)
        );
        assert_eq!(verdicts(&[long.as_bytes()], 1), [Verdict::Ambiguous]);
    }

    #[test]
    fn a_chunked_request_is_the_last_of_its_connection() {
        let head =
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        assert_eq!(verdicts(&[head], 2), [Verdict::Last, Verdict::Last]);
    }

    #[test]
    fn a_body_is_not_taken_for_a_head() {
        let body = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
        let request = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let two = format!("{request}{request}GET / HTTP/1.1\r\n\r\n");
        assert_eq!(verdicts(&[two.as_bytes()], 3), [Verdict::Plain; 3]);
    }

    #[test]
    fn a_pipelined_ambiguous_request_is_noticed() {
        let plain = "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi";
        let both =
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        let bytes = format!("{plain}{plain}{both}{plain}");
        assert_eq!(
            verdicts(&[bytes.as_bytes()], 4),
            [Verdict::Plain, Verdict::Plain, Verdict::Ambiguous, Verdict::Last]
        );
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_are_cut(
            cuts in proptest::collection::vec(1usize..40, 1..40)
        ) {
            let bytes = b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcGET /x HTTP/1.1\r\nHost: \
                b\r\n\r\n\
                POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n";
            let mut parts = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts {
                let (part, others) = rest.split_at(cut.min(rest.len()));
                parts.push(part);
                rest = others;
            }
            parts.push(rest);
            let expected = [Verdict::Plain, Verdict::Plain, Verdict::Ambiguous];
            prop_assert_eq!(verdicts(&parts, 3), expected);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            verdicts(&[&bytes], 3);
        }
    }
}
