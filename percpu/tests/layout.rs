//! Offsets, alignment and descriptor bits, checked on the host.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::sync::atomic::{AtomicU32, Ordering};

use percpu::host::new_cpu;
use percpu::{Area, CpuIndex, EntryTop, IST_LINK_BYTES, IstSlot, ProcessorBlock, Stack, USER_CODE, USER_DATA, offsets};

#[repr(align(16))]
struct Memory {
    _words: [u64; 512],
}

fn stack() -> Stack {
    let memory = Box::leak(Box::new(Memory { _words: [0; 512] }));
    let base = core::ptr::from_mut(memory) as u64;
    // SAFETY: leaked memory of exactly this size, used for nothing else.
    unsafe { Stack::new(base, base + size_of::<Memory>() as u64) }
}

fn cpu() -> Area {
    new_cpu(CpuIndex::new(3))
}

fn word_at(cpu: Area, offset: usize) -> u64 {
    // SAFETY: the offset is one of the block's words.
    unsafe { core::ptr::from_ref(cpu.block()).cast::<u8>().add(offset).cast::<u64>().read() }
}

#[test]
fn assembly_finds_the_interrupt_stack_and_the_save_area() {
    let block = cpu();
    assert_eq!(word_at(block, offsets::INTERRUPT_STACK_TOP), block.interrupt_stack().top());
    let area = stack();
    // SAFETY: the area is leaked memory.
    let top = unsafe { EntryTop::new(area.top()) }.unwrap();
    // SAFETY: nothing runs with this TSS.
    unsafe { block.set_privilege_stack(top) };
    assert_eq!(word_at(block, offsets::SAVE_AREA_END), area.top());
    assert_eq!(block.task_state().privilege_stack(), area.top());
    assert!(!block.runs_nothing());
    // SAFETY: nothing runs with this TSS.
    unsafe { block.clear_privilege_stack() };
    assert_ne!(word_at(block, offsets::SAVE_AREA_END), area.top());
    assert!(block.runs_nothing());
}

#[test]
fn the_task_state_is_where_the_descriptor_wants_it() {
    let block = cpu();
    let task_state = block.task_state().as_ptr() as u64;
    assert_eq!(task_state % 8, 4, "rsp0 is a naturally aligned word");
    assert_eq!(core::ptr::from_ref(block.block()) as u64 % 64, 0);
    let segments = block.segments_address().wrapping_sub(core::ptr::from_ref(block.block()) as u64);
    assert!(
        segments < size_of::<ProcessorBlock>() as u64 && segments.is_multiple_of(8),
        "the GDT is at {segments:#x} of the block"
    );
}

#[test]
fn entries_from_any_instant_find_the_block_by_the_link() {
    let block = cpu();
    for stack in [block.stacks().nmi[0], block.stacks().nmi[1], block.stacks().double_fault, block.stacks().debug] {
        // SAFETY: the lower of the two words at the stack's top.
        let link = unsafe { ((stack.top() - IST_LINK_BYTES) as *const u64).read() };
        assert_eq!(link, core::ptr::from_ref(block.block()) as u64);
    }
    assert_eq!(word_at(block, offsets::SELF_POINTER), core::ptr::from_ref(block.block()) as u64);
    assert_eq!(block.block().area(), block);
}

#[test]
fn a_save_area_must_end_on_sixteen() {
    for address in 1..16 {
        // SAFETY: refused before any use.
        assert!(unsafe { EntryTop::new(0x1000 + address) }.is_err());
    }
}

#[test]
fn every_ist_slot_is_below_its_link() {
    let block = cpu();
    let stacks = *block.stacks();
    let expected = [
        (IstSlot::Nmi, stacks.nmi[0]),
        (IstSlot::DoubleFault, stacks.double_fault),
        (IstSlot::MachineCheck, stacks.machine_check),
        (IstSlot::Debug, stacks.debug),
    ];
    for (slot, stack) in expected {
        assert_eq!(block.task_state().interrupt_stack(slot), stack.top() - IST_LINK_BYTES);
    }
}

#[test]
fn nmi_stacks_alternate_and_never_name_the_one_in_use() {
    let block = cpu();
    let [first, second] = block.stacks().nmi;
    for (using, expected) in [(first, second), (second, first), (first, second), (second, first)] {
        // SAFETY: nothing runs with this TSS.
        unsafe { block.alternate_nmi_stack(using.top() - 200) };
        assert_eq!(block.task_state().interrupt_stack(IstSlot::Nmi), expected.top() - IST_LINK_BYTES);
        assert!(block.on_nmi_stack(using.top() - 200) && block.on_nmi_stack(expected.base()));
    }
    assert!(!block.on_nmi_stack(block.interrupt_stack().base()));
}

#[test]
fn every_ist_stack_is_known_by_an_address_in_it() {
    let block = cpu();
    let stacks = *block.stacks();
    let [first, second] = stacks.nmi;
    let all = [first, second, stacks.double_fault, stacks.machine_check, stacks.debug, stacks.machine_check_return];
    for stack in all {
        assert_eq!(block.ist_stack_of(stack.base() + 8), Some(stack));
    }
    assert_eq!(block.ist_stack_of(block.interrupt_stack().base() + 8), None);
    assert_eq!(block.machine_check_return(), stacks.machine_check_return.top() - IST_LINK_BYTES);
}

#[test]
fn stack_use_is_measured_from_the_top() {
    let stack = stack();
    // SAFETY: nothing uses the stack.
    unsafe { stack.fill() };
    assert_eq!(stack.deepest(), 0);
    // SAFETY: a word of the stack.
    unsafe { ((stack.top() - 8) as *mut u64).write(1) };
    assert_eq!(stack.deepest(), 8);
    // SAFETY: a word of the stack.
    unsafe { ((stack.base() + 8) as *mut u64).write(1) };
    assert_eq!(stack.deepest(), stack.bytes() - 8);
}

/// What lies above a stack is another's, whatever it looks like.
#[test]
fn stack_use_ends_at_the_top() {
    let whole = stack();
    // SAFETY: nothing uses the stack.
    unsafe { whole.fill() };
    // SAFETY: the lower half of it, which nothing uses.
    let half = unsafe { Stack::new(whole.base(), whole.base() + whole.bytes() / 2) };
    assert_eq!(half.deepest(), 0);
}

#[test]
fn counters_count_by_vector_and_ignore_what_is_no_vector() {
    let block = cpu();
    let entries = block.entries();
    entries.count(14);
    entries.count(14);
    entries.count(percpu::EntryCounters::SYSCALL);
    entries.count(100_000);
    assert_eq!(
        (entries.entries(14), entries.entries(256), entries.entries(13), entries.entries(100_000)),
        (2, 1, 0, 0)
    );
    assert_eq!(word_at(block, offsets::SYSCALL_ENTRIES), 1, "where the entry counts system calls");
}

#[test]
fn selectors_are_the_ones_that_sysret_makes() {
    assert_eq!((USER_DATA.0, USER_CODE.0), (0x1b, 0x23));
}

#[test]
fn handlers_on_stacks_of_their_own_are_counted() {
    let block = cpu();
    type Change = fn(&ProcessorBlock);
    let depth_after = |change: Change| {
        change(&block);
        block.ist_depth()
    };
    let steps: [(Change, u32); 8] = [
        (|_| (), 0),
        (ProcessorBlock::enter_ist, 1),
        (ProcessorBlock::enter_ist, 2),
        (ProcessorBlock::leave_ist, 1),
        (ProcessorBlock::enter_ist, 2),
        (ProcessorBlock::abandon_ist, 0),
        (ProcessorBlock::leave_ist, 0),
        (ProcessorBlock::enter_ist, 1),
    ];
    for (number, (change, expected)) in steps.into_iter().enumerate() {
        assert_eq!(depth_after(change), expected, "step {number}");
    }
}

#[test]
fn locks_are_told_from_where_the_cpu_notes_them() {
    let block = cpu();
    assert_eq!(block.locks_held(), 0);
    let start = core::ptr::from_ref(block.block()).cast::<u8>();
    // SAFETY: the word is an atomic of the block's, at an offset that assembly uses.
    let word = unsafe { start.add(offsets::LOCKS_HELD).cast::<AtomicU32>().as_ref() };
    word.expect("the block is not at 0").store(0x8000_0001, Ordering::Relaxed);
    assert_eq!(block.locks_held(), 0x8000_0001);
}

#[test]
fn a_cpu_is_known_by_two_numbers() {
    let block = cpu();
    assert_eq!((block.index().get(), block.index().as_usize(), block.apic_id().get()), (3, 3, 3));
    assert_eq!(format!("{} {}", block.index(), block.apic_id()), "3 3");
}

#[test]
fn a_stack_holds_its_own_addresses_and_no_others() {
    let stack = stack();
    assert_eq!((stack.bytes(), percpu::INTERRUPT_STACK_BYTES), (4096, 0x4_0000));
    for (address, held) in [
        (stack.base() - 1, false),
        (stack.base(), true),
        (stack.top() - 1, true),
        (stack.top(), true),
        (stack.top() + 1, false),
        (0, false),
    ] {
        assert_eq!(stack.holds(address), held, "{:#x} beside {:#x}", address, stack.base());
    }
}
