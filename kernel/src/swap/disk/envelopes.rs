//! The heads of requests and their answers, in memory that the device reads and writes while it works at them.

use core::ptr::NonNull;

use gatehouse_core::memory::layout::PAGE_SIZE;
use virtio_drivers::device::blk::{BlkReq, BlkResp};

use super::device::ACTIVE;
use crate::memory::{Frame, direct_map};

/// A request's head and its answer.
#[derive(Default)]
struct Envelope {
    request: BlkReq,
    response: BlkResp,
}

const _: () = assert!(size_of::<Envelope>() * ACTIVE <= PAGE_SIZE as usize);
const _: () = assert!(align_of::<Envelope>() <= PAGE_SIZE as usize);

/// One envelope for each transfer that the device works at.
///
/// Only a pointer is kept: no reference to an envelope exists while the device may write to it, and none to all of them ever.
pub(super) struct Envelopes(NonNull<Envelope>);

// SAFETY: the memory is in the direct map, which is the same on every CPU, and only this value leads to it.
unsafe impl Send for Envelopes {}

impl Envelopes {
    /// Envelopes that are nobody's yet, in a frame that is given up for ever: the device may write to it as long as it runs.
    /// `None` without memory.
    pub(super) fn new() -> Option<Self> {
        let frame = Frame::allocate_zeroed().ok()?;
        let memory = direct_map::pointer(frame.into_raw().as_u64()).cast::<Envelope>();
        for place in 0..ACTIVE {
            // SAFETY: a whole frame that is nobody else's, aligned to a page; the assertions above say that `ACTIVE` envelopes
            // fit, aligned.
            unsafe { memory.add(place).write(Envelope::default()) };
        }
        NonNull::new(memory).map(Self)
    }

    /// The envelope at a place, for the driver to give it to the device or to take it back.
    ///
    /// # Safety
    /// The device must not have the envelope: it was never given it, or has said that it is done.
    pub(super) unsafe fn open(&mut self, place: usize) -> (&mut BlkReq, &mut BlkResp) {
        assert!(place < ACTIVE, "there are {ACTIVE} envelopes, and none at {place}");
        // SAFETY: `new` has written `ACTIVE` envelopes there, and `place` is below that; by the contract the device does not
        // write, and `self` is borrowed as long as the references live, so that there are no others. Whatever byte the device
        // wrote is a `BlkResp`: it is zerocopy's `FromBytes`.
        let Envelope { request, response } = unsafe { self.0.add(place).as_mut() };
        (request, response)
    }
}
