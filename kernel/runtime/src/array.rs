//! Arrays whose length is known at run time only, without a heap.

use core::ops::{Deref, DerefMut};

use crate::abi::Error;
use crate::memory::{Memory, PAGE_SIZE};

/// A fixed number of values in pages of their own.
#[derive(Debug)]
pub struct MappedArray<T: Copy> {
    memory: Memory,
    length: usize,
    values: core::marker::PhantomData<T>,
}

impl<T: Copy> MappedArray<T> {
    /// An array of `length` copies of `value`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the size does not fit 64 bits; else what MapMemory answers.
    pub fn filled(length: usize, value: T) -> Result<Self, Error> {
        const { assert!(align_of::<T>() as u64 <= PAGE_SIZE, "mapped memory is aligned to pages, not beyond") };
        let bytes = length.checked_mul(size_of::<T>()).ok_or(Error::InvalidArgument)?;
        let memory = Memory::map(bytes.max(1) as u64)?;
        let first = memory.address() as *mut T;
        for index in 0..length {
            // SAFETY: the mapping holds `length` values, is aligned to a page, and belongs to `memory` alone.
            unsafe { first.add(index).write(value) };
        }
        Ok(Self { memory, length, values: core::marker::PhantomData })
    }
}

/// Values in pages of their own that stay until the program ends, for all of its threads.
///
/// # Errors
/// [`Error::InvalidArgument`] when the size does not fit 64 bits; else what MapMemory answers.
pub fn leaked<T: Sync>(length: usize, mut make: impl FnMut(usize) -> T) -> Result<&'static [T], Error> {
    const { assert!(align_of::<T>() as u64 <= PAGE_SIZE, "mapped memory is aligned to pages, not beyond") };
    let bytes = length.checked_mul(size_of::<T>()).ok_or(Error::InvalidArgument)?;
    let memory = Memory::map(bytes.max(1) as u64)?;
    let first = memory.address() as *mut T;
    for index in 0..length {
        // SAFETY: the mapping holds `length` values, is aligned to a page, and belongs to `memory` alone.
        unsafe { first.add(index).write(make(index)) };
    }
    core::mem::forget(memory);
    // SAFETY: all `length` values were written; the pages stay, and are never written through the owner again.
    Ok(unsafe { core::slice::from_raw_parts(first, length) })
}

impl<T: Copy> Deref for MappedArray<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `filled` wrote all `length` values; the pages live as long as `self` and are reached only through it.
        unsafe { core::slice::from_raw_parts(self.memory.address() as *const T, self.length) }
    }
}

impl<T: Copy> DerefMut for MappedArray<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and `&mut self` is the only way to the pages now.
        unsafe { core::slice::from_raw_parts_mut(self.memory.address() as *mut T, self.length) }
    }
}
