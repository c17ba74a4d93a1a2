//! The files in which Linux tells of USB, users and rules, below any root: a test has a root of its own.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Folders of udev's rules.
const RULES: [&str; 4] = ["etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d"];

/// A machine's files.
#[derive(Clone, Debug)]
pub struct System {
    root: PathBuf,
}

/// A device on USB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsbDevice {
    /// Vendor and product number.
    pub id: (u16, u16),
    /// What it calls itself.
    pub product: String,
    /// Its file, below `/dev`.
    pub node: String,
}

/// The user that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Number.
    pub uid: u32,
    /// Groups, the own one first.
    pub groups: Vec<u32>,
}

/// Whether a file can be opened for reading and writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// It can.
    Yes,
    /// It cannot; the group whose members can, if there is one.
    No(Option<String>),
    /// There is no such file: a container or a virtual machine that was not given the device.
    Missing,
}

impl System {
    /// Returns the machine whose root folder is `root`.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }

    fn folder(&self, path: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.root.join(path)).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    }

    /// Returns the devices on USB.
    pub fn usb(&self) -> Vec<UsbDevice> {
        let of = |path: PathBuf| {
            let read = |name: &str| fs::read_to_string(path.join(name)).ok().map(|text| text.trim().to_string());
            let id = |name: &str| u16::from_str_radix(&read(name)?, 16).ok();
            let number = |name: &str| read(name)?.parse::<u16>().ok();
            Some(UsbDevice {
                id: (id("idVendor")?, id("idProduct")?),
                product: read("product").unwrap_or_default(),
                node: format!("bus/usb/{:03}/{:03}", number("busnum")?, number("devnum")?),
            })
        };
        self.folder("sys/bus/usb/devices").into_iter().filter_map(of).collect()
    }

    /// Returns the serial ports of USB devices: names below `/dev`.
    pub fn serial_ports(&self) -> Vec<String> {
        let names = self.folder("dev").into_iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_string()));
        names.filter(|name| name.starts_with("ttyACM") || name.starts_with("ttyUSB")).collect()
    }

    /// Returns the user of this process.
    pub fn user(&self) -> Option<User> {
        let status = self.text("proc/self/status")?;
        let numbers = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            Some(line.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<u32>>())
        };
        // Real, effective, saved, file system: the effective one opens files.
        let uid = *numbers("Uid:")?.get(1)?;
        let mut groups = vec![*numbers("Gid:")?.get(1)?];
        groups.extend(numbers("Groups:")?);
        Some(User { uid, groups })
    }

    /// Returns whether `user` may open `node`, below `/dev`.
    pub fn access(&self, node: &str, user: &User) -> Access {
        let Ok(facts) = fs::metadata(self.root.join("dev").join(node)) else { return Access::Missing };
        let mode = facts.mode();
        let may = match user {
            User { uid: 0, .. } => true,
            User { uid, .. } if *uid == facts.uid() => mode & 0o600 == 0o600,
            User { groups, .. } if groups.contains(&facts.gid()) => mode & 0o060 == 0o060,
            _ => mode & 0o006 == 0o006,
        };
        // Membership of root's group is no remedy.
        let group = (mode & 0o060 == 0o060 && facts.gid() != 0).then(|| self.group_of(facts.gid())).flatten();
        if may { Access::Yes } else { Access::No(group) }
    }

    /// Returns the name of a group.
    fn group_of(&self, gid: u32) -> Option<String> {
        let groups = self.text("etc/group")?;
        let fields = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let mut named = fields.filter(|fields| fields.get(2).and_then(|number| number.parse().ok()) == Some(gid));
        named.next()?.first().map(|name| (*name).to_string())
    }

    /// Returns the file of udev's rules that names a vendor.
    pub fn rule_for(&self, vendor: u16) -> Option<PathBuf> {
        let wanted = format!("\"{vendor:04x}\"");
        let files = RULES.iter().flat_map(|folder| self.folder(folder));
        let names = |path: &PathBuf| {
            fs::read_to_string(path).is_ok_and(|text| {
                let rules = text.lines().filter(|line| !line.trim_start().starts_with('#'));
                rules.filter(|line| line.contains("idVendor")).any(|line| line.to_ascii_lowercase().contains(&wanted))
            })
        };
        files.filter(|path| path.extension().is_some_and(|extension| extension == "rules")).find(names)
    }

    /// Returns whether this is Windows' Linux, which sees no USB device by itself.
    pub fn is_wsl(&self) -> bool {
        self.text("proc/sys/kernel/osrelease").is_some_and(|text| text.to_ascii_lowercase().contains("microsoft"))
    }

    /// Returns whether Linux tells of USB at all.
    pub fn has_usb(&self) -> bool {
        self.root.join("sys/bus/usb/devices").is_dir()
    }
}
