//! Which page tables each CPU has loaded.

use core::sync::atomic::{AtomicU64, Ordering};

use percpu::{AreaBuilder, CpuShared, per_cpu};
use x86_64::PhysAddr;

per_cpu! {
    /// What this CPU has loaded; the kernel's own tables are set before it runs. Only it writes.
    pub static LOADED_ROOT: CpuShared<LoadedRoot> = LoadedRoot::new(PhysAddr::zero());
}

/// Prepares a CPU that is being made, which will start in the kernel's own tables.
pub fn prepare_cpu(area: &mut AreaBuilder, kernel_root: PhysAddr) {
    area.set(&LOADED_ROOT, LoadedRoot::new(kernel_root));
}

/// The page tables of one CPU, by their root.
#[derive(Debug)]
pub struct LoadedRoot {
    /// The page-table root that is loaded, or was until a moment ago; 0 until the first switch.
    root: AtomicU64,
    /// The page-table root that is loaded, or will be in a moment.
    entering: AtomicU64,
    /// The root of the kernel's own page tables.
    kernel: u64,
}

impl LoadedRoot {
    const fn new(kernel_root: PhysAddr) -> Self {
        Self { root: AtomicU64::new(0), entering: AtomicU64::new(0), kernel: kernel_root.as_u64() }
    }

    /// The root of the kernel's own page tables.
    #[must_use]
    #[inline(always)]
    pub const fn kernel_root(&self) -> u64 {
        self.kernel
    }

    /// The page-table root that is loaded. Only on the owning CPU.
    #[must_use]
    #[inline(always)]
    pub fn root(&self) -> u64 {
        self.root.load(Ordering::Relaxed)
    }

    /// Tells which page-table root is loaded next: right before it is. Only on the owning CPU.
    #[inline(always)]
    pub fn set_entering(&self, root: u64) {
        self.entering.store(root, Ordering::Relaxed);
    }

    /// Whether the CPU may use translations made of the tables below a root. Loading them serialises, so a CPU that is not
    /// seen in them by who has changed them, and waited for that to be visible, loads them after the change.
    #[must_use]
    #[inline(always)]
    pub fn may_translate_by(&self, root: u64) -> bool {
        self.entering.load(Ordering::Relaxed) == root || self.root.load(Ordering::Relaxed) == root
    }

    /// Tells which page-table root is loaded: right after it is. Only on the owning CPU.
    #[inline(always)]
    pub fn set_root(&self, root: u64) {
        self.root.store(root, Ordering::Release);
    }

    /// Tells that the kernel's own page tables are loaded: right after they are. This is how others see that the CPU has nothing to
    /// run ([`Self::is_idle`]), so it comes before whatever the CPU looks at next.
    #[inline(always)]
    pub fn set_kernel_root(&self, root: u64) {
        self.root.swap(root, Ordering::SeqCst);
    }

    /// Whether the CPU has nothing to run: no program's tables are loaded. Out of date at once.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.root.load(Ordering::SeqCst) == self.kernel
    }

    /// Whether the CPU may still have the root loaded. `false` is final for a root whose threads are all gone.
    #[must_use]
    pub fn may_use_root(&self, root: u64) -> bool {
        self.root.load(Ordering::Acquire) == root
    }
}
