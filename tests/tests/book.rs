//! What the pages of this project say about its files, tables and commands is so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ci::outcome::{Outcome, exit_value};
use ci::workspace;
use ci_bench::golden::Golden;
use gatehouse_abi::TrapNumber;
use integration_tests::{table, text};

/// The README and every page of the book, by their paths from the top folder.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![PathBuf::from("README.md")];
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(workspace::root().join(&folder)).expect("the folder can be read") {
            let entry = entry.expect("the folder can be read");
            let path = folder.join(entry.file_name());
            match entry.file_type().expect("the file has a type") {
                kind if kind.is_dir() => folders.push(path),
                _ if path.extension().is_some_and(|extension| extension == "md") => pages.push(path),
                _ => {}
            }
        }
    }
    assert!(pages.len() > 8, "{pages:?}");
    pages
}

/// A page without its fenced blocks.
fn prose(page: &str) -> String {
    page.split("```").step_by(2).collect()
}

/// The pieces of a text between two marks.
fn between<'text>(text: &'text str, open: &'text str, close: &'text str) -> impl Iterator<Item = &'text str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split_once(close).map(|(piece, _)| piece))
}

#[test]
fn links_lead_somewhere() {
    for page in pages() {
        let text = prose(&text(page.to_str().expect("paths are text")));
        let folder = workspace::root().join(page.parent().expect("a page lies in a folder"));
        for target in between(&text, "](", ")") {
            let file = target.split('#').next().unwrap_or_default();
            assert!(!target.contains("://") && folder.join(file).exists(), "{}: {target}", page.display());
        }
    }
}

#[test]
fn the_summary_lists_every_page() {
    let summary = text("docs/SUMMARY.md");
    let listed: BTreeSet<PathBuf> = between(&summary, "](", ")").map(|page| Path::new("docs").join(page)).collect();
    let others = ["README.md", "docs/SUMMARY.md"].map(PathBuf::from);
    let pages: BTreeSet<PathBuf> = pages().into_iter().filter(|page| !others.contains(page)).collect();
    assert_eq!(listed, pages);
}

/// Paths between backticks, such as `kernel/src/entry/nmi.rs` or `smp/`.
#[test]
fn files_and_folders_that_are_named_exist() {
    let tops = ["kernel/", "percpu/", "smp/", "ci/", "tests/", "docs/"];
    let mut named = 0;
    for page in pages() {
        let text = prose(&text(page.to_str().expect("paths are text")));
        // What is between backticks is every second piece.
        for path in text.split('`').skip(1).step_by(2).filter(|code| tops.iter().any(|top| code.starts_with(top))) {
            // `NAME` stands for a name of the reader's.
            if !path.contains("NAME") {
                assert!(workspace::root().join(path).exists(), "{}: {path}", page.display());
                named += 1;
            }
        }
    }
    assert!(named > 50, "{named}");
}

/// The plan that `cargo xtask check` reads, and the one that people read.
#[test]
fn the_floors_are_those_of_the_plan() {
    let plan = text("kernel/floors.toml");
    let quoted = |line: &str| line.split('"').skip(1).step_by(2).map(str::to_string).collect::<Vec<_>>();
    let lines = |key: &str| plan.lines().filter(|line| line.starts_with(key)).map(quoted).collect::<Vec<_>>();
    let planned: Vec<_> = lines("modules = ").into_iter().zip(lines("about = ").concat()).collect();
    let rows = table(&text("docs/architecture.md"), "| modules | floor, from the top ");
    let told = rows.iter().map(|row| {
        let modules = row[0].split(", ").map(|name| name.trim_matches('`').to_string()).collect::<Vec<_>>();
        (modules, row[1].clone())
    });
    assert_eq!(told.collect::<Vec<_>>(), planned);
    assert!(planned.len() > 5, "{planned:?}");
}

/// The first cells of the page's table are what the kernel takes for its own words.
#[test]
fn every_word_of_the_command_line_is_explained() {
    let source = text("kernel/core/src/command_line.rs");
    let list = between(&source, "KERNEL_WORDS: [&str; ", ";").next().expect("there is the list");
    let known: BTreeSet<&str> = list.split('"').skip(1).step_by(2).collect();
    let page = text("docs/command-line.md");
    let rows = table(&page, "| word |");
    let explained: BTreeSet<&str> =
        rows.iter().map(|row| row[0].trim_matches('`').split('=').next().expect("a word")).collect();
    assert_eq!(explained, known);
    assert!(known.contains("init"));
}

/// The value of a constant of the vectors' table, by its name.
fn vector_constants(source: &str) -> BTreeMap<String, u8> {
    let lines = source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split_once(": u8 = "));
    lines
        .map(|(name, value)| {
            let value = value.trim_end_matches(';');
            let number = match value.strip_prefix("0x") {
                Some(digits) => u8::from_str_radix(digits, 16),
                None => value.parse(),
            };
            (name.to_string(), number.unwrap_or_else(|error| panic!("{name} = {value}: {error}")))
        })
        .collect()
}

/// What `decode.rs` says of each vector's constant: the name of its trap number.
fn numbers_by_constant(source: &str) -> BTreeMap<String, String> {
    let (_, body) = source.split_once("const fn by_vector").expect("decode.rs has the table");
    let (body, _) = body.split_once("\n}\n").expect("the function ends");
    let arms = body.split("TrapNumber::").collect::<Vec<_>>();
    let mut numbers = BTreeMap::new();
    for pair in arms.windows(2) {
        let number = pair[1].split(|sign: char| !sign.is_ascii_uppercase() && sign != '_').next().unwrap_or_default();
        for constant in pair[0].split("vectors::").skip(1) {
            let constant = constant.split_whitespace().next().unwrap_or_default();
            numbers.insert(constant.to_string(), number.to_string());
        }
    }
    numbers
}

/// Number and name of a trap as the book writes them, by the name of the constant.
fn trap_in_words(constant: &str) -> String {
    let source = text("kernel/abi/src/trap_number.rs");
    let line = source.lines().map(str::trim).find(|line| line.starts_with(&format!("{constant} = ")));
    let line = line.unwrap_or_else(|| panic!("there is no trap number {constant}"));
    let (_, description) = line.trim_end_matches("\";").rsplit_once('"').expect("a description in quotes");
    let mut known = TrapNumber::ALL.iter().filter(|number| number.description() == description);
    let number = known.next().unwrap_or_else(|| panic!("no trap number is described as {description}"));
    match number.is_external() {
        true => format!("2^63+{} {number}", number.cause()),
        false => format!("{} {number}", number.cause()),
    }
}

#[test]
fn the_exceptions_are_those_of_the_vector_table() {
    let source = text("kernel/src/arch/x86_64/vectors.rs");
    let constants = vector_constants(&source);
    let numbers = numbers_by_constant(&text("kernel/src/arch/x86_64/decode.rs"));
    let mut expected: BTreeMap<u8, Vec<String>> = (0..32)
        .map(|vector| {
            let cells = ["reserved", "reserved", "no", "interrupt stack", "no"].map(String::from);
            let number = trap_in_words("RESERVED_EXCEPTION");
            (vector, [vec![vector.to_string()], cells.to_vec(), vec![number]].concat())
        })
        .collect();
    for line in source.lines().map(str::trim) {
        let Some((constant, row)) = line.split_once(" => exception(") else { continue };
        let Some(vector) = constants.get(constant).copied().filter(|vector| *vector < 32) else { continue };
        let words: Vec<&str> = row.split('"').skip(1).step_by(2).collect();
        let error_code = if row.contains(", CODE)") { "yes" } else { "no" };
        let stack =
            between(row, "IstSlot::", ")").next().map_or("interrupt stack".into(), |slot| format!("IST {slot}"));
        let from_user = if row.contains("open_to_user") { "yes" } else { "no" };
        let number = trap_in_words(numbers.get(constant).unwrap_or_else(|| panic!("{constant} has no trap number")));
        let cells = [&vector.to_string(), words[1], words[0], error_code, &stack, from_user, &number];
        expected.insert(vector, cells.map(String::from).to_vec());
    }
    let documented = table(&text("docs/isa/x86_64/trap.md"), "| vector | mnemonic ");
    assert_eq!(documented, expected.into_values().collect::<Vec<_>>());
}

#[test]
fn exit_values_are_those_of_the_tool() {
    let kernel = text("kernel/src/arch/x86_64/debug_exit.rs");
    let values = [
        ("Pass", exit_value::PASS),
        ("Fail", exit_value::FAIL),
        ("Panic", exit_value::PANIC),
        ("Lockdown", exit_value::LOCKDOWN),
    ];
    for (name, value) in values {
        assert!(kernel.contains(&format!("{name} = {value:#x},")), "the kernel's {name} is not {value:#x}");
    }
    let expected = values.map(|(_, value)| (format!("`{value:#x}`"), (value << 1 | 1).to_string()));
    for (page, head) in [
        ("README.md", "| value | QEMU's status "),
        ("docs/lockdown.md", "| value | QEMU's status "),
        ("docs/testing.md", "| value | status "),
    ] {
        let rows = table(&text(page), head);
        let documented: Vec<_> = rows.iter().take(4).map(|row| (row[0].clone(), row[1].clone())).collect();
        assert_eq!(documented, expected, "{page}");
    }
    for row in table(&text("README.md"), "| value | QEMU's status ") {
        let outcome = Outcome::from_code(row[1].parse().expect("a number"), "");
        assert_eq!(row[2], format!("`{outcome}`"));
    }
    for row in table(&text("docs/testing.md"), "| value | status ").iter().take(4) {
        assert_eq!(row[2], format!("{:?}", Outcome::from_code(row[1].parse().expect("a number"), "")));
    }
}

#[test]
fn the_flags_are_those_of_the_tool() {
    let sources = ["ci/src/command/machine_arguments.rs", "ci/src/command/run.rs"].map(text);
    let mut flags = BTreeSet::new();
    for source in &sources {
        let mut lines = source.lines().map(str::trim).skip_while(|line| !line.starts_with("#[arg(long"));
        while let Some(line) = lines.next() {
            if line.starts_with("#[arg(long") {
                let field = lines.next().and_then(|line| line.trim_start_matches("pub ").split(':').next());
                flags.insert(format!("--{}", field.expect("an argument has a field").replace('_', "-")));
            }
        }
    }
    let documented: BTreeSet<String> = table(&text("README.md"), "| flag | meaning ")
        .iter()
        .filter_map(|row| Some(row[0].trim_matches('`').split(' ').next()?.to_string()))
        .collect();
    assert_eq!(documented, flags);
}

/// The example in Rust, as a crate of its own with the two libraries as they are packaged: nothing of this workspace is beside them.
/// It says itself that it is `no_std`, as a kernel is.
#[test]
fn the_example_compiles_with_the_packaged_libraries() {
    let page = text("README.md");
    let (_, rest) = page.split_once("```rust\n").expect("the README has an example in Rust");
    let (source, _) = rest.split_once("```").expect("the example has an end");
    assert!(source.starts_with("#![no_std]"), "the example is not one for a kernel");
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let packages = ["gatehouse-percpu", "gatehouse-smp"];
    cargo(workspace::root(), &["package", "--allow-dirty", "--no-verify", "-p", packages[0], "-p", packages[1]]);
    let mut manifest = String::from(
        "[package]\nname = \"example\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         percpu = { package = \"gatehouse-percpu\", version = \"0.1.0\" }\n\
         smp = { package = \"gatehouse-smp\", version = \"0.1.0\" }\n\
         x86_64 = { version = \"0.15.5\", default-features = false, features = [\"instructions\"] }\n\
         [patch.crates-io]\n",
    );
    for package in packages {
        let name = format!("{package}-0.1.0");
        let archive = workspace::target().join("book/package").join(format!("{name}.crate"));
        let unpacked = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(folder.path()).status();
        assert!(unpacked.expect("tar can be started").success(), "{}", archive.display());
        let library = folder.path().join(name);
        for file in ["LICENSE-MIT", "LICENSE-APACHE", "README.md"] {
            assert!(library.join(file).is_file(), "{package} comes without {file}");
        }
        manifest += &format!("{package} = {{ path = {library:?} }}\n");
    }
    let write =
        |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).expect("the folder can be written to");
    fs::create_dir(folder.path().join("src")).expect("the folder can be written to");
    write("Cargo.toml", manifest.as_bytes());
    write("src/lib.rs", format!("#![deny(warnings)]\n#![allow(missing_docs)]\n{source}").as_bytes());
    // The versions that the workspace uses, which are on this machine already.
    write("Cargo.lock", text("Cargo.lock").as_bytes());
    cargo(folder.path(), &["check"]);
}

/// Runs Cargo in a folder, without the network.
fn cargo(folder: &Path, arguments: &[&str]) {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        .args(["--quiet", "--offline", "--target-dir"])
        .arg(workspace::target().join("book"))
        .current_dir(folder)
        // Cargo asks `rustc -` about the target, which would compile whatever comes in here.
        .stdin(std::process::Stdio::null())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What the page says of each instruction of a trap in ring 0 is about the instructions that were accepted.
#[test]
fn the_list_of_trap_kernel_is_its_accepted_path() {
    let page = text("docs/benchmarks.md");
    let rows = table(&page, "| | in | instruction |");
    let golden = Golden::read().expect("the accepted paths");
    let accepted = golden.path("trap_kernel").expect("the path of trap_kernel");
    let code = |cell: &str| cell.trim_matches('`').to_string();
    let listed: Vec<_> = rows.iter().map(|row| (row[0].clone(), code(&row[1]), code(&row[2]))).collect();
    let last = |function: &str| function.rsplit("::").next().unwrap_or_default().to_string();
    let executed: Vec<_> = accepted
        .iter()
        .zip(1..)
        .map(|((function, mnemonic), number)| (number.to_string(), last(function), mnemonic.clone()))
        .collect();
    assert_eq!(listed, executed);
    assert!(rows.iter().all(|row| !row[3].is_empty()), "an instruction without a reason");
    assert!(page.contains(&format!("**`trap_kernel`: {}, goal ", rows.len())), "the figure above the list");
}

/// Each sentence that was asked for has a test that exists.
#[test]
fn what_was_asked_for_is_tested() {
    let page = text("docs/requirements.md");
    let mut named = 0;
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, _, test] = cells[..] else { panic!("not three cells: {line}") };
        let Some((file, name)) = test.split_once("`: ") else { continue };
        let source = text(file.trim_start_matches('`'));
        assert!(source.contains(&format!("fn {name}()")), "{file} has no test {name}");
        named += 1;
    }
    assert!(named > 50, "{named}");
}

/// `section N of [the ABI](abi.md)`, on the page about a subject: the heading with that number names the page's subject.
#[test]
fn sections_of_the_abi_are_the_ones_that_are_meant() {
    let abi = text("docs/abi.md");
    let mut named = 0;
    for page in pages() {
        let text = text(page.to_str().expect("paths are text"));
        for rest in text.split("section ").skip(1) {
            let Some((number, _)) = rest.split_once(" of [the ABI]") else { continue };
            let heading = abi.lines().find_map(|line| line.strip_prefix(&format!("## {number}. ")));
            let heading = heading.unwrap_or_else(|| panic!("{}: no section {number}", page.display()));
            let subject = text.lines().next().unwrap_or_default().trim_start_matches("# ").to_lowercase();
            let found = heading.to_lowercase().split(' ').any(|word| subject.contains(word.trim_end_matches(',')));
            assert!(found, "{}: section {number} is about {heading}", page.display());
            named += 1;
        }
    }
    assert!(named > 0);
}

/// What the pages call system calls are system calls: words in parentheses before a link to the ABI.
#[test]
fn system_calls_that_pages_name_exist() {
    let abi = text("docs/abi.md");
    let calls: BTreeSet<String> = table(&abi, "| number | call ").into_iter().map(|row| row[1].clone()).collect();
    assert!(calls.contains("Information"), "{calls:?}");
    for page in pages() {
        let text = text(page.to_str().expect("paths are text"));
        for (end, _) in text.match_indices(", [abi.md](abi.md))") {
            let word = text[..end].rsplit('(').next().unwrap_or_default();
            let is_call = word.chars().all(char::is_alphanumeric) && word.starts_with(char::is_uppercase);
            assert!(!is_call || calls.contains(word), "{}: {word}", page.display());
        }
    }
}

/// The suite has as many rows as the page's sample says.
#[test]
fn the_sample_of_the_suite_has_its_number() {
    let source = text("tests/programs/src/bin/suite/hazards.rs");
    let rows =
        between(&source, "HAZARDS: &[Hazard] = &[", "\n];").next().expect("there is the list").matches("(\"").count();
    let page = text("docs/testing.md");
    assert!(page.contains(&format!("`suite: {rows} ok, ")), "{rows} hazards");
}
