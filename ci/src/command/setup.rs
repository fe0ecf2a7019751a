//! `cargo xtask setup`

use anyhow::Result;

use crate::setup::{Component, Talk, set_up};

pub(super) fn setup() -> Result<()> {
    set_up(&Component::BASE, Talk::All)
}
