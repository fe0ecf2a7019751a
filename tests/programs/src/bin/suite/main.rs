//! A first program that runs the hazards: each in a program of its own, on every CPU, and looks at how it ended.
//!
//! The kernel's command line may choose some: `init=suite suite=registers,int_n`. Ends the machine with verdict 0 when
//! every hazard ended as its row in `hazards.rs` says and left no memory behind.
#![cfg_attr(target_os = "none", no_std, no_main)]

mod hazards;
mod run;
mod selection;

use gatehouse_runtime::{Kernel, entry, println};
use programs::BreakpointJudge;

use crate::hazards::HAZARDS;
use crate::selection::Selection;

entry!(run);

/// Room for the kernel's command line.
const LONGEST_COMMAND_LINE: usize = 4096;

fn run(_argument: u64) -> u64 {
    let mut line = [0; LONGEST_COMMAND_LINE];
    let verdict = match Kernel::command_line(&mut line) {
        Ok(line) => run_selected(&Selection::from_command_line(line)),
        Err(error) => {
            println!("FAILED: no command line: {error:?}");
            1
        }
    };
    programs::finish(verdict)
}

/// Runs what is selected; answers the machine's verdict.
fn run_selected(selection: &Selection<'_>) -> u64 {
    if let Some(name) = selection.names().find(|name| HAZARDS.iter().all(|hazard| hazard.name != *name)) {
        println!("FAILED: there is no hazard {name}");
        return 1;
    }
    let cpus = programs::cpus();
    let judge = match BreakpointJudge::new(Kernel::cpu_number()) {
        Ok(judge) => judge,
        Err(error) => {
            println!("FAILED: no debugger for hazards that end at breakpoints: {error:?}");
            return 1;
        }
    };
    let selected = || HAZARDS.iter().filter(|hazard| selection.contains(hazard.name));
    let (mut ok, mut failed) = (0u64, 0u64);
    for hazard in selected() {
        match run::on_every_cpu(hazard, cpus, &judge) {
            run::Outcome::Ok => ok += 1,
            run::Outcome::Failed => failed += 1,
            run::Outcome::StillRuns => {
                failed += 1;
                println!("FAILED: the suite ends here, because {} still runs", hazard.name);
                break;
            }
        }
    }
    let left_out = selected().count() as u64 - ok - failed;
    println!("suite: {ok} ok, {failed} failed, {left_out} not run, on {cpus} CPUs");
    u64::from(failed > 0 || ok == 0)
}
