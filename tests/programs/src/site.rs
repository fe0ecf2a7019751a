//! Instructions at addresses that another program knows.

use gatehouse_runtime::memory::IMAGE_BASE;

/// Bytes from one site to the next. The first lies at [`IMAGE_BASE`].
pub const SITE_STRIDE: u64 = 64;

/// The exit status of a program whose site came through without a trap.
pub const SURVIVED: u64 = 99;

/// Where a program has its site with this number.
#[must_use]
pub const fn site(number: u64) -> u64 {
    IMAGE_BASE + number * SITE_STRIDE
}

/// Puts instructions at [`site`]s of this program: `number => "instructions"`, numbers ascending.
///
/// A site is entered by a jump, with RDI the operand given to [`enter_site`], RSI zero and RSP the program's stack, all
/// other registers undefined. What runs off its end exits the program with [`SURVIVED`]. A site that does not fit
/// does not assemble.
#[macro_export]
macro_rules! sites {
    ($($number:expr => $instructions:literal),* $(,)?) => {
        #[cfg(target_os = "none")]
        ::core::arch::global_asm!(
            ".pushsection .text.first, \"ax\", @progbits",
            "sites:",
            $(".org sites + {} * 64", $instructions, "jmp survived",)*
            "survived:",
            "mov edi, {}",
            "mov eax, {}",
            "syscall",
            "ud2",
            ".popsection",
            $(const $number,)*
            const $crate::SURVIVED,
            const ::gatehouse_runtime::abi::SystemCall::ExitProgram as u64,
        );
    };
}

const _: () = assert!(SITE_STRIDE == 64, "`sites!` has the stride in its text");

/// Jumps to a site of this program.
///
/// # Safety
/// The program must have that site, made with [`sites!`](crate::sites), and whatever it does to the program's memory
/// and registers must be borne by the program.
pub unsafe fn enter_site(number: u64, operand: u64) -> ! {
    #[cfg(target_os = "none")]
    // SAFETY: the linker script puts `.text.first` at the image base, so this is the address of the site, which the
    // caller promises. Nothing comes back.
    unsafe {
        core::arch::asm!("jmp rax", in("rax") site(number), in("rdi") operand, in("esi") 0, options(noreturn));
    }
    #[cfg(not(target_os = "none"))]
    panic!("site {number} with {operand:#x} needs the linker script of Gatehouse's programs")
}
