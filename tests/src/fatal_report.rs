//! The report of a kernel that cannot go on: read from the console, and beside it the record.

use ci::machine::Machine;
use ci::outcome::Outcome;
use ci::transcript::Transcript;

use crate::boot;

/// A boot that ended with a report.
#[derive(Debug)]
pub struct FatalReport {
    /// All that the boot left.
    pub transcript: Transcript,
    /// The lines of each CPU, by index, the line that names it first.
    pub cpus: Vec<Vec<String>>,
    /// The CPUs in the order of the report.
    pub order: Vec<usize>,
}

/// Boots, and reads the report, which must be there once, whole, and say the same as the record.
///
/// # Panics
/// With the transcript, when the machine ends otherwise or the report is not as `docs/lockdown.md` says.
#[must_use]
pub fn boot_to_report(machine: &Machine, cpus: usize, outcome: &Outcome) -> FatalReport {
    FatalReport::read(boot(machine), cpus, outcome)
}

impl FatalReport {
    /// Reads the report of a boot; see [`boot_to_report`].
    ///
    /// # Panics
    /// As [`boot_to_report`].
    #[must_use]
    pub fn read(transcript: Transcript, cpus: usize, outcome: &Outcome) -> Self {
        assert_eq!(&transcript.outcome, outcome, "{transcript}");
        assert!(transcript.malformed.is_empty(), "{transcript}");
        let title = if *outcome == Outcome::Panic { "kernel panic: " } else { "lockdown: " };
        let end = format!("{title}end of the report");
        let first = transcript.kernel.iter().position(|line| line.starts_with(title));
        let first = first.unwrap_or_else(|| panic!("no report in {transcript}"));
        let mut report = Self { cpus: vec![Vec::new(); cpus], order: Vec::new(), transcript };
        let lines = report.transcript.kernel[first..].to_vec();
        assert_eq!(lines.iter().position(|line| *line == end), Some(lines.len() - 1), "{}", report.transcript);
        for line in &lines[..lines.len() - 1] {
            if let Some(rest) = line.strip_prefix(title) {
                let number = rest.strip_prefix("CPU ").and_then(|rest| rest.split(' ').next()?.parse().ok());
                report.order.push(number.unwrap_or_else(|| panic!("{line} in {}", report.transcript)));
            } else {
                // The message of a panic begins a line of its own.
                let continues = line.starts_with("  ") || title.starts_with("kernel") && !line.is_empty();
                assert!(continues, "{line:?} in {}", report.transcript);
            }
            let Some(last) = report.order.last() else { unreachable!("the first line has the title") };
            report.cpus[*last].push(line.clone());
        }
        let mut sorted = report.order.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..cpus), "each CPU once: {:?} in {}", report.order, report.transcript);
        report.check_record();
        report
    }

    /// Whether a line of the CPU contains the text.
    pub fn says(&self, cpu: usize, text: &str) -> bool {
        self.cpus[cpu].iter().any(|line| line.contains(text))
    }

    /// Fails unless a line of the CPU contains the text.
    ///
    /// # Panics
    /// With the transcript.
    pub fn expect(&self, cpu: usize, text: &str) {
        assert!(self.says(cpu, text), "CPU {cpu} does not say {text:?} in {}", self.transcript);
    }

    /// The record has the same CPUs in the same order, and as many steps of each backtrace.
    fn check_record(&self) {
        let mut records = self.transcript.others("lockdown");
        let (Some(record), None) = (records.next(), records.next()) else {
            panic!("not one record in {}", self.transcript)
        };
        let cpus = record["cpus"].as_array().unwrap_or_else(|| panic!("no CPUs in {record}"));
        let order: Vec<_> = cpus.iter().filter_map(|cpu| cpu["cpu"].as_u64()).map(|cpu| cpu as usize).collect();
        assert_eq!(order, self.order, "{record}");
        for cpu in cpus {
            let lines = &self.cpus[cpu["cpu"].as_u64().unwrap_or_default() as usize];
            let steps = lines.iter().filter(|line| line.starts_with("    ")).count();
            // What stopped it came from outside the instruction stream, which bit 63 says.
            let number = match cpu["state"].as_str() {
                Some("interrupt") => Some(1 << 63),
                Some("nmi") => Some(1 << 63 | 3),
                _ => cpu["trap"].as_u64(),
            };
            assert_eq!(cpu["trap"].as_u64(), number, "{cpu}");
            let recorded = cpu["backtrace"].as_array().map_or(0, Vec::len);
            assert_eq!(recorded, steps, "{cpu} beside {lines:?}");
        }
    }
}
