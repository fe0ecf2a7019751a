//! What is done about a fault.

use core::sync::atomic::{AtomicBool, Ordering};

use super::plan::{Step, step};
use super::region::Place;
use super::{Backing, Refused, Region, Resolved};
use crate::abi::{Error, TrapNumber};
use crate::capability::{Capability, Frame, Program, Rights};
use crate::memory::PAGE_SIZE;
use crate::message::Message;

/// Bit of the processor's error code of a page fault: something is mapped there, without the right that was needed.
const PRESENT: u64 = 1;

/// A program whose memory a pager backs.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// The program; the capability has [`Rights::WRITE`].
    pub program: Program,
    /// What is backed.
    pub regions: &'a [Region<'a>],
}

impl Client<'_> {
    /// Does about a fault of the client what its regions ask for. One thread at a time for each client.
    ///
    /// # Errors
    /// [`Refused`]: the client is to be shut down, with the fault as the cause.
    pub fn resolve(&self, fault: &Message) -> Result<Resolved, Refused> {
        let [cause, address, _, access] = fault.words;
        let stores = match TrapNumber::from_bits(cause) {
            TrapNumber::LOAD_PAGE_FAULT => false,
            TrapNumber::STORE_PAGE_FAULT => true,
            other => return Err(Refused::NotAnAccess(other)),
        };
        let found = self.regions.iter().find_map(|region| Some((region, region.place(address)?)));
        let (region, place) = found.ok_or(Refused::Outside { address })?;
        let Place::Page(page) = place else {
            return Err(Refused::StackOverflow { address, limit: region.length() });
        };
        let target = address & !(PAGE_SIZE - 1);
        match region.backing() {
            Backing::Fresh | Backing::Stack => outcome(self.program.map(target, PAGE_SIZE), Resolved::Fresh),
            Backing::CopyOnWrite(image, copied) => {
                let Some(copied) = copied.get(page as usize) else { return Err(Refused::Outside { address }) };
                match step(stores, access & PRESENT != 0, copied.load(Ordering::Relaxed)) {
                    Step::Share => self.share(target, image.frame(page), copied),
                    Step::Copy => self.copy(target, image.frame(page), copied),
                    Step::Replace => match self.program.unmap(target, PAGE_SIZE) {
                        // The client itself may have given the page back meanwhile.
                        Ok(_) | Err(Error::NotFound) => self.copy(target, image.frame(page), copied),
                        Err(error) => Err(Refused::Kernel(error)),
                    },
                    Step::Nothing => Ok(Resolved::Already),
                }
            }
        }
    }

    fn share(&self, target: u64, frame: Frame, copied: &AtomicBool) -> Result<Resolved, Refused> {
        let mapped = frame.map_into(self.program, target, Rights::READ);
        if mapped.is_ok() {
            copied.store(false, Ordering::Relaxed);
        }
        outcome(mapped, Resolved::Shared)
    }

    /// Gives the client a copy of a page. It is filled before the client sees it.
    fn copy(&self, target: u64, frame: Frame, copied: &AtomicBool) -> Result<Resolved, Refused> {
        let own = frame.duplicate().map_err(Refused::Kernel)?;
        let mapped = own.map_into(self.program, target, Rights::READ | Rights::WRITE);
        // The client's mapping keeps the frame; without one it is freed here.
        own.delete().map_err(Refused::Kernel)?;
        if mapped.is_ok() {
            copied.store(true, Ordering::Relaxed);
        }
        outcome(mapped, Resolved::Copied)
    }
}

/// What the kernel's answer to the mapping of a page means. If one is there, another thread of the client came first.
fn outcome(mapped: Result<u64, Error>, done: Resolved) -> Result<Resolved, Refused> {
    match mapped {
        Ok(_) => Ok(done),
        Err(Error::AlreadyMapped) => Ok(Resolved::Already),
        Err(error) => Err(Refused::Kernel(error)),
    }
}
