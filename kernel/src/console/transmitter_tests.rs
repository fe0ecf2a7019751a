use proptest::prelude::*;

use super::{BURST, CAPACITY, Line, PATIENCE, PROGRAM_CAPACITY, Transmitter};

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

    fn text(&self) -> String {
        String::from_utf8(self.sent.clone()).unwrap()
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

/// A line of so many bytes, the line feed among them, that says its number.
fn line_of(length: usize, number: usize) -> String {
    format!("{number:>width$}\n", width = length - 1)
}

fn kernel(transmitter: &mut Transmitter, line: &mut Fake, text: &str) {
    transmitter.write_lines(line, |out| out.write_str(text).unwrap());
}

#[test]
fn a_prompt_line_leaves_nothing_waiting() {
    let (mut transmitter, mut line) = (Transmitter::new(), Fake::new(16, 1));
    assert_eq!(transmitter.write_text(&mut line, "some text\n"), 10);
    kernel(&mut transmitter, &mut line, "some more\n");
    assert_eq!(line.text(), "some text\r\n# some more\r\n");
    assert_eq!(transmitter.counts(), (0, 0));
}

#[test]
fn nobody_waits_for_a_line_that_takes_nothing() {
    let (mut transmitter, mut line) = (Transmitter::new(), Fake::new(16, 0));
    let text: String = (0..40).map(|number| line_of(100, number)).collect();
    let mut taken = 0;
    loop {
        let count = transmitter.write_text(&mut line, &text);
        taken += count;
        if count < text.len() {
            break;
        }
    }
    // With the carriage returns.
    assert_eq!(taken, PROGRAM_CAPACITY / 101 * 100);
    assert_eq!(transmitter.write_text(&mut line, &line_of(200, 0)), 0, "there is no room for that");
    assert!(line.polls < 100, "{} polls", line.polls);
    assert_eq!(transmitter.counts().1, 0, "what is not taken is not dropped");
    // The kernel's own lines have room of their own.
    kernel(&mut transmitter, &mut line, "fault\n");
    assert_eq!(transmitter.counts().1, 0);
    line.period = 1;
    transmitter.flush(&mut line);
    assert!(line.text().ends_with("# fault\r\n"));
}

#[test]
fn lines_are_taken_whole_or_not_at_all() {
    let (mut transmitter, mut line) = (Transmitter::new(), Fake::new(16, 0));
    let filler = line_of(PROGRAM_CAPACITY - 100, 0);
    assert_eq!(transmitter.write_text(&mut line, &filler), filler.len());
    let text = format!("{}{}", line_of(60, 1), line_of(60, 2));
    assert_eq!(transmitter.write_text(&mut line, &text), 60, "one of the two lines has room");
    assert_eq!(transmitter.write_text(&mut line, &text[60..]), 0);
    line.period = 1;
    transmitter.pump(&mut line);
    assert_eq!(transmitter.write_text(&mut line, &text[60..]), 60);
    transmitter.flush(&mut line);
    assert_eq!(line.text(), format!("{filler}{text}").replace('\n', "\r\n"));
}

#[test]
fn what_the_kernel_loses_is_told() {
    let (mut transmitter, mut line) = (Transmitter::new(), Fake::new(16, 0));
    let text = line_of(1000, 7);
    for _ in 0..CAPACITY / 1000 + 3 {
        kernel(&mut transmitter, &mut line, &text);
    }
    let lost = transmitter.counts().1;
    assert!(lost >= 3000 && lost % 1000 == 0, "{lost}");
    line.period = 1;
    for _ in 0..CAPACITY / BURST + 2 {
        transmitter.pump(&mut line);
    }
    let told = format!("# console: {lost} bytes of the kernel's own lines were dropped\r\n");
    let sent = line.text();
    assert_eq!(sent.matches("dropped").count(), 1);
    assert!(sent.ends_with(&told), "{}", &sent[sent.len() - 200..]);
    assert!(sent.trim_end().lines().all(|line| line.len() == 1001 || told.starts_with(line)), "a line was cut");
    transmitter.lose(5);
    transmitter.pump(&mut line);
    transmitter.pump(&mut line);
    assert!(line.text().ends_with("# console: 5 bytes of the kernel's own lines were dropped\r\n"));
}

#[test]
fn the_kernel_begins_a_line_of_its_own() {
    let (mut transmitter, mut line) = (Transmitter::new(), Fake::new(16, 1));
    assert_eq!(transmitter.write_text(&mut line, "fault: "), 7);
    kernel(&mut transmitter, &mut line, "one");
    kernel(&mut transmitter, &mut line, "two\n");
    assert_eq!(transmitter.write_text(&mut line, "# three"), 7);
    transmitter.begin_line(&mut line);
    transmitter.write_all(&mut line, "lockdown:\n");
    transmitter.write_all(&mut line, "  x");
    transmitter.write_all(&mut line, "=1\n");
    let expected = "fault: \r\n# one\r\n# two\r\n\\# three\r\n# lockdown:\r\n#   x=1\r\n";
    assert_eq!(line.text(), expected);
}

#[test]
fn one_caller_does_not_send_without_end() {
    let (mut transmitter, mut line) = (Transmitter::new(), Fake::new(16, 1));
    let text: String = (0..80).map(|number| line_of(50, number)).collect();
    assert_eq!(transmitter.write_text(&mut line, &text), text.len());
    assert_eq!(line.sent.len(), BURST);
    assert!(transmitter.is_waiting());
}

/// At the end of the machine somebody waits, but not for ever, and not for ever less than the next one deserves.
#[test]
fn a_line_that_was_stuck_is_waited_for_again_when_it_goes_on() {
    let (mut transmitter, mut line) = (Transmitter::new(), Fake::new(16, 0));
    assert_eq!(transmitter.write_text(&mut line, "before\n"), 7);
    transmitter.flush(&mut line);
    assert!(line.polls >= PATIENCE);
    let polls = line.polls;
    transmitter.write_all(&mut line, "meanwhile\n");
    assert!(line.polls < polls + 10, "it was waited for again");
    // It takes something now and then: each of these would be given up by whoever polls once.
    line.period = 7;
    line.polls = 6;
    transmitter.write_all(&mut line, "after\n");
    transmitter.write_all(&mut line, &line_of(3 * CAPACITY / 4, 1));
    transmitter.write_all(&mut line, &line_of(3 * CAPACITY / 4, 2));
    assert!(!transmitter.is_waiting(), "it was given up");
    assert_eq!(transmitter.counts().1, 0);
    assert_eq!(line.text().lines().count(), 5);
}

proptest! {
    #[test]
    fn nothing_overtakes_anything(
        pieces in proptest::collection::vec((1..3_000_usize, any::<bool>(), any::<bool>()), 0..40), burst in 1..20_usize, period in 1..5_u32,
    ) {
        let (mut transmitter, mut line) = (Transmitter::new(), Fake::new(burst, period));
        let mut expected = String::new();
        for (number, (length, by_kernel, interrupt)) in pieces.into_iter().enumerate() {
            let text = line_of(length, number);
            if by_kernel {
                let dropped = transmitter.counts().1;
                kernel(&mut transmitter, &mut line, &text);
                if transmitter.counts().1 == dropped {
                    expected += &format!("# {text}");
                }
            } else {
                let taken = transmitter.write_text(&mut line, &text);
                prop_assert!(taken == 0 || taken == text.len());
                expected += &text[..taken];
            }
            if interrupt {
                transmitter.pump(&mut line);
            }
        }
        transmitter.flush(&mut line);
        let sent = line.text().replace("\r\n", "\n").lines().filter(|line| !line.contains("dropped")).fold(String::new(), |all, line| all + line + "\n");
        prop_assert_eq!(sent.replace("# \n", "\n"), expected.replace("# \n", "\n"));
    }
}
