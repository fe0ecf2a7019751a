//! What the kernel's operations cost: guest instructions, the same on every host.

use ci::kernel_build::build_once;
use ci_bench::budgets;
use ci_bench::check::complaints;
use ci_bench::deterministic::{count, samples};
use ci_bench::golden::Golden;
use integration_tests::alone;

/// One instruction more than its budget, and an operation is told here with its path.
#[test]
fn operations_stay_within_their_budgets() {
    let _alone = alone();
    let artifacts = build_once().expect("a kernel");
    let counted = count(&artifacts, &mut (), &mut |_| {}).expect("a count");
    let budgets = budgets::read(&budgets::file()).expect("budgets");
    let golden = Golden::read().expect("paths");
    let complaints = complaints(&counted, &budgets, &golden);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    // Instructions that cannot be: the check would pass them.
    for (key, measurement) in &counted.measurements {
        assert!(measurement.min() > 10, "{key}: {measurement:?}");
    }
}

/// Every sample of every operation, in the order of their sizes.
#[test]
fn two_counts_are_the_same() {
    let _alone = alone();
    let artifacts = build_once().expect("a kernel");
    let [first, second] = [(); 2].map(|()| samples(&artifacts, &mut ()).expect("samples"));
    assert!(!first.is_empty());
    assert_eq!(first, second);
}
