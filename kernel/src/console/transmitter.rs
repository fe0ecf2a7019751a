//! What is sent and cannot go yet.
//!
//! All bytes go through a queue, which is emptied into the line by whoever writes, as far as the line takes them at once, and by the
//! line's interrupt. Nobody waits for the line but in [`Transmitter::flush`] and [`Transmitter::write_all`], which are for the end of the machine.
//! When the queue is full a program's text is not taken, and the program is told; a line of the kernel is dropped whole, counted, and told of
//! as soon as there is room. Programs leave room for the kernel's lines. So nothing that is written overtakes anything, and nothing is
//! lost silently.

use core::fmt;

use gatehouse_core::byte_queue::ByteQueue;

use super::marked::{LINE_END, MARK, Sink, put_kernel_text, put_program_line};

/// Bytes that may wait.
const CAPACITY: usize = 32 * 1024;
/// Bytes that may wait so that a program's text is still taken. One text, whatever it becomes, fits in.
const PROGRAM_CAPACITY: usize = 16 * 1024;
/// Bytes that one caller gives the line at most: one that is emulated takes without end.
const BURST: usize = 1024;
/// Polls in vain after which a line is taken to be stuck: a quarter of a minute or so, as a poll takes most of a microsecond on processors
/// and under emulators.
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
    /// What is written next begins a line.
    at_line_start: bool,
    /// The line has taken nothing for long: nobody waits for it until it takes something.
    stuck: bool,
    /// Bytes that went through the queue.
    queued: u64,
    /// Bytes that were given up.
    dropped: u64,
    /// Those of them that nobody was told of.
    untold: u64,
}

impl Transmitter {
    pub const fn new() -> Self {
        let queue = ByteQueue::new();
        Self { queue, at_line_start: true, stuck: false, queued: 0, dropped: 0, untold: 0 }
    }

    /// Whether bytes wait for the line.
    pub fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Bytes that had to wait, and bytes that were dropped, since the start.
    pub const fn counts(&self) -> (u64, u64) {
        (self.queued, self.dropped)
    }

    /// Counts bytes of the kernel's that could not be written.
    pub const fn lose(&mut self, bytes: u64) {
        self.dropped += bytes;
        self.untold += bytes;
    }

    /// Takes a program's text, as many lines as there is room for, whole; answers how many bytes of it were taken.
    pub fn write_text(&mut self, line: &mut impl Line, text: &str) -> usize {
        self.pump(line);
        let mut taken = 0;
        for piece in text.split_inclusive('\n') {
            let (before, mut at_start) = (self.queue.length(), self.at_line_start);
            if !put_program_line(&mut Room(&mut self.queue, PROGRAM_CAPACITY), &mut at_start, piece) {
                self.queue.truncate(before);
                break;
            }
            self.at_line_start = at_start;
            taken += piece.len();
        }
        self.pump_new(line);
        taken
    }

    /// Takes lines of the kernel: what `write` writes, whole or not at all.
    pub fn write_lines(&mut self, line: &mut impl Line, write: impl FnOnce(&mut dyn fmt::Write)) {
        self.pump(line);
        self.put_lines(write);
        self.pump_new(line);
    }

    fn put_lines(&mut self, write: impl FnOnce(&mut dyn fmt::Write)) {
        let (before, was_at_start) = (self.queue.length(), self.at_line_start);
        let room = Room(&mut self.queue, CAPACITY);
        let mut text = KernelText { room, at_start: was_at_start, written: 0, fits: true };
        text.begin_line();
        write(&mut text);
        text.begin_line();
        let (written, fits) = (text.written, text.fits);
        self.at_line_start = true;
        if !fits {
            self.queue.truncate(before);
            self.at_line_start = was_at_start;
            self.lose(written);
        }
    }

    /// Tells of what was dropped, if there is room.
    fn tell_loss(&mut self) {
        let untold = self.untold;
        if untold > 0 && self.queue.room() > CAPACITY / 2 {
            self.untold = 0;
            self.put_lines(|out| {
                // What does not fit is counted.
                let _ = writeln!(out, "console: {untold} bytes of the kernel's own lines were dropped");
            });
        }
    }

    /// Gives the line what it takes of what waits, up to a limit.
    pub fn pump(&mut self, line: &mut impl Line) {
        let mut left = BURST;
        while left > 0 && self.is_waiting() {
            left -= match self.send(line, left) {
                0 => return,
                count => count,
            };
        }
        self.tell_loss();
    }

    /// The same behind a write, which counts what has to wait.
    fn pump_new(&mut self, line: &mut impl Line) {
        let written = self.queue.length();
        self.pump(line);
        // Of what was there before some may wait still, and be counted again: it is a measure, not an account.
        self.queued += written.min(self.queue.length()) as u64;
    }

    fn send(&mut self, line: &mut impl Line, limit: usize) -> usize {
        let front = self.queue.front();
        let count = line.send(&front[..front.len().min(limit)]);
        self.stuck &= count == 0;
        self.queue.consume(count);
        count
    }

    /// Waits until the line has taken something of what waits; answers whether it did.
    fn wait(&mut self, line: &mut impl Line) -> bool {
        let polls = if self.stuck { 1 } else { PATIENCE };
        for _ in 0..polls {
            if self.send(line, CAPACITY) > 0 {
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

    /// Begins a line of the report of a fatal error.
    pub fn begin_line(&mut self, line: &mut impl Line) {
        if !self.at_line_start {
            self.at_line_start = true;
            self.wait_for_room(line, LINE_END.len());
            self.queue.push(LINE_END);
        }
    }

    /// Writes text of the kernel at the end of the machine: polls until all of it has gone out, or the line is stuck.
    pub fn write_all(&mut self, line: &mut impl Line, text: &str) {
        for piece in text.split_inclusive('\n') {
            self.wait_for_room(line, MARK.len() + piece.len() + LINE_END.len());
            let mut at_start = self.at_line_start;
            let before = self.queue.length();
            if put_kernel_text(&mut Room(&mut self.queue, CAPACITY), &mut at_start, piece) {
                self.at_line_start = at_start;
            } else {
                self.queue.truncate(before);
                self.lose(piece.len() as u64);
            }
        }
        self.flush(line);
    }

    fn wait_for_room(&mut self, line: &mut impl Line, bytes: usize) {
        while self.queue.room() < bytes && self.is_waiting() && self.wait(line) {}
    }
}

/// The queue, filled up to a length.
struct Room<'queue>(&'queue mut ByteQueue<CAPACITY>, usize);

impl Sink for Room<'_> {
    fn put(&mut self, bytes: &[u8]) -> bool {
        let fits = self.0.length() + bytes.len() <= self.1;
        if fits {
            self.0.push(bytes);
        }
        fits
    }
}

/// Lines of the kernel on their way into the queue.
struct KernelText<'queue> {
    room: Room<'queue>,
    at_start: bool,
    /// Bytes that were to be written.
    written: u64,
    fits: bool,
}

impl KernelText<'_> {
    /// Ends the line that was begun.
    fn begin_line(&mut self) {
        if !self.at_start {
            self.fits = self.fits && self.room.put(LINE_END);
            self.at_start = true;
        }
    }
}

impl fmt::Write for KernelText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.written += text.len() as u64;
        self.fits = self.fits && put_kernel_text(&mut self.room, &mut self.at_start, text);
        Ok(())
    }
}

#[cfg(test)]
#[path = "transmitter_tests.rs"]
mod tests;
