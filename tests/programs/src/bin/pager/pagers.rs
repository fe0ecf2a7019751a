//! The pager threads, and what they know of each client.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gatehouse_runtime::abi::{MessageTag, REPLY_KILL, REPLY_RESUME, SLOT_NONE};
use gatehouse_runtime::capability::{Program, Slot};
use gatehouse_runtime::pager::{Client, Image, Refused, Region, Resolved};
use gatehouse_runtime::println;
use gatehouse_runtime::thread::Thread;
use programs::raw::message::{Message, reply_receive};
use programs::{
    IMAGE_PAGES, IMAGE_REGION, PAGED_REGION, PAGED_STACK_PAGES, PAGED_STACK_TOP, check, endpoint, image_word, wrong,
};

use crate::PAGES;
use crate::clients::MAX_CLIENTS;

/// The most pagers.
pub(crate) const MAX_PAGERS: usize = 64;

/// Where the pagers have the image.
const OWN_IMAGE: u64 = 0x3800_0000_0000;

static IMAGE_FRAMES: [AtomicU64; IMAGE_PAGES as usize] = [const { AtomicU64::new(SLOT_NONE) }; IMAGE_PAGES as usize];
static IMAGE: Image<'static> = Image::new(OWN_IMAGE, &IMAGE_FRAMES);

/// The endpoint that each pager serves, by its number.
static ENDPOINTS: [AtomicU64; MAX_PAGERS] = [const { AtomicU64::new(0) }; MAX_PAGERS];

/// What a pager knows of a client. The badge of its faults finds it.
#[derive(Debug)]
pub(crate) struct Known {
    program: AtomicU64,
    /// Which pages of the image it has a copy of.
    copied: [AtomicBool; IMAGE_PAGES as usize],
    fresh: AtomicU64,
    shared: AtomicU64,
    copies: AtomicU64,
    already: AtomicU64,
    overflows: AtomicU64,
}

/// What became of faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) fresh: u64,
    pub(crate) shared: u64,
    pub(crate) copied: u64,
    pub(crate) already: u64,
    pub(crate) overflows: u64,
}

static KNOWN: [Known; MAX_CLIENTS] = [const { Known::new() }; MAX_CLIENTS];

impl Known {
    const fn new() -> Self {
        Self {
            program: AtomicU64::new(SLOT_NONE),
            copied: [const { AtomicBool::new(false) }; IMAGE_PAGES as usize],
            fresh: AtomicU64::new(0),
            shared: AtomicU64::new(0),
            copies: AtomicU64::new(0),
            already: AtomicU64::new(0),
            overflows: AtomicU64::new(0),
        }
    }

    /// The client whose faults come with a badge.
    pub(crate) fn behind(badge: u64) -> Option<&'static Self> {
        KNOWN.get((badge as usize).wrapping_sub(1))
    }

    /// Makes it stand for another program. Before that runs.
    pub(crate) fn begin(&self, program: u64) {
        self.copied.iter().for_each(|copied| copied.store(false, Ordering::Relaxed));
        for count in [&self.fresh, &self.shared, &self.copies, &self.already, &self.overflows] {
            count.store(0, Ordering::Relaxed);
        }
        self.program.store(program, Ordering::Release);
    }

    /// What became of its faults. After its end.
    pub(crate) fn tally(&self) -> Tally {
        Tally {
            fresh: self.fresh.load(Ordering::Relaxed),
            shared: self.shared.load(Ordering::Relaxed),
            copied: self.copies.load(Ordering::Relaxed),
            already: self.already.load(Ordering::Relaxed),
            overflows: self.overflows.load(Ordering::Relaxed),
        }
    }
}

/// Makes the image, and starts so many pagers, each on the CPU with its number.
pub(crate) fn start(pagers: usize) {
    let made = IMAGE.create(image_word);
    check!(made.is_ok(), "no image: {made:?}");
    for (number, place) in ENDPOINTS.iter().enumerate().take(pagers) {
        place.store(endpoint(), Ordering::Relaxed);
        let started = Thread::spawn(serve, number as u64, number as u64);
        check!(started.is_ok(), "no pager thread {number}: {started:?}");
    }
}

/// The endpoint of a pager.
pub(crate) fn endpoint_of(pager: usize) -> u64 {
    ENDPOINTS[pager].load(Ordering::Relaxed)
}

/// No client has written to what all share.
pub(crate) fn image_is_untouched() {
    for page in 0..IMAGE_PAGES {
        let Some(words) = IMAGE.words(page) else { wrong(file!(), format_args!("page {page} is gone")) };
        let wrong_at = (0..).zip(words).find(|(index, word)| **word != image_word(page, *index));
        check!(wrong_at.is_none(), "page {page} of the image was written: {wrong_at:x?}");
    }
}

/// A pager: answers the last fault, waits for the next.
fn serve(number: u64) -> u64 {
    let endpoint = endpoint_of(number as usize);
    let mut label = REPLY_RESUME;
    loop {
        let Ok(message) = reply_receive(endpoint, MessageTag::new(label, 0), [0; 4]) else { return 1 };
        label = answer(&message);
    }
}

/// Resolves a fault and counts it; answers the label of the reply.
fn answer(message: &Message) -> u16 {
    let Some(known) = Known::behind(message.badge) else { return REPLY_KILL };
    let regions = [
        Region::fresh(PAGED_REGION, PAGES),
        Region::copy_on_write(IMAGE_REGION, &IMAGE, &known.copied),
        Region::stack(PAGED_STACK_TOP, PAGED_STACK_PAGES),
    ];
    let client =
        Client { program: Program::from_slot(Slot::new(known.program.load(Ordering::Acquire))), regions: &regions };
    let (count, label) = match client.resolve(message) {
        Ok(Resolved::Fresh) => (&known.fresh, REPLY_RESUME),
        Ok(Resolved::Shared) => (&known.shared, REPLY_RESUME),
        Ok(Resolved::Copied) => (&known.copies, REPLY_RESUME),
        Ok(Resolved::Already) => (&known.already, REPLY_RESUME),
        Err(Refused::StackOverflow { .. }) => (&known.overflows, REPLY_KILL),
        Err(refused) => {
            println!("pager: client {} is shut down: {refused}", message.badge);
            return REPLY_KILL;
        }
    };
    count.fetch_add(1, Ordering::Relaxed);
    label
}
