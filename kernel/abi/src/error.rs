//! What a system call answers when it refuses.

/// A refused system call. In RAX it is the negated number, so `-4095..=-1` are errors and everything
/// else is a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Error {
    /// No system call has this number.
    UnknownSystemCall = 1,
    /// The caller may not do this.
    NotPermitted = 2,
    /// An argument is outside its range.
    InvalidArgument = 3,
    /// A buffer lies outside the caller's memory, or is not mapped with the access that is needed.
    BadAddress = 4,
    /// The kernel has no memory left for this, or the program's quota is used up.
    OutOfMemory = 5,
    /// The boot archive has no program of this name.
    NoSuchProgram = 6,
    /// The program is not an ELF file that this kernel runs; the console says why.
    BadProgram = 7,
    /// The CPU does not exist or did not come up.
    NoSuchCpu = 8,
    /// There is nothing to wait for.
    NothingToWaitFor = 9,
    /// The buffer is too small.
    BufferTooSmall = 10,
    /// No such item.
    NotFound = 11,
    /// The capability slot is empty, or holds a capability of another kind.
    BadCapability = 12,
    /// The capability lacks a right that is needed.
    NoRight = 13,
    /// The program has as many capabilities, shared frames or threads as it may.
    QuotaReached = 14,
    /// Nobody waits on the other side, and the caller did not want to.
    WouldBlock = 15,
    /// The other side went away: the endpoint was deleted, or the thread that owed a reply ended.
    Gone = 16,
    /// The thread is not in the state that the call needs.
    WrongState = 17,
    /// Something is mapped there already.
    AlreadyMapped = 18,
    /// Interrupts came too fast; the line is masked until it is acknowledged again.
    Storm = 19,
    /// The CPU has no interrupt vector left.
    NoVector = 20,
}

impl Error {
    /// Every error, in the order of the numbers.
    pub const ALL: [Self; 20] = [
        Self::UnknownSystemCall,
        Self::NotPermitted,
        Self::InvalidArgument,
        Self::BadAddress,
        Self::OutOfMemory,
        Self::NoSuchProgram,
        Self::BadProgram,
        Self::NoSuchCpu,
        Self::NothingToWaitFor,
        Self::BufferTooSmall,
        Self::NotFound,
        Self::BadCapability,
        Self::NoRight,
        Self::QuotaReached,
        Self::WouldBlock,
        Self::Gone,
        Self::WrongState,
        Self::AlreadyMapped,
        Self::Storm,
        Self::NoVector,
    ];

    /// The value that RAX holds after the call.
    #[must_use]
    pub const fn to_register(self) -> u64 {
        (-(self as i64)) as u64
    }

    /// Splits RAX into a result or an error. Numbers that this version does not know read as
    /// [`Error::UnknownSystemCall`].
    ///
    /// # Errors
    /// The error that the kernel answered.
    pub fn from_register(value: u64) -> Result<u64, Self> {
        let signed = value as i64;
        if !(-4095..0).contains(&signed) {
            return Ok(value);
        }
        let known = Self::ALL.iter().find(|error| **error as i64 == -signed);
        Err(known.copied().unwrap_or(Self::UnknownSystemCall))
    }
}

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn every_error_survives_the_register() {
        for (index, error) in Error::ALL.into_iter().enumerate() {
            assert_eq!(error as usize, index + 1);
            assert_eq!(Error::from_register(error.to_register()), Err(error));
        }
        assert_eq!(Error::from_register(7), Ok(7));
        assert_eq!(Error::from_register(1 << 63), Ok(1 << 63));
    }
}
