//! Kernel objects, as capabilities hold them, whatever they are.

use alloc::sync::{Arc, Weak};
use core::fmt;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ptr;

use gatehouse_core::capability::{Binding, Object};

use crate::cpu::ThisCpu;
use crate::sync::{RankedLock, rank};

/// A reference to a kernel object, mostly an `Arc` of it or a [`Counted`](super::Counted). What is done to a capability is done to
/// the reference:
///
/// * Copied, marked with a badge, sent in a message or bound: it is cloned, under the locks of the forest and of a space. A clone
///   takes no lock, allocates nothing and costs a few instructions.
/// * Deleted, revoked, gone with its program: it is dropped, with no lock held. What has to be done when the last one goes is done by
///   the exit queue ([`Close`](super::Close)), since it may bring other ends.
/// * Moved: it is moved, and does not notice.
///
/// # Safety
/// [`Self::TYPE`] is a static made by [`ObjectType::of`] for this type, and is the `TYPE` of no other one. [`register_object`] sees to
/// that; nothing else has a reason to implement this.
pub unsafe trait KernelObject: Clone + Send + Sync + 'static {
    /// By the address of this the type is known again.
    const TYPE: &'static ObjectType;
}

/// Says of a type that capabilities may stand for it, and what people call it. Once, beside the type or its calls.
macro_rules! register_object {
    ($reference:ty, $name:literal) => {
        // SAFETY: the static is made for this type, and only this constant can name it.
        unsafe impl $crate::object::KernelObject for $reference {
            const TYPE: &'static $crate::object::ObjectType = {
                static TYPE: $crate::object::ObjectType = $crate::object::ObjectType::of::<$reference>($name);
                &TYPE
            };
        }
    };
}
pub(crate) use register_object;

/// Room for one reference.
type Word = MaybeUninit<*const ()>;

/// What is known of a type of objects. Each is a static, and so has an address that no other one has.
pub struct ObjectType {
    name: &'static str,
    /// Another reference. The word must hold one of the type that this was made for.
    clone: unsafe fn(&Word) -> Word,
    /// Drops the reference. The word must hold one of the type that this was made for, and holds none afterwards.
    drop: unsafe fn(&mut Word),
}

impl ObjectType {
    /// For a type whose values are no larger than a pointer, which is checked when the kernel is compiled.
    #[must_use]
    pub const fn of<T: KernelObject>(name: &'static str) -> Self {
        Self { name, clone: clone_word::<T>, drop: drop_word::<T> }
    }
}

const fn into_word<T: KernelObject>(reference: T) -> Word {
    const { assert!(size_of::<T>() <= size_of::<Word>() && align_of::<T>() <= align_of::<Word>(), "not a word") };
    let mut word = Word::uninit();
    // SAFETY: the word is as large and as aligned as the type needs, as asserted above, and nobody else has it.
    unsafe { word.as_mut_ptr().cast::<T>().write(reference) };
    word
}

/// # Safety
/// The word holds a `T`.
unsafe fn clone_word<T: KernelObject>(word: &Word) -> Word {
    // SAFETY: the caller's promise.
    into_word(unsafe { &*word.as_ptr().cast::<T>() }.clone())
}

/// # Safety
/// The word holds a `T`, which nobody uses afterwards.
unsafe fn drop_word<T: KernelObject>(word: &mut Word) {
    // SAFETY: the caller's promise.
    unsafe { word.as_mut_ptr().cast::<T>().drop_in_place() };
}

/// A reference to an object of any registered type: what a capability stands for.
pub struct AnyObject {
    /// A reference of the type that `object_type` was made for.
    word: Word,
    object_type: &'static ObjectType,
}

// SAFETY: what the word holds is `Send`, as all types are that implement `KernelObject`, which `AnyObject::new` asks for.
unsafe impl Send for AnyObject {}
// SAFETY: likewise `Sync`.
unsafe impl Sync for AnyObject {}

impl AnyObject {
    /// The reference, its type kept beside it.
    #[must_use]
    pub const fn new<T: KernelObject>(reference: T) -> Self {
        Self { word: into_word(reference), object_type: T::TYPE }
    }

    /// Whether it is a reference of this type.
    #[must_use]
    #[inline(always)]
    pub fn is<T: KernelObject>(&self) -> bool {
        ptr::eq(self.object_type, T::TYPE)
    }

    /// The reference, if it is of this type.
    #[must_use]
    #[inline(always)]
    pub fn get<T: KernelObject>(&self) -> Option<&T> {
        // SAFETY: `new` wrote the word and the type together, and `TYPE` is the same static for no other type than `T`, by the
        // contract of `KernelObject`; so the word holds a `T`.
        self.is::<T>().then(|| unsafe { &*self.word.as_ptr().cast::<T>() })
    }

    /// The same by value.
    ///
    /// # Errors
    /// The object as it was, if it is of another type.
    pub fn take<T: KernelObject>(self) -> Result<T, Self> {
        if !self.is::<T>() {
            return Err(self);
        }
        let object = ManuallyDrop::new(self);
        // SAFETY: the word holds a `T`, since the type is that of `T` (see `get`); `ManuallyDrop` keeps it from being dropped here too.
        Ok(unsafe { object.word.as_ptr().cast::<T>().read() })
    }
}

impl Drop for AnyObject {
    fn drop(&mut self) {
        // SAFETY: the word holds a reference of the type that this was made for, since `new`; nobody has it afterwards.
        unsafe { (self.object_type.drop)(&mut self.word) };
    }
}

impl fmt::Debug for AnyObject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.object_type.name)
    }
}

impl fmt::Debug for ObjectType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

/// Whoever keeps a capability that lies in no slot: a thread its fault handler.
pub trait Holder: Send + Sync {
    /// The binding was removed: drops the capability, if the holder has it by this binding still. No lock is held.
    fn unbind(self: Arc<Self>, cpu: &ThisCpu, binding: Binding);
}

impl Object for AnyObject {
    /// Holds nobody alive.
    type Holder = Weak<dyn Holder>;
    type ForestLock = RankedLock<rank::Forest>;
    type SpaceLock = RankedLock<rank::Table>;

    fn share(&self) -> Option<Self> {
        // SAFETY: the word holds a reference of the type that this was made for, since `new`.
        let word = unsafe { (self.object_type.clone)(&self.word) };
        Some(Self { word, object_type: self.object_type })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::{AnyObject, Object};

    /// References that are alike in everything but their types.
    #[derive(Clone, Debug)]
    struct Left(Arc<u64>);
    #[derive(Clone, Debug)]
    struct Right(Arc<u64>);
    /// Takes no room.
    #[derive(Clone, Debug)]
    struct Empty;

    register_object!(Left, "alike");
    register_object!(Right, "alike");
    register_object!(Empty, "empty");

    #[test]
    fn types_are_told_apart_though_they_are_alike() {
        let number = Arc::new(7);
        let [left, right] = [AnyObject::new(Left(Arc::clone(&number))), AnyObject::new(Right(Arc::clone(&number)))];
        assert!(left.is::<Left>() && !left.is::<Right>() && !left.is::<Empty>());
        assert!(right.is::<Right>() && !right.is::<Left>() && right.get::<Left>().is_none());
        assert_eq!(left.get::<Left>().map(|left| *left.0), Some(7));
        assert_eq!(right.get::<Right>().map(|right| *right.0), Some(7));
        let left = left.take::<Right>().expect_err("a left one");
        assert_eq!(left.take::<Left>().map(|left| Arc::as_ptr(&left.0)).ok(), Some(Arc::as_ptr(&number)));
        assert!(AnyObject::new(Empty).get::<Empty>().is_some() && AnyObject::new(Empty).take::<Left>().is_err());
        assert_eq!(format!("{right:?}"), "alike");
        drop(right);
        assert_eq!(Arc::strong_count(&number), 1);
    }

    /// A capability's slot has to find its object in few instructions.
    #[test]
    fn an_object_is_two_words() {
        assert_eq!(size_of::<Option<AnyObject>>(), 16);
    }

    proptest! {
        #[test]
        fn every_reference_is_dropped_once(steps in prop::collection::vec((0..4_u8, any::<bool>(), any::<prop::sample::Index>()), 0..64)) {
            let counts = [Arc::new(0_u64), Arc::new(1)];
            // Beside each object its type: left or not.
            let mut objects: Vec<(AnyObject, bool)> = Vec::new();
            for (step, is_left, index) in steps {
                let place = if objects.is_empty() { 0 } else { index.index(objects.len()) };
                match step {
                    0 if is_left => objects.push((AnyObject::new(Left(Arc::clone(&counts[0]))), true)),
                    0 => objects.push((AnyObject::new(Right(Arc::clone(&counts[1]))), false)),
                    _ if objects.is_empty() => {}
                    1 => {
                        let (object, is_left) = &objects[place];
                        let copy = (object.share().expect("it can be shared"), *is_left);
                        objects.push(copy);
                    }
                    2 => drop(objects.swap_remove(place)),
                    // Asked for by the type that it has, or by the other.
                    _ => {
                        let (object, was_left) = objects.swap_remove(place);
                        let back = if is_left {
                            object.take::<Left>().map(AnyObject::new)
                        } else {
                            object.take::<Right>().map(AnyObject::new)
                        };
                        prop_assert_eq!(back.is_ok(), was_left == is_left);
                        let (Ok(object) | Err(object)) = back;
                        objects.push((object, was_left));
                    }
                }
                let of = |wanted: bool| objects.iter().filter(|(_, is_left)| *is_left == wanted).count();
                let expected = [of(true) + 1, of(false) + 1];
                prop_assert_eq!(counts.each_ref().map(Arc::strong_count), expected);
            }
        }
    }
}
