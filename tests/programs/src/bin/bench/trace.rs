//! The marks between which the host steps through what is executed.

/// Where the host's debugger begins to record.
///
/// Hardware state: ring 3, as a C function finds it: RDI and RSI are the address and length of the name. Loses nothing.
#[cfg(target_os = "none")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn bench_trace_begin(name: *const u8, length: usize) {
    core::arch::naked_asm!("ret")
}

/// Where it ends. Hardware state: as above. Not merged with the first mark: it is another instruction.
#[cfg(target_os = "none")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn bench_trace_end() {
    core::arch::naked_asm!("nop", "ret")
}

/// Begins a trace. The name is a list of keys with commas between, one for each stay in the kernel until [`end`], `-`
/// where it is of no interest; or one key with `*` behind it for the sum of all, and behind that, if it
/// goes to another CPU and back, a key for what is before that CPU's first instruction in ring 3 and one for what is behind.
pub(crate) fn begin(name: &str) {
    #[cfg(target_os = "none")]
    bench_trace_begin(name.as_ptr(), name.len());
    #[cfg(not(target_os = "none"))]
    let _ = name;
}

/// Ends the trace.
pub(crate) fn end() {
    #[cfg(target_os = "none")]
    bench_trace_end();
}
