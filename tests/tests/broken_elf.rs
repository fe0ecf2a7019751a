//! Files that are no programs are refused by name, and everything else runs.

use std::fs;
use std::path::PathBuf;

use ci::machine::Machine;
use integration_tests::{boot_and_pass, checked_result};
use object::LittleEndian;
use object::elf::{FileHeader64, PF_W, PF_X, PT_LOAD, ProgramHeader64};
use object::pod;
use tempfile::TempDir;

const LE: LittleEndian = LittleEndian;

/// A change to a file that is a program.
type Spoil = fn(&mut Vec<u8>);

/// How to break a program, each with a name.
const BROKEN: [(&str, Spoil); 19] = [
    ("empty", |file| file.clear()),
    ("random_bytes", |file| *file = random_bytes(5000)),
    ("random_behind_magic", |file| {
        let magic = file[..16].to_vec();
        *file = random_bytes(5000);
        file[..16].copy_from_slice(&magic);
    }),
    ("cut_in_header", |file| file.truncate(40)),
    ("cut_in_program_headers", |file| file.truncate(64 + 30)),
    ("cut_in_segment", |file| file.truncate(0x1000 + 10)),
    ("other_class", |file| file[4] = 1),
    ("other_machine", |file| header(file).e_machine.set(LE, object::elf::EM_AARCH64)),
    ("position_independent", |file| header(file).e_type.set(LE, object::elf::ET_DYN)),
    ("entry_in_kernel", |file| header(file).e_entry.set(LE, 0xffff_ffff_8020_0000)),
    ("no_program_headers", |file| header(file).e_phnum.set(LE, 0)),
    ("absurd_program_headers", |file| header(file).e_phoff.set(LE, u64::MAX - 8)),
    ("in_kernel_space", |file| segment(file, 0).p_vaddr.set(LE, 0xffff_ffff_8020_0000)),
    ("wraps_around", |file| segment(file, 0).p_vaddr.set(LE, 0u64.wrapping_sub(0x1000))),
    ("on_the_first_stack", |file| segment(file, 2).p_vaddr.set(LE, 0x7fff_ffff_0000)),
    ("absurd_size", |file| segment(file, 0).p_memsz.set(LE, 1 << 46)),
    ("absurd_file_size", |file| segment(file, 0).p_filesz.set(LE, u64::MAX)),
    ("overlapping", |file| {
        let first = segment(file, 0).p_vaddr.get(LE);
        segment(file, 1).p_vaddr.set(LE, first);
    }),
    ("writable_code", |file| segment(file, 0).p_flags.set(LE, PF_W | PF_X)),
];

fn header(file: &mut [u8]) -> &mut FileHeader64<LittleEndian> {
    pod::from_bytes_mut(file).expect("a header fits").0
}

/// The loadable segment with this number.
fn segment(file: &mut [u8], number: usize) -> &mut ProgramHeader64<LittleEndian> {
    let header = header(file);
    let (offset, count) = (header.e_phoff.get(LE) as usize, usize::from(header.e_phnum.get(LE)));
    let (headers, _) =
        pod::slice_from_bytes_mut::<ProgramHeader64<LittleEndian>>(&mut file[offset..], count).expect("they fit");
    headers.iter_mut().filter(|header| header.p_type.get(LE) == PT_LOAD).nth(number).expect("it has that many")
}

/// The same bytes each time, without a pattern.
fn random_bytes(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let step = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(step).take(count).collect()
}

/// The file of one of the project's programs.
fn program(name: &str) -> Vec<u8> {
    let artifacts = ci::kernel_build::build_once().expect("kernel and programs build");
    let path = artifacts.programs.iter().find(|path| path.file_stem().is_some_and(|stem| stem == name));
    fs::read(path.expect("it is a program")).expect("it can be read")
}

fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(format!("{name}.elf"));
    fs::write(&path, bytes).expect("the folder can be written to");
    path
}

#[test]
fn broken_files_are_refused_by_name_and_the_rest_runs() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let whole = program("hello");
    let mut machine = Machine::new();
    for (name, spoil) in BROKEN {
        let mut bytes = whole.clone();
        spoil(&mut bytes);
        assert_ne!(bytes, whole, "{name} changes nothing");
        machine = machine.program(write(&folder, name, &bytes));
    }
    machine = machine.program(write(&folder, "whole", &whole));
    let transcript = boot_and_pass(&machine);
    checked_result(&transcript, 4);
    for (name, _) in BROKEN {
        let refusal = format!("user/{name}: refused");
        assert!(transcript.console_contains(&refusal), "{refusal} in {transcript}");
    }
    let reason = "bytes at 0x7fffffff0000 are where the first stack is";
    assert!(transcript.console_contains(reason), "{reason} in {transcript}");
    assert!(transcript.console_contains("user/whole: exited with status 0"), "{transcript}");
}
