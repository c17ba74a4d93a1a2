//! The emulator, killed in the middle of its work; what it wrote to its memory stays in a file.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use tanbo_emulated::host::{Program, Runner};
use tempfile::TempDir;

/// Length of the memory on the board's bus.
const MEMORY_BYTES: usize = 32 << 10;

/// A board with memory on its bus, in a file.
pub struct Board {
    runner: Runner,
    image: PathBuf,
    dir: TempDir,
}

impl Board {
    /// Returns the board with its memory erased.
    pub fn new(program: &Program<'_>) -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        std::fs::write(dir.path().join("memory.bin"), [0xff; MEMORY_BYTES]).expect("file");
        let runner = Runner::by_name("m4").unwrap_or_else(|e| panic!("{e}")).with_memory("memory.bin", MEMORY_BYTES);
        let image = runner.build(program).unwrap_or_else(|e| panic!("{e}"));
        Self { runner, image, dir }
    }

    /// Switches it on with `test` as its argument, kills it so long after so many lines, and returns all that it said.
    pub fn run(&self, test: &str, lines: usize, then: Duration) -> String {
        let mut runner = self.runner.clone();
        runner.qemu += &format!(" -append {test}");
        let mut board = runner.power(&self.image, self.dir.path(), "none").unwrap_or_else(|e| panic!("{e}"));
        let mut said = Vec::new();
        for _ in 0..lines {
            said.extend(board.hear(b'\n').expect("a line"));
        }
        thread::sleep(then);
        said.extend(board.kill().expect("a kill"));
        let mut said = String::from_utf8(said).expect("text");
        // The last line may be cut off.
        said.truncate(said.rfind('\n').map_or(0, |end| end + 1));
        said
    }
}
