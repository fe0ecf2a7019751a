//! System call numbers.

/// The number in RAX. Arguments go in RDI RSI RDX R10 R8 R9; the result comes back in RAX. SYSCALL
/// destroys RCX and R11; `int 0x80` destroys nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum SystemCall {
    /// `()`: does nothing, answers 0. What an entry and an exit cost.
    Null = 0,
    /// `(status)`: ends the thread. The program ends with the last thread's status.
    ExitThread = 1,
    /// `(status)`: ends every thread of the program.
    ExitProgram = 2,
    /// `()`: lets another ready thread of the same priority run.
    Yield = 3,
    /// `(address, length)`: writes UTF-8 text to the console, whole; at most 4096 bytes a call.
    DebugWrite = 4,
    /// `()`: nanoseconds since the kernel started.
    Clock = 5,
    /// `()`: the index of the CPU that the thread runs on.
    CpuNumber = 6,
    /// `(entry, stack_pointer, argument, cpu)`: starts a thread of the same program; answers its
    /// number. The thread starts at `entry` with `argument` in RDI. `cpu` may be [`crate::ANY_CPU`].
    SpawnThread = 7,
    /// `(nanoseconds)`: sleeps at least that long.
    Sleep = 8,
    /// `(name address, name length, argument, cpu, flags)`: starts a program from the boot archive; answers its number.
    /// `flags` is 0 or [`crate::SPAWN_QUIET`]. Only for the first program.
    SpawnProgram = 9,
    /// `(buffer, nanoseconds)`: waits until a program that the caller started has ended and writes
    /// its [`crate::ProgramEnd`] to the buffer; answers the number of the program.
    WaitProgram = 10,
    /// `(address, length)`: one line to the machine-readable channel, whole; at most 1 MiB.
    /// Only for the first program.
    Record = 11,
    /// `(kind, index, buffer, length)`: kernel facts, see [`crate::INFORMATION_SYSTEM`] and its
    /// neighbours; answers the bytes written.
    Information = 12,
    /// `(verdict)`: ends the machine; 0 is pass. Only for the first program.
    ShutDown = 13,
    /// `(which, address)`: sets the thread's FS base ([`BASE_FS`]) or GS base ([`BASE_GS`]).
    SetBase = 14,
    /// `(cpu)`: moves the calling thread to another CPU.
    MoveToCpu = 15,
    /// `(address, length)`: maps fresh zeroed pages, readable and writable, at a page-aligned free place; at most 128 MiB.
    MapMemory = 16,
    /// `(address, length)`: takes pages away again and frees them; at most 128 MiB a call.
    UnmapMemory = 17,
}

impl SystemCall {
    /// Every call, in the order of the numbers.
    pub const ALL: [Self; 18] = [
        Self::Null,
        Self::ExitThread,
        Self::ExitProgram,
        Self::Yield,
        Self::DebugWrite,
        Self::Clock,
        Self::CpuNumber,
        Self::SpawnThread,
        Self::Sleep,
        Self::SpawnProgram,
        Self::WaitProgram,
        Self::Record,
        Self::Information,
        Self::ShutDown,
        Self::SetBase,
        Self::MoveToCpu,
        Self::MapMemory,
        Self::UnmapMemory,
    ];

    /// The call with this number.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        if number < Self::ALL.len() as u64 { Some(Self::ALL[number as usize]) } else { None }
    }
}

/// [`SystemCall::SetBase`]: the FS base.
pub const BASE_FS: u64 = 0;
/// [`SystemCall::SetBase`]: the GS base.
pub const BASE_GS: u64 = 1;

#[cfg(test)]
mod tests {
    use super::SystemCall;

    #[test]
    fn numbers_are_dense() {
        for (number, call) in SystemCall::ALL.into_iter().enumerate() {
            assert_eq!(call as usize, number);
            assert_eq!(SystemCall::from_number(number as u64), Some(call));
        }
        assert_eq!(SystemCall::from_number(SystemCall::ALL.len() as u64), None);
        assert_eq!(SystemCall::from_number(u64::MAX), None);
    }
}
