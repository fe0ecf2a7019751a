//! Divides by zero in the floating-point unit, with that exception unmasked: the instruction behind is told of it. The
//! first use of the unit is a trap of its own, which the kernel handles.
#![cfg_attr(target_os = "none", no_std, no_main)]

use gatehouse_runtime::entry;
use programs::{enter_site, sites};

entry!(run);

fn run(_argument: u64) -> u64 {
    // SAFETY: the site is below.
    unsafe { enter_site(0, 0) }
}

sites! {
    // The control word after FNINIT without the mask of division by zero: SDM volume 1, "x87 FPU Control Word".
    0 => "push 0x37b\nfldcw [rsp]\nfld1\nfldz\nfdivp\nfwait",
}
