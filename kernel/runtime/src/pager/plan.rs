//! Which step a fault in a page of an image needs. Pure: the system calls are in `resolve.rs`.

/// What to do about a page that clients share until they write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Map the image's page, to be read.
    Share,
    /// Nothing is there: map a copy.
    Copy,
    /// The image's page is there: take it away, then map a copy.
    Replace,
    /// It is done already.
    Nothing,
}

/// `stores`: the access was a store. `present`: something was mapped when it was made, as the processor's error code says.
/// `copied`: the client was given a copy of the page.
///
/// The last one decides about a store that met the shared page, since the message may be older than what is mapped now:
/// another thread of the client stored there at the same time, and its copy has been written to already. To copy the image once
/// more would lose that. Where nothing was mapped the flag says nothing: the client may have given its copy back. Then the page is
/// mapped anew, which the kernel refuses if one is there.
pub(super) const fn step(stores: bool, present: bool, copied: bool) -> Step {
    match (stores, present, copied) {
        (false, false, _) => Step::Share,
        (true, false, _) => Step::Copy,
        (true, true, false) => Step::Replace,
        (true, true, true) | (false, true, _) => Step::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::{Step, step};

    /// One page of a client whose threads load, store and unmap it, and whose faults wait in a queue before they are served.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    struct Page {
        mapped: Mapped,
        copied: bool,
        /// Whether the client has stored since it gave the page back last, and whether that is in the page still.
        stored: bool,
        lost: bool,
        /// What each of two threads waits for: the access that faulted, with whether something was mapped then.
        waiting: [Option<(bool, bool)>; 2],
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Mapped {
        Nothing,
        Image,
        Copy,
    }

    impl Page {
        const NEW: Self =
            Self { mapped: Mapped::Nothing, copied: false, stored: false, lost: false, waiting: [None; 2] };

        fn access(mut self, thread: usize, stores: bool) -> Self {
            match (self.mapped, stores) {
                (Mapped::Nothing, _) => self.waiting[thread] = Some((stores, false)),
                (Mapped::Image, true) => self.waiting[thread] = Some((stores, true)),
                (Mapped::Copy, true) => self.stored = true,
                (Mapped::Image | Mapped::Copy, false) => {}
            }
            self
        }

        fn give_back(mut self) -> Self {
            (self.mapped, self.stored) = (Mapped::Nothing, false);
            self
        }

        /// The pager serves a thread's fault as `resolve.rs` does, and the thread makes its access again.
        fn serve(mut self, thread: usize) -> Self {
            let Some((stores, present)) = self.waiting[thread].take() else { return self };
            let step = step(stores, present, self.copied);
            if step == Step::Replace && self.mapped != Mapped::Nothing {
                self.lost |= self.stored;
                self.mapped = Mapped::Nothing;
            }
            // The kernel maps nothing over what is there.
            if self.mapped == Mapped::Nothing {
                match step {
                    Step::Share => (self.mapped, self.copied) = (Mapped::Image, false),
                    Step::Copy | Step::Replace => (self.mapped, self.copied) = (Mapped::Copy, true),
                    Step::Nothing => {}
                }
            }
            self.access(thread, stores)
        }
    }

    /// Every state that two threads can bring about: no store is lost, and no thread faults for ever.
    #[test]
    fn no_store_is_lost_and_every_thread_goes_on() {
        let mut seen = std::collections::HashSet::from([Page::NEW]);
        let mut left = std::vec![Page::NEW];
        while let Some(page) = left.pop() {
            assert!(!page.lost, "{page:?}");
            let mut next = std::vec::Vec::new();
            for thread in 0..2 {
                if page.waiting[thread].is_some() {
                    let mut alone = page;
                    let served = (0..3).find(|_| {
                        alone = alone.serve(thread);
                        alone.waiting[thread].is_none()
                    });
                    assert!(served.is_some(), "thread {thread} faults for ever: {page:?}");
                    next.push(page.serve(thread));
                } else {
                    next.extend([page.access(thread, false), page.access(thread, true), page.give_back()]);
                }
            }
            left.extend(next.into_iter().filter(|page| seen.insert(*page)));
        }
        assert!(seen.len() > 30, "only {} states", seen.len());
    }
}
