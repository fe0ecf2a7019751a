//! A non-maskable interrupt, which the host sends at the first mark.

use crate::plan::Plan;
use crate::trace;

pub(crate) const KEYS: &[&str] = &["nmi"];

/// Only traced: nothing in the machine raises one.
pub(crate) fn measure(plan: &Plan<'_>) {
    if !plan.trace {
        return;
    }
    for _ in 0..plan.rounds() {
        trace::begin("nmi*");
        trace::end();
    }
}
