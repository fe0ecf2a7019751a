//! The device and what it works at.

use core::fmt;

use gatehouse_core::memory::layout::PAGE_SIZE;
use virtio_drivers::device::blk::{SECTOR_SIZE, VirtIOBlk};
use virtio_drivers::transport::pci::PciTransport;

use super::memory::DeviceMemory;
use super::request_headers::RequestHeaders;
use super::transfers::{Direction, Queue, Transfer};

/// Sectors of a slot.
const SECTORS: u64 = PAGE_SIZE / SECTOR_SIZE as u64;

/// What the device works at, at a time: its queue has 16 descriptors, and a request takes three.
pub const ACTIVE: usize = 5;

/// Why a device cannot be used.
#[derive(Debug)]
pub enum DiskError {
    /// It does not start.
    Device(virtio_drivers::Error),
    /// It cannot be written to.
    ReadOnly,
    /// It has room for no page.
    TooSmall,
}

impl fmt::Display for DiskError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(error) => write!(out, "it does not start: {error}"),
            Self::ReadOnly => out.write_str("it is read-only"),
            Self::TooSmall => write!(out, "it is smaller than a page of {PAGE_SIZE} bytes"),
        }
    }
}

impl core::error::Error for DiskError {}

/// A transfer that the device works at.
struct Active {
    transfer: Transfer,
    token: u16,
}

/// A transfer that is over.
#[derive(Debug)]
pub struct Finished {
    /// The transfer.
    pub transfer: Transfer,
    /// Whether the device has done it.
    pub done: bool,
    /// The device may still write to the frame: nobody may use it again.
    pub device_may_write: bool,
}

/// A disk.
pub struct Disk {
    device: VirtIOBlk<DeviceMemory, PciTransport>,
    request_headers: RequestHeaders,
    active: [Option<Active>; ACTIVE],
    queue: Queue,
    interrupts: bool,
    /// It has not answered in time: nothing is asked of it any more.
    dead: bool,
}

impl fmt::Debug for Disk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Disk({} sectors, dead: {})", self.device.capacity(), self.dead)
    }
}

impl Disk {
    /// Starts the device.
    ///
    /// # Errors
    /// [`DiskError`].
    pub(super) fn new(transport: PciTransport) -> Result<Self, DiskError> {
        let device = VirtIOBlk::new(transport).map_err(DiskError::Device)?;
        if device.readonly() {
            return Err(DiskError::ReadOnly);
        }
        if device.capacity() < SECTORS {
            return Err(DiskError::TooSmall);
        }
        let Some(request_headers) = RequestHeaders::new() else {
            return Err(DiskError::Device(virtio_drivers::Error::DmaError));
        };
        let active = [const { None }; ACTIVE];
        Ok(Self { device, request_headers, active, queue: Queue::default(), interrupts: false, dead: false })
    }

    /// Says whether the device interrupts when it is done.
    pub(super) fn set_interrupts(&mut self, interrupts: bool) {
        self.interrupts = interrupts;
    }

    /// Whether the device interrupts when it is done.
    #[must_use]
    pub const fn interrupts(&self) -> bool {
        self.interrupts
    }

    /// Pages that the disk has room for.
    #[must_use]
    pub fn slots(&self) -> u64 {
        self.device.capacity() / SECTORS
    }

    /// Whether a transfer would be taken.
    #[must_use]
    pub fn has_room(&self, direction: Direction) -> bool {
        !self.dead && self.queue.has_room(direction)
    }

    /// Begins a transfer, or lets it wait for its turn.
    ///
    /// # Errors
    /// The transfer, when there is no room for it, or the disk does not answer any more.
    pub fn begin(&mut self, transfer: Transfer) -> Result<(), Transfer> {
        if self.dead {
            return Err(transfer);
        }
        self.queue.push(transfer)?;
        self.feed();
        Ok(())
    }

    /// Whether anything is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.active.iter().any(Option::is_some) || !self.queue.is_empty()
    }

    /// All transfers that are under way.
    pub fn transfers(&mut self) -> impl Iterator<Item = &mut Transfer> {
        self.active.iter_mut().flatten().map(|active| &mut active.transfer).chain(self.queue.iter_mut())
    }

    /// Gives the device what it has room for.
    fn feed(&mut self) {
        while let Some(place) = self.active.iter().position(Option::is_none) {
            let Some(mut transfer) = self.queue.pop() else { return };
            let sector = (u64::from(transfer.slot) * SECTORS) as usize;
            // SAFETY: the place is free: the device was never given its request header, or `take_finished` has found it done.
            let (request, response) = unsafe { self.request_headers.open(place) };
            // SAFETY: request header and frame are used by nobody until the device is done: the place is taken below, and the transfer
            // owns the frame.
            let submitted = unsafe {
                match transfer.direction {
                    Direction::In => self.device.read_blocks_nb(sector, request, transfer.frame.bytes_mut(), response),
                    Direction::Out => self.device.write_blocks_nb(sector, request, transfer.frame.bytes(), response),
                }
            };
            match submitted {
                Ok(token) => self.active[place] = Some(Active { transfer, token }),
                Err(error) => unreachable!("a place is free, so descriptors are, too: {error}"),
            }
        }
    }

    /// Takes a transfer that is over, if there is one.
    pub fn take_finished(&mut self) -> Option<Finished> {
        if self.dead {
            return self.queue.pop().map(|transfer| Finished { transfer, done: false, device_may_write: false });
        }
        let token = self.device.peek_used()?;
        let known = |active: &Option<Active>| active.as_ref().is_some_and(|active| active.token == token);
        let place = self.active.iter().position(known)?;
        let Active { mut transfer, token } = self.active[place].take()?;
        // SAFETY: `token` came out of the used ring: the device is done with the request that was begun with this request header.
        let (request, response) = unsafe { self.request_headers.open(place) };
        // SAFETY: the same request header and frame with which the transfer was begun.
        let result = unsafe {
            match transfer.direction {
                Direction::In => self.device.complete_read_blocks(token, request, transfer.frame.bytes_mut(), response),
                Direction::Out => self.device.complete_write_blocks(token, request, transfer.frame.bytes(), response),
            }
        };
        self.feed();
        Some(Finished { transfer, done: result.is_ok(), device_may_write: false })
    }

    /// Whether a transfer should have been over before `now`, in clock ticks.
    #[must_use]
    pub fn is_late(&self, now: u64) -> bool {
        !self.dead && self.active.iter().flatten().any(|active| active.transfer.deadline < now)
    }

    /// Gives the disk up: it did not answer in time. Its request headers are never opened again. Calls `each` with what it worked at; what waits in the queue comes by
    /// [`Self::take_finished`].
    ///
    /// The device may still write to the frames of pages that it was to read: those are never used again.
    pub fn give_up(&mut self, mut each: impl FnMut(Finished)) {
        self.dead = true;
        for active in self.active.iter_mut().filter_map(Option::take) {
            let device_may_write = active.transfer.direction == Direction::In;
            each(Finished { transfer: active.transfer, done: false, device_may_write });
        }
    }

    /// Whether it was given up.
    #[must_use]
    pub const fn is_dead(&self) -> bool {
        self.dead
    }
}
