//! The body of a fuzz target.

use tokio::io::ReadBuf;

use super::{
    inbox::Inbox,
    message::{self, Content, Message},
};

/// Messages are lines here. Whatever they say, what is handed on is what the good ones say, in the order of their numbers.
pub fn messages(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut inbox = Inbox::new();
    let mut heard = Vec::new();
    for line in text.lines() {
        while read(&mut inbox, &mut heard) {}
        if inbox.has_ended() {
            break;
        }
        inbox.receive(line);
        if let Ok(Message {
            seq,
            content: Content::Data(data),
        }) = Message::parse(line)
        {
            let ours = Message::parse(&message::data(seq, &data));
            let content = Content::Data(data);
            assert_eq!(ours, Ok(Message { seq, content }));
        }
    }
    inbox.cut();
    while read(&mut inbox, &mut heard) {}
    assert!(inbox.has_ended());
    assert!(heard.len() <= text.len());
}

/// Whether something was read.
fn read(inbox: &mut Inbox, heard: &mut Vec<u8>) -> bool {
    let mut space = [0; 100];
    let mut buf = ReadBuf::new(&mut space);
    let _ = inbox.deliver(&mut buf);
    heard.extend_from_slice(buf.filled());
    !buf.filled().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::replay;

    #[test]
    fn what_was_fuzzed_does_no_harm() {
        replay("rn_channel", messages);
    }
}
