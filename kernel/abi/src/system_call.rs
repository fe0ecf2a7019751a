//! System call numbers.

/// Makes the enum and the list of all calls from one row a call.
macro_rules! system_calls {
    ($($(#[$doc:meta])* $call:ident = $number:literal,)*) => {
        /// The number in RAX. Arguments go in RDI RSI RDX R10 R8 R9; the result comes back in RAX. SYSCALL
        /// destroys RCX and R11; `int 0x80` destroys nothing else.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u64)]
        pub enum SystemCall {
            $($(#[$doc])* $call = $number,)*
        }

        impl SystemCall {
            /// Every call, in the order of the numbers.
            pub const ALL: [Self; [$($number),*].len()] = [$(Self::$call),*];
        }
    };
}

system_calls! {
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
    /// `(entry, stack_pointer, argument, cpu, set address, set length)`: starts a thread of the same program; answers its
    /// number. The thread starts at `entry` with `argument` in RDI. It stays on that CPU; with [`crate::ANY_CPU`], it may run on all; with a
    /// set (as [`Self::SetAffinity`] reads it, length 0 for none), on those of the set. A program has at most 4096 threads at a time.
    SpawnThread = 7,
    /// `(nanoseconds)`: sleeps at least that long.
    Sleep = 8,
    /// `(name address, name length, argument, cpu, flags)`: starts a program from the boot archive; answers its number.
    /// `flags` is a sum of [`crate::SPAWN_QUIET`] and [`crate::SPAWN_SUSPENDED`]; with the latter, words 0 and 1 of the
    /// caller's UTCB hold the slots of capabilities of the new program and of its first thread. Only for the first program.
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
    /// `(cpu)`: moves the calling thread to a CPU, where it stays.
    MoveToCpu = 15,
    /// `(address, length)`: maps fresh zeroed pages, readable and writable, at a page-aligned free place; at most 128 MiB.
    MapMemory = 16,
    /// `(address, length)`: takes pages away again and frees them; at most 128 MiB a call.
    UnmapMemory = 17,
    /// `()`: makes an endpoint; answers its slot.
    CreateEndpoint = 18,
    /// `(slot, rights, badge, program slot)`: copies a capability, with the same or fewer rights, to the capability space of
    /// another program (which needs [`crate::rights::GRANT`]) or to the caller's own ([`crate::SLOT_NONE`]); answers the
    /// new slot. A badge that is not 0 marks the copy: who receives through the original sees it. It cannot be changed.
    CopyCapability = 19,
    /// `(slot)`: deletes a capability. What was derived from it stays.
    DeleteCapability = 20,
    /// `(slot)`: deletes everything that was derived from a capability, in whatever program.
    RevokeCapability = 21,
    /// `(endpoint, tag, word 0, word 1, word 2, word 3)`: sends a message and goes on when it is taken. The tag is a
    /// [`crate::MessageTag`].
    Send = 22,
    /// `(endpoint, tag)`: waits for a message; of the tag only the non-blocking bit counts. Answers the message's tag; RDI
    /// holds the badge of the capability that was sent through, RDX R10 R8 R9 the first four words. A caller to whom
    /// the thread still owed a reply gets [`crate::Error::Gone`].
    Receive = 23,
    /// As [`Self::Send`], and waits for the reply, which comes as by [`Self::Receive`] with badge 0.
    Call = 24,
    /// `(0, tag, word 0, word 1, word 2, word 3)`: answers the caller, or the faulting thread, whose message this thread
    /// received last. For a fault the label is one of [`crate::REPLY_RESUME`] and its neighbours.
    Reply = 25,
    /// `(endpoint, tag, word 0, word 1, word 2, word 3)`: [`Self::Reply`], if a reply is owed, and [`Self::Receive`].
    ReplyReceive = 26,
    /// `(thread slot, endpoint slot, nanoseconds)`: binds where the faults of a thread go: of the calling thread
    /// ([`crate::SLOT_NONE`]), or of one that was not resumed yet. No endpoint ([`crate::SLOT_NONE`]) unbinds. Threads
    /// inherit the handler of the thread that spawns them. A reply that takes longer than the time given (0: no limit)
    /// finds the program shut down, with [`crate::EndCause::HandlerTimeout`].
    SetFaultHandler = 27,
    /// `(thread slot)`: lets a thread run that was spawned suspended, or suspended later.
    ResumeThread = 28,
    /// `(program slot, address, length)`: [`Self::MapMemory`] in another program.
    MapInto = 29,
    /// `(program slot, address, buffer, length)`: reads another program's memory; at most 1 MiB.
    ReadMemory = 30,
    /// `(program slot, address, buffer, length)`: writes another program's memory; at most 1 MiB.
    WriteMemory = 31,
    /// `(slot)`: writes the [`crate::ThreadRegisters`] of the thread whose fault the caller received last
    /// ([`crate::SLOT_NONE`]), or whose reply was saved in a slot, to the caller's UTCB, at offset 0.
    ReadFaultRegisters = 32,
    /// `()`: makes a notification; answers its slot.
    CreateNotification = 33,
    /// `(notification)`: sets the bits of the capability's badge (bit 0 for badge 0).
    Signal = 34,
    /// `(notification, nanoseconds)`: takes the bits that are set, or waits for some, at most so long (0: not at all,
    /// `u64::MAX`: for ever). They come in RDI, as the badge of a message without words.
    Wait = 35,
    /// `(program slot)`: ends a program, with [`crate::EndCause::Killed`].
    KillProgram = 36,
    /// `(thread slot)`: stops a thread, the calling one for [`crate::SLOT_NONE`], until [`Self::ResumeThread`]. One that
    /// waits stops when its wait is over.
    SuspendThread = 37,
    /// `(nanoseconds)`: sleeps until the clock ([`Self::Clock`]) shows at least that.
    SleepUntil = 38,
    /// `(cpu, notification slot)`: makes a timer that fires on a CPU ([`crate::ANY_CPU`]: the one that the caller runs on);
    /// answers its slot. With a notification (else [`crate::SLOT_NONE`]), each firing signals the badge of that capability.
    CreateTimer = 39,
    /// `(timer, nanoseconds, flags)`: sets a timer to fire once, when the clock shows that or, with [`TIMER_RELATIVE`], so
    /// long from now. Answers 1 if it was set already and does not fire for that any more, else 0. From any CPU.
    SetTimer = 40,
    /// `(timer)`: clears a timer. Answers 1 if it was set and does not fire for that any more, else 0. From any CPU.
    CancelTimer = 41,
    /// `(timer)`: writes a [`crate::TimerFirings`] to the caller's UTCB, at offset 0; answers how often the timer has fired.
    ReadTimer = 42,
    /// `(cpu)`: interrupts another CPU, or all others ([`crate::ALL_OTHER_CPUS`]), and waits until the handlers there have
    /// answered; answers the ticks of the time-stamp counter that it took. For one CPU, word 0 of the caller's UTCB holds
    /// the ticks until the handler there ran.
    PingCpu = 43,
    /// `(slot, program slot, destination)`: moves a capability to another program (which needs [`crate::rights::GRANT`]), or
    /// within the caller's own space ([`crate::SLOT_NONE`]); to an empty slot, or any ([`crate::SLOT_ANY`]). Answers the new
    /// slot.
    MoveCapability = 44,
    /// `()`: puts the right to reply to whom this thread received from last into a slot, which is answered.
    SaveReply = 45,
    /// `(slot, tag, word 0, word 1, word 2, word 3)`: [`Self::Reply`] by a slot, which is emptied.
    ReplyTo = 46,
    /// `(hook, argument)`: raises a trap in the kernel itself, see [`crate::TestHook`]. Only where the kernel's command
    /// line allows it.
    TestHook = 47,
    /// `(thread slot)`: lets a thread go on that stands at a breakpoint, whether it is paused or a debugger has been told.
    ClearBreakpoint = 48,
    /// `(thread slot)`: writes the [`crate::ThreadRegisters`] of a thread that stands still to the caller's UTCB, at offset 0.
    ReadRegisters = 49,
    /// `(thread slot)`: gives a thread that stands still the [`crate::ThreadRegisters`] in the caller's UTCB.
    WriteRegisters = 50,
    /// `(thread slot, number, kind, address, length)`: sets hardware breakpoint 0 to 3 of a thread that stands still. The
    /// kind is [`crate::BREAKPOINT_NONE`] or one of its neighbours.
    SetHardwareBreakpoint = 51,
    /// `(program slot, address, buffer, length)`: as [`Self::WriteMemory`], and also where the program may not write itself.
    PatchMemory = 52,
    /// `(program slot, buffer, length)`: writes a [`crate::ThreadInformation`] for each of the program's threads, as many as
    /// there is room for; answers how many threads there are.
    ListThreads = 53,
    /// `(program slot, thread's number)`: makes a capability of the thread; answers its slot.
    OpenThread = 54,
    /// `(program slot, address, length)`: swaps out those pages of a program in the range that are in memory; at most 1 MiB.
    /// Answers how many bytes went. Whoever touches such a page finds it where it was.
    SwapOut = 55,
    /// `(device control, line)`: makes an object of an interrupt line; answers its slot. Lines 0 to 15 are those of the ISA
    /// bus, others are global system interrupts, of the PCI bus.
    CreateInterrupt = 56,
    /// `(interrupt, notification)`: from now on the notification is signalled for each interrupt, which comes to the caller's
    /// CPU. No notification ([`crate::SLOT_NONE`]) masks the line.
    BindInterrupt = 57,
    /// `(interrupt)`: the driver has done with the interrupt that it was told of, and wants to be told of the next.
    AcknowledgeInterrupt = 58,
    /// `(device control, first, count)`: makes an object of I/O ports; answers its slot.
    CreatePorts = 59,
    /// `(ports, port, bytes)`: reads 1, 2 or 4 bytes from a port; answers them.
    ReadPort = 60,
    /// `(ports, port, bytes, value)`: writes 1, 2 or 4 bytes to a port.
    WritePort = 61,
    /// `(frame or nothing)`: makes a frame, 4096 bytes, that programs can share, of zeros ([`crate::SLOT_NONE`]) or with what the
    /// given one holds ([`crate::rights::READ`]); answers its slot.
    CreateFrame = 62,
    /// `(frame, program slot, address, rights)`: maps a frame at a page-aligned free place, of another program or the
    /// caller's ([`crate::SLOT_NONE`]): readable ([`crate::rights::READ`]), or writable, too ([`crate::rights::WRITE`]).
    MapFrame = 63,
    /// `(program slot, address, length)`: [`Self::UnmapMemory`] in another program.
    UnmapFrom = 64,
    /// `(thread slot, priority)`: sets the priority, 0 (least) to 63, of the calling thread ([`crate::SLOT_NONE`]) or of one that
    /// is suspended or paused. Above [`crate::DEFAULT_PRIORITY`] only for the first program.
    SetPriority = 65,
    /// `(device, frame)`: answers the physical address of a frame of memory, for the device to write to.
    FrameAddress = 66,
    /// `(thread slot, address, length)`: says on which CPUs a thread may run, the calling one for [`crate::SLOT_NONE`]: a
    /// bitmap, bit `n` of the byte `m` for CPU `8 m + n`, of a multiple of 8 bytes and at most [`crate::AFFINITY_LIMIT`]; or
    /// all CPUs, for the address [`crate::ANY_CPU`].
    SetAffinity = 67,
    /// `(thread slot, buffer, length)`: writes the bitmap of the CPUs on which a thread may run, as [`Self::SetAffinity`] reads it; answers its
    /// length in bytes.
    GetAffinity = 68,
    /// `(device control, notification)`: from now on the notification is signalled when bytes have come by the console's
    /// serial line, at once if some wait. No notification ([`crate::SLOT_NONE`]): nobody is told.
    BindConsole = 69,
    /// `(device control, address, length)`: takes bytes that have come by the console's serial line, at most 4096; answers how
    /// many.
    ReadConsole = 70,
    /// `(device control, function)`: makes an object of a PCI function, which nobody else has; answers its slot. The function is bus (bits 8 to
    /// 15), device (3 to 7) and function (0 to 2).
    CreateDevice = 71,
    /// `(device, register)`: answers 4 bytes of a function's configuration space; the register is a multiple of 4 below 256.
    ReadConfiguration = 72,
    /// `(device, register, value)`: writes 4 bytes of a function's configuration space.
    WriteConfiguration = 73,
    /// `(device, region, page)`: makes a frame of a page of a function's registers, to be mapped by [`Self::MapFrame`]; answers its
    /// slot.
    CreateDeviceFrame = 74,
    /// `(device, number)`: makes an interrupt of a message (MSI-X or MSI) of a function; answers its slot.
    CreateMessage = 75,
    /// `(interrupt, cpu)`: from now on an interrupt that is bound comes to another CPU.
    MoveInterrupt = 76,
    // The next call goes here, with the next number.
}

/// Numbers begin with 0 and leave none out, so that a number finds its call in the list.
const _: () = {
    let mut number = 0;
    while number < SystemCall::ALL.len() {
        assert!(SystemCall::ALL[number] as usize == number, "the numbers of the calls are not dense");
        number += 1;
    }
};

impl SystemCall {
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

/// [`SystemCall::SetTimer`]: the time counts from now.
pub const TIMER_RELATIVE: u64 = 1;

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
