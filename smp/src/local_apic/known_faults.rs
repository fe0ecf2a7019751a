//! One test for each fault for which the `x2apic` crate's driver is not used, and the driver's other sequences.

use percpu::ApicId;

use super::driver::{LocalApic, SendError};
use super::mode::{ENABLED, EXTENDED, Mode};
use super::pins::{Pin, Pins};
use super::recorder::{Access, Recorder};
use super::registers::Register;
use super::timer::TimerMode;
use super::vector::Vector;
use crate::icr::{Command, Destination, EncodeError};
use crate::madt::Polarity;

const BOTH: [Mode; 2] = [Mode::XApic, Mode::X2Apic];
const ERROR_VECTOR: Vector = Vector::new(0xfe).unwrap();

const fn to(id: u32) -> Destination {
    Destination::Physical(ApicId::new(id))
}

fn is_write_of(access: &Access, register: Register) -> Option<u64> {
    match *access {
        Access::WriteMemory(offset, value) if offset == register.offset() => Some(u64::from(value)),
        Access::WriteMsr(number, value) if number == register.msr() => Some(value),
        _ => None,
    }
}

#[test]
fn lint1_raises_nmi_on_every_cpu_and_is_never_lost() {
    for mode in BOTH {
        for firmware in [0, ENABLED, ENABLED | EXTENDED] {
            let recorder = Recorder::with_base(firmware);
            let apic = LocalApic::over(mode, &recorder);
            apic.enable(ERROR_VECTOR, Pins::STANDARD);
            apic.set_timer(TimerMode::OneShot { vector: ERROR_VECTOR });
            apic.arm_one_shot(100);
            apic.send(Command::Nmi, Destination::AllExcludingSelf).unwrap();
            apic.end_of_interrupt();
            apic.disable();
            apic.enable(ERROR_VECTOR, Pins::STANDARD);
            let writes = recorder.writes();
            let lint1: std::vec::Vec<_> =
                writes.iter().filter_map(|access| is_write_of(access, Register::LVT_LINT1)).collect();
            assert_eq!(lint1, [0x400, 0x400], "{mode} from {firmware:#x}");
            assert_eq!(recorder.value(Register::LVT_LINT0), 0x1_0000);
        }
    }
}

#[test]
fn lint1_is_written_after_the_software_enable() {
    for mode in BOTH {
        let recorder = Recorder::enabled(mode);
        LocalApic::over(mode, &recorder).enable(ERROR_VECTOR, Pins::STANDARD);
        let writes = recorder.writes();
        let place = |register| writes.iter().position(|access| is_write_of(access, register).is_some()).unwrap();
        assert!(place(Register::SPURIOUS_VECTOR) < place(Register::LVT_LINT1));
        assert!(place(Register::SPURIOUS_VECTOR) < place(Register::LVT_ERROR));
    }
}

#[test]
fn enable_leaves_the_state_that_it_promises() {
    for mode in BOTH {
        let recorder = Recorder::with_base(ENABLED);
        recorder.preset(Register::TASK_PRIORITY, 0x20);
        if mode == Mode::XApic {
            recorder.preset(Register::LVT_TIMER, 0x40);
        }
        LocalApic::over(mode, &recorder).enable(ERROR_VECTOR, Pins::STANDARD);
        assert_eq!(recorder.value(Register::SPURIOUS_VECTOR), 0x1ff);
        assert_eq!(recorder.value(Register::TASK_PRIORITY), 0);
        assert_eq!(recorder.value(Register::LVT_TIMER), 0x1_0000);
        assert_eq!(recorder.value(Register::LVT_ERROR), u32::from(ERROR_VECTOR.get()));
    }
}

#[test]
fn enable_masks_the_entries_that_are_there_and_touches_no_other() {
    let optional = [Register::LVT_PERFORMANCE, Register::LVT_THERMAL, Register::LVT_CMCI];
    for mode in BOTH {
        for (last_entry, there) in [(3, 0), (4, 1), (5, 2), (6, 3)] {
            let recorder = Recorder::enabled(mode);
            recorder.preset(Register::VERSION, last_entry << 16 | 0x14);
            optional[..there].iter().for_each(|entry| recorder.preset(*entry, 0xfa));
            LocalApic::over(mode, &recorder).enable(ERROR_VECTOR, Pins::STANDARD);
            let writes = recorder.writes();
            // To write an entry that is not there faults in x2APIC mode.
            let written =
                |entry| writes.iter().filter_map(|access| is_write_of(access, entry)).collect::<std::vec::Vec<_>>();
            for (number, entry) in optional.into_iter().enumerate() {
                assert_eq!(written(entry), [0x1_0000; 1][..usize::from(number < there)], "{mode}, entry {number}");
            }
        }
    }
}

#[test]
fn enable_ends_what_is_in_service() {
    for mode in BOTH {
        let recorder = Recorder::enabled(mode);
        recorder.preset(Register::in_service(1), 0x8000_0001);
        recorder.preset(Register::in_service(7), 1 << 30);
        LocalApic::over(mode, &recorder).enable(ERROR_VECTOR, Pins::STANDARD);
        assert!((0..8).all(|word| recorder.value(Register::in_service(word)) == 0), "{mode}");
        let ends =
            recorder.writes().iter().filter_map(|access| is_write_of(access, Register::END_OF_INTERRUPT)).count();
        assert_eq!(ends, 3, "no end without an interrupt");
    }
}

#[test]
fn pins_raise_what_they_are_told_to() {
    for mode in BOTH {
        let recorder = Recorder::enabled(mode);
        let pins = Pins { lint0: Pin::Nmi(Polarity::ActiveLow), lint1: Pin::Masked };
        LocalApic::over(mode, &recorder).enable(ERROR_VECTOR, pins);
        assert_eq!([Register::LVT_LINT0, Register::LVT_LINT1].map(|pin| recorder.value(pin)), [0x2400, 0x1_0000]);
        LocalApic::over(mode, &recorder).set_pins(Pins::STANDARD);
        assert_eq!([Register::LVT_LINT0, Register::LVT_LINT1].map(|pin| recorder.value(pin)), [0x1_0000, 0x400]);
    }
}

#[test]
fn disable_leaves_neither_mode_bit() {
    for mode in BOTH {
        let recorder = Recorder::enabled(mode);
        LocalApic::over(mode, &recorder).disable();
        assert_eq!(recorder.base_bits(), 0, "{mode}");
    }
}

#[test]
fn no_mode_change_is_illegal() {
    // The recorder panics at a transition that faults.
    for mode in BOTH {
        for firmware in [0, ENABLED, ENABLED | EXTENDED] {
            let recorder = Recorder::with_base(firmware);
            LocalApic::over(mode, &recorder).enable(ERROR_VECTOR, Pins::STANDARD);
            let expected = if mode == Mode::X2Apic { ENABLED | EXTENDED } else { ENABLED };
            assert_eq!(recorder.base_bits(), expected);
        }
    }
}

#[test]
fn xapic_destination_is_shifted_and_the_high_half_goes_first() {
    let recorder = Recorder::enabled(Mode::XApic);
    LocalApic::over(Mode::XApic, &recorder).send(Command::Startup(8), to(3)).unwrap();
    // What was stored before is visible when it arrives.
    let expected = [Access::CompilerFence, Access::WriteMemory(0x310, 0x0300_0000), Access::WriteMemory(0x300, 0x4608)];
    assert_eq!(recorder.writes(), expected);
}

#[test]
fn xapic_id_is_unshifted() {
    let recorder = Recorder::enabled(Mode::XApic);
    recorder.preset(Register::ID, 0x0500_0000);
    assert_eq!(LocalApic::over(Mode::XApic, &recorder).id(), ApicId::new(5));

    let recorder = Recorder::enabled(Mode::X2Apic);
    recorder.preset(Register::ID, 0x0500_0000);
    assert_eq!(LocalApic::over(Mode::X2Apic, &recorder).id(), ApicId::new(0x0500_0000));
}

#[test]
fn x2apic_command_is_one_write_behind_a_fence() {
    let recorder = Recorder::enabled(Mode::X2Apic);
    LocalApic::over(Mode::X2Apic, &recorder).send(Command::Fixed(0xf0), to(300)).unwrap();
    assert_eq!(recorder.all(), [Access::Fence, Access::WriteMsr(0x830, 0x0000_012c_0000_40f0)]);
}

#[test]
fn self_ipi_goes_through_the_command_register() {
    for mode in BOTH {
        let recorder = Recorder::enabled(mode);
        LocalApic::over(mode, &recorder).send(Command::Fixed(0x41), Destination::SelfOnly).unwrap();
        assert_eq!(recorder.value(Register::COMMAND_LOW), 0x4_4041, "{mode}");
    }
}

#[test]
fn a_stuck_command_is_an_error_and_not_a_hang() {
    let recorder = Recorder::enabled(Mode::XApic);
    recorder.preset(Register::COMMAND_LOW, 1 << 12);
    let apic = LocalApic::over(Mode::XApic, &recorder);
    assert_eq!(apic.send(Command::Init, to(1)), Err(SendError::Stuck));
    assert_eq!(recorder.writes(), []);
}

#[test]
fn a_command_without_bits_touches_nothing() {
    let recorder = Recorder::enabled(Mode::XApic);
    let apic = LocalApic::over(Mode::XApic, &recorder);
    let expected = EncodeError::IdTooLargeForXApic(ApicId::new(255));
    assert_eq!(apic.send(Command::Init, to(255)), Err(SendError::Encode(expected)));
    assert_eq!(recorder.all(), []);
}

#[test]
fn end_of_interrupt_is_one_write() {
    for (mode, write) in [(Mode::XApic, Access::WriteMemory(0xb0, 0)), (Mode::X2Apic, Access::WriteMsr(0x80b, 0))] {
        let recorder = Recorder::enabled(mode);
        LocalApic::over(mode, &recorder).end_of_interrupt();
        assert_eq!(recorder.all(), [write]);
    }
}

#[test]
fn request_pending_reads_the_vectors_own_bit() {
    for mode in BOTH {
        let recorder = Recorder::enabled(mode);
        recorder.preset(Register::interrupt_request(0x41), 1 << 1);
        let apic = LocalApic::over(mode, &recorder);
        assert!(apic.request_pending(0x41));
        assert!(!apic.request_pending(0x40));
        assert!(!apic.request_pending(0x61));
        assert!(!apic.request_pending(0xff));
    }
}

#[test]
fn error_status_is_written_before_it_is_read() {
    let recorder = Recorder::enabled(Mode::X2Apic);
    let _ = LocalApic::over(Mode::X2Apic, &recorder).error_status();
    assert_eq!(recorder.all(), [Access::WriteMsr(0x828, 0), Access::ReadMsr(0x828)]);
}
