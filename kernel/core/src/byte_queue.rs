//! A ring of bytes.

/// Bytes that wait, oldest first. Whatever its fields hold, no call reads or writes outside: the emergency path may find the
/// queue in the middle of a change.
#[derive(Debug)]
pub struct ByteQueue<const CAPACITY: usize> {
    bytes: [u8; CAPACITY],
    first: usize,
    length: usize,
}

impl<const CAPACITY: usize> ByteQueue<CAPACITY> {
    /// An empty queue.
    pub const fn new() -> Self {
        Self { bytes: [0; CAPACITY], first: 0, length: 0 }
    }

    /// Whether none wait.
    pub fn is_empty(&self) -> bool {
        self.length() == 0
    }

    /// How many bytes it has room for.
    pub fn room(&self) -> usize {
        CAPACITY - self.length()
    }

    /// How many wait.
    pub fn length(&self) -> usize {
        self.length.min(CAPACITY)
    }

    /// Takes as many of the bytes as there is room for; answers how many.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room());
        let end = (self.first % CAPACITY + self.length()) % CAPACITY;
        let (now, later) = bytes[..count].split_at(count.min(CAPACITY - end));
        self.bytes[end..end + now.len()].copy_from_slice(now);
        self.bytes[..later.len()].copy_from_slice(later);
        self.length = self.length() + count;
        count
    }

    /// Forgets the youngest bytes but for so many of the oldest.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length().min(length);
    }

    /// The oldest bytes, as many as lie together; none only if the queue is empty.
    pub fn front(&self) -> &[u8] {
        let first = self.first % CAPACITY;
        &self.bytes[first..(first + self.length()).min(CAPACITY)]
    }

    /// Drops so many of the oldest bytes.
    pub fn consume(&mut self, count: usize) {
        let count = count.min(self.length());
        self.first = (self.first % CAPACITY + count) % CAPACITY;
        self.length = self.length() - count;
    }

    /// Moves the oldest bytes to `target`; answers how many.
    pub fn take(&mut self, target: &mut [u8]) -> usize {
        let mut done = 0;
        while done < target.len() && !self.is_empty() {
            let front = self.front();
            let count = front.len().min(target.len() - done);
            target[done..done + count].copy_from_slice(&front[..count]);
            self.consume(count);
            done += count;
        }
        done
    }
}

impl<const CAPACITY: usize> Default for ByteQueue<CAPACITY> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::ByteQueue;

    #[test]
    fn what_is_kept_is_the_oldest_and_never_more_than_there_is() {
        for (kept, expected) in [(0, &b""[..]), (2, b"ab"), (3, b"abc"), (9, b"abc")] {
            let mut queue = ByteQueue::<10>::new();
            queue.push(b"abc");
            queue.truncate(kept);
            let mut target = [0; 10];
            let taken = queue.take(&mut target);
            assert_eq!(&target[..taken], expected, "{kept} kept");
        }
    }

    proptest! {
        #[test]
        fn bytes_come_out_as_they_went_in(steps in proptest::collection::vec((any::<bool>(), 0..12_usize), 0..200)) {
            let mut queue = ByteQueue::<10>::new();
            let mut model = VecDeque::new();
            let mut next = 0_u8;
            for (pushes, count) in steps {
                if pushes {
                    let bytes: Vec<u8> = (0..count).map(|offset| next.wrapping_add(offset as u8)).collect();
                    let taken = queue.push(&bytes);
                    prop_assert_eq!(taken, count.min(10 - model.len()));
                    model.extend(&bytes[..taken]);
                    next = next.wrapping_add(taken as u8);
                } else {
                    let mut target = vec![0; count];
                    let taken = queue.take(&mut target);
                    prop_assert_eq!(&target[..taken], model.drain(..count.min(model.len())).collect::<Vec<_>>());
                }
                prop_assert_eq!(queue.is_empty(), model.is_empty());
                prop_assert_eq!(queue.room(), 10 - model.len());
            }
        }

        #[test]
        fn nonsense_stays_inside(first: usize, length: usize) {
            let mut queue = ByteQueue::<8> { bytes: [0; 8], first, length };
            queue.push(&[1, 2, 3]);
            while !queue.is_empty() {
                let count = queue.front().len();
                prop_assert!(count > 0);
                queue.consume(count);
            }
        }
    }
}
