//! Which locks are taken while which are held: what machines tell is what the book has, and goes down the order. `GATEHOUSE_BLESS=1 cargo xtask
//! test lock_graph` adds what is missing there, and draws it anew.

mod drawing;
mod graph;

use std::collections::BTreeSet;
use std::time::Duration;
use std::{env, fs};

use ci::machine::Machine;
use ci::workspace;
use graph::Graph;
use integration_tests::{DiskFailure, SwapDisk, boot_and_pass, text};

const PAGE: &str = "docs/locks.md";
const DRAWING: &str = "docs/lock-graph.svg";
const BEGIN: &str = "<!-- edges: written by tests/tests/lock_graph -->\n";
const END: &str = "<!-- end of edges -->\n";

/// First programs that between them make every system call, take every exception and end in the middle of much.
const PROGRAMS: [&str; 9] = [
    "demo",
    "suite",
    "racing_ends",
    "long_chains",
    "full_heap test-hooks",
    "capability_transfer",
    "handler_deadline",
    "suspension",
    "frames",
];

fn machine(line: &str) -> Machine {
    Machine::new().time_limit(Duration::from_secs(240)).command_line(format!("lock-graph init={line}"))
}

fn device(machine: Machine, device: &str) -> Machine {
    machine.qemu_argument("-device").qemu_argument(device)
}

/// The edges of all machines together.
fn observed() -> Graph {
    let disk = SwapDisk::new(DiskFailure::None);
    let machines = PROGRAMS.map(machine).into_iter().chain([
        machine("swap_thrash thrash=2").memory_mib(64),
        machine("swap_kill").memory_mib(64),
        disk.attach_to(machine("swap_copy")),
        device(machine("driver_end"), "edu,dma_mask=0xffffffffffff"),
        device(device(machine("moved_interrupts test-hooks"), "edu"), "nvme,serial=gatehouse,msix_qsize=320"),
    ]);
    let mut all = Graph::default();
    for machine in machines {
        let transcript = boot_and_pass(&machine);
        let record = transcript.others("lock_graph").next().unwrap_or_else(|| panic!("no graph in {transcript}"));
        let graph = Graph::from_record(record);
        let fresh = graph.edges.difference(&all.edges).count();
        println!("{}: {} edges, {fresh} of them new", machine.first_program(), graph.edges.len());
        all.merge(graph);
    }
    all
}

#[test]
fn the_book_has_the_lock_graph_and_no_edge_goes_up() {
    let mut seen = observed();
    let page = text(PAGE);
    let (before, rest) = page.split_once(BEGIN).expect("the page has the edges");
    let (table, after) = rest.split_once(END).expect("the edges have an end");
    let known = graph::parse(table);
    assert_eq!(seen.against_the_order(), BTreeSet::new(), "held, taken");
    let named: BTreeSet<_> = seen.named().collect();
    let missing: Vec<_> = named.difference(&known).collect();
    println!("{} edges, of {} in the book", named.len(), known.len());
    if env::var_os("GATEHOUSE_BLESS").is_some() {
        seen.add_named(&known);
        let page = format!("{before}{BEGIN}\n{}\n{END}{after}", seen.table());
        fs::write(workspace::root().join(PAGE), page).expect("the page can be written");
        fs::write(workspace::root().join(DRAWING), drawing::svg(&seen)).expect("the drawing can be written");
        return;
    }
    assert!(missing.is_empty(), "not in {PAGE}, held and taken: {missing:?}; GATEHOUSE_BLESS=1 adds them");
}

/// Without a machine: the table and the drawing are one graph, of ranks that there are, in their order.
#[test]
fn the_drawing_of_the_lock_graph_is_that_of_the_table() {
    let page = text(PAGE);
    let (_, rest) = page.split_once(BEGIN).expect("the page has the edges");
    let (table, _) = rest.split_once(END).expect("the edges have an end");
    let ranks = integration_tests::table(&page, "| | rank |").into_iter().map(|row| row[1].clone()).collect();
    let mut graph = Graph { ranks, edges: BTreeSet::new() };
    graph.add_named(&graph::parse(table));
    assert!(graph.edges.len() > 30, "{graph:?}");
    assert_eq!(graph.against_the_order(), BTreeSet::new(), "held, taken");
    assert_eq!(graph.table().trim(), table.trim());
    assert!(drawing::svg(&graph) == text(DRAWING), "{DRAWING} is not the drawing of {PAGE}");
}
