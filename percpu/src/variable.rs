//! Per-CPU variables: statics of which each CPU has a copy.

use core::cell::UnsafeCell;
use core::fmt;
use core::ptr;

use crate::area::Area;

/// What variables that other CPUs write have to themselves: two cache lines, which processors fetch together. Also the most that a
/// variable can be aligned to, in bytes.
pub const LINE_BYTES: usize = 128;

/// What means a CPU.
pub trait Cpu {
    /// That CPU's area.
    fn area(&self) -> Area;
}

impl Cpu for Area {
    #[inline(always)]
    fn area(&self) -> Area {
        *self
    }
}

impl<C: Cpu> Cpu for &C {
    #[inline(always)]
    fn area(&self) -> Area {
        C::area(self)
    }
}

/// What proves that the code runs on that CPU: a kernel's own token, whose existence says so.
///
/// # Safety
/// As long as a value of the type exists, or what was borrowed from it,
/// * the code that has it runs on the CPU of [`Cpu::area`], and does not move: the type is neither `Send` nor `Sync`;
/// * code that comes in between on the same CPU (interrupts that are let in, NMI, machine check) has no such value, or touches no
///   variable that is in use: what it interrupts may be in the middle of any step.
pub unsafe trait OwnCpu: Cpu {}

/// A variable of [`per_cpu!`](crate::per_cpu).
pub trait PerCpu: Sync {
    /// What each CPU has one of.
    type Value: 'static;
}

/// A per-CPU variable that its own CPU reaches and no other.
///
/// The value need not be `Sync`: `Cell` and `RefCell` will do, and nothing is locked. It is never reached by `&mut`, and never dropped.
#[repr(transparent)]
pub struct CpuLocal<T>(UnsafeCell<T>);

// SAFETY: who has a reference to the static itself reaches nothing but its address; each copy is reached by its own CPU alone.
unsafe impl<T> Sync for CpuLocal<T> {}

impl<T: 'static> CpuLocal<T> {
    /// A variable with an initial value.
    ///
    /// # Safety
    /// For `per_cpu!` alone, which makes it a static in the template, and its value a constant's.
    #[doc(hidden)]
    #[must_use]
    pub const unsafe fn in_template(value: T) -> Self {
        const { assert!(align_of::<T>() <= LINE_BYTES, "a per-CPU variable cannot be aligned to more than 128 bytes") };
        Self(UnsafeCell::new(value))
    }

    /// The copy of the CPU that runs.
    ///
    /// One instruction finds the CPU's area, unless it is known by then, and the access itself is the second.
    #[must_use]
    #[inline(always)]
    pub fn of<'cpu>(&'static self, cpu: &'cpu impl OwnCpu) -> &'cpu T {
        let copy = cpu.area().copy_of(ptr::from_ref(self)).cast::<T>();
        // SAFETY: the variable is a static in the template, so its copy lies in the area, which has been given a value for it and stays.
        // Only shared references are made, on the one CPU whose code may have them.
        unsafe { &*copy }
    }
}

impl<T: 'static> PerCpu for CpuLocal<T> {
    type Value = T;
}

impl<T> fmt::Debug for CpuLocal<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("CpuLocal")
    }
}

/// A per-CPU variable that every CPU may reach, of any CPU.
///
/// It has cache lines of its own: what other CPUs do to it does not slow down what its CPU does with its other variables. What is
/// written together, by the same CPUs, is one variable, a struct. It is never reached by `&mut`, and never dropped.
#[repr(C, align(128))]
pub struct CpuShared<T>(T);

impl<T: Sync + 'static> CpuShared<T> {
    /// A variable with an initial value.
    ///
    /// # Safety
    /// For `per_cpu!` alone, which makes it a static in the template, and its value a constant's.
    #[doc(hidden)]
    #[must_use]
    pub const unsafe fn in_template(value: T) -> Self {
        const { assert!(align_of::<T>() <= LINE_BYTES, "a per-CPU variable cannot be aligned to more than 128 bytes") };
        Self(value)
    }

    /// The copy of a CPU.
    #[must_use]
    #[inline(always)]
    pub fn of(&'static self, cpu: impl Cpu) -> &'static T {
        let copy = cpu.area().copy_of(ptr::from_ref(self)).cast::<T>();
        // SAFETY: the variable is a static in the template, so its copy lies in the area, which has been given a value for it and stays.
        // Only shared references are made, and the value is `Sync`.
        unsafe { &*copy }
    }
}

impl<T: Sync + 'static> PerCpu for CpuShared<T> {
    type Value = T;
}

impl<T> fmt::Debug for CpuShared<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("CpuShared")
    }
}

// `AreaBuilder::set` writes a value where the variable begins.
const _: () = assert!(core::mem::offset_of!(CpuShared<u8>, 0) == 0 && align_of::<CpuShared<u8>>() == LINE_BYTES);

/// Declares per-CPU variables: each CPU has its own copy of them, which begins with the value that is written here.
///
/// ```
/// use core::cell::Cell;
/// use core::sync::atomic::{AtomicU64, Ordering};
/// use percpu::{CpuIndex, CpuLocal, CpuShared, host, per_cpu};
///
/// per_cpu! {
///     /// Work that this CPU has still to do. Nobody else asks.
///     static WORK: CpuLocal<Cell<u64>> = Cell::new(2);
///     /// What other CPUs want done here.
///     pub static WANTED: CpuShared<AtomicU64> = AtomicU64::new(0);
/// }
///
/// let (first, second) = (host::new_cpu(CpuIndex::new(0)), host::new_cpu(CpuIndex::new(1)));
/// host::run_on(first, |this| {
///     WORK.of(this).set(5);
///     WANTED.of(second).fetch_or(1, Ordering::Relaxed);
/// });
/// host::run_on(second, |this| {
///     assert_eq!((WORK.of(this).get(), WANTED.of(this).load(Ordering::Relaxed)), (2, 1));
/// });
/// ```
///
/// # Who may reach a copy
/// * [`CpuLocal`]: its own CPU, by a token that proves it ([`OwnCpu`]). The value need not be `Sync`.
/// * [`CpuShared`]: everybody, of any CPU ([`Cpu`]). The value is `Sync`, and has cache lines of its own.
///
/// ```compile_fail
/// # use {core::cell::Cell, percpu::{CpuIndex, CpuLocal, host, per_cpu}};
/// per_cpu! { static WORK: CpuLocal<Cell<u64>> = Cell::new(2); }
/// // An area is no proof of running there.
/// WORK.of(&host::new_cpu(CpuIndex::BOOT));
/// ```
///
/// ```compile_fail
/// # use {core::cell::Cell, percpu::{CpuShared, per_cpu}};
/// // Others would reach a `Cell`.
/// per_cpu! { static WORK: CpuShared<Cell<u64>> = Cell::new(2); }
/// ```
///
/// A copy exists from [`AreaBuilder::finish`](crate::AreaBuilder::finish) on, and there is no [`Area`] before that. It is never freed:
/// nothing is ever dropped. Values change by interior mutability alone.
///
/// # Initial values
/// They are constants, since each CPU gets one: what could not be written as a `const` cannot be written here. What is known only at run
/// time is set by [`AreaBuilder::set`](crate::AreaBuilder::set), before the CPU runs.
///
/// A variable that begins with nothing but zero bytes may be declared `zeroed static`. It takes no room in the image then. The compiler
/// refuses another value.
///
/// # Cost
/// One load finds the CPU's area (`mov rax, gs:[8]`), for as many variables as a function uses; each access is one instruction more,
/// like any other (`inc qword ptr [rax + WORK]`). Code that is linked where the addresses of statics do not fit into 32 bits, signed,
/// and position-independent code, takes one instruction more for the address. Another CPU's copy costs the same, from its [`Area`].
///
/// # Linking
/// The variables lie in the section `percpu`, whose ends the linker names (`__start_percpu`, `__stop_percpu`), since it is a C
/// identifier: no linker script is needed. A script that lists all sections must keep this one whole and aligned to 128 bytes.
///
/// `zeroed` variables lie in `.bss.percpu`, and do need a script that puts them right behind the others:
///
/// ```text
/// percpu ALIGN(128) : { *(percpu) . = ALIGN(128); }
/// .percpu_zeroed (NOLOAD) : { *(.bss.percpu) }      /* before *(.bss.*) */
/// __start_percpu = ADDR(percpu);
/// __stop_percpu = .;
/// ```
///
/// On a hosted target they lie in `percpu` like the others.
#[macro_export]
macro_rules! per_cpu {
    () => {};
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $variable:ty = $value:expr; $($others:tt)*) => {
        $(#[$attribute])*
        // SAFETY: the section holds nothing but per-CPU variables, and each is made for it.
        #[unsafe(link_section = "percpu")]
        $visibility static $name: $variable = {
            #[allow(clippy::declare_interior_mutable_const, reason = "it is used once, and being one keeps `&mut` out of it")]
            const VALUE: <$variable as $crate::PerCpu>::Value = $value;
            // SAFETY: this is `per_cpu!`.
            unsafe { <$variable>::in_template(VALUE) }
        };
        $crate::per_cpu! { $($others)* }
    };
    ($(#[$attribute:meta])* $visibility:vis zeroed static $name:ident: $variable:ty = $value:expr; $($others:tt)*) => {
        $(#[$attribute])*
        // SAFETY: the section holds nothing but per-CPU variables, and each is made for it.
        #[cfg_attr(target_os = "none", unsafe(link_section = ".bss.percpu"))]
        #[cfg_attr(not(target_os = "none"), unsafe(link_section = "percpu"))]
        $visibility static $name: $variable = {
            #[allow(clippy::declare_interior_mutable_const, reason = "it is used once, and being one keeps `&mut` out of it")]
            const VALUE: <$variable as $crate::PerCpu>::Value = $value;
            // SAFETY: this is `per_cpu!`.
            unsafe { <$variable>::in_template(VALUE) }
        };
        $crate::per_cpu! { $($others)* }
    };
}

unsafe extern "C" {
    // The linker makes them: the ends of the section.
    safe static __start_percpu: u8;
    safe static __stop_percpu: u8;
}

/// Where the template begins and ends.
pub(crate) fn template() -> (usize, usize) {
    ((&raw const __start_percpu).expose_provenance(), (&raw const __stop_percpu).expose_provenance())
}
