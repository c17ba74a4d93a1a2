//! Debug probes by their USB numbers, and what to know of their firmware.

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A probe that probe-rs drives.
    Probe,
    /// A device that becomes a probe when the remedy is done.
    NotYet(&'static str),
}

/// Returns the name and the kind of a device, if it is one for debugging. The numbers are those that probe-rs 0.32 looks for, and
/// of Raspberry Pi's bootloader and of the firmware that its Debug Probe replaced (github.com/raspberrypi/debugprobe).
pub fn device(vendor: u16, product: u16, product_name: &str) -> Option<(&'static str, Kind)> {
    Some(match (vendor, product) {
        (0x0483, 0x3744) => {
            ("ST-LINK/V1", Kind::NotYet("too old for probe-rs: take an ST-LINK/V2 or V3, or a CMSIS-DAP probe"))
        }
        (0x0483, 0x3748 | 0x374a | 0x374b | 0x3742 | 0x3752) => ("ST-LINK/V2", Kind::Probe),
        (0x0483, 0x374e | 0x374f | 0x3753 | 0x3754 | 0x3757) => ("ST-LINK/V3", Kind::Probe),
        (0x2e8a, 0x0003) => (
            "Raspberry Pi chip in its bootloader",
            Kind::NotYet(
                "copy debugprobe_on_pico.uf2 (github.com/raspberrypi/debugprobe) to the drive that it shows to make it a probe",
            ),
        ),
        (0x2e8a, 0x0004) => (
            "picoprobe, old firmware",
            Kind::NotYet(
                "hold BOOTSEL, plug it in and copy debugprobe_on_pico.uf2 (github.com/raspberrypi/debugprobe) to its drive",
            ),
        ),
        (0x2e8a, 0x000c) => ("Raspberry Pi Debug Probe", Kind::Probe),
        (0x303a, 0x1001 | 0x1002) => ("Espressif USB JTAG", Kind::Probe),
        (0x1366, _) => ("J-Link", Kind::Probe),
        (0x1a86, 0x8010) => ("WCH-Link", Kind::Probe),
        (0x1a86, 0x8012) => ("WCH-Link in DAP mode", Kind::Probe),
        (0x0403, 0x6010 | 0x6011 | 0x6014) => ("FTDI", Kind::Probe),
        // As probe-rs does: whatever calls itself so.
        _ if product_name.contains("CMSIS-DAP") => ("CMSIS-DAP", Kind::Probe),
        (0x0d28, 0x0204) => ("CMSIS-DAP (DAPLink)", Kind::Probe),
        _ => return None,
    })
}

/// Returns what firmware a probe must have, where probe-rs asks for one.
pub fn firmware(name: &str) -> Option<&'static str> {
    match name {
        "ST-LINK/V2" => Some("probe-rs wants firmware V2J26 or later: update it with STSW-LINK007 of st.com"),
        "ST-LINK/V3" => Some("probe-rs wants firmware V3J3 or later: update it with STSW-LINK007 of st.com"),
        _ => None,
    }
}
