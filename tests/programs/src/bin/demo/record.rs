//! The machine-readable channel: one JSON object a line.

use core::fmt::{self, Display};

use gatehouse_runtime::abi::{CpuInformation, Error};
use gatehouse_runtime::array::MappedArray;
use gatehouse_runtime::{Kernel, println};
use serde::{Serialize, Serializer};

use crate::counters::Tally;
use crate::names::EXCEPTIONS;
use crate::problems::Problems;
use crate::tables::boot_name;
use crate::verdict::{Row, Verdict};

/// Bytes of the result that do not depend on the number of CPUs.
const FIXED_BYTES: usize = 8 * 1024;
/// Bytes of the result for each CPU: about 700 with ten kinds of exceptions.
const BYTES_PER_CPU: usize = 1024;
/// What the kernel takes in one record.
const MOST_BYTES: usize = 1024 * 1024;

/// A buffer for the result of that many CPUs.
///
/// # Errors
/// There is no memory for it.
pub(crate) fn line_for(cpus: usize) -> Result<MappedArray<u8>, Error> {
    MappedArray::filled((FIXED_BYTES + cpus.saturating_mul(BYTES_PER_CPU)).min(MOST_BYTES), 0)
}

/// Tells how far some work is. A refusal is no reason to stop the work.
pub(crate) fn progress(text: &str, done: u64, total: u64) {
    #[derive(Serialize)]
    struct Inner<'a> {
        text: &'a str,
        done: u64,
        total: u64,
    }
    #[derive(Serialize)]
    struct Outer<'a> {
        progress: Inner<'a>,
    }
    let mut line = [0; 256];
    if let Ok(length) = serde_json_core::to_slice(&Outer { progress: Inner { text, done, total } }, &mut line) {
        let _ = Kernel::record(&line[..length]);
    }
}

/// Prints and records the verdict; answers what the machine is shut down with.
///
/// # Errors
/// The result does not fit the buffer, or the kernel refused it.
pub(crate) fn result(line: &mut [u8], verdict: &Verdict<'_>, problems: &Problems) -> Result<u64, Error> {
    let pass = problems.count() == 0;
    let nanoseconds = verdict.nanoseconds;
    let (seconds, milliseconds) = (nanoseconds / 1_000_000_000, nanoseconds / 1_000_000 % 1_000);
    let cpus = verdict.after.len();
    match problems.count() {
        0 => println!("pass: everything was counted as expected on {cpus} CPUs, in {seconds}.{milliseconds:03} s"),
        count => println!("fail: {count} problems on {cpus} CPUs, in {seconds}.{milliseconds:03} s"),
    }
    let document = ResultDocument::new(verdict, pass);
    let length = serde_json_core::to_slice(&Line { result: document }, line).map_err(|_| Error::BufferTooSmall)?;
    Kernel::record(&line[..length])?;
    Ok(u64::from(!pass))
}

#[derive(Serialize)]
struct Line<'a> {
    result: ResultDocument<'a>,
}

/// The document that `docs/result.schema.json` describes.
#[derive(Serialize)]
struct ResultDocument<'a> {
    verdict: &'static str,
    seconds: f64,
    boot: &'static str,
    cpus: Cpus<'a>,
    bring_up_us: u64,
    bytes_per_cpu: u64,
    traps: Traps<'a>,
    handled: HandledFaults<'a>,
    frames_leaked: i64,
}

impl<'a> ResultDocument<'a> {
    fn new(verdict: &'a Verdict<'a>, pass: bool) -> Self {
        Self {
            verdict: if pass { "pass" } else { "fail" },
            seconds: verdict.nanoseconds as f64 / 1e9,
            boot: boot_name(verdict.system),
            cpus: Cpus(verdict),
            bring_up_us: verdict.system.bring_up_us,
            bytes_per_cpu: verdict.system.bytes_per_cpu,
            traps: Traps(verdict),
            handled: HandledFaults(verdict),
            frames_leaked: verdict.frames_leaked,
        }
    }
}

/// All CPUs, as a sequence.
struct Cpus<'a>(&'a Verdict<'a>);

impl Serialize for Cpus<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Verdict { before, after, .. } = self.0;
        serializer.collect_seq(before.iter().zip(*after).map(|(before, after)| {
            let tally = Tally::between(before, after);
            Cpu::new(&after.information, tally)
        }))
    }
}

/// One CPU: where its trap state is, and what it counted during the work.
#[derive(Serialize)]
struct Cpu {
    index: u64,
    apic_id: u64,
    online_us: u64,
    block: Address,
    gdt: Address,
    tss: Address,
    ist: Ist,
    interrupt_stack: InterruptStack,
    traps: Exceptions,
    timer: u64,
    ipi: u64,
    device: u64,
    spurious: u64,
    unexpected: u64,
    system_calls: u64,
    paged: u64,
    debugged: u64,
}

#[derive(Serialize)]
struct Ist {
    nmi: Address,
    double_fault: Address,
    machine_check: Address,
    debug: Address,
}

#[derive(Serialize)]
struct InterruptStack {
    base: Address,
    top: Address,
    deepest: u64,
}

impl Cpu {
    fn new(cpu: &CpuInformation, tally: Tally) -> Self {
        Self {
            index: cpu.index,
            apic_id: cpu.apic_id,
            online_us: cpu.online_us,
            block: Address(cpu.block),
            gdt: Address(cpu.gdt),
            tss: Address(cpu.tss),
            ist: Ist {
                nmi: Address(cpu.ist_nmi),
                double_fault: Address(cpu.ist_double_fault),
                machine_check: Address(cpu.ist_machine_check),
                debug: Address(cpu.ist_debug),
            },
            interrupt_stack: InterruptStack {
                base: Address(cpu.interrupt_stack_base),
                top: Address(cpu.interrupt_stack_top),
                deepest: cpu.interrupt_stack_deepest,
            },
            traps: Exceptions(tally.exceptions),
            timer: tally.timer,
            ipi: tally.ipi,
            device: tally.device,
            spurious: tally.spurious,
            unexpected: tally.unexpected,
            system_calls: tally.by_syscall + tally.by_int80,
            paged: tally.paged,
            debugged: tally.debugged,
        }
    }
}

/// Exceptions by name; those that did not occur are left out.
struct Exceptions([u64; 32]);

impl Serialize for Exceptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let occurred = EXCEPTIONS.iter().filter(|exception| self.0[exception.vector] > 0);
        serializer.collect_map(occurred.map(|exception| (exception.name, self.0[exception.vector])))
    }
}

/// Every kind, with what was expected and what was counted.
struct Traps<'a>(&'a Verdict<'a>);

#[derive(Serialize)]
struct Counts {
    expected: u64,
    counted: u64,
    #[serde(skip_serializing_if = "is_zero")]
    unasked: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Serialize for Traps<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.rows().map(named_counts))
    }
}

/// What user-space handlers did, with what was expected of them.
struct HandledFaults<'a>(&'a Verdict<'a>);

impl Serialize for HandledFaults<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.handled().map(named_counts))
    }
}

const fn named_counts(row: Row) -> (&'static str, Counts) {
    (row.name, Counts { expected: row.expected, counted: row.counted, unasked: row.unasked })
}

/// An address: JSON's numbers do not hold 64 bits, so it is text.
struct Address(u64);

impl Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#x}", self.0)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES_PER_CPU, FIXED_BYTES, Line, ResultDocument};
    use crate::counters::{Reading, Tally};
    use crate::verdict::Verdict;
    use gatehouse_runtime::abi::{CpuInformation, SystemInformation};

    #[test]
    fn the_document_has_the_agreed_keys_and_fits() {
        let mut information = CpuInformation { index: 3, gdt: u64::MAX, ..CpuInformation::default() };
        information.exceptions = [u64::MAX; 32];
        let after = [Reading { information, paged: 6, ..Reading::default() }];
        let before = [Reading::default()];
        let expected = [Tally::default()];
        let system = SystemInformation::default();
        let verdict = Verdict::new(&before, &after, &expected, &system, &system, 1_500_000_000, true);
        let mut line = vec![0; FIXED_BYTES + 2 * BYTES_PER_CPU];
        let document = ResultDocument::new(&verdict, false);
        let length = serde_json_core::to_slice(&Line { result: document }, &mut line).expect("it fits");
        let text = std::str::from_utf8(&line[..length]).expect("it is text");
        let start =
            r#"{"result":{"verdict":"fail","seconds":1.5,"boot":"pvh","cpus":[{"index":3,"apic_id":0,"online_us":0,"#;
        assert!(text.starts_with(start), "{text}");
        for part in [
            r#""gdt":"0xffffffffffffffff""#,
            r#""ist":{"nmi":"0x0","double_fault":"0x0","machine_check":"0x0","debug":"0x0"}"#,
            r#""interrupt_stack":{"base":"0x0","top":"0x0","deepest":0}"#,
            r#""traps":{"divide_error":18446744073709551615,"#,
            r#""system_calls":0,"paged":6,"debugged":0}],"bring_up_us":0,"bytes_per_cpu":0,"traps":{"divide_error":{"expected":0,"counted":18446744073709551615},"#,
            r#""system_call_int80":{"expected":0,"counted":0}},"handled":{"page_fault_paged":{"expected":0,"counted":6},"#,
            r#""stop_debugged":{"expected":0,"counted":0}},"frames_leaked":0}}"#,
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
}
