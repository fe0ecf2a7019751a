//! The address where the processor begins to push when ring 3 traps.

/// One past the highest byte of a save area: what goes into `TSS.rsp0`.
///
/// In 64-bit mode the processor aligns RSP down to 16 bytes before it pushes (Intel SDM volume 3, "64-Bit Mode Stack
/// Frame"). A save area whose end is not a multiple of 16 would make the processor write beside it, so such an address
/// cannot become an `EntryTop`.
///
/// ```
/// use percpu::{EntryTop, Misaligned};
///
/// #[repr(align(16))]
/// struct SaveArea([u8; 512]);
/// let area = Box::leak(Box::new(SaveArea([0; 512])));
/// let end = area.0.as_ptr_range().end as u64;
/// // SAFETY: the bytes below are memory that is never freed.
/// assert_eq!(unsafe { EntryTop::new(end) }.unwrap().address(), end);
/// // SAFETY: refused.
/// assert_eq!(unsafe { EntryTop::new(end - 8) }, Err(Misaligned(end - 8)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct EntryTop(u64);

/// The address is not a multiple of 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misaligned(pub u64);

impl EntryTop {
    /// Nowhere.
    pub(crate) const NONE: Self = Self(0);

    /// Takes an address as an entry top.
    ///
    /// # Errors
    /// [`Misaligned`] if it is not a multiple of 16.
    ///
    /// # Safety
    /// The bytes below `address` must be writable memory, mapped in every address space, for as long as the value is
    /// in a TSS: at least the interrupt frame, what the entry code pushes below it, and what a fault at the final
    /// `iretq` pushes below that.
    pub const unsafe fn new(address: u64) -> Result<Self, Misaligned> {
        if address.is_multiple_of(16) { Ok(Self(address)) } else { Err(Misaligned(address)) }
    }

    /// The address.
    #[must_use]
    #[inline(always)]
    pub const fn address(self) -> u64 {
        self.0
    }
}
