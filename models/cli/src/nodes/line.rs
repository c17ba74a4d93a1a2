//! The line to a node: a serial port, a socket of an emulator, or TCP; frames on it as `tanbo-wire` has them on serial.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use tanbo_wire::{Frame, serial};

use crate::error::CliError;

/// Longest wait within the operating system.
const POLL: Duration = Duration::from_millis(20);

trait Port: Read + Write {}
impl<T: Read + Write> Port for T {}

/// The line.
pub struct Line {
    port: Box<dyn Port>,
    place: String,
    baud: u32,
    decoder: serial::Decoder,
}

impl Line {
    /// Opens `place`: a device, a Unix socket's path, or `tcp:HOST:PORT`.
    ///
    /// # Errors
    /// What is not there, or may not be opened.
    pub fn open(place: &str, baud: u32) -> Result<Self, CliError> {
        let port = open(place, baud)?;
        let mut line = Self { port, place: place.into(), baud, decoder: serial::Decoder::new() };
        // Ends what noise began.
        line.port.write_all(&[0]).map_err(|error| line.error(&error))?;
        Ok(line)
    }

    /// Returns where it leads.
    pub fn place(&self) -> &str {
        &self.place
    }

    fn error(&self, error: &io::Error) -> CliError {
        CliError::new(&self.place, error, "is the node still plugged in, and no other program on this port?")
    }

    /// Says a frame.
    ///
    /// # Errors
    /// A line that has gone away.
    pub fn say(&mut self, frame: &[u8]) -> Result<(), CliError> {
        let said = self.port.write_all(&serial::encode(frame)).and_then(|()| self.port.flush());
        said.map_err(|error| self.error(&error))
    }

    /// Returns the next frame that comes before `until`.
    ///
    /// # Errors
    /// A line that has gone away.
    pub fn hear(&mut self, until: Instant) -> Result<Option<Frame>, CliError> {
        let mut byte = [0];
        while Instant::now() < until {
            match self.port.read(&mut byte) {
                Ok(0) => return Err(self.error(&ErrorKind::UnexpectedEof.into())),
                Ok(_) => {
                    let [byte] = byte;
                    if let Some(frame) = self.decoder.push(byte).filter(|frame| !frame.is_empty()) {
                        return Ok(Some(frame));
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                }
                Err(error) => return Err(self.error(&error)),
            }
        }
        Ok(None)
    }

    /// Opens it again, for a node that was unplugged, as often as it takes until `until`.
    ///
    /// # Errors
    /// Why it could not be opened last.
    pub fn reopen(&mut self, until: Instant) -> Result<(), CliError> {
        loop {
            std::thread::sleep(Duration::from_millis(200));
            match Self::open(&self.place, self.baud) {
                Ok(line) => {
                    *self = line;
                    return Ok(());
                }
                Err(error) if Instant::now() >= until => return Err(error),
                Err(_) => {}
            }
        }
    }
}

fn open(place: &str, baud: u32) -> Result<Box<dyn Port>, CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::new(place, error, remedy());
    if let Some(address) = place.strip_prefix("tcp:") {
        let stream = TcpStream::connect(address).map_err(|error| failed(&error))?;
        stream.set_read_timeout(Some(POLL)).and_then(|()| stream.set_nodelay(true)).map_err(|error| failed(&error))?;
        return Ok(Box::new(stream));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        use std::os::unix::net::UnixStream;
        if std::fs::metadata(place).is_ok_and(|facts| facts.file_type().is_socket()) {
            let stream = UnixStream::connect(Path::new(place)).map_err(|error| failed(&error))?;
            stream.set_read_timeout(Some(POLL)).map_err(|error| failed(&error))?;
            return Ok(Box::new(stream));
        }
    }
    let port = serialport::new(place, baud).timeout(POLL).open().map_err(|error| failed(&error))?;
    Ok(Box::new(port))
}

fn remedy() -> String {
    let ports = serialport::available_ports().unwrap_or_default();
    let names: Vec<String> = ports.into_iter().map(|port| port.port_name).collect();
    let known =
        if names.is_empty() { "no serial ports are here".into() } else { format!("here are {}", names.join(", ")) };
    format!("give a device, a socket's path or tcp:HOST:PORT; {known}; `tanbo doctor` tells whether you may open them")
}
