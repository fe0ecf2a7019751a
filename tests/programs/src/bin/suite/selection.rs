//! Which hazards to run.

/// The hazards that the command line names.
#[derive(Debug)]
pub(crate) struct Selection<'a> {
    /// Names with commas between; `None` means all.
    names: Option<&'a str>,
}

/// The word of the kernel's command line that selects.
const KEY: &str = "suite=";

impl<'a> Selection<'a> {
    /// What the word `suite=NAME,…` of the line selects; everything if there is none.
    pub(crate) fn from_command_line(line: &'a str) -> Self {
        let names = line.split_ascii_whitespace().filter_map(|word| word.strip_prefix(KEY)).next_back();
        Self { names: names.filter(|names| !names.is_empty()) }
    }

    /// The names given.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.names.unwrap_or_default().split(',').filter(|name| !name.is_empty())
    }

    /// Whether a hazard is to run.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.names.is_none() || self.names().any(|selected| selected == name)
    }
}

#[cfg(test)]
mod tests {
    use super::Selection;

    #[test]
    fn without_a_word_everything_is_selected() {
        for line in ["", "init=suite", "init=suite suite=", "xsuite=flags"] {
            let selection = Selection::from_command_line(line);
            assert!(selection.contains("flags"), "{line}");
            assert_eq!(selection.names().count(), 0);
        }
    }

    #[test]
    fn names_are_whole() {
        let selection = Selection::from_command_line("init=suite suite=flags,int_n, cpus=2");
        assert!(selection.contains("flags") && selection.contains("int_n"));
        assert!(!selection.contains("int") && !selection.contains("registers"));
        assert!(selection.names().eq(["flags", "int_n"]));
    }
}
