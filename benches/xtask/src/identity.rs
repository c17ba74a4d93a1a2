//! A node's identity with new keys, as a file for the page that its flash map has for it.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::PathBuf;

use tanbo_flash_map::{Calibrations, Identity, Region, SIGNERS};

use crate::workspace::Error;

/// What `cargo xtask identity` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// The node's EUI-64, 16 hexadecimal digits.
    node: String,
    /// Region of its radio: in865, as923, eu868 or us915.
    region: String,
    /// The network's JoinEUI (AppEUI), 16 hexadecimal digits.
    #[arg(long, default_value = "0000000000000000")]
    join_eui: String,
    /// The file to write; it holds the node's keys.
    #[arg(short, long)]
    output: PathBuf,
}

/// Makes keys, writes the file and prints what gateway and network server must be told.
///
/// # Errors
/// A number or region that is none; the file cannot be written, or is there already.
pub fn run(arguments: &Arguments) -> Result<(), Error> {
    let eui = |text: &str| {
        let digits = text.len() == 16;
        let number = u64::from_str_radix(text, 16).ok().filter(|_| digits);
        number.ok_or_else(|| Error(format!("'{text}' is no EUI-64: 16 hexadecimal digits")))
    };
    let region = Region::ALL.into_iter().find(|region| region.name() == arguments.region);
    let names = Region::ALL.map(Region::name).join(", ");
    let region = region.ok_or_else(|| Error(format!("no region '{}': {names}", arguments.region)))?;
    let (node, join_eui) = (eui(&arguments.node)?, eui(&arguments.join_eui)?);
    let (signers, calibrations) = ([[0; 64]; SIGNERS], Calibrations::NONE);
    let identity = Identity { node, key: random()?, region, join_eui, app_key: random()?, signers, calibrations };
    let path = &arguments.output;
    if path.exists() {
        return Err(Error(format!("{}: is there already; a node's keys are not made twice", path.display())));
    }
    fs::write(path, identity.to_bytes()).map_err(|error| Error(format!("{}: {error}", path.display())))?;
    println!("{}: {identity:?}", path.display());
    println!("gateway:        key {}", hex::encode(identity.key));
    println!("network server: DevEUI {node:016x}, JoinEUI {join_eui:016x}, AppKey {}", hex::encode(identity.app_key));
    Ok(())
}

/// Sixteen bytes of the operating system's randomness.
fn random() -> Result<[u8; 16], Error> {
    const SOURCE: &str = "/dev/urandom";
    let mut bytes = [0; 16];
    let read = File::open(SOURCE).and_then(|mut file| file.read_exact(&mut bytes));
    read.map(|()| bytes).map_err(|error| Error(format!("{SOURCE}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::{Arguments, run};
    use tanbo_flash_map::{Identity, Region};

    #[test]
    fn a_new_identity_has_keys_of_its_own_and_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let arguments = |name: &str, node: &str, region: &str| Arguments {
            node: node.into(),
            region: region.into(),
            join_eui: "70b3d57ed0000000".into(),
            output: folder.path().join(name),
        };
        let made = |name: &str| {
            run(&arguments(name, "00000000000000ab", "us915")).expect("an identity");
            Identity::read(&std::fs::read(folder.path().join(name)).expect("a file")).expect("an identity")
        };
        let (one, other) = (made("one"), made("other"));
        assert_eq!((one.node, one.region, one.join_eui), (0xab, Region::Us915, 0x70b3_d57e_d000_0000));
        assert!(one.key != other.key && one.app_key != other.app_key && one.key != one.app_key);
        for (name, node, region) in
            [("one", "00000000000000ab", "us915"), ("a", "ab", "us915"), ("b", "00000000000000ab", "moon")]
        {
            assert!(run(&arguments(name, node, region)).is_err(), "{name}");
        }
    }
}
