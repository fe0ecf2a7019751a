//! Text to the kernel's console.

use core::fmt;

use crate::Kernel;
use crate::abi::Error;
use crate::time::MILLISECOND;

/// Longest text that one system call carries from here. The kernel takes up to 4096 bytes; the buffer
/// lies on the caller's stack, so it is kept smaller.
const CAPACITY: usize = 1024;

/// Collects text and hands it to a sink in pieces that are as large as the buffer, never cut inside a character.
struct Buffered<S: FnMut(&[u8])> {
    bytes: [u8; CAPACITY],
    length: usize,
    sink: S,
}

impl<S: FnMut(&[u8])> Buffered<S> {
    fn new(sink: S) -> Self {
        Self { bytes: [0; CAPACITY], length: 0, sink }
    }

    fn flush(&mut self) {
        if self.length > 0 {
            (self.sink)(&self.bytes[..self.length]);
            self.length = 0;
        }
    }
}

/// The longest beginning of the text that ends between two characters and has at most `limit` bytes
/// (`str::floor_char_boundary` is younger than the oldest compiler that builds this).
fn boundary(text: &str, limit: usize) -> usize {
    (0..=limit.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0)
}

impl<S: FnMut(&[u8])> fmt::Write for Buffered<S> {
    fn write_str(&mut self, mut text: &str) -> fmt::Result {
        while !text.is_empty() {
            let fitting = boundary(text, CAPACITY - self.length);
            let (now, later) = text.split_at(fitting);
            self.bytes[self.length..self.length + now.len()].copy_from_slice(now.as_bytes());
            self.length += now.len();
            if !later.is_empty() {
                self.flush();
            }
            text = later;
        }
        Ok(())
    }
}

/// Writes text to the console, and waits until it has taken all. What [`crate::print!`] becomes.
#[doc(hidden)]
pub fn write(arguments: fmt::Arguments<'_>) {
    let mut buffered =
        Buffered::new(|bytes: &[u8]| write_all(bytes, Kernel::debug_write, || Kernel::sleep(MILLISECOND)));
    let _ = fmt::write(&mut buffered, arguments);
    buffered.flush();
}

/// Has `take` take bytes until all are gone, with a `pause` whenever it takes none.
fn write_all(mut bytes: &[u8], mut take: impl FnMut(&[u8]) -> Result<u64, Error>, mut pause: impl FnMut()) {
    while !bytes.is_empty() {
        match take(bytes) {
            Ok(0) => pause(),
            Ok(count) => bytes = bytes.get(count as usize..).unwrap_or_default(),
            // There is nowhere to report a console that refuses text.
            Err(_) => return,
        }
    }
}

/// Writes formatted text to the console, without a line end.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => { $crate::console::write(::core::format_args!($($argument)*)) };
}

/// Writes a line to the console. Lines of up to 1024 bytes are whole: no other thread's text gets between. When nobody reads the
/// console the thread sleeps until somebody does.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($format:literal $($argument:tt)*) => { $crate::print!("{}\n", ::core::format_args!($format $($argument)*)) };
}

#[cfg(test)]
mod tests {
    use core::fmt::Write;

    use super::{Buffered, CAPACITY, Error, write_all};

    fn pieces(texts: &[&str]) -> Vec<String> {
        let mut pieces = Vec::new();
        let mut buffered =
            Buffered::new(|bytes: &[u8]| pieces.push(String::from_utf8(bytes.to_vec()).expect("whole characters")));
        for text in texts {
            buffered.write_str(text).expect("writing to a buffer does not fail");
        }
        buffered.flush();
        pieces
    }

    #[test]
    fn a_line_is_one_piece() {
        assert_eq!(pieces(&["a", "b", "", "c\n"]), ["abc\n"]);
        assert!(pieces(&[""]).is_empty());
    }

    #[test]
    fn what_the_console_does_not_take_is_offered_again() {
        let (mut taken, mut answers, mut pauses) = (Vec::new(), [3, 0, 0, 100].into_iter(), 0);
        let take = |bytes: &[u8]| {
            let count = bytes.len().min(answers.next().expect("no more is offered"));
            taken.extend(&bytes[..count]);
            Ok(count as u64)
        };
        write_all(b"one line\n", take, || pauses += 1);
        assert_eq!((taken.as_slice(), pauses), (b"one line\n".as_slice(), 2));
        write_all(b"refused", |_| Err(Error::InvalidArgument), || pauses += 1);
        assert_eq!(pauses, 2);
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let long = "ä".repeat(CAPACITY);
        let pieces = pieces(&["x", &long]);
        assert_eq!(pieces.concat(), format!("x{long}"));
        assert!(pieces.iter().all(|piece| piece.len() <= CAPACITY));
    }

    #[test]
    fn an_exactly_full_buffer_is_one_piece() {
        let full = "y".repeat(CAPACITY);
        assert_eq!(pieces(&[&full]), [full]);
    }
}
