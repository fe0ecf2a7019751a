//! What a machine check comes to: pure, from the registers and from who was interrupted.

use super::status::{BankStatus, GlobalStatus};
use crate::arch::Origin;

/// How bad what a bank holds is; the worst decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing, or nothing that was enabled.
    Nothing,
    /// The hardware has corrected it.
    Corrected,
    /// Not corrected, but nobody has used it yet: action is optional.
    Deferred,
    /// What ran cannot go on as if nothing had been.
    ActionRequired,
    /// Nothing that runs can be trusted.
    Fatal,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Count it and go on with what was interrupted.
    GoOn,
    /// Shut down the program that was interrupted; its fault handler is not asked.
    EndProgram,
    /// Lockdown.
    Lockdown,
}

/// What a bank's status comes to. `recovery`: the processor tells errors that software can recover from
/// (Intel SDM volume 3, "Error-Recovery: UCR Error Classification"). Without it bits S and AR mean something else, and
/// whatever is uncorrected without a corrupt context concerns what ran (AMD APM volume 2, "Machine Check Exceptions").
#[must_use]
pub const fn severity(status: BankStatus, recovery: bool) -> Severity {
    if !status.is_valid() {
        return Severity::Nothing;
    }
    if !status.is_uncorrected() {
        return Severity::Corrected;
    }
    if status.has_corrupt_context() {
        return Severity::Fatal;
    }
    if !recovery {
        return Severity::ActionRequired;
    }
    match (status.is_signalled(), status.requires_action()) {
        // "Uncorrected no action": not signalled by #MC, found while looking for something else.
        (false, false) => Severity::Deferred,
        // An error that was not enabled is not what raised the exception.
        (true, _) if !status.is_enabled() => Severity::Deferred,
        (true, false) => Severity::Deferred,
        // Of those that were lost one may have been worse.
        (true, true) if status.has_overflowed() => Severity::Fatal,
        (true, true) => Severity::ActionRequired,
        // The manual has no such error.
        (false, true) => Severity::Fatal,
    }
}

/// What is done about the worst that the banks hold.
#[must_use]
pub fn action(worst: Severity, global: GlobalStatus, recovery: bool, origin: Origin) -> Action {
    let (restart, instruction) = (global.can_restart(), global.is_about_instruction());
    // Another CPU's error, which all CPUs are told of: this one goes on (SDM, "Machine-Check Error Codes Interpretation").
    let unaffected = recovery && restart && !instruction;
    match (worst, origin) {
        (Severity::Fatal, _) => Action::Lockdown,
        // Nobody knows where it happened, nor where to go on.
        _ if !restart && !instruction => Action::Lockdown,
        (Severity::ActionRequired, _) if unaffected => Action::GoOn,
        (Severity::ActionRequired, Origin::User) => Action::EndProgram,
        (Severity::ActionRequired, Origin::Kernel) => Action::Lockdown,
        _ if restart => Action::GoOn,
        (_, Origin::User) => Action::EndProgram,
        (_, Origin::Kernel) => Action::Lockdown,
    }
}

/// A row of the table in `docs/isa/x86_64/trap.md`.
#[derive(Clone, Copy, Debug)]
pub struct PolicyRow {
    /// What the worst bank holds, in words.
    pub error: &'static str,
    /// The worst bank, with an example of a status.
    pub status: u64,
    /// RIPV and EIPV, as in `IA32_MCG_STATUS`.
    pub global: u64,
}

/// The cases that the documentation lists, for a processor that tells errors that can be recovered from. What is done in each
/// is what [`PolicyRow::actions`] answers, from ring 3 and from ring 0.
pub const POLICY: [PolicyRow; 9] = [
    PolicyRow { error: "none", status: 0, global: 1 },
    PolicyRow { error: "corrected", status: 0x9c00_0000_0000_0134, global: 1 },
    PolicyRow { error: "uncorrected, action optional", status: 0xbd00_0000_0000_00c0, global: 1 },
    PolicyRow { error: "uncorrected, action required", status: 0xbd80_0000_0000_0134, global: 3 },
    PolicyRow { error: "uncorrected, action required, of another CPU", status: 0xbd80_0000_0000_0134, global: 1 },
    PolicyRow { error: "uncorrected, action required, cannot restart", status: 0xbd80_0000_0000_0134, global: 2 },
    PolicyRow { error: "uncorrected, action required, others lost", status: 0xfd80_0000_0000_0134, global: 3 },
    PolicyRow { error: "uncorrected, context corrupt", status: 0xbf80_0000_0000_0134, global: 3 },
    PolicyRow { error: "any, neither restart nor instruction", status: 0x9c00_0000_0000_0134, global: 0 },
];

impl PolicyRow {
    /// What is done, from ring 3 and from ring 0.
    #[must_use]
    pub fn actions(&self) -> [Action; 2] {
        let worst = severity(BankStatus(self.status), true);
        [Origin::User, Origin::Kernel].map(|origin| action(worst, GlobalStatus(self.global), true, origin))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use Action::{EndProgram, GoOn, Lockdown};

    const RECOVERABLE: u64 = 0xbd80_0000_0000_0134;

    #[test]
    fn the_documented_cases() {
        let actions = POLICY.map(|row| row.actions());
        assert_eq!(
            actions,
            [
                [GoOn, GoOn],
                [GoOn, GoOn],
                [GoOn, GoOn],
                [EndProgram, Lockdown],
                [GoOn, GoOn],
                [EndProgram, Lockdown],
                [Lockdown, Lockdown],
                [Lockdown, Lockdown],
                [Lockdown, Lockdown],
            ]
        );
    }

    #[test]
    fn the_book_has_the_same_table() {
        let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo tells the tests their package");
        let page = std::path::Path::new(&package).join("../docs/isa/x86_64/trap.md");
        let page = std::fs::read_to_string(page).expect("the page can be read");
        for row in POLICY {
            let [user, kernel] = row.actions();
            let line = format!("| {} | {:#x} | {:#x} | {user:?} | {kernel:?} |", row.error, row.status, row.global);
            assert!(page.lines().any(|found| found == line), "trap.md has no line {line}");
        }
    }

    #[test]
    fn without_recovery_what_is_uncorrected_is_the_programs() {
        let status = BankStatus(0xbc00_0000_0000_0134);
        assert_eq!(severity(status, false), Severity::ActionRequired);
        assert_eq!(severity(status, true), Severity::Deferred);
        let act = |global, origin| action(Severity::ActionRequired, GlobalStatus(global), false, origin);
        assert_eq!([act(1, Origin::User), act(3, Origin::User)], [EndProgram, EndProgram]);
        assert_eq!([act(1, Origin::Kernel), act(3, Origin::Kernel)], [Lockdown, Lockdown]);
    }

    #[test]
    fn errors_that_were_not_enabled_do_not_count_as_the_cause() {
        assert_eq!(severity(BankStatus(RECOVERABLE & !(1 << 60)), true), Severity::Deferred);
        assert_eq!(severity(BankStatus(0xa000_0000_0000_0000), true), Severity::Deferred, "QEMU's on the other CPUs");
    }

    proptest! {
        #[test]
        fn a_corrupt_context_is_never_contained(status in any::<u64>(), global in 0_u64..8, recovery in any::<bool>(), user in any::<bool>()) {
            let status = BankStatus(status | 1 << 63 | 1 << 61 | 1 << 57);
            let origin = if user { Origin::User } else { Origin::Kernel };
            let worst = severity(status, recovery);
            prop_assert_eq!(action(worst, GlobalStatus(global), recovery, origin), Lockdown);
        }

        #[test]
        fn the_kernel_is_never_ended_as_a_program(status in any::<u64>(), global in 0_u64..8, recovery in any::<bool>()) {
            let worst = severity(BankStatus(status), recovery);
            prop_assert_ne!(action(worst, GlobalStatus(global), recovery, Origin::Kernel), EndProgram);
        }

        #[test]
        fn nobody_goes_on_who_cannot(status in any::<u64>(), recovery in any::<bool>(), user in any::<bool>(), instruction in 0_u64..2) {
            let origin = if user { Origin::User } else { Origin::Kernel };
            let worst = severity(BankStatus(status), recovery);
            prop_assert_ne!(action(worst, GlobalStatus(instruction << 1), recovery, origin), GoOn);
        }
    }
}
