//! The kernel's own panic: a bug, told once, and the machine ends.

use core::fmt::Write;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::arch::{Verdict, exit, stop_cpu};
use crate::console::Emergency;

/// Set by the first CPU that panics.
static PANICKED: AtomicBool = AtomicBool::new(false);

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    if PANICKED.swap(true, Ordering::AcqRel) {
        // A panic inside a panic, or a second CPU's: the first one's report is under way.
        stop_cpu();
    }
    crate::nmi::stop_other_cpus();
    // Writing cannot fail, and there would be nobody to tell.
    let _ = writeln!(Emergency::take(), "\nkernel panic: {info}");
    exit(Verdict::Panic)
}
