//! Non-maskable interrupts in every window: injected as fast as the emulator takes them while all CPUs fault, call and
//! switch, and a machine check on each CPU among them. All are counted as unasked for, and nothing else differs from what the
//! demonstration expects.

use ci::machine::Machine;
use ci::outcome::Outcome;
use integration_tests::{boot_with_monitor, checked_result};

/// NMIs that are injected, each on every CPU.
const ROUNDS: usize = 2_000;
/// NMIs before each machine check.
const BETWEEN: usize = 200;
const CPUS: usize = 4;

#[test]
fn what_comes_from_outside_is_counted_and_changes_nothing() {
    // Before a CPU has its IDT, an NMI resets any machine.
    let (transcript, injected) = boot_with_monitor(&Machine::new(), "CPUs online", |monitor, _| {
        let mut inject = |round: usize| {
            // One on each CPU: a second one while the first is handled resets any machine.
            let cpu = round / BETWEEN;
            if round % BETWEEN == BETWEEN - 1 && cpu < CPUS {
                monitor.human(&format!("mce {cpu} 2 0xbd000000000000c0 0x5 0x12345000 0x8c"))?;
            }
            monitor.command("{\"execute\":\"inject-nmi\"}").map(|_| ())
        };
        (0..ROUNDS).map_while(&mut inject).count()
    });
    // The machine may end before all are injected; it must not end before most of them are.
    assert!(injected > ROUNDS / 4, "only {injected} NMIs: {transcript}");

    assert_eq!(transcript.outcome, Outcome::Pass, "{transcript}");
    let result = checked_result(&transcript, CPUS);
    let unasked = |name: &str| result.traps.get(name).map_or(0, |count| count.unasked) as usize;
    assert!((1..=injected * CPUS).contains(&unasked("nmi")), "{} of {injected}: {transcript}", unasked("nmi"));
    assert!((1..=CPUS).contains(&unasked("machine_check")), "{}: {transcript}", unasked("machine_check"));
    let others = result.traps.iter().filter(|(name, _)| !["nmi", "machine_check"].contains(&name.as_str()));
    assert!(others.into_iter().all(|(_, count)| count.unasked == 0), "{transcript}");
    assert!(
        transcript.console.iter().any(|line| line.starts_with("nmi ") && line.ends_with("unasked")),
        "{transcript}"
    );
}
