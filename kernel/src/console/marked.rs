//! How lines are told apart: the kernel's begin with a mark, and no program can make one that does.
//!
//! A line of the kernel begins with [`MARK`]. A line of a program that would begin with the mark's first byte gets a
//! [`QUOTE`] in front of it, and whatever else could move the place where text appears, which is every control character but
//! line feed and tab, is written in caret notation. So the first byte of a line says who wrote it.

/// What a line of the kernel begins with.
pub const MARK: &[u8] = b"# ";
/// What stands before a program's line that would begin as the kernel's do.
pub const QUOTE: &[u8] = b"\\";
/// What ends a line on the wire.
pub const LINE_END: &[u8] = b"\r\n";

/// Takes bytes, or has no room for them.
pub trait Sink {
    /// Takes all of the bytes, or answers `false`.
    fn put(&mut self, bytes: &[u8]) -> bool;
}

/// Writes a line of a program, with its line end if it has one; answers whether there was room for all of it. `at_start`
/// says whether the text begins a line, and afterwards whether what follows does.
pub fn put_program_line(sink: &mut impl Sink, at_start: &mut bool, line: &str) -> bool {
    if *at_start && line.as_bytes().first() == MARK.first() && !sink.put(QUOTE) {
        return false;
    }
    let controls = |letter: char| letter.is_control() && letter != '\t';
    let fits = line.split_inclusive(controls).all(|piece| match piece.char_indices().next_back() {
        Some((end, letter)) if controls(letter) => sink.put(&piece.as_bytes()[..end]) && put_control(sink, letter),
        _ => sink.put(piece.as_bytes()),
    });
    *at_start = if line.is_empty() { *at_start } else { line.ends_with('\n') };
    fits
}

fn put_control(sink: &mut impl Sink, letter: char) -> bool {
    match letter {
        '\n' => sink.put(LINE_END),
        '\0'..='\x7f' => sink.put(&[b'^', letter as u8 ^ 0x40]),
        // C1, which terminals take for escape sequences.
        _ => sink.put(b"?"),
    }
}

/// Writes text of the kernel, each line behind the mark; answers whether there was room for all of it.
pub fn put_kernel_text(sink: &mut impl Sink, at_start: &mut bool, text: &str) -> bool {
    text.split_inclusive('\n').all(|piece| {
        let (line, ends) = piece.strip_suffix('\n').map_or((piece, false), |line| (line, true));
        let fits = (!*at_start || line.is_empty() || sink.put(MARK))
            && sink.put(line.as_bytes())
            && (!ends || sink.put(LINE_END));
        *at_start = ends || (*at_start && line.is_empty());
        fits
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Sink for Vec<u8> {
        fn put(&mut self, bytes: &[u8]) -> bool {
            self.extend_from_slice(bytes);
            true
        }
    }

    fn program(pieces: &[&str]) -> String {
        let (mut out, mut at_start) = (Vec::new(), true);
        pieces.iter().for_each(|piece| assert!(put_program_line(&mut out, &mut at_start, piece)));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        assert_eq!(
            program(&["a line # with a mark\n", "\tand\ttabs, ä € 𝄞\n"]),
            "a line # with a mark\r\n\tand\ttabs, ä € 𝄞\r\n"
        );
    }

    #[test]
    fn what_looks_like_the_kernels_is_quoted() {
        assert_eq!(program(&["# fault: x\n", "#", "# y\n", "", "#\n"]), "\\# fault: x\r\n\\## y\r\n\\#\r\n");
    }

    #[test]
    fn the_cursor_does_not_move() {
        assert_eq!(program(&["x\r# lockdown\n"]), "x^M# lockdown\r\n");
        assert_eq!(program(&["\x1b[2J\u{8}\u{7f}\u{9b}A\0\n"]), "^[[2J^H^??A^@\r\n");
    }

    #[test]
    fn each_line_of_the_kernel_is_marked() {
        let (mut out, mut at_start) = (Vec::new(), true);
        for text in ["one\n", "two ", "and", " three\n\n  four", "\n"] {
            assert!(put_kernel_text(&mut out, &mut at_start, text));
        }
        assert_eq!(String::from_utf8(out).unwrap(), "# one\r\n# two and three\r\n\r\n#   four\r\n");
    }

    /// What ends a line for somebody who reads: more than this kernel writes.
    fn lines(bytes: &[u8]) -> Vec<&[u8]> {
        bytes.split(|byte| matches!(byte, b'\n' | b'\r' | 0x0b | 0x0c | 0x85)).collect()
    }

    proptest! {
        #[test]
        fn no_program_makes_a_line_of_the_kernel(texts in proptest::collection::vec("[#\\\\ a\n\r\t\u{1b}\u{85}\u{8}ä]{0,8}", 0..12)) {
            let (mut out, mut at_start) = (Vec::new(), true);
            for text in &texts {
                for line in text.split_inclusive('\n') {
                    put_program_line(&mut out, &mut at_start, line);
                }
            }
            let is_forged = |line: &&[u8]| line.starts_with(b"#");
            prop_assert!(!lines(&out).iter().any(is_forged), "{:?} from {texts:?}", String::from_utf8_lossy(&out));
            let cursor = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t');
            prop_assert!(!out.iter().any(cursor));
        }
    }
}
