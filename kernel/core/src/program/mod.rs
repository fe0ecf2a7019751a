//! The files of programs.

pub mod archive;
pub mod elf;
