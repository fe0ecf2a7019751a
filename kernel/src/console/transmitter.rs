//! What is sent and cannot go yet.
//!
//! Bytes go to the line at once as long as it takes them, else to a queue that the line's interrupt empties. When the queue
//! is full the writer polls the line; when that takes nothing for long, what there is no room for is dropped and
//! counted. So nothing that is written overtakes anything, and no writer waits for ever.

use super::byte_queue::ByteQueue;

/// Bytes that may wait.
const CAPACITY: usize = 16 * 1024;
/// Polls in vain after which a line is taken to be stuck: a quarter of a minute or so, as a poll takes most of a microsecond on processors
/// and under emulators. A reader that pauses for some seconds loses nothing.
pub const PATIENCE: u32 = 20_000_000;

/// Where bytes go.
pub trait Line {
    /// Takes as many of the bytes as it can right now; answers how many.
    fn send(&mut self, bytes: &[u8]) -> usize;
}

/// The way to a line.
#[derive(Debug)]
pub struct Transmitter {
    queue: ByteQueue<CAPACITY>,
    /// The line has taken nothing for long: nobody waits for it until it takes something.
    stuck: bool,
    /// Bytes that went through the queue.
    queued: u64,
    /// Bytes that were given up.
    dropped: u64,
}

impl Transmitter {
    pub const fn new() -> Self {
        Self { queue: ByteQueue::new(), stuck: false, queued: 0, dropped: 0 }
    }

    /// Whether bytes wait for the line.
    pub fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Bytes that had to wait, and bytes that were dropped, since the start.
    pub const fn counts(&self) -> (u64, u64) {
        (self.queued, self.dropped)
    }

    /// Sends bytes, behind all that wait.
    pub fn write(&mut self, line: &mut impl Line, mut bytes: &[u8]) {
        self.pump(line);
        while !self.is_waiting() && !bytes.is_empty() {
            match line.send(bytes) {
                0 => break,
                count => bytes = &bytes[count..],
            }
        }
        loop {
            let count = self.queue.push(bytes);
            self.queued += count as u64;
            bytes = &bytes[count..];
            if bytes.is_empty() {
                return;
            }
            if !self.wait(line) {
                self.dropped += bytes.len() as u64;
                return;
            }
        }
    }

    /// Gives the line what it takes of what waits.
    pub fn pump(&mut self, line: &mut impl Line) {
        while self.is_waiting() {
            match line.send(self.queue.front()) {
                0 => return,
                count => {
                    self.stuck = false;
                    self.queue.consume(count);
                }
            }
        }
    }

    /// Waits until the line has taken something of what waits; answers whether it did.
    fn wait(&mut self, line: &mut impl Line) -> bool {
        let room = self.queue.room();
        let polls = if self.stuck { 1 } else { PATIENCE };
        for _ in 0..polls {
            self.pump(line);
            if self.queue.room() > room {
                return true;
            }
            core::hint::spin_loop();
        }
        self.stuck = true;
        false
    }

    /// Polls until nothing waits, or the line is stuck.
    pub fn flush(&mut self, line: &mut impl Line) {
        while self.is_waiting() && self.wait(line) {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{CAPACITY, Line, Transmitter};

    /// Takes up to `burst` bytes in each of every `period` polls; none for period 0.
    struct Fake {
        sent: Vec<u8>,
        burst: usize,
        period: u32,
        polls: u32,
    }

    impl Fake {
        fn new(burst: usize, period: u32) -> Self {
            Self { sent: Vec::new(), burst, period, polls: 0 }
        }
    }

    impl Line for Fake {
        fn send(&mut self, bytes: &[u8]) -> usize {
            self.polls += 1;
            if self.period == 0 || !self.polls.is_multiple_of(self.period) {
                return 0;
            }
            let count = bytes.len().min(self.burst);
            self.sent.extend(&bytes[..count]);
            count
        }
    }

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|index| (index % 251) as u8).collect()
    }

    #[test]
    fn a_prompt_line_needs_no_queue() {
        let (mut transmitter, mut line) = (Transmitter::new(), Fake::new(16, 1));
        transmitter.write(&mut line, &text(100));
        assert_eq!(line.sent, text(100));
        assert_eq!(transmitter.counts(), (0, 0));
    }

    #[test]
    fn a_full_queue_makes_the_writer_wait() {
        let (mut transmitter, mut line) = (Transmitter::new(), Fake::new(16, 7));
        let all = text(3 * CAPACITY);
        transmitter.write(&mut line, &all);
        assert!(transmitter.is_waiting());
        transmitter.flush(&mut line);
        assert_eq!(line.sent, all);
        assert_eq!(transmitter.counts(), (all.len() as u64, 0));
    }

    #[test]
    fn a_stuck_line_holds_nobody_up_for_ever_and_goes_on_when_it_can() {
        let (mut transmitter, mut line) = (Transmitter::new(), Fake::new(16, 0));
        transmitter.write(&mut line, &text(CAPACITY + 10));
        assert_eq!(transmitter.counts(), (CAPACITY as u64, 10));
        let polls = line.polls;
        transmitter.write(&mut line, b"more");
        transmitter.flush(&mut line);
        assert_eq!(transmitter.counts(), (CAPACITY as u64, 14));
        assert!(line.polls < polls + 10, "it was waited for again");
        line.period = 1;
        transmitter.write(&mut line, b"again");
        transmitter.flush(&mut line);
        let mut expected = text(CAPACITY);
        expected.extend(b"again");
        assert_eq!(line.sent, expected);
    }

    proptest! {
        #[test]
        fn nothing_overtakes_anything(
            pieces in proptest::collection::vec((0..3_000_usize, any::<bool>()), 0..40), burst in 1..20_usize, period in 1..5_u32,
        ) {
            let (mut transmitter, mut line) = (Transmitter::new(), Fake::new(burst, period));
            let mut expected = Vec::new();
            for (length, interrupt) in pieces {
                let piece = text(length);
                transmitter.write(&mut line, &piece);
                expected.extend(piece);
                if interrupt {
                    transmitter.pump(&mut line);
                }
            }
            transmitter.flush(&mut line);
            prop_assert_eq!(line.sent, expected);
            prop_assert_eq!(transmitter.counts().1, 0);
        }
    }
}
