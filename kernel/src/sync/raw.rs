//! What a lock of the kernel does.

/// A lock that is taken by spinning.
pub trait Lock {
    /// A free one.
    const FREE: Self;

    /// Takes it if it is free.
    fn try_lock(&self) -> bool;

    /// Takes it.
    fn lock(&self);

    /// Lets it go.
    ///
    /// # Safety
    /// The caller holds it.
    unsafe fn unlock(&self);

    /// Whether somebody holds it or waits for it, at this moment.
    fn is_locked(&self) -> bool;

    /// Takes it from whoever holds it or waits for it.
    ///
    /// # Safety
    /// None of them goes on.
    unsafe fn steal(&self);
}
