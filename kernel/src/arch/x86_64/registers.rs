//! The save order and the restore order, one text each.

/// Stores the general registers into the frame that RSP points to, but RCX and R11, which SYSCALL has destroyed. For the
/// templates of [`naked_frame_asm!`].
macro_rules! save_general_registers {
    () => {
        concat!(
            "mov [rsp + {rdi}], rdi\n",
            "mov [rsp + {rsi}], rsi\n",
            "mov [rsp + {rdx}], rdx\n",
            "mov [rsp + {rax}], rax\n",
            "mov [rsp + {r8}], r8\n",
            "mov [rsp + {r9}], r9\n",
            "mov [rsp + {r10}], r10\n",
            "mov [rsp + {rbx}], rbx\n",
            "mov [rsp + {rbp}], rbp\n",
            "mov [rsp + {r12}], r12\n",
            "mov [rsp + {r13}], r13\n",
            "mov [rsp + {r14}], r14\n",
            "mov [rsp + {r15}], r15\n",
        )
    };
}

/// Makes room for the general registers below the vector, which RSP points to, and stores all of them.
macro_rules! push_general_registers {
    () => {
        concat!(
            "sub rsp, {vector}\n",
            save_general_registers!(),
            "mov [rsp + {rcx}], rcx\n",
            "mov [rsp + {r11}], r11\n",
        )
    };
}

/// Loads the general registers from the frame that RAX points to, but RAX itself, and RCX and R11, which SYSRET has another
/// use for. For the templates of [`naked_frame_asm!`].
macro_rules! restore_general_registers {
    () => {
        concat!(
            "mov r15, [rax + {r15}]\n",
            "mov r14, [rax + {r14}]\n",
            "mov r13, [rax + {r13}]\n",
            "mov r12, [rax + {r12}]\n",
            "mov rbp, [rax + {rbp}]\n",
            "mov rbx, [rax + {rbx}]\n",
            "mov r10, [rax + {r10}]\n",
            "mov r9, [rax + {r9}]\n",
            "mov r8, [rax + {r8}]\n",
            "mov rdx, [rax + {rdx}]\n",
            "mov rsi, [rax + {rsi}]\n",
            "mov rdi, [rax + {rdi}]\n",
        )
    };
}

/// What [`restore_general_registers!`] leaves out, and the frame's interrupt part, from the frame that RAX points to. GS
/// must be the target's already.
macro_rules! restore_rest_and_point_at_interrupt_frame {
    () => {
        concat!(
            "mov rcx, [rax + {rcx}]\n",
            "mov r11, [rax + {r11}]\n",
            "lea rsp, [rax + {instruction_pointer}]\n",
            "mov rax, [rax + {rax}]\n",
        )
    };
}

/// `naked_asm!` with the offsets into the frame that both the save and the restore sequence name.
macro_rules! naked_frame_asm {
    ($($template:expr),+ $(,)?; $($operands:tt)*) => {
        core::arch::naked_asm!(
            $($template),+,
            r15 = const core::mem::offset_of!($crate::arch::Frame, general.r15),
            r14 = const core::mem::offset_of!($crate::arch::Frame, general.r14),
            r13 = const core::mem::offset_of!($crate::arch::Frame, general.r13),
            r12 = const core::mem::offset_of!($crate::arch::Frame, general.r12),
            rbp = const core::mem::offset_of!($crate::arch::Frame, general.rbp),
            rbx = const core::mem::offset_of!($crate::arch::Frame, general.rbx),
            r10 = const core::mem::offset_of!($crate::arch::Frame, general.r10),
            r9 = const core::mem::offset_of!($crate::arch::Frame, general.r9),
            r8 = const core::mem::offset_of!($crate::arch::Frame, general.r8),
            rax = const core::mem::offset_of!($crate::arch::Frame, general.rax),
            rdx = const core::mem::offset_of!($crate::arch::Frame, general.rdx),
            rsi = const core::mem::offset_of!($crate::arch::Frame, general.rsi),
            rdi = const core::mem::offset_of!($crate::arch::Frame, general.rdi),
            $($operands)*
        )
    };
}

pub(crate) use {
    naked_frame_asm, push_general_registers, restore_general_registers, restore_rest_and_point_at_interrupt_frame,
    save_general_registers,
};
