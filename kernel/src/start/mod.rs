//! From the boot loader to the first program: what happens, in order, on the first CPU and on each other.

mod acpi_tables;
mod cpus;
mod first_cpu;
mod first_program;
mod other_cpus;
mod silent_cpus;
mod timer;

pub use first_cpu::kernel_main;
