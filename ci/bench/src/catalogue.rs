//! What is counted: the keys, in the order of tables.

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its name in files.
    pub key: &'static str,
    /// What it is, in words.
    pub title: &'static str,
    /// Whether every document has it, measured or not.
    pub fixed: bool,
    /// Whether its path depends on what the kernel's heap looks like, so that no two boots with other programs agree.
    pub varies: bool,
}

const fn fixed(key: &'static str, title: &'static str) -> Operation {
    Operation { key, title, fixed: true, varies: false }
}

const fn more(key: &'static str, title: &'static str) -> Operation {
    Operation { key, title, fixed: false, varies: false }
}

const fn on_the_heap(key: &'static str, title: &'static str) -> Operation {
    Operation { key, title, fixed: false, varies: true }
}

/// All operations. The program `bench` may measure fewer; what it measures beyond these is refused.
pub const OPERATIONS: &[Operation] = &[
    fixed("syscall_null", "null system call by SYSCALL"),
    fixed("int80_null", "null system call by int 0x80"),
    fixed("trap_kernel", "trap in ring 0 and back, by the common entry, on the stack in use"),
    more("trap_kernel_debug", "single step in ring 0 and back, on a stack of its own"),
    fixed("exception_entry", "exception from ring 3, up to the first Rust"),
    fixed("exception_exit", "from the last Rust to ring 3, by iretq"),
    fixed("page_fault_fresh", "page fault that the kernel resolves with a fresh page of zeros"),
    fixed("swap_in_ram", "page fault on a page swapped to compressed memory"),
    fixed("fault_ipc_deliver", "fault to its handler, other address space"),
    fixed("fault_ipc_reply", "reply to the faulter that goes on"),
    fixed("fault_ipc_cross_round_trip", "fault and reply across CPUs, sum of both"),
    more("fault_ipc_cross_deliver", "fault to its handler on another CPU"),
    more("fault_ipc_cross_reply", "reply to the faulter on another CPU"),
    fixed("call", "call to a waiting server, other address space"),
    fixed("reply_receive", "reply and wait, back to the caller"),
    fixed("call_cross_round_trip", "call and reply across CPUs, sum of both"),
    more("call_cross", "call to a server on another CPU"),
    more("reply_receive_cross", "reply to a caller on another CPU"),
    fixed("notification_wake", "signal to a more urgent thread that waits, other address space"),
    fixed("context_switch", "yield to a thread of another address space"),
    more("context_switch_same_space", "yield to a thread of the same address space"),
    more("context_switch_fpu", "the same, both threads having used the FPU"),
    fixed("timer_interrupt", "timer interrupt, nothing to switch"),
    fixed("timer_set", "arm a timer"),
    more("timer_cancel", "cancel it before it fires"),
    fixed("ipi_round_trip", "interrupt another CPU and be answered, both CPUs"),
    more("ping_cpu", "the whole system call that does so, both CPUs"),
    fixed("tlb_shootdown", "unmap a page that another CPU uses, both CPUs"),
    more("unmap_local", "unmap a page that no other CPU uses"),
    fixed("device_to_user", "device interrupt to the driver in ring 3"),
    fixed("device_acknowledge", "the driver's acknowledgement"),
    fixed("nmi", "non-maskable interrupt in ring 3 and back"),
    more("map_page", "map a fresh page"),
    on_the_heap("thread_create", "create a thread that does not run yet"),
    more("thread_destroy", "a thread's exit, up to the next thread"),
];

/// The operation with this key.
pub fn find(key: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_there_once() {
        for (index, operation) in OPERATIONS.iter().enumerate() {
            assert!(OPERATIONS[..index].iter().all(|other| other.key != operation.key), "{}", operation.key);
        }
    }
}
