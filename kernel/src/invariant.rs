//! What must hold whatever programs do, looked at in every build.

/// Stops the kernel if the condition does not hold: lockdown, whose report names function and line. For the fast paths, where a
/// panic's call would need a stack frame: this costs a comparison and a jump.
#[inline(always)]
pub fn invariant(holds: bool) {
    if !holds {
        broken();
    }
}

#[cfg(target_os = "none")]
#[cold]
#[inline(always)]
fn broken() -> ! {
    // SAFETY: the trap is the kernel's own and leads to lockdown, which does not come back; nothing is changed.
    unsafe { core::arch::asm!("ud2", options(noreturn, nomem, nostack)) }
}

#[cfg(not(target_os = "none"))]
fn broken() -> ! {
    panic!("an invariant does not hold")
}

#[cfg(test)]
mod tests {
    use super::invariant;

    #[test]
    fn what_holds_goes_on() {
        invariant(true);
    }

    #[test]
    #[should_panic(expected = "an invariant does not hold")]
    fn what_does_not_stops() {
        invariant(false);
    }
}
