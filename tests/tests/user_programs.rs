//! Programs of the person who runs the machine: their ends are told and are no failure.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ci::machine::Machine;
use integration_tests::{boot_and_pass, checked_result, text};

/// The first C program of `docs/abi.md`, built as its first line says.
fn example_in_c(folder: &Path) -> PathBuf {
    let page = text("docs/abi.md");
    let (_, rest) = page.split_once("```c\n").expect("docs/abi.md has an example in C");
    let (source, _) = rest.split_once("```").expect("the example has an end");
    let command = source.lines().next().and_then(|line| line.strip_prefix("/* cc ")?.strip_suffix(" */"));
    let options = command.expect("the example says how to build it").split_whitespace();
    fs::write(folder.join("greeting.c"), source).expect("the folder can be written to");
    let status = Command::new("cc").current_dir(folder).args(options).status().expect("there is a C compiler");
    assert!(status.success(), "the example does not build");
    folder.join("greeting")
}

fn own_program(name: &str) -> PathBuf {
    let artifacts = ci::kernel_build::build_once().expect("kernel and programs build");
    let path = artifacts.programs.into_iter().find(|path| path.file_stem().is_some_and(|stem| stem == name));
    path.expect("it is a program")
}

/// Each is the first program, and ends the machine by its exit.
#[test]
fn the_examples_with_the_runtime_run() {
    for (name, line) in [
        ("example_server", "the sums are [55, 55, 55, 55]"),
        ("example_pager", "the client has ended: Some(ProgramEnd"),
        ("example_driver", "64 interrupts in "),
    ] {
        let transcript = boot_and_pass(&Machine::new().smp(2).command_line(format!("init={name}")));
        assert!(transcript.console_contains(&format!("{name}: {line}")), "{transcript}");
    }
}

#[test]
fn the_example_in_c_runs() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let transcript = boot_and_pass(&Machine::new().smp(2).program(example_in_c(folder.path())));
    checked_result(&transcript, 2);
    assert!(transcript.console_contains("greetings from ring 3"), "{transcript}");
    assert!(transcript.console_contains("user/greeting: exited with status 0"), "{transcript}");
}

/// A program whose table of addresses is right only if it was relocated.
const RELOCATED: &str = r#"
static long call(long number, const void *first, long second)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(first), "S"(second) : "rcx", "r11", "memory");
    return result;
}

__asm__(".globl _start\n_start:\n\tcall run\n\tud2\n");

static const char first[] = "relocated ", second[] = "words\n";
static const char *const volatile words[] = { first, second };
static void *volatile self = (void *)&self;

__attribute__((used, noreturn)) static void run(void)
{
    if (self != (void *)&self || words[0] != first)
        call(2, (void *)7UL, 0);
    call(4, words[0], sizeof first - 1);
    call(4, words[1], sizeof second - 1);
    call(2, (void *)0UL, 0);
    __builtin_unreachable();
}
"#;

/// As compilers make it by default, as a static PIE, and with fixed addresses.
#[test]
fn position_independent_programs_run() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    fs::write(folder.path().join("relocated.c"), RELOCATED).expect("the folder can be written to");
    let kinds: [(&str, &[&str]); 3] =
        [("pie_by_default", &[]), ("static_pie", &["-static-pie"]), ("fixed", &["-static", "-no-pie"])];
    let mut machine = Machine::new().smp(1);
    for (name, options) in kinds {
        let usual = ["-O2", "-ffreestanding", "-fno-stack-protector", "-nostdlib", "-o", name, "relocated.c"];
        let status = Command::new("cc").current_dir(folder.path()).args(options).args(usual).status();
        assert!(status.expect("there is a C compiler").success(), "{name} does not build");
        machine = machine.program(folder.path().join(name));
    }
    let transcript = boot_and_pass(&machine);
    checked_result(&transcript, 1);
    assert!(transcript.console_contains("relocated words"), "{transcript}");
    for (name, _) in kinds {
        let end = format!("user/{name}: exited with status 0");
        assert!(transcript.console_contains(&end), "{end} in {transcript}");
    }
}

#[test]
fn ends_of_every_kind_are_told() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    // What only the first program may do is refused to it, so it fails.
    let not_the_first = folder.path().join("not_the_first.elf");
    fs::copy(own_program("demo"), &not_the_first).expect("the folder can be written to");
    let machine = Machine::new()
        .smp(2)
        .program(own_program("hello"))
        .program(own_program("fault"))
        .program(own_program("null_jump"))
        .program(not_the_first);
    let transcript = boot_and_pass(&machine);
    checked_result(&transcript, 2);
    for (name, end) in [
        ("hello", "exited with status 0"),
        ("fault", "for load page fault (vector 14, error code 0x4) at 0x400000, address 0x200000"),
        ("null_jump", "for execution page fault (vector 14, error code 0x14) at 0x0, address 0x0"),
        ("not_the_first", "exited with status 1"),
    ] {
        let begin = format!("user/{name}: ");
        let told = transcript.console.iter().any(|line| line.starts_with(&begin) && line.ends_with(end));
        assert!(told, "{begin}… {end} in {transcript}");
    }
}
