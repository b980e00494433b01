//! One connection: a real session at one end of a pipe, whose turns the seed orders, and what its
//! client reads and writes at the other end.

use std::{
    collections::VecDeque,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::{Buf, Bytes, BytesMut};
use parlor_common::id::SessionId;
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    time::Instant,
};

use super::{dice::Dice, truth::number_within};
use crate::{
    session::{
        Leaving, Session,
        closing::{self, Ending},
        dialogue::Dialogue,
    },
    socket::{Incoming, Reader, Socket, writer::Writer},
};

/// One connection.
pub(crate) struct Line {
    pub(crate) session: SessionId,
    server: Server,
    /// The client's end; `None` once it has hung up.
    peer: Option<DuplexStream>,
    received: BytesMut,
    unsent: BytesMut,
    /// The messages that the server has read, in order.
    pub(crate) taken: Vec<u64>,
    /// How the session ended, and when.
    pub(crate) ended: Option<(Ending, Instant)>,
}

enum Server {
    Open(Box<(Session, Reader, Writer)>),
    Closing(Pin<Box<dyn Future<Output = ()>>>),
    Over,
}

/// What a client is sent.
#[derive(Debug)]
pub(crate) enum Frame {
    Text(String),
    Ping(Bytes),
    Close(u16),
}

// === impl Line ===

impl Line {
    /// A connection whose two directions hold `room` bytes each.
    pub(crate) fn open(dialogue: Dialogue, room: usize) -> Self {
        let (near, far) = tokio::io::duplex(room);
        let within = dialogue.node.settings.write_within;
        let session = dialogue.viewer.session();
        let (reader, writer) = Socket::over(near).split(within);
        let mut open = Session::new(dialogue);
        open.heartbeat.heard(Instant::now());
        Self {
            session,
            server: Server::Open(Box::new((open, reader, writer))),
            peer: Some(far),
            received: BytesMut::new(),
            unsent: BytesMut::new(),
            taken: Vec::new(),
            ended: None,
        }
    }

    /// Nothing more comes of it.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.server, Server::Over)
    }

    /// One turn of the session's loop. Where several things could happen next, the dice tell which
    /// does, as the runtime would by chance.
    pub(crate) fn turn(&mut self, dice: &mut Dice) {
        match &mut self.server {
            Server::Open(parts) => {
                let Err(ending) = turn(parts, dice, &mut self.taken) else { return };
                self.ended = Some((ending, Instant::now()));
                let Server::Open(parts) = std::mem::replace(&mut self.server, Server::Over) else {
                    return;
                };
                let (session, reader, writer) = *parts;
                let close = closing::close(session.dialogue, reader, writer, ending);
                self.server = Server::Closing(Box::pin(close));
            }
            Server::Closing(close) => {
                if ready(close.as_mut()).is_some() {
                    self.server = Server::Over;
                }
            }
            Server::Over => {}
        }
    }

    /// The client reads up to `most` bytes; tells what frames are complete.
    pub(crate) fn read(&mut self, most: usize) -> Vec<Frame> {
        if let Some(peer) = &mut self.peer {
            let mut chunk = vec![0; most];
            let mut chunk = ReadBuf::new(&mut chunk);
            let read = Pin::new(peer).poll_read(&mut context(), &mut chunk);
            self.received.extend_from_slice(chunk.filled());
            if read.is_ready() && chunk.filled().is_empty() {
                self.hang_up();
            }
        }
        let mut frames = Vec::new();
        while let Some(frame) = next_frame(&mut self.received) {
            frames.push(frame);
        }
        frames
    }

    /// The client sends a text, in two fragments or in one.
    pub(crate) fn send(&mut self, text: &str, dice: &mut Dice) {
        let bytes = text.as_bytes();
        if dice.percent(10) {
            let (one, two) = bytes.split_at(dice.below(bytes.len()));
            self.frame(0x01, one);
            self.frame(0x80, two);
        } else {
            self.frame(0x81, bytes);
        }
    }

    /// The client sends a frame, as soon as there is room for it.
    pub(crate) fn frame(&mut self, head: u8, payload: &[u8]) {
        let length = u16::try_from(payload.len()).unwrap();
        self.unsent.extend_from_slice(&[head, 0x80 | 126]);
        self.unsent.extend_from_slice(&length.to_be_bytes());
        // A mask of zeros changes nothing.
        self.unsent.extend_from_slice(&[0; 4]);
        self.unsent.extend_from_slice(payload);
        self.flush();
    }

    /// What the client has to send goes out as far as there is room.
    pub(crate) fn flush(&mut self) {
        let Some(peer) = &mut self.peer else { return };
        while !self.unsent.is_empty() {
            match Pin::new(&mut *peer).poll_write(&mut context(), &self.unsent) {
                Poll::Ready(Ok(count)) if count > 0 => self.unsent.advance(count),
                _ => return,
            }
        }
    }

    /// The client is gone.
    pub(crate) fn hang_up(&mut self) {
        self.peer = None;
    }

    pub(crate) const fn is_hung_up(&self) -> bool {
        self.peer.is_none()
    }
}

/// What `Session::open` does between two waits, with the dice in the place of `select!`.
fn turn(
    parts: &mut (Session, Reader, Writer),
    dice: &mut Dice,
    taken: &mut Vec<u64>,
) -> Result<(), Ending> {
    let (session, reader, writer) = parts;
    session.move_frames(writer).and_then(|()| session.leave())?;
    let now = Instant::now();
    let reads = session.reads();
    if !reads {
        session.heartbeat.heard(now);
    }
    if session.deadline(writer).is_none_or(|next| next <= now) {
        session.tick(writer)?;
    }
    let first = dice.below(4);
    for branch in (0..4).map(|branch| (first + branch) % 4) {
        match branch {
            0 if reads => {
                let Some(incoming) = ready(pin!(reader.next())) else { continue };
                if let Ok(Incoming::Text(text)) = &incoming {
                    taken.extend(number_within(text));
                }
                return session.came(incoming);
            }
            1 if !writer.is_idle() => {
                let Some(written) = ready(pin!(writer.write())) else { continue };
                return written.map_err(|_| Ending::Gone);
            }
            2 => {
                let Some(next) = ready(pin!(session.dialogue.next())) else { continue };
                return session.dialogue.advance(next).map_err(|_| session.come_back());
            }
            3 if session.leaving == Leaving::No && session.dialogue.node.drain.is_draining() => {
                session.leaving = Leaving::Stops(session.dialogue.node.pace.turn(Instant::now()));
                return Ok(());
            }
            _ => {}
        }
    }
    Ok(())
}

/// The outcome, where there is one already.
pub(crate) fn ready<F: Future + ?Sized>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut context()) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn next_frame(received: &mut BytesMut) -> Option<Frame> {
    let (&head, &short) = (received.first()?, received.get(1)?);
    let (length, start) = match short {
        126 => (usize::from(u16::from_be_bytes([*received.get(2)?, *received.get(3)?])), 4),
        127 => unreachable!("no frame of the simulation is that long"),
        short => (usize::from(short), 2),
    };
    if received.len() < start + length {
        return None;
    }
    received.advance(start);
    let payload = received.split_to(length).freeze();
    Some(match head & 0x0f {
        1 => Frame::Text(String::from_utf8(payload.to_vec()).unwrap()),
        8 => Frame::Close(u16::from_be_bytes([payload[0], payload[1]])),
        9 => Frame::Ping(payload),
        other => unreachable!("a frame of kind {other}"),
    })
}

/// Drafts in the order in which a client sent them.
pub(crate) type Queue = VecDeque<u64>;
