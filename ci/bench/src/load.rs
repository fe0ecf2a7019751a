//! The engine that measures times: the program `bench` on a machine whose CPUs run at once, and on machines of several
//! sizes. Its figures are the host's; what they are good for is ratios within one run.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use ci::kernel_build::Artifacts;
use ci::machine::{Machine, default_time_limit};
use ci::result::Boot;
use ci::session::Observer;
use ci::transcript::Transcript;

/// CPUs of the machine whose throughput is measured.
pub const CPUS: u32 = 4;
/// Machines that are booted for what depends on the number of CPUs.
pub const SIZES: [u32; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/// Longest throughput run, on a host that does other things.
const LIMIT: Duration = Duration::from_secs(600);

/// Times of one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// Of samples, of which there is at least one.
    fn of(mut samples: Vec<f64>) -> Option<Self> {
        samples.sort_by(f64::total_cmp);
        Some(Self { median: *samples.get(samples.len() / 2)?, min: *samples.first()?, max: *samples.last()? })
    }
}

/// Faults per second in one layout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Faults {
    /// Where the handlers are, or what is faulted on.
    pub layout: String,
    /// CPUs that fault.
    pub cpus: u64,
    /// Faults per second, of all of them together.
    pub per_second: Spread,
    /// The median over that of local handlers on one CPU, in this run.
    pub ratio: f64,
}

/// Nanoseconds to interrupt a CPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interrupt {
    /// Whose interrupt.
    pub from: u64,
    /// Who is interrupted.
    pub to: u64,
    /// Until the handler runs.
    pub there: Spread,
    /// Until the answer is seen.
    pub back: Spread,
}

/// How late threads run that slept for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lateness {
    /// For how long they slept, in nanoseconds.
    pub asked: u64,
    /// Nanoseconds from the moment that was asked for to the thread's first instruction.
    pub late: Spread,
    /// All samples of all CPUs, in nanoseconds, sorted.
    pub samples: Vec<u64>,
}

/// Nanoseconds to take a page away from a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shootdown {
    /// CPUs that run the program.
    pub cpus: u64,
    /// Nanoseconds.
    pub nanoseconds: Spread,
}

/// What was measured on the machine of [`CPUS`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// CPUs of the machine.
    pub cpus: u64,
    /// Processors of the host: more CPUs than these cannot be faster.
    pub host_processors: u64,
    /// Faults per second.
    pub faults: Vec<Faults>,
    /// Interrupts, by pairs of CPUs.
    pub interrupts: Vec<Interrupt>,
    /// TLB shootdowns by CPUs.
    pub shootdowns: Vec<Shootdown>,
    /// Sleeps, by their length.
    #[serde(default)]
    pub sleeps: Vec<Lateness>,
}

/// A machine of some size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Size {
    /// CPUs.
    pub cpus: u64,
    /// Microseconds from the kernel's first look at the clock to the first instruction in ring 3.
    #[serde(default)]
    pub boot_us: u64,
    /// Microseconds from the first INIT to the last CPU online.
    pub bring_up_us: u64,
    /// Bytes in use by the kernel and the first program.
    pub bytes: u64,
    /// Nanoseconds to interrupt all other CPUs and be answered; none on one CPU.
    pub broadcast: Option<Spread>,
    /// Nanoseconds to take a page away from a program that runs on all CPUs; none in older documents.
    #[serde(default)]
    pub shootdown: Option<Spread>,
    /// Seconds from QEMU's start to its end.
    pub seconds: f64,
}

/// What depends on the number of CPUs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// By size.
    pub machines: Vec<Size>,
    /// Bytes that a CPU more takes, from the smallest and the largest machine.
    pub bytes_per_cpu: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    kind: String,
    layout: String,
    cpus: u64,
    from: u64,
    to: u64,
    per: u64,
    samples: Vec<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedSize {
    cpus: u64,
    boot_us: u64,
    bring_up_us: u64,
    bytes: u64,
    broadcast: Vec<u64>,
    shootdown: Vec<u64>,
}

fn boot(machine: &Machine, observer: &mut dyn Observer) -> Result<Transcript> {
    let transcript = machine.run_observed(observer)?;
    if !transcript.outcome.is_pass() {
        bail!("the program `bench` does not pass: {transcript}");
    }
    if let Some(line) = transcript.malformed.first() {
        bail!("the program `bench` wrote a line that is no record: {line}");
    }
    Ok(transcript)
}

/// Measures throughput.
///
/// # Errors
/// The machine cannot be started, the boot does not pass, or the records are wrong.
pub fn throughput(machine: Machine, artifacts: &Artifacts, observer: &mut dyn Observer) -> Result<Throughput> {
    let machine = machine.smp(CPUS).command_line("init=bench bench=throughput").time_limit(LIMIT);
    let transcript = boot(&machine.artifacts(artifacts.clone()), observer)?;
    let recorded = transcript.others("throughput").map(serde_path_to_error::deserialize);
    let recorded: Vec<Recorded> = recorded.collect::<Result<_, _>>().context("a record of the guest")?;
    summed_up(&recorded)
}

fn nanoseconds(samples: &[u64]) -> Result<Spread> {
    Spread::of(samples.iter().map(|sample| *sample as f64).collect()).context("a record without samples")
}

fn summed_up(recorded: &[Recorded]) -> Result<Throughput> {
    let host_processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    let mut throughput = Throughput { cpus: u64::from(CPUS), host_processors, ..Throughput::default() };
    for record in recorded {
        match (record.kind.as_str(), record.layout.as_str()) {
            ("faults", layout) => {
                let rates = record.samples.iter().map(|time| record.per as f64 * 1e9 / (*time).max(1) as f64).collect();
                let per_second = Spread::of(rates).context("a record without samples")?;
                throughput.faults.push(Faults { layout: layout.into(), cpus: record.cpus, per_second, ratio: 0.0 });
            }
            ("ipi", "there") => throughput.interrupts.push(Interrupt {
                from: record.from,
                to: record.to,
                there: nanoseconds(&record.samples)?,
                back: Spread::default(),
            }),
            ("ipi", "there and back") => {
                let there =
                    throughput.interrupts.last_mut().filter(|last| (last.from, last.to) == (record.from, record.to));
                there.context("an interrupt back without one there")?.back = nanoseconds(&record.samples)?;
            }
            ("shootdown", _) => {
                let nanoseconds = nanoseconds(&record.samples)?;
                throughput.shootdowns.push(Shootdown { cpus: record.cpus, nanoseconds });
            }
            ("timer", "slept") => add_sleeps(&mut throughput.sleeps, record)?,
            (kind, layout) => bail!("the guest measured {kind:?} {layout:?}, which nobody asked for"),
        }
    }
    let base = throughput.faults.iter().find(|faults| faults.layout == "local" && faults.cpus == 1);
    let base = base.context("no faults on one CPU were measured")?.per_second.median;
    throughput.faults.iter_mut().for_each(|faults| faults.ratio = faults.per_second.median / base);
    Ok(throughput)
}

/// Adds a CPU's sleeps to those of the same length of the other CPUs.
fn add_sleeps(sleeps: &mut Vec<Lateness>, record: &Recorded) -> Result<()> {
    let known = sleeps.iter().position(|known| known.asked == record.per);
    let mut samples = known.map_or_else(Vec::new, |index| sleeps.remove(index).samples);
    samples.extend(&record.samples);
    samples.sort_unstable();
    sleeps.push(Lateness { asked: record.per, late: nanoseconds(&samples)?, samples });
    sleeps.sort_by_key(|sleep| sleep.asked);
    Ok(())
}

/// Boots machines of all sizes. One thread of the host runs all CPUs of each: with one for every CPU, who waits for all of
/// them would measure the time slices of the host, in the smaller machines only.
///
/// # Errors
/// Those of [`throughput`].
pub fn scale(machine: &Machine, sizes: &[u32], artifacts: &Artifacts, progress: &mut dyn FnMut(u32)) -> Result<Scale> {
    let mut machines = Vec::new();
    for size in sizes {
        progress(*size);
        let limit = 3 * default_time_limit(*size, Boot::Pvh, false);
        let machine =
            machine.clone().smp(*size).one_thread(true).command_line("init=bench bench=scale").time_limit(limit);
        let transcript = boot(&machine.artifacts(artifacts.clone()), &mut ())?;
        let value = transcript.others("scale").next().context("the guest recorded no size")?;
        let RecordedSize { cpus, boot_us, bring_up_us, bytes, broadcast, shootdown } =
            serde_path_to_error::deserialize(value).context("a record of the guest")?;
        let spread = |times: Vec<u64>| Spread::of(times.into_iter().map(|time| time as f64).collect());
        machines.push(Size {
            cpus,
            boot_us,
            bring_up_us,
            bytes,
            broadcast: spread(broadcast),
            shootdown: spread(shootdown),
            seconds: transcript.duration.as_secs_f64(),
        });
    }
    let bytes_per_cpu = machines
        .first()
        .zip(machines.last())
        .and_then(|(first, last)| last.bytes.checked_sub(first.bytes)?.checked_div(last.cpus.checked_sub(first.cpus)?));
    Ok(Scale { machines, bytes_per_cpu })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(kind: &str, layout: &str, cpus: u64, samples: &[u64]) -> Recorded {
        Recorded { kind: kind.into(), layout: layout.into(), cpus, from: 0, to: 1, per: 10, samples: samples.to_vec() }
    }

    #[test]
    fn rates_are_ratios_of_one_cpu() {
        let records = [recorded("faults", "local", 1, &[1000, 2000, 4000]), recorded("faults", "local", 2, &[1000])];
        let throughput = summed_up(&records).unwrap();
        assert_eq!(throughput.faults[0].per_second, Spread { median: 5e6, min: 2.5e6, max: 1e7 });
        assert_eq!((throughput.faults[0].ratio, throughput.faults[1].ratio), (1.0, 2.0));
    }

    #[test]
    fn sleeps_of_all_cpus_are_one_distribution() {
        let slept = |per, samples: &[u64]| Recorded { per, ..recorded("timer", "slept", 1, samples) };
        let records = [recorded("faults", "local", 1, &[1]), slept(1000, &[5, 1]), slept(10, &[7]), slept(1000, &[3])];
        let sleeps = summed_up(&records).unwrap().sleeps;
        assert_eq!((sleeps[0].asked, sleeps[1].asked), (10, 1000));
        assert_eq!(sleeps[1].samples, [1, 3, 5]);
        assert_eq!(sleeps[1].late, Spread { median: 3.0, min: 1.0, max: 5.0 });
    }

    #[test]
    fn interrupts_come_in_pairs() {
        let base = || recorded("faults", "local", 1, &[1]);
        let pair = [base(), recorded("ipi", "there", 2, &[5]), recorded("ipi", "there and back", 2, &[9])];
        let interrupt = &summed_up(&pair).unwrap().interrupts[0];
        assert_eq!((interrupt.there.median, interrupt.back.median), (5.0, 9.0));
        assert!(summed_up(&[base(), recorded("ipi", "there and back", 2, &[9])]).is_err());
        assert!(summed_up(&[base(), recorded("magic", "", 2, &[9])]).unwrap_err().to_string().contains("magic"));
        assert!(summed_up(&[]).is_err());
    }
}
