//! Calls about other CPUs.

use gatehouse_abi::{ALL_OTHER_CPUS, Error};
use percpu::CpuIndex;

use crate::cpu::{self, ThisCpu};
use crate::ipi;
use crate::thread::Thread;

/// [`gatehouse_abi::SystemCall::PingCpu`].
pub(super) fn ping(cpu: &ThisCpu, thread: &Thread, target: u64) -> Result<u64, Error> {
    let answer = if target == ALL_OTHER_CPUS {
        ipi::ping_all(cpu)
    } else {
        let target = u32::try_from(target).map(CpuIndex::new).ok().and_then(cpu::by_index);
        ipi::ping(cpu, target.ok_or(Error::NoSuchCpu)?).map(|ping| {
            thread.utcb().set(0, ping.there);
            ping.round_trip
        })
    };
    answer.map_err(|_| Error::WouldBlock)
}
