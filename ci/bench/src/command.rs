//! `cargo xtask bench`

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use crate::budgets;
use crate::check::complaints;
use crate::deterministic::{self, Counted, count, traced};
use crate::document::{self, Document};
use crate::golden::{self, Golden};
use crate::listing;
use crate::load::{self, Scale, Throughput};
use crate::peers::Peers;
use crate::report;
use crate::symbols::Symbols;
use crate::table;
use crate::trace::Trace;
use ci::kernel_build::{self, Artifacts, Profile, Talk};
use ci::machine::Machine;
use ci::output_file;
use ci::qemu::Accelerator;
use ci::session::Observer;
use ci::setup::{self, Component, set_up};
use ci::toolchain::Toolchain;

/// The flags of `cargo xtask bench`.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask bench",
    bin_name = "cargo xtask bench",
    about = "Counts the guest instructions of the kernel's operations, and checks them against their budgets"
)]
pub struct Arguments {
    /// Only count instructions: nothing that is measured in host time
    #[arg(long)]
    quick: bool,
    /// Fail when an operation takes one instruction more than its budget, and show where
    #[arg(long)]
    check: bool,
    /// Make the present figures the budgets (ci/bench/budgets.toml, ci/bench/paths.txt)
    #[arg(long, conflicts_with = "check")]
    accept: bool,
    /// Write the report there, an HTML file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write the plot of the operations there, an SVG file
    #[arg(long, value_name = "FILE")]
    chart: Option<PathBuf>,
    /// Show earlier results in the report: JSON files, or folders of them, in the order of their times
    #[arg(long, value_name = "PATH")]
    history: Vec<PathBuf>,
    /// What executes the guest where times are measured
    #[arg(long, default_value = "tcg")]
    accel: Accelerator,
    /// Write the result there, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Print what the kernel executes for these operations, instruction by instruction (keys with commas between), and
    /// do nothing else
    #[arg(long, value_name = "KEY,…", conflicts_with_all = ["quick", "check", "accept", "json", "report"])]
    path: Option<String>,
}

/// Does what the flags say.
///
/// # Errors
/// Whatever went wrong, in words for the person who called; with `--check`, an operation over its budget.
pub fn bench(arguments: Arguments) -> Result<()> {
    // All that could fail is tried before the two minutes of work.
    for (flag, file) in [("--json", &arguments.json), ("--chart", &arguments.chart), ("--report", &arguments.report)] {
        file.as_deref().map_or(Ok(()), output_file::check).context(flag)?;
    }
    let history = earlier(&arguments.history)?;
    set_up(&Component::for_boot(deterministic::machine().boot_protocol()), setup::Talk::Changes)?;
    let artifacts = kernel_build::build(Profile::Release, Talk::Progress)?;
    if let Some(keys) = &arguments.path {
        return show_paths(&artifacts, keys);
    }
    let (peers, mut allowed, mut golden) = (Peers::read()?, budgets::read(&budgets::file())?, Golden::read()?);
    let bar = bar("counting instructions");
    let counted = count(&artifacts, &mut (), &mut |trace| tell(&bar, trace))?;
    bar.finish_and_clear();
    let compiler = Toolchain::find().and_then(|toolchain| toolchain.version()).unwrap_or_default();
    if arguments.accept {
        allowed = counted.measurements.iter().map(|(key, measured)| (key.clone(), measured.median())).collect();
        accept(&counted, &allowed, &mut golden, &compiler)?;
    }
    let (throughput, scale) = if arguments.quick { (None, None) } else { times(arguments.accel, &artifacts)? };
    let document = Document {
        command: command_line(),
        compiler: compiler.clone(),
        time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
        icount: document::icount(&counted, &allowed, &peers),
        false_sharing: counted.sharing(),
        throughput,
        scale,
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
    if let Some(file) = &arguments.chart {
        write(file, &report::operations(&document)?)?;
    }
    if let Some(file) = &arguments.report {
        write(file, &report::page(&document, &history, &peers)?)?;
    }
    if arguments.check {
        let mut complaints = complaints(&counted, &allowed, &golden);
        let text = fs::read_to_string(budgets::file())?;
        let budgeted = budgets::compiler(&text).unwrap_or("a compiler that was not noted");
        if !complaints.is_empty() && budgeted != compiler {
            let moving = budgets::MOVING.join(", ");
            complaints.push(format!("the kernel is by {compiler}, the budgets by {budgeted}: {moving} move with it"));
        }
        if !complaints.is_empty() {
            bail!("{}", complaints.join("\n"));
        }
        println!("all {} operations are within their budgets", counted.measurements.len());
    } else {
        counted.disagreements.iter().for_each(|line| eprintln!("warning: {line}"));
    }
    Ok(())
}

/// What is measured in the host's time, on a terminal table.
fn times(accelerator: Accelerator, artifacts: &Artifacts) -> Result<(Option<Throughput>, Option<Scale>)> {
    let machine = Machine::new().accelerator(accelerator);
    let mut bar = bar("measuring throughput");
    let throughput = load::throughput(machine.clone(), artifacts, &mut Lines(&mut bar))?;
    let scale = load::scale(&machine, &load::SIZES, artifacts, &mut |size| say(&bar, format!("booting {size} CPUs")))?;
    bar.finish_and_clear();
    println!("{}", table::faults(&throughput));
    println!("{}", table::sleeps(&throughput));
    println!("{}", table::sizes(&scale));
    Ok((Some(throughput), Some(scale)))
}

/// Shows the guest's lines as signs of life.
struct Lines<'bar>(&'bar mut ProgressBar);

impl Observer for Lines<'_> {
    fn console_line(&mut self, line: &str) {
        say(self.0, line.to_string());
    }
}

/// Earlier documents, oldest first.
fn earlier(places: &[PathBuf]) -> Result<Vec<Document>> {
    let mut files = Vec::new();
    for place in places {
        if !place.is_dir() {
            files.push(place.clone());
            continue;
        }
        for entry in fs::read_dir(place).with_context(|| format!("--history {}", place.display()))? {
            let path = entry?.path();
            files.extend(path.extension().is_some_and(|extension| extension == "json").then_some(path));
        }
    }
    let read = |file: &PathBuf| -> Result<Document> {
        let text = fs::read_to_string(file).with_context(|| format!("--history {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("--history {}: no result of a benchmark", file.display()))
    };
    let mut documents: Vec<Document> = files.iter().map(read).collect::<Result<_>>()?;
    documents.sort_by_key(|document| document.time);
    Ok(documents)
}

fn accept(counted: &Counted, allowed: &budgets::Budgets, golden: &mut Golden, compiler: &str) -> Result<()> {
    let file = budgets::file();
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    write(&file, &budgets::rewritten(&text, allowed, Some(compiler)))?;
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
    format!("cargo xtask bench {}", arguments.join(" "))
}

fn write(file: &Path, text: &str) -> Result<()> {
    output_file::write(file, text)
}

fn tell(bar: &ProgressBar, trace: &Trace) {
    say(bar, format!("traced {}: {} instructions", trace.name, trace.steps.len()));
}

fn say(bar: &ProgressBar, text: String) {
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
