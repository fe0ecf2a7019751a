//! Non-maskable interrupts in every window: injected as fast as the emulator takes them while all CPUs fault, call and
//! switch. Nothing but the number of NMIs may differ from what the demonstration expects.

use ci::machine::Machine;
use ci::outcome::Outcome;
use integration_tests::boot_with_monitor;

/// NMIs that are injected, each on every CPU.
const ROUNDS: usize = 2_000;

#[test]
fn nmis_in_every_window_change_nothing() {
    // Before a CPU has its IDT, an NMI resets any machine.
    let (transcript, injected) = boot_with_monitor(&Machine::new(), "CPUs online", |monitor, _| {
        (0..ROUNDS).take_while(|_| monitor.command("{\"execute\":\"inject-nmi\"}").is_some()).count()
    });
    // The machine may end before all are injected; it must not end before most of them are.
    assert!(injected > ROUNDS / 4, "only {injected} NMIs: {transcript}");

    // The demonstration expects no NMIs and says so, once for each CPU: LINT1 raises them on every one.
    assert_eq!(transcript.outcome, Outcome::Fail, "{transcript}");
    let wrong: Vec<&String> = transcript.console.iter().filter(|line| line.starts_with("WRONG")).collect();
    assert_eq!(wrong.len(), 4, "{transcript}");
    assert!(wrong.iter().all(|line| line.ends_with("nmi, expected 0")), "{transcript}");
}
