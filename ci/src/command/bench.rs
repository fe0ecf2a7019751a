//! `cargo xtask bench`

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use clap::Args;

use crate::bench::listing;
use crate::bench::path::paths;
use crate::bench::recorder::record;
use crate::bench::symbols::Symbols;
use crate::kernel_build::{self, Talk};
use crate::machine::Machine;
use crate::setup::{self, Component, Host, set_up};

/// The flags of `cargo xtask bench`.
#[derive(Debug, Args)]
pub struct BenchArguments {
    /// Print what the kernel executes for these operations, instruction by instruction (keys with commas between)
    #[arg(long, value_name = "KEY,…")]
    path: Option<String>,
}

/// CPUs of the machine whose instructions are counted.
const COUNTED_CPUS: u32 = 2;

pub(super) fn bench(arguments: BenchArguments) -> Result<()> {
    let machine = Machine::new().smp(COUNTED_CPUS).icount(true);
    set_up(&mut Host, &Component::for_boot(machine.boot_door()), setup::Talk::Changes)?;
    let artifacts = kernel_build::build(Talk::Progress)?;
    let Some(keys) = arguments.path else { bail!("only --path so far") };
    let machine = machine.command_line(format!("init=bench bench=trace only={keys}"));
    let traces =
        record(&machine, &artifacts, &mut |trace| eprintln!("traced {}: {} steps", trace.name, trace.steps.len()))?;
    let symbols = Symbols::read(&artifacts.kernel)?;
    let wanted: BTreeSet<&str> = keys.split(',').collect();
    let mut told = BTreeSet::new();
    for trace in &traces {
        for path in paths(trace).map_err(anyhow::Error::msg)? {
            if wanted.contains(path.key.as_str()) && told.insert(path.key.clone()) {
                println!("{}", listing::listing(&path, &symbols));
            }
        }
    }
    let missing: Vec<&str> = wanted.into_iter().filter(|key| !told.contains(*key)).collect();
    if !missing.is_empty() {
        bail!("no such operation: {}", missing.join(", "));
    }
    Ok(())
}
