//! Time: the machine's clock, and what each CPU does when a moment comes.

mod machine_clock;
mod timer;
mod timer_list;

pub use machine_clock::{clock, install_clock, nanoseconds_since_start};
pub use timer::{HardwareTimer, arm, install_timer, start_slice, timer_interrupt};
pub use timer_list::TimerList;
