//! The names of the exceptions in tables and records.

/// A vector and its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExceptionName {
    pub(crate) vector: usize,
    /// As records have it.
    pub(crate) name: &'static str,
    /// As the manuals have it; the head of a column.
    pub(crate) mnemonic: &'static str,
}

/// Every vector below 32, so that no count gets lost. SDM volume 3, "Exception and Interrupt Vectors".
pub(crate) const EXCEPTIONS: [ExceptionName; 32] = [
    name(0, "divide_error", "#DE"),
    name(1, "debug", "#DB"),
    name(2, "nmi", "NMI"),
    name(3, "breakpoint", "#BP"),
    name(4, "overflow", "#OF"),
    name(5, "bound_range", "#BR"),
    name(6, "invalid_opcode", "#UD"),
    name(7, "device_not_available", "#NM"),
    name(8, "double_fault", "#DF"),
    name(9, "coprocessor_segment_overrun", "9"),
    name(10, "invalid_tss", "#TS"),
    name(11, "segment_not_present", "#NP"),
    name(12, "stack_fault", "#SS"),
    name(13, "general_protection", "#GP"),
    name(14, "page_fault", "#PF"),
    name(15, "reserved_15", "15"),
    name(16, "x87_floating_point", "#MF"),
    name(17, "alignment_check", "#AC"),
    name(18, "machine_check", "#MC"),
    name(19, "simd_floating_point", "#XM"),
    name(20, "virtualization", "#VE"),
    name(21, "control_protection", "#CP"),
    name(22, "reserved_22", "22"),
    name(23, "reserved_23", "23"),
    name(24, "reserved_24", "24"),
    name(25, "reserved_25", "25"),
    name(26, "reserved_26", "26"),
    name(27, "reserved_27", "27"),
    name(28, "hypervisor_injection", "#HV"),
    name(29, "vmm_communication", "#VC"),
    name(30, "security", "#SX"),
    name(31, "reserved_31", "31"),
];

/// Whether what is outside the machine raises it: then it may come without being asked for.
pub(crate) const fn may_be_unasked(vector: usize) -> bool {
    matches!(vector, 2 | 18)
}

const fn name(vector: usize, name: &'static str, mnemonic: &'static str) -> ExceptionName {
    ExceptionName { vector, name, mnemonic }
}

#[cfg(test)]
mod tests {
    use super::EXCEPTIONS;

    #[test]
    fn the_order_is_that_of_the_vectors() {
        for (vector, exception) in EXCEPTIONS.iter().enumerate() {
            assert_eq!(exception.vector, vector);
            assert!(EXCEPTIONS[..vector].iter().all(|other| other.name != exception.name));
        }
    }
}
