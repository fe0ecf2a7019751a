//! Frames that a function may write to: whoever asks for a frame's address has the function hold the frame.
//!
//! A program that crashes cannot stop its device first. So its frames stay as they are until the function cannot write any more:
//! the function's own record refers to them, and is emptied only behind that.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use gatehouse_abi::Error;

use super::Device;
use crate::memory::fallible;
use crate::memory::shared_frame::SharedFrame;
use crate::sync::{Mutex, rank};

/// The most frames that a function holds for one program.
const QUOTA: usize = 4096;

/// Frames that a function holds, by the programs that asked for their addresses.
#[derive(Debug, Default)]
pub(super) struct Pins(Vec<Pinner>);

/// One program's, by rising address.
#[derive(Debug)]
struct Pinner {
    program: u64,
    frames: Vec<Arc<SharedFrame>>,
}

/// Frames that a function no longer holds, to be dropped with no lock held.
#[derive(Debug, Default)]
#[must_use = "to be dropped with no lock held"]
pub(super) struct Released {
    _all: Vec<Pinner>,
    _one: Option<Pinner>,
}

impl Pins {
    /// Holds a frame for a program.
    ///
    /// # Errors
    /// [`Error::QuotaReached`], [`Error::OutOfMemory`].
    pub(super) fn hold(&mut self, program: u64, frame: &Arc<SharedFrame>) -> Result<(), Error> {
        let frames = match self.0.iter().position(|pinner| pinner.program == program) {
            Some(place) => &mut self.0[place].frames,
            None => {
                fallible::push(&mut self.0, Pinner { program, frames: Vec::new() })?;
                let [.., last] = &mut self.0[..] else { unreachable!("it has just been put there") };
                &mut last.frames
            }
        };
        let Err(place) = frames.binary_search_by_key(&frame.address(), |held| held.address()) else { return Ok(()) };
        if frames.len() >= QUOTA {
            return Err(Error::QuotaReached);
        }
        fallible::reserve(frames, 1)?;
        #[expect(clippy::disallowed_methods, reason = "there is room for it")]
        frames.insert(place, Arc::clone(frame));
        Ok(())
    }

    /// Gives up what is held for a program; the function writes to no memory.
    pub(super) fn release_of(&mut self, program: u64) -> Released {
        let place = self.0.iter().position(|pinner| pinner.program == program);
        Released { _one: place.map(|place| self.0.swap_remove(place)), ..Released::default() }
    }

    /// Gives up everything; the function writes to no memory.
    pub(super) fn release_all(&mut self) -> Released {
        Released { _all: core::mem::take(&mut self.0), ..Released::default() }
    }
}

/// Functions that hold frames for a program, which are stopped when it ends.
#[derive(Debug, Default)]
pub struct PinningFunctions(Mutex<Vec<Weak<Device>>, rank::Pinning>);

impl PinningFunctions {
    /// Notes a function.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn note(&self, device: &Arc<Device>) -> Result<(), Error> {
        let device = Arc::downgrade(device);
        let mut all = self.0.lock();
        // Its own memory, not its end: those that are gone write to nothing.
        all.retain(|noted| noted.strong_count() > 0);
        if !all.iter().any(|noted| noted.ptr_eq(&device)) {
            fallible::push(&mut all, device)?;
        }
        Ok(())
    }

    /// The program ends: stops the functions, and has them give up what they hold for it. To be called with no lock held.
    pub fn stop(&self, program: u64) {
        let all = core::mem::take(&mut *self.0.lock());
        // One that is gone by now was stopped before it gave anything up.
        all.iter().filter_map(Weak::upgrade).for_each(|device| device.stop_for(program));
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;

    use super::{Error, Pins, QUOTA};
    use crate::memory::frame::counters;
    use crate::memory::shared_frame::{FrameQuota, SharedFrame};
    use crate::memory::test_memory;

    #[test]
    fn frames_stay_until_they_are_given_up_and_count_once() {
        let _guard = test_memory::frames();
        let before = counters().free;
        let quota = Arc::new(FrameQuota::default());
        let mut pins = Pins::default();
        let frames: Vec<_> = (0..5).map(|_| SharedFrame::new(&quota).unwrap()).collect();
        for frame in frames.iter().chain(frames.iter().rev()) {
            pins.hold(7, frame).unwrap();
        }
        pins.hold(8, &frames[0]).unwrap();
        assert_eq!(frames.iter().map(Arc::strong_count).collect::<Vec<_>>(), [3, 2, 2, 2, 2]);
        drop(frames);
        assert_eq!(counters().free, before - 5);
        drop(pins.release_of(9));
        drop(pins.release_of(7));
        assert_eq!(counters().free, before - 1, "one is the other program's, too");
        drop(pins.release_all());
        assert_eq!(counters().free, before);
    }

    #[test]
    fn there_is_a_most() {
        let _guard = test_memory::frames();
        let quota = Arc::new(FrameQuota::default());
        let mut pins = Pins::default();
        let frame = SharedFrame::new(&quota).unwrap();
        pins.hold(1, &frame).unwrap();
        // As many as there may be, of one that is never looked for.
        let filling = &mut pins.0[0].frames;
        filling.resize(QUOTA, Arc::clone(&frame));
        assert_eq!(pins.hold(1, &frame), Ok(()), "held already");
        let other = SharedFrame::new(&quota).unwrap();
        assert_eq!(pins.hold(1, &other), Err(Error::QuotaReached));
        assert_eq!(pins.hold(2, &other), Ok(()));
    }
}
