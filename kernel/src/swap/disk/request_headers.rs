//! The heads of requests and their answers, in memory that the device reads and writes while it works at them.

use core::ptr::NonNull;

use gatehouse_core::memory::layout::PAGE_SIZE;
use virtio_drivers::device::blk::{BlkReq, BlkResp};

use super::device::ACTIVE;
use crate::memory::{Frame, direct_map};

/// A request's head and its answer.
#[derive(Default)]
struct RequestHeader {
    request: BlkReq,
    response: BlkResp,
}

const _: () = assert!(size_of::<RequestHeader>() * ACTIVE <= PAGE_SIZE as usize);
const _: () = assert!(align_of::<RequestHeader>() <= PAGE_SIZE as usize);

/// One request header for each transfer that the device works at.
///
/// Only a pointer is kept: no reference to a request header exists while the device may write to it, and none to all of them ever.
pub(super) struct RequestHeaders(NonNull<RequestHeader>);

// SAFETY: the memory is in the direct map, which is the same on every CPU, and only this value leads to it.
unsafe impl Send for RequestHeaders {}

impl RequestHeaders {
    /// Request headers that are nobody's yet, in a frame that is given up for ever: the device may write to it as long as it runs.
    /// `None` without memory.
    pub(super) fn new() -> Option<Self> {
        let frame = Frame::allocate_zeroed().ok()?;
        let memory = direct_map::pointer(frame.into_raw().as_u64()).cast::<RequestHeader>();
        for place in 0..ACTIVE {
            // SAFETY: a whole frame that is nobody else's, aligned to a page; the assertions above say that `ACTIVE` request headers
            // fit, aligned.
            unsafe { memory.add(place).write(RequestHeader::default()) };
        }
        NonNull::new(memory).map(Self)
    }

    /// The request header at a place, for the driver to give it to the device or to take it back.
    ///
    /// # Safety
    /// The device must not have the request header: it was never given it, or has said that it is done.
    pub(super) unsafe fn open(&mut self, place: usize) -> (&mut BlkReq, &mut BlkResp) {
        assert!(place < ACTIVE, "there are {ACTIVE} request headers, and none at {place}");
        // SAFETY: `new` has written `ACTIVE` request headers there, and `place` is below that; by the contract the device does not
        // write, and `self` is borrowed as long as the references live, so that there are no others. Whatever byte the device
        // wrote is a `BlkResp`: it is zerocopy's `FromBytes`.
        let RequestHeader { request, response } = unsafe { self.0.add(place).as_mut() };
        (request, response)
    }
}
