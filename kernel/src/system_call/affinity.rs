//! Calls about the CPUs on which a thread may run.

use alloc::sync::Arc;

use gatehouse_abi::{AFFINITY_LIMIT, ANY_CPU, Error, SLOT_NONE};
use gatehouse_core::capability::Rights;
use gatehouse_core::sched::{Affinity, AffinityError};
use percpu::CpuIndex;
use smp::CpuSet;

use super::capabilities::other_thread;
use crate::arch::{Frame, TrapFrame as _};
use crate::cpu::{self, ThisCpu};
use crate::memory::fallible;
use crate::sched::{self, Next};
use crate::thread::Thread;
use crate::user_copy;

/// Says on which CPUs a thread may run.
pub(super) fn set(cpu: &ThisCpu, thread: &Thread, frame: &mut Frame, arguments: &[u64; 6]) -> Result<Next, Error> {
    let [target, address, length, ..] = *arguments;
    let target = find(cpu, thread, target, Rights::CONTROL)?;
    let affinity = if address == ANY_CPU { Affinity::All } else { read_affinity(thread, address, length)? };
    let affinity = fallible::new_box(affinity)?;
    // Of a caller that leaves this CPU the frame belongs to whoever gets it.
    frame.set_system_call_result(0);
    Ok(sched::set_affinity(cpu, &target, affinity))
}

/// Tells on which CPUs a thread may run; answers how many bytes that takes.
pub(super) fn get(cpu: &ThisCpu, thread: &Thread, arguments: &[u64; 6]) -> Result<u64, Error> {
    let [target, buffer, length, ..] = *arguments;
    let target = find(cpu, thread, target, Rights::READ)?;
    let count = cpu::all().len().div_ceil(64).saturating_mul(8);
    if length < count as u64 {
        return Err(Error::BufferTooSmall);
    }
    let mut bytes = fallible::filled(0_u8, count)?;
    target.with_affinity(|affinity| {
        let online = cpu::all().iter().map(|block| block.index()).filter(|index| cpu::by_index(*index).is_some());
        for index in online.filter(|index| affinity.contains(*index)) {
            bytes[index.as_usize() / 8] |= 1 << (index.get() % 8);
        }
    });
    user_copy::write(thread.program(), buffer, &bytes)?;
    Ok(count as u64)
}

/// The thread behind a slot, or the caller.
fn find(cpu: &ThisCpu, thread: &Thread, target: u64, right: Rights) -> Result<Arc<Thread>, Error> {
    if target == SLOT_NONE { cpu.current_owned().ok_or(Error::WrongState) } else { other_thread(thread, target, right) }
}

/// Reads a set of CPUs from the memory of the caller.
#[inline(never)]
pub(super) fn read_affinity(thread: &Thread, address: u64, length: u64) -> Result<Affinity, Error> {
    if length > AFFINITY_LIMIT || !length.is_multiple_of(8) {
        return Err(Error::InvalidArgument);
    }
    let mut set = CpuSet::new();
    fallible::growth(|| set.try_reserve(cpu::all().len() as u32))?;
    let mut chunk = [0; 64];
    for offset in (0..length).step_by(chunk.len()) {
        let bytes = &mut chunk[..length.saturating_sub(offset).min(64) as usize];
        user_copy::read(thread.program(), address.checked_add(offset).ok_or(Error::BadAddress)?, bytes)?;
        // Offsets are below `AFFINITY_LIMIT`.
        for (place, byte) in (offset as u32..).zip(bytes.iter()) {
            let members = (0..8_u32).filter(|bit| byte & 1 << bit != 0);
            let members = members.map(|bit| CpuIndex::new(place.saturating_mul(8).saturating_add(bit)));
            for index in members {
                // Before it goes into the set, which has room for those that exist.
                cpu::by_index(index).ok_or(Error::NoSuchCpu)?;
                set.insert(index);
            }
        }
    }
    Affinity::new(set, |index| cpu::by_index(index).is_some(), fallible::new_box).map_err(|error| match error {
        AffinityError::Empty => Error::InvalidArgument,
        AffinityError::NotOnline(_) => Error::NoSuchCpu,
        AffinityError::OutOfHeap => Error::OutOfMemory,
    })
}
