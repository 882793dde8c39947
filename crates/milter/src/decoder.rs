use crate::{Command, Error};

/// Cuts what comes from the mail server into packets: four octets of length, a letter, and what goes with it.
///
/// No more than one packet and what was read with it is ever held.
#[derive(Debug)]
pub struct Decoder {
    input: Vec<u8>,
    position: usize,
    limit: usize,
}

impl Decoder {
    /// Packets may have so many octets, their letter included.
    pub fn new(limit: usize) -> Self {
        Self { input: Vec::new(), position: 0, limit }
    }

    /// Takes what was read.
    pub fn feed(&mut self, octets: &[u8]) {
        self.input.drain(..self.position);
        self.position = 0;
        self.input.extend_from_slice(octets);
    }

    /// The next packet; `None` when more has to be read first.
    ///
    /// # Errors
    /// When it is too large or makes no sense. Nobody can tell then where the next one begins.
    pub fn next_command(&mut self) -> Result<Option<Command>, Error> {
        let available = self.input.get(self.position..).unwrap_or_default();
        let Some((length, rest)) = available.split_first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > self.limit {
            return Err(Error::TooLarge { length, limit: self.limit });
        }
        let Some(packet) = rest.get(..length) else { return Ok(None) };
        let command = Command::parse(packet)?;
        self.position += 4 + length;
        if self.position == self.input.len() {
            self.input.clear();
            self.position = 0;
            // A connection that waits holds no large buffer.
            if self.input.capacity() > IDLE {
                self.input = Vec::new();
            }
        }
        Ok(Some(command))
    }
}

const IDLE: usize = 8 * 1024;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]
mod tests {
    use super::*;

    fn packet(letter: u8, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len() + 1).unwrap();
        [&length.to_be_bytes()[..], &[letter], data].concat()
    }

    fn all(decoder: &mut Decoder) -> Vec<Command> {
        std::iter::from_fn(|| decoder.next_command().unwrap()).collect()
    }

    #[test]
    fn packets_are_the_same_however_they_are_cut() {
        let stream =
            [packet(b'M', b"<a@b>\0"), packet(b'N', b""), packet(b'B', b"text\r\n"), packet(b'E', b"")].concat();
        let mut whole = Decoder::new(100);
        whole.feed(&stream);
        let expected = all(&mut whole);
        assert_eq!(expected.len(), 4);
        let (mut cut, mut got) = (Decoder::new(100), Vec::new());
        for octet in stream.chunks(1) {
            cut.feed(octet);
            got.extend(all(&mut cut));
        }
        assert_eq!(got, expected);
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_is_read() {
        let mut decoder = Decoder::new(10);
        decoder.feed(&u32::MAX.to_be_bytes());
        let length = usize::try_from(u32::MAX).unwrap();
        assert_eq!(decoder.next_command(), Err(Error::TooLarge { length, limit: 10 }));
        let mut none = Decoder::new(10);
        none.feed(&[0; 4]);
        assert!(matches!(none.next_command(), Err(Error::Malformed { .. })));
    }
}
