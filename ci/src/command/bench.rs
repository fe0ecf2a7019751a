//! `cargo xtask bench`

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::bench::budgets;
use crate::bench::check::complaints;
use crate::bench::deterministic::{self, Counted, count, traced};
use crate::bench::document::{self, Document};
use crate::bench::golden::{self, Golden};
use crate::bench::listing;
use crate::bench::peers::Peers;
use crate::bench::symbols::Symbols;
use crate::bench::table;
use crate::bench::trace::Trace;
use crate::kernel_build::{self, Artifacts, Talk};
use crate::setup::{self, Component, Host, set_up};

/// The flags of `cargo xtask bench`.
#[derive(Debug, Args)]
pub struct BenchArguments {
    /// Only count instructions: nothing that is measured in host time
    #[arg(long)]
    quick: bool,
    /// Fail when an operation takes one instruction more than its budget, and show where
    #[arg(long)]
    check: bool,
    /// Make the present figures the budgets (ci/bench/budgets.toml, ci/bench/paths.txt)
    #[arg(long, conflicts_with = "check")]
    accept: bool,
    /// Write the result there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Print what the kernel executes for these operations, instruction by instruction (keys with commas between), and
    /// do nothing else
    #[arg(long, value_name = "KEY,…", conflicts_with_all = ["quick", "check", "accept", "json"])]
    path: Option<String>,
}

pub(super) fn bench(arguments: BenchArguments) -> Result<()> {
    set_up(&mut Host, &Component::for_boot(deterministic::machine().boot_door()), setup::Talk::Changes)?;
    let artifacts = kernel_build::build(Talk::Progress)?;
    if let Some(keys) = &arguments.path {
        return show_paths(&artifacts, keys);
    }
    let (peers, mut allowed, mut golden) = (Peers::read()?, budgets::read(&budgets::file())?, Golden::read()?);
    let bar = bar("counting instructions");
    let counted = count(&artifacts, &mut (), &mut |trace| tell(&bar, trace))?;
    bar.finish_and_clear();
    if arguments.accept {
        allowed = counted.measurements.iter().map(|(key, measured)| (key.clone(), measured.median())).collect();
        accept(&counted, &allowed, &mut golden)?;
    }
    let document = Document {
        command: command_line(),
        time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
        icount: document::icount(&counted, &allowed, &peers),
        false_sharing: counted.sharing(),
        ..Document::default()
    };
    println!("{}", table::table(&document));
    let sharing = &document.false_sharing;
    println!(
        "local fault path: {} kernel cache lines written on {} CPUs, {} of them by more than one",
        sharing.lines_written,
        sharing.cpus,
        sharing.written_by_several.len()
    );
    sharing.written_by_several.iter().for_each(|line| println!("  {line}"));
    if let Some(file) = &arguments.json {
        write(file, &format!("{}\n", serde_json::to_string_pretty(&document)?))?;
    }
    if arguments.check {
        let complaints = complaints(&counted, &allowed, &golden);
        if !complaints.is_empty() {
            bail!("{}", complaints.join("\n"));
        }
        println!("all {} operations are within their budgets", counted.measurements.len());
    } else {
        counted.disagreements.iter().for_each(|line| eprintln!("warning: {line}"));
    }
    Ok(())
}

fn accept(counted: &Counted, allowed: &budgets::Budgets, golden: &mut Golden) -> Result<()> {
    let file = budgets::file();
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    write(&file, &budgets::rewritten(&text, allowed))?;
    for key in counted.measurements.keys() {
        if let Some(path) = counted.path(key) {
            golden.accept(path, &counted.symbols);
        }
    }
    write(&golden::file(), &golden.text())
}

/// Prints the paths of these operations.
fn show_paths(artifacts: &Artifacts, keys: &str) -> Result<()> {
    let bar = bar("stepping");
    let found = traced(artifacts, Some(keys), &mut |trace| tell(&bar, trace))?;
    bar.finish_and_clear();
    let symbols = Symbols::read(&artifacts.kernel)?;
    let mut wanted: BTreeSet<&str> = keys.split(',').collect();
    for path in found {
        if wanted.remove(path.key.as_str()) {
            println!("{}", listing::listing(&path, &symbols));
        }
    }
    if !wanted.is_empty() {
        bail!("nothing is traced under {}", wanted.into_iter().collect::<Vec<_>>().join(", "));
    }
    Ok(())
}

fn command_line() -> String {
    let arguments: Vec<String> = env::args().skip(1).collect();
    format!("cargo xtask {}", arguments.join(" "))
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn tell(bar: &ProgressBar, trace: &Trace) {
    let text = format!("traced {}: {} instructions", trace.name, trace.steps.len());
    if bar.is_hidden() { eprintln!("bench: {text}") } else { bar.set_message(text) }
}

/// A sign of life on terminals.
fn bar(message: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        eprintln!("bench: {message}");
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message(message);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    bar
}
