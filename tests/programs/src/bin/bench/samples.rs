//! Samples of an operation, and the record that carries them to the host.

use gatehouse_runtime::Kernel;
use programs::check;
use serde::Serialize;

use crate::plan::SAMPLES;

/// Samples of one operation.
#[derive(Debug)]
pub(crate) struct Samples {
    values: [u64; SAMPLES],
    length: usize,
}

impl Samples {
    /// None yet.
    pub(crate) const fn new() -> Self {
        Self { values: [0; SAMPLES], length: 0 }
    }

    /// Adds one: ticks from stamp to stamp. What is too much is not taken.
    pub(crate) fn push(&mut self, ticks: u64) {
        if let Some(place) = self.values.get_mut(self.length) {
            *place = ticks;
            self.length += 1;
        }
    }

    /// Hands them to the host. `user` is how many of the ticks of each sample are the program's own instructions, and
    /// `operations` how many operations are in a sample.
    pub(crate) fn record(&self, key: &str, user: u64, operations: u64) {
        let mut line = [0; 4096];
        let icount = Icount { key, user, operations, samples: &self.values[..self.length] };
        let Ok(length) = serde_json_core::to_slice(&Line { icount }, &mut line) else {
            programs::wrong(file!(), format_args!("the samples of {key} do not fit a line"))
        };
        let recorded = Kernel::record(&line[..length]);
        check!(recorded.is_ok(), "{key}: {recorded:?}");
    }
}

#[derive(Serialize)]
struct Line<'a> {
    icount: Icount<'a>,
}

#[derive(Serialize)]
struct Icount<'a> {
    key: &'a str,
    user: u64,
    operations: u64,
    samples: &'a [u64],
}
