//! `cargo xtask setup`

use anyhow::Result;

use crate::setup::{Component, Host, Talk, set_up};

pub(super) fn setup() -> Result<()> {
    set_up(&mut Host, &Component::BASE, Talk::All)
}
