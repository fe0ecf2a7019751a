//! The kernel's image: everything is in the library.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
use gatehouse as _;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is a kernel: `cargo xtask run` builds it for its own target and boots it");
    std::process::exit(2);
}
