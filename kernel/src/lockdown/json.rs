//! The report for tools: one record `lockdown` on the debug console.
//!
//! Written by hand, since it must be written piece by piece without memory: the JSON crates without an allocator write into a
//! buffer, and the report of a machine with many CPUs has no largest size.

use core::fmt::{self, Write};

use super::guard::find_guard;
use super::record::{Cause, STOP_RECORD, StopRecord, Stopped};
use super::symbols;
use crate::arch::{Arch, ArchTrap, ExitStatus, Step};
use crate::console::EmergencyRecord;
use crate::cpu::{self, Cpu, ThisCpu};

/// Prints the record: the calling CPU first, then all others.
pub(super) fn print(cpu: Option<&ThisCpu>, own: &StopRecord, verdict: ExitStatus) -> fmt::Result {
    let mut out = EmergencyRecord::take();
    write!(out, "{{\"lockdown\":{{\"verdict\":{},\"cpus\":[", verdict as u32)?;
    one(cpu.map(ThisCpu::cpu), own, &mut out)?;
    let others = cpu.map(|this| cpu::all().iter().copied().filter(|block| block.index() != this.index()));
    for block in others.into_iter().flatten() {
        write!(out, ",")?;
        one(Some(block), STOP_RECORD.of(block), &mut out)?;
    }
    writeln!(out, "]}}}}")
}

fn one(block: Option<Cpu>, record: &StopRecord, out: &mut dyn Write) -> fmt::Result {
    let (index, id) = block.map_or((0, 0), |block| (block.index().get(), block.apic_id().get()));
    write!(out, "{{\"cpu\":{index},\"apic_id\":{id},\"state\":")?;
    let Some(stopped) = record.read() else {
        let online = block.is_some_and(|block| block.is_online());
        return write!(out, "\"{}\"}}", if online { "silent" } else { "offline" });
    };
    what(stopped, out)?;
    if let Some(running) = &stopped.running {
        write!(out, ",\"thread\":{},\"program\":{},\"name\":", running.thread, running.program)?;
        text(&running.name, out)?;
    }
    write!(out, ",\"backtrace\":[")?;
    for (position, step) in stopped.backtrace.iter().enumerate() {
        out.write_str(if position == 0 { "" } else { "," })?;
        self::step(*step, out)?;
    }
    write!(out, "]}}")
}

/// State and, for a trap or a panic, what it was about.
fn what(stopped: &Stopped, out: &mut dyn Write) -> fmt::Result {
    match (&stopped.cause, &stopped.frame) {
        (Cause::Trap(info, refusal), Some(frame)) => {
            write!(out, "\"trap\",\"trap\":{},\"vector\":{},\"cause\":\"", info.number.to_bits(), info.vector)?;
            Arch::describe_cause(info, frame, &mut Escaped(out))?;
            write!(out, "\",\"address\":\"{:#x}\"", info.address)?;
            if let Some(touch) = find_guard(info.address) {
                write!(
                    out,
                    ",\"stack\":\"{}\",\"stack_cpu\":{},\"depth\":{}",
                    touch.stack.name, touch.cpu, touch.depth
                )?;
            }
            if let Some(refusal) = refusal {
                write!(out, ",\"not_contained\":\"{refusal}\"")?;
            }
        }
        (Cause::Panic(message), _) => {
            write!(out, "\"panic\",\"message\":")?;
            text(message, out)?;
        }
        (cause, frame) => {
            write!(out, "\"{}\"", if matches!(cause, Cause::NonMaskable) { "nmi" } else { "interrupt" })?;
            if let Some(frame) = frame {
                write!(out, ",\"trap\":{}", Arch::number(frame).to_bits())?;
            }
        }
    }
    let Some(frame) = &stopped.frame else { return Ok(()) };
    write!(out, ",\"registers\":\"")?;
    Arch::describe_registers(frame, &mut Escaped(out))?;
    write!(out, "\"")
}

fn step(step: Step, out: &mut dyn Write) -> fmt::Result {
    let (kind, value) = match step {
        Step::At(address) => ("at", address),
        Step::ReturnsTo(address) => ("returns_to", address),
        Step::Again(times) => ("again", times),
        Step::Trap(vector) => ("trap", vector),
        Step::Program(address) => ("program", address),
        Step::Lost(pointer) => ("lost", pointer),
        Step::Cut => ("cut", 0),
    };
    write!(out, "{{\"{kind}\":\"{value:#x}\"")?;
    let found = match step {
        Step::At(address) => symbols::find(address),
        Step::ReturnsTo(address) => symbols::find(address.wrapping_sub(1)),
        _ => None,
    };
    if let Some(found) = found {
        write!(out, ",\"name\":")?;
        text(found.name, out)?;
    }
    write!(out, "}}")
}

/// A string with its quotes.
fn text(text: &str, out: &mut dyn Write) -> fmt::Result {
    out.write_str("\"")?;
    Escaped(out).write_str(text)?;
    out.write_str("\"")
}

/// Passes text on as the inside of a JSON string (RFC 8259, "Strings").
struct Escaped<'out>(&'out mut dyn Write);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|letter| match letter {
            '"' | '\\' => write!(self.0, "\\{letter}"),
            '\0'..='\x1f' => write!(self.0, "\\u{:04x}", letter as u32),
            _ => self.0.write_char(letter),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        let mut out = String::new();
        text("a\"b\\c\n\u{1f}é", &mut out).unwrap();
        assert_eq!(out, "\"a\\\"b\\\\c\\u000a\\u001fé\"");
    }

    #[test]
    fn steps_are_objects() {
        let mut out = String::new();
        step(Step::ReturnsTo(0x10), &mut out).unwrap();
        assert_eq!(out, "{\"returns_to\":\"0x10\"}");
    }
}
