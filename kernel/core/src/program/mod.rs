//! The files of programs.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

pub mod archive;
pub mod elf;
