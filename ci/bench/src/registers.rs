//! One CPU's registers, as QEMU's debugger stub sends them.

use anyhow::{Context, Result};
use iced_x86::Register;

/// General registers, in the order of the packet.
const GENERAL: [Register; 16] = [
    Register::RAX,
    Register::RBX,
    Register::RCX,
    Register::RDX,
    Register::RSI,
    Register::RDI,
    Register::RBP,
    Register::RSP,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];
const GENERAL_BYTES: usize = GENERAL.len() * 8;
/// RFLAGS and the selectors CS SS DS ES FS GS have four bytes each.
const FLAGS: usize = GENERAL_BYTES + 8;
const CODE_SEGMENT: usize = FLAGS + 4;
const BASES: usize = GENERAL_BYTES + 8 + 7 * 4;

/// The registers that a trace needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    pub(super) general: [u64; GENERAL.len()],
    /// The instruction that comes next.
    pub instruction_pointer: u64,
    /// RFLAGS, without the arithmetic flags.
    pub flags: u32,
    /// CS.
    pub code_segment: u32,
    pub(super) fs_base: u64,
    pub(super) gs_base: u64,
    /// What `swapgs` puts into the GS base.
    pub swapped_gs_base: u64,
}

impl Registers {
    /// Reads the answer to the packet `g` (GDB manual, "Remote Protocol Packets"; the layout is that of the target
    /// description `org.gnu.gdb.i386.core` for 64 bits, with QEMU's bases behind it).
    ///
    /// # Errors
    /// The answer is too short, or not hexadecimal.
    pub fn parse(packet: &str) -> Result<Self> {
        let word = |offset: usize| {
            let digits = packet.get(2 * offset..2 * offset + 16).context("the debugger stub sent too few registers")?;
            let word = u64::from_str_radix(digits, 16).with_context(|| format!("no register: {digits}"))?;
            Ok::<_, anyhow::Error>(word.swap_bytes())
        };
        let mut general = [0; GENERAL.len()];
        for (index, register) in general.iter_mut().enumerate() {
            *register = word(index * 8)?;
        }
        Ok(Self {
            general,
            instruction_pointer: word(GENERAL_BYTES)?,
            flags: word(FLAGS)? as u32,
            code_segment: word(CODE_SEGMENT)? as u32,
            fs_base: word(BASES)?,
            gs_base: word(BASES + 8)?,
            swapped_gs_base: word(BASES + 16)?,
        })
    }

    /// Whether the next instruction runs in ring 3.
    pub fn in_user_mode(&self) -> bool {
        self.code_segment & 3 == 3
    }

    /// A register's value as an effective address takes it: the whole of a general register, the base of a segment.
    pub fn value(&self, register: Register) -> Option<u64> {
        match register {
            Register::FS => Some(self.fs_base),
            Register::GS => Some(self.gs_base),
            Register::CS | Register::DS | Register::ES | Register::SS => Some(0),
            _ => {
                let whole = GENERAL.iter().position(|general| *general == register.full_register())?;
                let value = self.general[whole];
                Some(match register.size() {
                    4 => value & 0xffff_ffff,
                    2 => value & 0xffff,
                    1 => value & 0xff,
                    _ => value,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet() -> String {
        let general: String = (1..=16_u64).map(|value| format!("{:016x}", value.swap_bytes())).collect();
        let pointer = format!("{:016x}", 0xffff_ffff_8020_0000_u64.swap_bytes());
        let selectors = "0200000008000000000000000000000000000000000000000000000000000000";
        let bases: String = [0x1000_u64, 0x2000, 0x3000].map(|base| format!("{:016x}", base.swap_bytes())).concat();
        // Flags and six selectors are 28 bytes.
        format!("{general}{pointer}{}{bases}", &selectors[..56])
    }

    #[test]
    fn a_packet_is_read() {
        let registers = Registers::parse(&packet()).unwrap();
        assert_eq!(registers.instruction_pointer, 0xffff_ffff_8020_0000);
        assert_eq!((registers.flags, registers.code_segment), (2, 8));
        assert!(!registers.in_user_mode());
        assert_eq!(registers.value(Register::RSP), Some(8));
        assert_eq!(registers.value(Register::R15), Some(16));
        assert_eq!(registers.value(Register::EAX), Some(1));
        assert_eq!((registers.value(Register::GS), registers.swapped_gs_base), (Some(0x2000), 0x3000));
        assert_eq!(registers.value(Register::XMM0), None);
    }

    #[test]
    fn a_short_packet_is_refused() {
        assert!(Registers::parse("00").unwrap_err().to_string().contains("too few"));
        let broken = packet().replacen('1', "x", 1);
        assert!(Registers::parse(&broken).is_err());
    }
}
