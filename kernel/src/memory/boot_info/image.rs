//! The image's segments, as the linker script lays them out.

use gatehouse_core::memory::Rights;

/// Virtual pages of one segment, `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageSegment {
    /// First byte; page-aligned.
    pub start: u64,
    /// One past the last byte; page-aligned.
    pub end: u64,
}

/// Virtual addresses of the image's three segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageSegments {
    /// Code: read and execute.
    pub text: ImageSegment,
    /// Constants: read only.
    pub rodata: ImageSegment,
    /// Variables, zeroed ones included: read and write.
    pub data: ImageSegment,
}

#[cfg(target_os = "none")]
impl ImageSegments {
    /// The running image's segments.
    #[must_use]
    pub fn of_this_image() -> Self {
        unsafe extern "C" {
            // Defined by `linker.ld`. Only their addresses mean anything.
            static text_start: u8;
            static text_end: u8;
            static rodata_start: u8;
            static rodata_end: u8;
            static data_start: u8;
            static data_end: u8;
        }
        let segment = |start: *const u8, end: *const u8| ImageSegment { start: start as u64, end: end as u64 };
        Self {
            text: segment(&raw const text_start, &raw const text_end),
            rodata: segment(&raw const rodata_start, &raw const rodata_end),
            data: segment(&raw const data_start, &raw const data_end),
        }
    }
}

impl ImageSegments {
    /// Every segment with an access of its own.
    #[must_use]
    pub const fn all(&self) -> [(ImageSegment, Rights); 3] {
        [(self.text, Rights::ReadExecute), (self.rodata, Rights::Read), (self.data, Rights::ReadWrite)]
    }

    /// Lowest address of the image.
    #[must_use]
    pub const fn start(&self) -> u64 {
        self.text.start
    }

    /// Bytes from the start of the text to the end of the data.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.data.end.saturating_sub(self.text.start)
    }
}
