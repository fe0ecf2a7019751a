//! Each thread has FS and GS bases of its own, which survive switches, calls, interrupts and moves.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::{Kernel, entry};
use programs::{BaseRegister, check, run_threads, use_everything};

entry!(run);

/// Times that each thread does everything.
const ROUNDS: u64 = 20;

fn run(_argument: u64) -> u64 {
    let here = Kernel::cpu_number();
    let next = (here + 1) % programs::cpus();
    run_threads(&[(keep, here), (keep, here), (keep, next), (keep, next)])
}

fn keep(number: u64) -> u64 {
    let bases = [0x1000_0000 * (number + 1), 0x7000_0000_0000 + number];
    // SAFETY: nothing here relies on FS or GS.
    let answers = unsafe { [Kernel::set_fs_base(bases[0]), Kernel::set_gs_base(bases[1])] };
    check!(answers == [Ok(0); 2], "the bases {bases:x?} were answered {answers:?}");
    for _ in 0..ROUNDS {
        use_everything();
        check!(BaseRegister::Fs.is(bases[0]), "the FS base is not {:#x}", bases[0]);
        check!(BaseRegister::Gs.is(bases[1]), "the GS base is not {:#x}", bases[1]);
    }
    0
}
