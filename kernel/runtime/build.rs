//! Tells the build scripts of programs where the linker script is.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=program.ld");
    // A copy in the build folder, which cargo follows when the checkout is copied or moved with what was built.
    let script = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR for build scripts") + "/program.ld";
    std::fs::copy("program.ld", &script).expect("the linker script can be copied into the build folder");
    println!("cargo::metadata=linker_script={script}");
}
