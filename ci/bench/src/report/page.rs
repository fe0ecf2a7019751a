//! The page around the plots.

use anyhow::Result;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::charts::{self, Curve};
use crate::catalogue::OPERATIONS;
use crate::document::{Document, Operation};
use crate::load::{Spread, Throughput};
use crate::peers::Peers;

/// What is drawn over earlier runs.
const HISTORY: [&str; 6] =
    ["syscall_null", "fault_ipc_deliver", "fault_ipc_reply", "call", "reply_receive", "timer_interrupt"];

/// Plots are drawn for light paper: in the dark they are turned over as a whole, white to the page's background.
const STYLE: &str = "
:root { color-scheme: light dark; --back: #fff; --fore: #1b1b1f; --line: #d5d5dc; --good: #176b2c; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --back: #171717; --fore: #e6e6ea; --line: #3a3a44; --good: #7fd493; --bad: #ff8a80; }
  svg { filter: invert(.91) hue-rotate(180deg); }
}
body { background: var(--back); color: var(--fore); font: 15px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .2rem .6rem; text-align: right; vertical-align: top; }
th:first-child, td:first-child, .text { text-align: left; }
.parts { display: inline-block; white-space: nowrap; } td.text { min-width: 9rem; }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
.wide { overflow-x: auto; } svg { display: block; max-width: 100%; height: auto; } code { font-size: 13px; } .none { opacity: .6; }
@media print {
  :root { color-scheme: light; --back: #fff; --fore: #000; --line: #bbb; --good: #176b2c; --bad: #b3261e; }
  body { max-width: none; margin: 0; padding: 0; font-size: 11px; } svg { filter: none; } .wide { overflow: visible; }
  table, td code { font-size: 8px; } th, td { padding: .1rem .25rem; } td.text { min-width: 5.5rem; }
  svg, tr { break-inside: avoid; } h2, h3, h2 + p, h3 + p { break-after: avoid; }
}
";

/// The whole page. `history` are earlier documents, oldest first.
///
/// # Errors
/// A plot cannot be drawn.
pub fn page(document: &Document, history: &[Document], peers: &Peers) -> Result<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Gatehouse benchmarks" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Gatehouse benchmarks" }
                p { "Made by " code { (document.command) } " of a kernel by " (compiler(document)) ". How to read it is in the book, page \u{201c}Benchmarks\u{201d}." }
                (counted(document, peers)?)
                @if let Some(throughput) = &document.throughput {
                    (loaded(throughput)?)
                }
                @if let Some(scale) = &document.scale {
                    (scaled(scale)?)
                }
                (earlier(document, history)?)
            }
        }
    };
    Ok(page.into_string())
}

fn counted(document: &Document, peers: &Peers) -> Result<Markup> {
    let sharing = &document.false_sharing;
    Ok(html! {
        section {
            h2 { "Guest instructions in the kernel" }
            p { "The same in every run and on every host. Bars: here, the goal, and the other kernel that takes the least; each operation has a scale of its own." }
            (PreEscaped(charts::operations(document)?))
        }
        section {
            h2 { "Every operation" }
            div.wide { table {
                thead { tr {
                    th { "operation" } th { "instructions" } th { "budget" } th { "goal" } th { "seen" } th.text { "other kernels" }
                    th { "serialising" } th { "MSR" } th { "swapgs" } th { "locked" } th { "cache lines" } th { "written" }
                } }
                tbody { @for operation in OPERATIONS {
                    @if let Some(row) = document.icount.get(operation.key) { (row_of(operation.title, operation.key, row)) }
                } }
            } }
            p { "Other kernels: " @for (name, source) in &peers.sources { b { (name) } " " (source) ". " } }
            p {
                "On the path of a fault that is handled on its own CPU, " (sharing.lines_written) " cache lines of the kernel were written on "
                (sharing.cpus) " CPUs; " (sharing.written_by_several.len()) " of them by more than one CPU."
            }
            ul { @for line in &sharing.written_by_several { li { code { (line) } } } }
        }
    })
}

fn row_of(title: &str, key: &str, row: &Operation) -> Markup {
    let number = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
    let seen: Vec<String> = row.distribution.iter().map(|(value, count)| format!("{value} \u{d7}{count}")).collect();
    let others: Vec<String> = row.peers.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let class = match (row.instructions, row.budget, row.target) {
        (Some(found), Some(budget), _) if found > budget => "bad",
        (Some(found), _, Some(target)) if found <= target => "good",
        _ => "",
    };
    html! {
        tr class=(if row.instructions.is_none() { "none" } else { "" }) {
            td { code { (key) } br; (title) }
            td class=(class) { @if let Some(found) = row.instructions { (found) } @else { (row.reason.as_deref().unwrap_or("not available")) } }
            td { (number(row.budget)) }
            td { (number(row.target)) }
            td { (parts(&seen)) }
            td.text { (parts(&others)) }
            td { (number(row.kinds.map(|kinds| kinds.serialising))) }
            td { (number(row.kinds.map(|kinds| kinds.msr))) }
            td { (number(row.kinds.map(|kinds| kinds.swapgs))) }
            td { (number(row.kinds.map(|kinds| kinds.locked))) }
            td { (number(row.cache_lines.map(|lines| lines.touched))) }
            td { (number(row.cache_lines.map(|lines| lines.written))) }
        }
    }
}

/// A list whose lines break between its parts only.
fn parts(parts: &[String]) -> Markup {
    html! { @for (index, part) in parts.iter().enumerate() {
        span.parts { (part) @if index + 1 < parts.len() { "," } } " "
    } }
}

fn loaded(throughput: &Throughput) -> Result<Markup> {
    let faults = charts::curves("CPUs that fault", "faults per second", &charts::faults(throughput), false)?;
    let shootdowns =
        charts::curves("CPUs that run the program", "microseconds", &charts::shootdowns(throughput), false)?;
    Ok(html! {
        section {
            h2 { "Faults with several CPUs" }
            p {
                (throughput.cpus) " CPUs on " (throughput.host_processors) " processors of the host, all at once. Only ratios within this run mean anything."
            }
            (PreEscaped(faults))
            table {
                thead { tr { th { "layout" } th { "CPUs" } th { "faults/s, median" } th { "least" } th { "most" } th { "ratio" } } }
                tbody { @for row in &throughput.faults { tr {
                    td { (row.layout) } td { (row.cpus) } td { (format!("{:.0}", row.per_second.median)) }
                    td { (format!("{:.0}", row.per_second.min)) } td { (format!("{:.0}", row.per_second.max)) }
                    td { (format!("{:.2}", row.ratio)) }
                } } }
            }
        }
        section {
            h2 { "Interrupts between CPUs, there and back" }
            (PreEscaped(charts::heat_map(throughput)?))
        }
        section {
            h2 { "Taking a page away from a program that runs on several CPUs" }
            (PreEscaped(shootdowns))
        }
        @if !throughput.sleeps.is_empty() { (lateness(throughput)?) }
    })
}

/// How late sleepers ran, as shares of all: one curve for each length.
fn lateness(throughput: &Throughput) -> Result<Markup> {
    let plot = charts::curves("microseconds late", "per cent as late, or less", &charts::lateness(throughput), false)?;
    Ok(html! {
        section {
            h2 { "Sleeping: how late a thread runs" }
            p { "On a CPU with nothing else to do. The host's timers and its processors, which the CPUs share, are a part of it." }
            (PreEscaped(plot))
            table {
                thead { tr { th { "asked, ms" } th { "median, us" } th { "least" } th { "most" } th { "samples" } } }
                tbody { @for sleep in &throughput.sleeps { tr {
                    td { (format!("{:.1}", sleep.asked as f64 / 1e6)) }
                    td { (format!("{:.1}", sleep.late.median / 1e3)) } td { (format!("{:.1}", sleep.late.min / 1e3)) }
                    td { (format!("{:.1}", sleep.late.max / 1e3)) } td { (sleep.samples.len()) }
                } } }
            }
        }
    })
}

fn scaled(scale: &crate::load::Scale) -> Result<Markup> {
    let [bring_up, memory, broadcast, shootdown] = charts::scale(scale);
    let one = |y: &str, curve: Curve| charts::curves("CPUs", y, &[curve], true);
    let microseconds =
        |spread: Option<Spread>| spread.map_or_else(String::new, |spread| format!("{:.1}", spread.median / 1000.0));
    Ok(html! {
        section {
            h2 { "More CPUs" }
            h3 { "First INIT to all online" }
            (PreEscaped(one("milliseconds", bring_up)?))
            h3 { "Memory in use by the kernel and the first program" }
            @if let Some(bytes) = scale.bytes_per_cpu { p { "A CPU more takes " (bytes / 1024) " KiB." } }
            (PreEscaped(one("KiB", memory)?))
            h3 { "Interrupt to all other CPUs, until the last has answered" }
            (PreEscaped(one("microseconds", broadcast)?))
            @if !shootdown.points.is_empty() {
                h3 { "Taking a page away from a program that runs on all CPUs" }
                (PreEscaped(one("microseconds", shootdown)?))
            }
            table {
                thead { tr { th { "CPUs" } th { "boot to ring 3, ms" } th { "online, ms" } th { "online for each CPU, us" } th { "memory, KiB" } th { "broadcast, us" } th { "shootdown, us" } th { "whole run, s" } } }
                tbody { @for size in &scale.machines { tr {
                    td { (size.cpus) } td { (format!("{:.1}", size.boot_us as f64 / 1000.0)) }
                    td { (format!("{:.1}", size.bring_up_us as f64 / 1000.0)) }
                    td { (format!("{:.1}", size.bring_up_us as f64 / size.cpus as f64)) } td { (size.bytes / 1024) }
                    td { (microseconds(size.broadcast)) } td { (microseconds(size.shootdown)) }
                    td { (format!("{:.1}", size.seconds)) }
                } } }
            }
        }
    })
}

fn earlier(document: &Document, history: &[Document]) -> Result<Markup> {
    let all: Vec<&Document> = history.iter().chain([document]).collect();
    let curves = charts::history(&all, &HISTORY);
    Ok(html! {
        @if !curves.is_empty() {
            section {
                h2 { "Earlier runs" }
                (PreEscaped(charts::curves("run", "instructions", &curves, false)?))
            }
        }
    })
}

/// The compiler, as far as it is known.
fn compiler(document: &Document) -> &str {
    if document.compiler.is_empty() { "a compiler that was not noted" } else { &document.compiler }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Faults, Interrupt, Lateness, Scale, Shootdown, Size};

    fn document(instructions: u64) -> Document {
        let spread = Spread { median: 2.0, min: 1.0, max: 3.0 };
        let operation = Operation { instructions: Some(instructions), target: Some(60), ..Operation::default() };
        let size = |cpus| Size {
            cpus,
            boot_us: 20,
            bring_up_us: 10,
            bytes: 4096 * cpus,
            broadcast: Some(spread),
            shootdown: Some(spread),
            seconds: 1.0,
        };
        Document {
            command: "cargo xtask bench <&>".into(),
            icount: [("syscall_null".to_string(), operation)].into(),
            throughput: Some(Throughput {
                cpus: 2,
                host_processors: 2,
                faults: vec![Faults { layout: "local".into(), cpus: 1, per_second: spread, ratio: 1.0 }],
                interrupts: vec![Interrupt { from: 0, to: 1, there: spread, back: spread }],
                shootdowns: vec![Shootdown { cpus: 1, nanoseconds: spread }],
                sleeps: vec![Lateness { asked: 1000, late: spread, samples: vec![1, 2, 3] }],
            }),
            scale: Some(Scale { machines: vec![size(1), size(2)], bytes_per_cpu: Some(4096) }),
            ..Document::default()
        }
    }

    #[test]
    fn a_whole_page_refers_to_nothing_outside_itself() {
        let page = page(&document(59), &[document(91)], &Peers::default()).unwrap();
        assert!(page.contains("cargo xtask bench &lt;&amp;&gt;"));
        assert_eq!(page.matches("<svg").count(), 10, "plots");
        let links = page.matches("http").count() - page.matches("http://www.w3.org/2000/svg").count();
        assert_eq!(links, 0);
        assert!(!page.contains("<script") && !page.contains("src="));
    }

    #[test]
    fn a_quick_run_has_a_page_too() {
        let quick = Document { throughput: None, scale: None, ..document(59) };
        assert_eq!(page(&quick, &[], &Peers::default()).unwrap().matches("<svg").count(), 1);
    }
}
