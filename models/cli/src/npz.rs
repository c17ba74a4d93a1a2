//! The .npz format: a zip of .npy files, one array each (numpy.savez), read within limits.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use crate::error::CliError;
use crate::npy::{self, Array};

/// Most bytes that the arrays read from one file may unpack to: 1 GiB. A zip of a megabyte may ask for a thousand times
/// as much.
pub const UNPACKED_LIMIT: u64 = 1 << 30;

/// An open .npz file.
pub struct Npz {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
    /// Bytes that may still be unpacked.
    left: u64,
}

impl Npz {
    /// Opens a file.
    ///
    /// # Errors
    /// A file that cannot be read or is no zip.
    pub fn open(path: &Path) -> Result<Self, CliError> {
        let file = File::open(path).map_err(|error| CliError::file(path, &error))?;
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| damaged(path, &error))?;
        Ok(Self { path: path.to_path_buf(), archive, left: UNPACKED_LIMIT })
    }

    /// Returns the names of the arrays, in the order of the file.
    pub fn names(&self) -> Vec<String> {
        let files = self.archive.file_names().filter_map(Result::ok);
        files.map(|name| name.strip_suffix(".npy").unwrap_or(&name).to_string()).collect()
    }

    /// Returns the names for a message: `'x', 'labels'`.
    pub fn listed(&self) -> String {
        let names: Vec<String> = self.names().iter().map(|name| format!("'{name}'")).collect();
        if names.is_empty() { "nothing".into() } else { names.join(", ") }
    }

    /// Returns whether there is an array called `name`.
    pub fn holds(&self, name: &str) -> bool {
        self.archive.index_for_name(&format!("{name}.npy")).is_some()
    }

    /// Returns where messages say that an array is.
    pub fn place(&self, name: &str) -> String {
        format!("{}: '{name}'", self.path.display())
    }

    /// Unpacks an array.
    ///
    /// # Errors
    /// No such array, damage, elements of an unknown type, more bytes than the limit leaves.
    pub fn array(&mut self, name: &str) -> Result<Array, CliError> {
        let place = self.place(name);
        if !self.holds(name) {
            let reason = format_args!("no array '{name}'; it holds {}", self.listed());
            return Err(CliError::new(self.path.display(), reason, "name the arrays as the model's inputs"));
        }
        let too_large = |what: &str| {
            let reason = format_args!("{what} more than the {UNPACKED_LIMIT} bytes that a file may");
            CliError::new(&place, reason, "give fewer samples, in smaller files")
        };
        let entry = self.archive.by_name(&format!("{name}.npy")).map_err(|error| damaged(&self.path, &error))?;
        if entry.size() > self.left {
            return Err(too_large("the arrays say that they unpack to"));
        }
        let mut bytes = Vec::new();
        // What the entry says of itself need not be true.
        entry.take(self.left + 1).read_to_end(&mut bytes).map_err(|error| damaged(&self.path, &error))?;
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(|| too_large("the arrays unpack to"))?;
        npy::parse(&bytes).map_err(|error| CliError::new(&place, error.reason, error.remedy))
    }
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> CliError {
    CliError::new(path.display(), format_args!("not a .npz file: {error}"), "save it again with numpy.savez")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::npy::Type;

    fn file(arrays: &[(&str, usize)]) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for &(name, length) in arrays {
            archive.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
            let array = Array { ty: Type::I8, shape: vec![length], data: vec![7; length] };
            archive.write_all(&npy::emit(&array)).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    fn opened(bytes: &[u8]) -> Result<Npz, CliError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        Npz::open(file.path())
    }

    #[test]
    fn arrays_are_found_by_name() {
        let mut npz = opened(&file(&[("x", 3), ("a/b:0", 2)])).unwrap();
        assert_eq!(npz.names(), ["x", "a/b:0"]);
        assert_eq!(npz.array("a/b:0").unwrap().data, [7, 7]);
        let error = npz.array("y").unwrap_err();
        assert_eq!(error.reason, "no array 'y'; it holds 'x', 'a/b:0'");
    }

    #[test]
    fn no_more_is_unpacked_than_the_limit() {
        let bytes = file(&[("x", 10_000), ("y", 10_000)]);
        let mut npz = opened(&bytes).unwrap();
        // One fits, both together do not.
        npz.left = 20_000;
        assert!(npz.array("x").is_ok());
        assert!(npz.array("y").unwrap_err().reason.starts_with("the arrays say"));

        // An entry that lies about its size in both headers: 10,128 bytes, said to be 16.
        let size = 10_128u32.to_le_bytes();
        let mut lying = bytes.clone();
        let mut changed = 0;
        for at in 0..lying.len() - 4 {
            if lying[at..at + 4] == size {
                lying[at..at + 4].copy_from_slice(&16u32.to_le_bytes());
                changed += 1;
            }
        }
        assert_eq!(changed, 4);
        let mut npz = opened(&lying).unwrap();
        npz.left = 5_000;
        assert!(npz.array("x").is_err());
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let good = file(&[("x", 30)]);
        for at in 0..good.len() {
            for value in [0, 0xFF, good[at] ^ 1] {
                let mut bytes = good.clone();
                bytes[at] = value;
                if let Ok(mut npz) = opened(&bytes) {
                    let _ = npz.array("x");
                }
            }
            assert!(opened(&good[..at]).and_then(|mut npz| npz.array("x")).is_err(), "cut at {at}");
        }
    }
}
