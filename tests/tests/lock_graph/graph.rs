//! Ranks, and which was taken while which was held.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

/// The ranks by place, and pairs of places: held, taken meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub ranks: Vec<String>,
    pub edges: BTreeSet<(usize, usize)>,
}

impl Graph {
    /// What a kernel wrote.
    pub fn from_record(record: &Value) -> Self {
        let rows = record.as_array().expect("the record is a list");
        let ranks = rows.iter().map(|row| row["rank"].as_str().expect("a rank has a name").to_string()).collect();
        let mut edges = BTreeSet::new();
        for (taken, row) in rows.iter().enumerate() {
            for held in row["held"].as_array().expect("what was held is a list") {
                edges.insert((held.as_u64().expect("places are numbers") as usize, taken));
            }
        }
        Self { ranks, edges }
    }

    /// Takes in the edges of another machine with the same kernel.
    pub fn merge(&mut self, other: Self) {
        assert!(self.ranks.is_empty() || self.ranks == other.ranks, "{:?} {:?}", self.ranks, other.ranks);
        self.ranks = other.ranks;
        self.edges.extend(other.edges);
    }

    /// Edges that do not go to a later rank. Without one there is no cycle.
    pub fn against_the_order(&self) -> BTreeSet<(&str, &str)> {
        let against = self.edges.iter().filter(|(held, taken)| held >= taken);
        against.map(|(held, taken)| (&*self.ranks[*held], &*self.ranks[*taken])).collect()
    }

    /// The edges by their ranks' names.
    pub fn named(&self) -> impl Iterator<Item = (String, String)> {
        self.edges.iter().map(|(held, taken)| (self.ranks[*held].clone(), self.ranks[*taken].clone()))
    }

    /// Takes in edges; those of ranks that there are no more are left out.
    pub fn add_named(&mut self, edges: &BTreeSet<(String, String)>) {
        let place = |name: &str| self.ranks.iter().position(|rank| rank == name);
        let known: Vec<_> = edges.iter().filter_map(|(held, taken)| Some((place(held)?, place(taken)?))).collect();
        self.edges.extend(known);
    }

    /// The table of the book.
    pub fn table(&self) -> String {
        let mut table = String::from("| held | taken meanwhile |\n| --- | --- |\n");
        for (place, rank) in self.ranks.iter().enumerate() {
            let taken: Vec<_> =
                self.edges.iter().filter(|(held, _)| *held == place).map(|(_, taken)| &*self.ranks[*taken]).collect();
            if !taken.is_empty() {
                writeln!(table, "| {rank} | {} |", taken.join(", ")).expect("a string takes all");
            }
        }
        table
    }
}

/// The edges of a table as [`Graph::table`] writes it.
pub fn parse(table: &str) -> BTreeSet<(String, String)> {
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    let rows = rows.filter(|(held, _)| *held != "held" && *held != "---");
    rows.flat_map(|(held, taken)| taken.split(", ").map(move |taken| (held.to_string(), taken.to_string()))).collect()
}
