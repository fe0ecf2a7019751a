//! The result document: what `cargo xtask run --json FILE` writes. `docs/result.schema.json` says the same.

use std::collections::BTreeMap;
use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

/// The whole document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What the guest's own checks came to.
    pub verdict: Verdict,
    /// Guest time from the start of the work to its end, in seconds.
    pub seconds: f64,
    /// How the kernel was started.
    pub boot: Boot,
    /// One entry for each CPU that runs, by index.
    pub cpus: Vec<Cpu>,
    /// Microseconds from the first INIT to the last CPU online.
    pub bring_up_us: u64,
    /// Bytes of memory that each CPU takes for itself.
    pub bytes_per_cpu: u64,
    /// Traps caused by the work, by name: how many there must be and how many the CPUs counted.
    pub traps: BTreeMap<String, Count>,
    /// Faults of the work that went to handlers in user space, by what those did: `page_fault_paged`, `stop_debugged`.
    pub handled: BTreeMap<String, Count>,
    /// Page frames in use after the work, less those before it.
    pub frames_leaked: i64,
}

/// What the guest's own checks came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All held.
    Pass,
    /// At least one did not.
    Fail,
}

/// How the kernel was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Boot {
    /// PVH: QEMU entered it directly.
    Pvh,
    /// Limine on BIOS firmware.
    Bios,
    /// Limine on UEFI firmware.
    Uefi,
}

/// One CPU. Counters count since the CPU came up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
    /// Dense index; 0 started the kernel.
    pub index: u64,
    /// Local APIC id.
    pub apic_id: u64,
    /// Microseconds from the first INIT until this CPU was online.
    pub online_us: u64,
    /// Address of the processor information block.
    pub block: Address,
    /// Address of the GDT.
    pub gdt: Address,
    /// Address of the TSS.
    pub tss: Address,
    /// Tops of the IST stacks.
    pub ist: InterruptStackTable,
    /// The interrupt stack.
    pub interrupt_stack: InterruptStack,
    /// Exceptions by name.
    pub traps: BTreeMap<String, u64>,
    /// Timer interrupts.
    pub timer: u64,
    /// Inter-processor interrupts.
    pub ipi: u64,
    /// Interrupts of devices.
    pub device: u64,
    /// Spurious interrupts of the local APIC.
    pub spurious: u64,
    /// Interrupts of any vector that nobody had asked for.
    pub unexpected: u64,
    /// System calls by either entry point.
    pub system_calls: u64,
    /// Page faults that the pager on this CPU has resolved.
    pub paged: u64,
    /// Stops of programs on this CPU that the debugger has answered.
    pub debugged: u64,
}

/// Tops of the IST stacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterruptStackTable {
    /// Of the NMI stack.
    pub nmi: Address,
    /// Of the double-fault stack.
    pub double_fault: Address,
    /// Of the machine-check stack.
    pub machine_check: Address,
    /// Of the debug stack.
    pub debug: Address,
}

/// The interrupt stack of a CPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterruptStack {
    /// Lowest address.
    pub base: Address,
    /// One past the highest address.
    pub top: Address,
    /// The most bytes that were ever in use.
    pub deepest: u64,
}

/// Expected and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// How many the work causes.
    pub expected: u64,
    /// How many the CPUs counted.
    pub counted: u64,
    /// How many of these came from outside the machine without being asked for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unasked: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A virtual address, in JSON a string like `"0xffff800000001000"`: JSON numbers above 2^53 are not exact everywhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub u64);

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#x}", self.0)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{:#x}", self.0))
    }
}

impl<'input> Deserialize<'input> for Address {
    fn deserialize<D: Deserializer<'input>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x").filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        digits
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .map(Self)
            .ok_or_else(|| de::Error::custom(format!("\"{text}\" is no address: 0x and 1 to 16 hexadecimal digits")))
    }
}

impl Document {
    /// Reads and checks a document.
    ///
    /// # Errors
    /// Names the key that is missing, unknown or of the wrong type.
    pub fn from_value(value: &Value) -> Result<Self, String> {
        let document: Self = serde_path_to_error::deserialize(value).map_err(|error| error.to_string())?;
        document.check()?;
        Ok(document)
    }

    /// What types cannot say: CPUs are listed in order, stacks have their base below their top, the time is a
    /// number of seconds.
    fn check(&self) -> Result<(), String> {
        if !(self.seconds.is_finite() && self.seconds >= 0.0) {
            return Err(format!("seconds: {} is no duration", self.seconds));
        }
        if self.cpus.is_empty() {
            return Err("cpus: empty, at least one CPU runs".into());
        }
        for (position, cpu) in self.cpus.iter().enumerate() {
            if cpu.index != position as u64 {
                return Err(format!("cpus[{position}].index: {} instead of {position}", cpu.index));
            }
            let stack = &cpu.interrupt_stack;
            if stack.base >= stack.top {
                let (base, top) = (stack.base, stack.top);
                return Err(format!("cpus[{position}].interrupt_stack: base {base:?} is not below top {top:?}"));
            }
            if stack.deepest > stack.top.0 - stack.base.0 {
                let deepest = stack.deepest;
                return Err(format!("cpus[{position}].interrupt_stack.deepest: {deepest} is more than the stack has"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample() -> Value {
        json!({
            "verdict": "pass", "seconds": 1.25, "boot": "pvh", "bring_up_us": 1500, "bytes_per_cpu": 400000, "frames_leaked": 0,
            "cpus": [{
                "index": 0, "apic_id": 0, "online_us": 0,
                "block": "0xffff800000100000", "gdt": "0xffff800000100100", "tss": "0xffff800000100200",
                "ist": {
                    "nmi": "0xffffc00000002000", "double_fault": "0xffffc00000004000",
                    "machine_check": "0xffffc00000006000", "debug": "0xffffc00000008000"
                },
                "interrupt_stack": {"base": "0xffffc00000010000", "top": "0xffffc00000050000", "deepest": 1800},
                "traps": {"page_fault": 3}, "timer": 10, "ipi": 2, "device": 1, "spurious": 0, "unexpected": 0,
                "system_calls": 100,
                "paged": 2, "debugged": 0
            }],
            "traps": {"page_fault": {"expected": 3, "counted": 3}},
            "handled": {"page_fault_paged": {"expected": 2, "counted": 2}}
        })
    }

    #[test]
    fn a_document_survives_the_round_trip() {
        let document = Document::from_value(&sample()).unwrap();
        assert_eq!(serde_json::to_value(&document).unwrap(), sample());
    }

    /// Sets one value, removes it for `null`, and gives the complaint.
    fn complaint(pointer: &str, value: Value) -> String {
        let mut document = sample();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let object = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        if value.is_null() {
            object.remove(key).unwrap();
        } else {
            object.insert(key.into(), value);
        }
        Document::from_value(&document).unwrap_err()
    }

    #[test]
    fn the_wrong_key_is_named() {
        for (pointer, value, expected) in [
            ("/seconds", json!("1"), "seconds"),
            ("/verdict", json!("perhaps"), "verdict"),
            ("/verdict", Value::Null, "verdict"),
            ("/extra", json!(1), "extra"),
            ("/cpus/0/ist/nmi", json!("12"), "cpus[0].ist.nmi"),
            ("/cpus/0/ist/nmi", json!("0x+1"), "cpus[0].ist.nmi"),
            ("/cpus/0/timer", json!(-1), "cpus[0].timer"),
            ("/cpus/0/index", json!(1), "cpus[0].index"),
            ("/cpus/0/interrupt_stack/top", json!("0x1"), "cpus[0].interrupt_stack"),
            ("/cpus/0/interrupt_stack/deepest", json!(1 << 30), "cpus[0].interrupt_stack.deepest"),
            ("/traps/page_fault/counted", Value::Null, "traps.page_fault"),
            ("/cpus", json!([]), "cpus"),
        ] {
            let complaint = complaint(pointer, value);
            assert!(complaint.contains(expected), "{pointer}: {complaint}");
        }
    }
}
