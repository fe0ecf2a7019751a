//! What may be done with a page.

/// Access to a page. Nothing is ever both writable and executable: the combination cannot be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Read only.
    Read,
    /// Read and write.
    ReadWrite,
    /// Read and execute.
    ReadExecute,
}

impl Rights {
    /// Whether the page can be written.
    #[must_use]
    #[inline]
    pub const fn can_write(self) -> bool {
        matches!(self, Self::ReadWrite)
    }

    /// Whether the page can be executed.
    #[must_use]
    #[inline]
    pub const fn can_execute(self) -> bool {
        matches!(self, Self::ReadExecute)
    }
}
