//! What is let in.

use super::*;

/// A message that waits to be read.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::ragep2p) enum Inbound {
    Message(Bytes),
    Request(RequestId, Bytes),
    Response(Bytes),
}

/// What to do with the payload that a header announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ragep2p) enum Verdict {
    /// Read it: it is the name of a stream that the peer opens.
    Name,
    /// There is none.
    Done,
    /// Read it and [deliver](Mux::deliver) it.
    Take,
    /// Read it and throw it away, for this reason.
    Skip(Skipped),
}

/// Why a message is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ragep2p) enum Skipped {
    UnknownStream,
    OverLimit,
    OverRate,
    NotAsked,
}

impl Mux {
    /// What to do with the payload of this frame. `request` is there for requests and responses.
    pub(in crate::ragep2p) fn judge(
        &mut self,
        header: &Header,
        request: Option<&RequestId>,
        now: Instant,
    ) -> Result<Verdict, Violation> {
        let len = header.len;
        match header.frame {
            FrameType::Open => {
                self.count_control_frame()?;
                match len as usize {
                    0 if self.version == Version::V1 => Err(Violation::EmptyName),
                    MAX_NAME_LEN.. if len as usize > MAX_NAME_LEN => {
                        Err(Violation::NameTooLong(len))
                    }
                    _ => {
                        self.opened(header.stream);
                        Ok(Verdict::Name)
                    }
                }
            }
            FrameType::Close => {
                self.count_control_frame()?;
                match len {
                    0 => {
                        self.closed(&header.stream);
                        Ok(Verdict::Done)
                    }
                    _ => Err(Violation::CloseWithPayload(len)),
                }
            }
            FrameType::Message | FrameType::Request => self.judge_message(header, now),
            FrameType::Response => {
                too_long(len)?;
                let asked =
                    request.is_some_and(|id| self.policies.admit(id, &header.stream, len, now));
                Ok(match asked {
                    true => Verdict::Take,
                    false => Verdict::Skip(Skipped::NotAsked),
                })
            }
        }
    }

    fn judge_message(&mut self, header: &Header, now: Instant) -> Result<Verdict, Violation> {
        let len = header.len;
        too_long(len)?;
        let Some(channel) = self.streams.get_mut(&header.stream) else {
            return Ok(Verdict::Skip(Skipped::UnknownStream));
        };
        if len as usize > channel.max_message {
            let max = channel.max_message;
            return match self.version {
                Version::V1 => Err(Violation::MessageOverLimit { len, max }),
                Version::V2 => Ok(Verdict::Skip(Skipped::OverLimit)),
            };
        }
        // Both are charged, whatever the other says.
        let messages = channel.messages.take(1, now);
        let bytes = channel.bytes.take(len, now);
        Ok(match messages && bytes {
            true => Verdict::Take,
            false => Verdict::Skip(Skipped::OverRate),
        })
    }

    /// Lets a message wait to be read. The oldest goes where there is no room; then it is true.
    pub(in crate::ragep2p) fn deliver(&mut self, id: &StreamId, message: Inbound) -> bool {
        let Some(channel) = self.streams.get_mut(id) else {
            return false;
        };
        let evicted = channel.incoming.push(message);
        if let Some(waker) = channel.reader.take() {
            waker.wake();
        }
        evicted.is_some()
    }

    /// The oldest message that waits. `None` when the stream is closed.
    pub(in crate::ragep2p) fn poll_receive(
        &mut self,
        id: &StreamId,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Inbound>> {
        let Some(channel) = self.streams.get_mut(id) else {
            return Poll::Ready(None);
        };
        match channel.incoming.pop() {
            Some(message) => Poll::Ready(Some(message)),
            None => {
                channel.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn count_control_frame(&mut self) -> Result<(), Violation> {
        self.control_frames = self.control_frames.saturating_add(1);
        match self.control_frames > MAX_CONTROL_FRAMES {
            true => Err(Violation::TooManyControlFrames),
            false => Ok(()),
        }
    }

    fn opened(&mut self, id: StreamId) {
        self.remote_open.insert(id);
        if let Some(channel) = self.streams.get(&id)
            && !channel.outgoing.is_empty()
        {
            self.ready.insert(channel.priority, id);
        }
    }

    fn closed(&mut self, id: &StreamId) {
        self.remote_open.remove(id);
        if let Some(channel) = self.streams.get(id) {
            self.ready.remove(channel.priority, id);
        }
    }
}

fn too_long(len: u32) -> Result<(), Violation> {
    match len as usize > MAX_MESSAGE_LEN {
        true => Err(Violation::MessageTooLong(len)),
        false => Ok(()),
    }
}
