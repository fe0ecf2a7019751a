//! Which stack an address belongs to, and whose guard page was touched.

use gatehouse_core::memory::layout::PAGE_SIZE;
use percpu::{CpuIndex, ProcessorBlock};

use crate::cpu;
use crate::memory::boot_info;

/// A stack of the kernel by its name. The page below `base` is never mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedStack {
    /// What reports call it.
    pub name: &'static str,
    /// Its lowest address.
    pub base: u64,
    /// One past its highest address.
    pub top: u64,
}

impl NamedStack {
    /// Whether a stack pointer can have this value while the stack is in use.
    #[must_use]
    pub const fn holds(&self, pointer: u64) -> bool {
        self.base <= pointer && pointer <= self.top
    }

    /// Whether the address lies in the guard page.
    #[must_use]
    pub const fn guards(&self, address: u64) -> bool {
        self.base - PAGE_SIZE <= address && address < self.base
    }
}

/// The name of the stack that all traps but those of IST vectors are handled on.
pub const INTERRUPT_STACK: &str = "interrupt stack";

/// The name of the stack that double faults are handled on.
pub const DOUBLE_FAULT_STACK: &str = "double fault stack";

/// The stacks of a CPU that kernel code runs on. The fallback stack is not among them: nothing but the 22 words of a frame
/// is ever pushed there.
pub(super) fn stacks_of(block: &ProcessorBlock) -> impl Iterator<Item = NamedStack> + use<> {
    let named = |name, stack: &percpu::Stack| NamedStack { name, base: stack.base(), top: stack.top() };
    let stacks = block.stacks();
    [
        named(INTERRUPT_STACK, block.interrupt_stack()),
        named("first NMI stack", &stacks.nmi[0]),
        named("second NMI stack", &stacks.nmi[1]),
        named(DOUBLE_FAULT_STACK, &stacks.double_fault),
        named("machine check stack", &stacks.machine_check),
        named("debug stack", &stacks.debug),
        named("machine check return stack", &stacks.machine_check_return),
    ]
    .into_iter()
}

/// The stack that the machine started on.
pub(super) fn boot_stack() -> Option<NamedStack> {
    boot_info::boot_stack().map(|stack| NamedStack { name: "boot stack", base: stack.base(), top: stack.top() })
}

/// A guard page that was touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardTouch {
    /// Whose stack it is.
    pub cpu: CpuIndex,
    /// The stack.
    pub stack: NamedStack,
    /// Bytes from the stack's top down to the address: its size and what the access went past it.
    pub depth: u64,
}

/// The stack into whose guard page the address falls.
#[must_use]
pub fn find_guard(address: u64) -> Option<GuardTouch> {
    let boot = boot_stack().into_iter().map(|stack| (CpuIndex::BOOT, stack));
    let all = cpu::all().iter().flat_map(|block| stacks_of(block).map(|stack| (block.index(), stack)));
    find(boot.chain(all), address)
}

fn find(mut stacks: impl Iterator<Item = (CpuIndex, NamedStack)>, address: u64) -> Option<GuardTouch> {
    let (cpu, stack) = stacks.find(|(_, stack)| stack.guards(address))?;
    Some(GuardTouch { cpu, stack, depth: stack.top - address })
}

impl core::fmt::Display for GuardTouch {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { cpu, stack, depth } = self;
        write!(out, "overflow of the {} of CPU {cpu}: {depth} bytes deep of {}", stack.name, stack.top - stack.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACK: NamedStack = NamedStack { name: "debug stack", base: 0x11000, top: 0x15000 };

    #[test]
    fn guard_pages_are_told_with_the_depth() {
        let stacks = || {
            let other = NamedStack { name: "other", base: 0x21000, top: 0x25000 };
            [(CpuIndex::new(0), other), (CpuIndex::new(3), STACK)].into_iter()
        };
        let found = find(stacks(), 0x10ff8).unwrap();
        assert_eq!((found.cpu.get(), found.stack, found.depth), (3, STACK, 0x4008));
        assert_eq!(found.to_string(), "overflow of the debug stack of CPU 3: 16392 bytes deep of 16384");
        assert_eq!(find(stacks(), 0x10000).unwrap().depth, 0x5000);
        assert_eq!(find(stacks(), 0x0ffff), None);
        assert_eq!(find(stacks(), 0x11000), None);
        assert_eq!(find(stacks(), 0), None);
    }
}
