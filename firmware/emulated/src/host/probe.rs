//! A debug probe in front of an emulated core, so that what goes through debug probes can be run without one.
//!
//! It speaks Black Magic's remote protocol (version 1) over TCP, as such a probe on a network does, and QEMU's gdb protocol on the other side.
//! QEMU has no debug port: the registers of the port and of the core's debug unit are kept here; memory and core registers are QEMU's. A core
//! that stops at a `BKPT` under a debugger faults in QEMU, so the breakpoints of code that is about to run are found in memory and set in QEMU.

use super::{Runner, RunnerError};
use std::{
    format,
    io::{BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdin, Command, Stdio},
    string::{String, ToString as _},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
    vec,
    vec::Vec,
};

/// An emulated machine without a program, and a probe on it. Dropped, both end.
#[derive(Debug)]
pub struct EmulatedProbe {
    qemu: Child,
    port: u16,
}

impl EmulatedProbe {
    /// Starts the machine of `runner`, whose flash and RAM lie at `code`, each an address and a length, and waits for a debugger.
    ///
    /// # Errors
    /// [`RunnerError::Missing`], [`RunnerError::File`].
    pub fn start(runner: &Runner, code: &[(u32, u32)]) -> Result<Self, RunnerError> {
        let mut words = runner.qemu.split_whitespace();
        let program = words.next().unwrap_or_default();
        let mut command = Command::new(program);
        command.args(words).args(["-S", "-gdb", "stdio", "-display", "none", "-monitor", "none", "-serial", "none"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut qemu = command.spawn().map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => RunnerError::Missing { program: program.into(), remedy: runner.remedy() },
            _ => RunnerError::file(program, e),
        })?;
        let (Some(input), Some(mut output)) = (qemu.stdin.take(), qemu.stdout.take()) else {
            return Err(RunnerError::file(program, std::io::Error::other("no pipes")));
        };
        let (bytes, received) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if bytes.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|e| RunnerError::file("a TCP port", e))?;
        let port = listener.local_addr().map_err(|e| RunnerError::file("a TCP port", e))?.port();
        let gdb = Gdb { input, received, buffer: Vec::new(), gone: false };
        let mut core = DebugUnit::new(gdb, code.to_vec());
        core.idle().ok_or_else(|| RunnerError::file(program, std::io::Error::other("it does not answer")))?;
        // One debugger after the other.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A debugger that goes away is no error.
                let _ = serve(&stream, &mut core);
            }
        });
        Ok(Self { qemu, port })
    }

    /// Returns what chooses this probe: USB's vendor and product of a Black Magic probe, and where it is.
    pub fn selector(&self) -> String {
        format!("1d50:6018:127.0.0.1:{}", self.port)
    }
}

impl Drop for EmulatedProbe {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// Answers the commands of a debugger until it goes away.
fn serve(stream: &TcpStream, core: &mut DebugUnit) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut output = stream;
    let mut command = Vec::new();
    let mut swd = Wire::default();
    for byte in BufReader::new(stream).bytes() {
        match byte? {
            b'!' => command.clear(),
            b'#' => {
                let text = String::from_utf8_lossy(&command).into_owned();
                command.clear();
                // The protocol begins with an empty command.
                if !text.trim_matches(['+', ' ']).is_empty() {
                    let answer =
                        core.answer(&text, &mut swd).map_or_else(|| "E0".into(), |answer| format!("K{answer}"));
                    output.write_all(format!("&{answer}#").as_bytes())?;
                }
            }
            byte => command.push(byte),
        }
    }
    Ok(())
}

/// The numbers in a command, hexadecimal digits of fixed widths.
struct Digits<'a>(&'a str);

impl Digits<'_> {
    fn next(&mut self, width: usize) -> Option<u32> {
        let (number, rest) = self.0.split_at_checked(width)?;
        self.0 = rest;
        u32::from_str_radix(number, 16).ok()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// The two wires of SWD, bit by bit: a debugger finds the port so, before it lets the probe do whole accesses.
#[derive(Debug, Default)]
struct Wire {
    /// The last bits that the debugger sent.
    sent: u8,
    /// What the port answers, the next bit first; `None` before a debugger listens.
    answer: Option<Vec<bool>>,
}

impl Wire {
    fn put(&mut self, bits: u32, count: u32) {
        for at in 0..count.min(32) {
            self.sent = self.sent >> 1 | ((bits >> at & 1) as u8) << 7;
        }
        self.answer = None;
    }

    fn take(&mut self, count: u32) -> u32 {
        // Start, port, read or write, two address bits, parity, stop, park.
        let address = u32::from(self.sent >> 3 & 3) << 2;
        let read = self.sent & 0b110 == 0b100;
        let answer = self.answer.get_or_insert_with(|| {
            let value = if read && address == 0 { DPIDR } else { 0 };
            // Accepted, the data, its parity.
            let mut bits = vec![true, false, false];
            bits.extend((0..32).map(|at| value >> at & 1 == 1));
            bits.push(value.count_ones() % 2 == 1);
            bits.reverse();
            bits
        });
        (0..count.min(32)).map(|at| u32::from(answer.pop().unwrap_or_default()) << at).sum()
    }
}

/// A debug port of version 1, by ARM.
const DPIDR: u32 = 0x0bb1_1477;
/// An AHB access port of a Cortex-M.
const AP_IDR: u32 = 0x0477_0021;
/// Accesses of every width, enabled.
const AP_CSW: u32 = 0x0300_0042;
/// Where the ROM table of the core is.
const AP_BASE: u32 = 0xe00f_f003;

const AIRCR: u32 = 0xe000_ed0c;
const DFSR: u32 = 0xe000_ed30;
const DHCSR: u32 = 0xe000_edf0;
const DCRSR: u32 = 0xe000_edf4;
const DCRDR: u32 = 0xe000_edf8;
const DEMCR: u32 = 0xe000_edfc;
const BP_CTRL: u32 = 0xe000_2000;
const BP_COMP: u32 = 0xe000_2008;
/// Where RAM begins in a Cortex-M's memory map.
const RAM: u32 = 0x2000_0000;
/// Comparators of the breakpoint unit.
const COMPARATORS: usize = 4;

/// The core's debug unit (ARMv6-M Architecture Reference Manual, C1).
#[derive(Debug)]
struct DebugUnit {
    gdb: Gdb,
    /// Memory that code may lie in.
    code: Vec<(u32, u32)>,
    /// Breakpoint instructions in flash, once they are looked for: only a reset begins what was written there.
    in_flash: Option<Vec<u32>>,
    /// Breakpoints set in QEMU.
    set: Vec<u32>,
    halted: bool,
    power: u32,
    /// C_DEBUGEN, C_HALT, C_STEP, C_MASKINTS.
    control: u32,
    /// Since DHCSR was read.
    was_reset: bool,
    reasons: u32,
    data: u32,
    demcr: u32,
    comparators: [u32; COMPARATORS],
}

impl DebugUnit {
    fn new(gdb: Gdb, code: Vec<(u32, u32)>) -> Self {
        Self {
            gdb,
            code,
            in_flash: None,
            set: Vec::new(),
            halted: true,
            power: 0,
            control: 0,
            was_reset: true,
            reasons: 0,
            data: 0,
            demcr: 0,
            comparators: [0; COMPARATORS],
        }
    }

    /// Gives the core something to do: a chip without a program locks up, and then QEMU ends.
    fn idle(&mut self) -> Option<()> {
        // The stack, and an endless loop behind the table for every exception.
        let mut words = [0x80 | 1; 32];
        words[0] = RAM + 0x400;
        let mut bytes: Vec<u8> = words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
        bytes.extend(0xe7fe_u16.to_le_bytes());
        // QEMU tells registers only to who knows their names.
        self.gdb.ask("qXfer:features:read:target.xml:0,ff")?;
        self.gdb.set_memory(0, &bytes)?;
        self.demcr = 1;
        self.reset()?;
        self.demcr = 0;
        Some(())
    }

    /// Returns what a command is answered with; `None` if it is refused.
    fn answer(&mut self, command: &str, swd: &mut Wire) -> Option<String> {
        let (name, rest) = command.split_at_checked(2)?;
        let mut digits = Digits(rest);
        match name {
            "GA" => return Some("Tanbo's emulated probe".into()),
            "HC" => return Some("1".into()),
            "Gf" => return Some("fa0".into()),
            "So" | "SO" => {
                let count = digits.next(2)?;
                swd.put(u32::from_str_radix(digits.0, 16).ok()?, count);
            }
            "Si" => return Some(format!("{:x}", swd.take(digits.next(2)?))),
            "Hd" => {
                let _index_and_port = digits.next(4)?;
                return Some(hex(&self.port(digits.next(4)?).to_le_bytes()));
            }
            "HL" => {
                let _index_and_direction = digits.next(4)?;
                let (address, value) = (digits.next(4)?, digits.next(8)?);
                if address & 0xf == 4 {
                    self.power = value;
                }
            }
            "Ha" => {
                let (_index, port, address) = (digits.next(2)?, digits.next(2)?, digits.next(4)?);
                let value = match (port, address & 0xff) {
                    (0, 0xfc) => AP_IDR,
                    (0, 0xf8) => AP_BASE,
                    (0, 0) => AP_CSW,
                    _ => 0,
                };
                return Some(hex(&value.to_le_bytes()));
            }
            "HM" => {
                let _index_port_and_csw = (digits.next(4)?, digits.next(8)?);
                let (address, count) = (digits.next(8)?, digits.next(8)?);
                return Some(hex(&self.read(address, count)?));
            }
            "Hm" => {
                let _index_port_csw_and_width = (digits.next(4)?, digits.next(8)?, digits.next(2)?);
                let (address, _count) = (digits.next(8)?, digits.next(8)?);
                self.write(address, &unhex(digits.0)?)?;
            }
            // Pins, power, clock, the access port's registers.
            _ => {}
        }
        Some("0".into())
    }

    /// Returns a register of the debug port.
    fn port(&self, address: u32) -> u32 {
        match address & 0xf {
            0 => DPIDR,
            // What was asked to power up has.
            4 => self.power | (self.power & 0x5000_0000) << 1,
            _ => 0,
        }
    }

    fn read(&mut self, address: u32, count: u32) -> Option<Vec<u8>> {
        if count == 4
            && let Some(value) = self.register(address)
        {
            return Some(value.to_le_bytes().into());
        }
        self.stopped(|unit| unit.gdb.memory(address, count))
    }

    /// Returns a register of the debug unit, if there is one at `address`.
    fn register(&mut self, address: u32) -> Option<u32> {
        Some(match address {
            DHCSR => {
                self.look();
                let reset = std::mem::take(&mut self.was_reset);
                // QEMU ends when a core locks up.
                let locked_up = u32::from(self.gdb.gone) << 19;
                self.control & 0xf | 1 << 16 | u32::from(self.halted) << 17 | locked_up | u32::from(reset) << 25
            }
            DCRDR => self.data,
            DEMCR => self.demcr,
            DFSR => self.reasons,
            AIRCR => 0xfa05_0000,
            BP_CTRL => (COMPARATORS as u32) << 4,
            _ => *self.comparators.get(comparator(address)?)?,
        })
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Option<()> {
        let Ok(value) = <[u8; 4]>::try_from(bytes).map(u32::from_le_bytes) else {
            return self.stopped(|unit| unit.gdb.set_memory(address, bytes));
        };
        match address {
            DHCSR if value >> 16 == 0xa05f => self.control(value)?,
            DCRSR => self.transfer(value)?,
            DCRDR => self.data = value,
            DEMCR => self.demcr = value,
            DFSR => self.reasons &= !value,
            AIRCR if value >> 16 == 0x05fa && value & 4 != 0 => self.reset()?,
            DHCSR | AIRCR | BP_CTRL => {}
            _ => match comparator(address).and_then(|at| self.comparators.get_mut(at)) {
                Some(place) => *place = value,
                None => return self.stopped(|unit| unit.gdb.set_memory(address, bytes)),
            },
        }
        Some(())
    }

    /// Halts, steps or runs the core.
    fn control(&mut self, value: u32) -> Option<()> {
        const HALT: u32 = 2;
        const STEP: u32 = 4;
        self.look();
        self.control = value & 0xf;
        if value & HALT != 0 {
            if !self.halted {
                self.gdb.interrupt()?;
                self.halted = true;
                self.reasons |= 1;
            }
        } else if self.halted && value & STEP != 0 {
            // A core that stands at a BKPT stays there.
            let at = self.gdb.core_register(15)?;
            if self.gdb.memory(at, 2)?.last() == Some(&0xbe) {
                self.reasons |= 2;
            } else {
                self.gdb.ask("s")?;
                self.reasons |= 1;
            }
            self.control |= HALT;
        } else if self.halted {
            self.set_breakpoints()?;
            self.gdb.send("c")?;
            self.halted = false;
        }
        Some(())
    }

    /// Takes notice if the core has stopped by itself.
    fn look(&mut self) {
        if !self.halted && self.gdb.packet(Duration::from_millis(1)).is_some() {
            self.halted = true;
            self.control |= 2;
            // A breakpoint.
            self.reasons |= 2;
        }
    }

    /// Does what QEMU does only to a core that stands still.
    fn stopped<T>(&mut self, work: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.look();
        if self.halted {
            return work(self);
        }
        self.gdb.interrupt()?;
        let result = work(self);
        // It may have reached a breakpoint just then.
        let at = self.gdb.core_register(15)?;
        if self.set.contains(&at) {
            self.halted = true;
            self.control |= 2;
            self.reasons |= 2;
        } else {
            self.gdb.send("c")?;
        }
        result
    }

    /// Moves a core register to or from the data register.
    fn transfer(&mut self, request: u32) -> Option<()> {
        let number = match request & 0x7f {
            number @ 0..=15 => number,
            16 => 25,
            // The main stack, which is the one in use.
            17 => 13,
            _ => {
                self.data = 0;
                return Some(());
            }
        };
        if request & 1 << 16 == 0 {
            self.data = self.gdb.core_register(number)?;
            Some(())
        } else {
            self.gdb.set_core_register(number, self.data)
        }
    }

    fn reset(&mut self) -> Option<()> {
        self.look();
        if !self.halted {
            self.gdb.interrupt()?;
        }
        self.gdb.ask(&format!("qRcmd,{}", hex(b"system_reset")))?;
        // QEMU resets when its main loop comes to it: the program counter is that of the vector table then.
        let entry = u32::from_le_bytes(self.gdb.memory(4, 4)?.try_into().ok()?) & !1;
        for _ in 0..200 {
            if self.gdb.core_register(15)? == entry {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.was_reset = true;
        self.in_flash = None;
        self.halted = true;
        if self.demcr & 1 != 0 {
            self.control |= 2;
            self.reasons |= 8;
            return Some(());
        }
        self.control &= !2;
        self.set_breakpoints()?;
        self.halted = false;
        self.gdb.send("c")
    }

    /// Sets breakpoints in QEMU where the comparators are, and at every `BKPT` in memory.
    fn set_breakpoints(&mut self) -> Option<()> {
        let mut wanted: Vec<u32> = self
            .comparators
            .iter()
            .filter(|comparator| **comparator & 1 != 0)
            .map(|comparator| comparator & 0x1fff_fffc | if comparator >> 30 == 2 { 2 } else { 0 })
            .collect();
        if self.in_flash.is_none() {
            self.in_flash = Some(self.breakpoint_instructions(|start| start < RAM)?);
        }
        wanted.extend(self.in_flash.iter().flatten());
        wanted.extend(self.breakpoint_instructions(|start| start >= RAM)?);
        wanted.sort_unstable();
        wanted.dedup();
        let old = std::mem::replace(&mut self.set, wanted.clone());
        for address in old.iter().filter(|address| !wanted.contains(address)) {
            self.gdb.ask(&format!("z0,{address:x},2"))?;
        }
        for address in wanted.iter().filter(|address| !old.contains(address)) {
            self.gdb.ask(&format!("Z0,{address:x},2"))?;
        }
        Some(())
    }

    /// Returns where memory holds what reads as a `BKPT`, in areas whose start is `wanted`.
    fn breakpoint_instructions(&mut self, wanted: impl Fn(u32) -> bool) -> Option<Vec<u32>> {
        const AT_ONCE: u32 = 1024;
        let mut found = Vec::new();
        for (start, bytes) in self.code.clone().into_iter().filter(|(start, _)| wanted(*start)) {
            for at in (start..start + bytes).step_by(AT_ONCE as usize) {
                let memory = self.gdb.memory(at, AT_ONCE.min(start + bytes - at))?;
                let halves = memory.chunks_exact(2).zip((at..).step_by(2));
                found.extend(halves.filter(|(half, _)| half[1] == 0xbe).map(|(_, address)| address));
            }
        }
        Some(found)
    }
}

/// Returns the index of the comparator at `address`.
fn comparator(address: u32) -> Option<usize> {
    let at = address.checked_sub(BP_COMP)? / 4;
    (at < COMPARATORS as u32).then_some(at as usize)
}

/// QEMU's side: gdb's remote protocol.
#[derive(Debug)]
struct Gdb {
    input: ChildStdin,
    received: Receiver<Vec<u8>>,
    buffer: Vec<u8>,
    /// QEMU has ended.
    gone: bool,
}

/// How long QEMU may take for an answer.
const ANSWER: Duration = Duration::from_secs(5);

impl Gdb {
    fn send(&mut self, text: &str) -> Option<()> {
        let sum = text.bytes().fold(0u8, u8::wrapping_add);
        self.input.write_all(format!("${text}#{sum:02x}").as_bytes()).ok()?;
        self.input.flush().ok()
    }

    /// Returns the next packet, if one comes in time; acknowledgements are passed over.
    fn packet(&mut self, patience: Duration) -> Option<String> {
        loop {
            let start = self.buffer.iter().position(|byte| *byte == b'$');
            let end = self.buffer.iter().position(|byte| *byte == b'#');
            if let (Some(start), Some(end)) = (start, end)
                && self.buffer.len() >= end + 3
            {
                let text = String::from_utf8_lossy(self.buffer.get(start + 1..end)?).to_string();
                self.buffer.drain(..end + 3);
                self.input.write_all(b"+").and_then(|()| self.input.flush()).ok()?;
                return Some(text);
            }
            match self.received.recv_timeout(patience) {
                Ok(bytes) => self.buffer.extend(bytes),
                Err(error) => {
                    self.gone |= error == RecvTimeoutError::Disconnected;
                    return None;
                }
            }
        }
    }

    fn ask(&mut self, text: &str) -> Option<String> {
        self.send(text)?;
        loop {
            let answer = self.packet(ANSWER)?;
            // What a command of QEMU's monitor prints.
            if answer == "OK" || !answer.starts_with('O') {
                return Some(answer);
            }
        }
    }

    /// Stops a core that runs.
    fn interrupt(&mut self) -> Option<()> {
        self.input.write_all(&[3]).and_then(|()| self.input.flush()).ok()?;
        self.packet(ANSWER).map(|_| ())
    }

    fn memory(&mut self, address: u32, count: u32) -> Option<Vec<u8>> {
        let answer = self.ask(&format!("m{address:x},{count:x}"))?;
        unhex(&answer).filter(|bytes| bytes.len() == count as usize)
    }

    fn set_memory(&mut self, address: u32, bytes: &[u8]) -> Option<()> {
        let text = format!("M{address:x},{:x}:{}", bytes.len(), hex(bytes));
        (self.ask(&text)? == "OK").then_some(())
    }

    fn core_register(&mut self, number: u32) -> Option<u32> {
        let answer = unhex(&self.ask(&format!("p{number:x}"))?)?;
        Some(u32::from_le_bytes(answer.try_into().ok()?))
    }

    fn set_core_register(&mut self, number: u32, value: u32) -> Option<()> {
        (self.ask(&format!("P{number:x}={}", hex(&value.to_le_bytes())))? == "OK").then_some(())
    }
}
