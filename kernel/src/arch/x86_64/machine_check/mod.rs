//! Machine checks: the processor has found an error of the hardware, and says in its banks which, and whether what ran can go
//! on.
//!
//! ```text
//!  #MC ─► handler ─► banks: read ─► severity ─► action ─┬─► go on: count, clear                      ─┬─► end
//!                       (MSRs)       (pure)     (pure)  ├─► end the program: the error was its own   ─┘
//!                                                       └─► lockdown
//! ```
//!
//! Sources: Intel SDM volume 3, "Machine-Check Architecture"; AMD APM volume 2, "Machine Check Architecture". On processors
//! that report with AMD's scalable banks the older registers of the first banks show the same.

mod banks;
mod rendezvous;
mod severity;
mod state;
mod status;

pub use banks::{Banks, are_broadcast, initialise};
pub use rendezvous::meet;
pub use severity::{Action, POLICY, PolicyRow, Severity, action};
pub use state::{MACHINE_CHECKS, MachineCheckEvent};
pub use status::{BankStatus, GlobalStatus, physical_address};
