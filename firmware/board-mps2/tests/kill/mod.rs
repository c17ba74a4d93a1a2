//! The emulator, killed in the middle of its work; what it wrote to its memory stays in a file.

use std::io::{self, BufRead as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use tanbo_emulated::host::{Program, Runner};
use tempfile::TempDir;

/// A board with 32 KiB of memory on its bus, in a file.
pub struct Board {
    runner: Runner,
    image: PathBuf,
    dir: TempDir,
}

impl Board {
    /// Returns the board with its memory erased.
    pub fn new(program: &Program<'_>) -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        std::fs::write(dir.path().join("memory.bin"), [0xff; 32 << 10]).expect("file");
        let runner = Runner::by_name("m4").unwrap_or_else(|e| panic!("{e}"));
        let image = runner.build(program).unwrap_or_else(|e| panic!("{e}"));
        let image = Path::canonicalize(&image).expect("image");
        Self { runner, image, dir }
    }

    /// Switches it on with `test` as its argument, kills it so long after so many lines, and returns all that it said.
    pub fn run(&self, test: &str, lines: usize, then: Duration) -> String {
        let mut qemu = self.runner.qemu.split_whitespace();
        let mut child = Command::new(qemu.next().expect("a command"))
            .args(qemu)
            .args(["-display", "none", "-monitor", "none", "-serial", "none", "-chardev", "stdio,id=tty"])
            .args(["-semihosting-config", "enable=on,target=native,chardev=tty"])
            .args(["-drive", "if=none,id=m,file=memory.bin,format=raw"])
            .args(["-device", "at24c-eeprom,address=0x50,rom-size=32768,drive=m", "-append", test])
            .arg("-kernel")
            .arg(&self.image)
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("QEMU");
        let mut console = io::BufReader::new(child.stdout.take().expect("a pipe"));
        let mut said = String::new();
        for _ in 0..lines {
            console.read_line(&mut said).expect("a line");
        }
        thread::sleep(then);
        child.kill().expect("a kill");
        child.wait().expect("an end");
        console.read_to_string(&mut said).expect("the rest");
        // The last line may be cut off.
        said.truncate(said.rfind('\n').map_or(0, |end| end + 1));
        said
    }
}
