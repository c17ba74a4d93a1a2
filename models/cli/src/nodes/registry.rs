//! The operator's nodes: a TOML file that only its owner may read. `README.md` has its layout, which the gateway reads too.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tanbo_flash_map::{Identity, Region, SIGNERS};
use toml::value::Datetime;

use crate::error::CliError;
use crate::files;
use crate::nodes::calibration::{self, Channel};

/// Largest registry: tens of thousands of nodes.
const LIMIT: u64 = 64 << 20;
/// Layout that this reads and writes.
const VERSION: u32 = 1;

/// What a node is to its operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It has keys, and nobody knows whether they have reached the node.
    Prepared,
    /// It has them.
    Active,
    /// Nothing of it is taken any more, and its id and keys are never used again.
    Revoked,
}

impl State {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Active => "active",
            Self::Revoked => "revoked",
        }
    }
}

/// What the gateway must be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Key of the node's frames.
    #[serde(with = "hex::serde")]
    pub key: [u8; 16],
}

/// What the LoRaWAN network server must be told, beside the id, which is the DevEUI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkServer {
    /// JoinEUI (AppEUI).
    #[serde(with = "hex::serde")]
    pub join_eui: [u8; 8],
    /// AppKey.
    #[serde(with = "hex::serde")]
    pub app_key: [u8; 16],
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// EUI-64.
    #[serde(with = "hex::serde")]
    pub id: [u8; 8],
    /// What it is to its operator.
    pub state: State,
    /// Region of its radio.
    pub region: String,
    /// Its board, as it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub board: Option<String>,
    /// When its keys were made.
    pub prepared: Datetime,
    /// When they were last known to be in the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<Datetime>,
    /// Since when nothing of it is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Datetime>,
    /// When its keys were seen to be gone from the node; from then on they are not here either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erased: Option<Datetime>,
    /// Numbers of frames to the node below this are used.
    #[serde(default)]
    pub down: u32,
    /// SHA-256 of each key that it ever had, first bytes: none is used again.
    pub fingerprints: Vec<String>,
    /// Public keys of those who may sign its models: x and y of P-256.
    #[serde(default)]
    pub signers: Vec<String>,
    /// The key that it had before, until it is known to have the new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Gateway>,
    /// For the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
    /// For the network server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_server: Option<NetworkServer>,
    /// Calibration of its sensors.
    #[serde(default)]
    pub calibration: Vec<Channel>,
}

impl Node {
    /// Returns the id as people write it.
    pub fn name(&self) -> String {
        hex::encode(self.id)
    }

    /// Returns the identity for its page; `None` for a revoked node whose keys are gone.
    ///
    /// # Errors
    /// Fields that somebody has changed to what is none.
    pub fn identity(&self, registry: &Path) -> Result<Option<Identity>, CliError> {
        let (Some(gateway), Some(network)) = (&self.gateway, &self.network_server) else { return Ok(None) };
        let place = format!("{}: node {}", registry.display(), self.name());
        let wrong = |reason: String| CliError::new(&place, reason, "put back what `tanbo provision` had written");
        let region = Region::ALL.into_iter().find(|region| region.name() == self.region);
        let region = region.ok_or_else(|| wrong(format!("no region '{}'", self.region)))?;
        let mut signers = [[0; 64]; SIGNERS];
        if self.signers.len() > SIGNERS {
            return Err(wrong(format!("{} signers; a node has room for {SIGNERS}", self.signers.len())));
        }
        for (to, text) in signers.iter_mut().zip(&self.signers) {
            hex::decode_to_slice(text, to).map_err(|error| wrong(format!("signer '{text}': {error}")))?;
        }
        let calibrations = calibration::of(&self.calibration, &place)?;
        let (node, join_eui) = (u64::from_be_bytes(self.id), u64::from_be_bytes(network.join_eui));
        let (key, app_key) = (gateway.key, network.app_key);
        Ok(Some(Identity { node, key, region, join_eui, app_key, signers, calibrations }))
    }
}

/// Returns what stands for a key that must not be used again.
pub fn fingerprint(key: &[u8; 16]) -> String {
    let digest = Sha256::digest(key);
    hex::encode(digest.get(..8).unwrap_or_default())
}

/// Returns the time, to the second.
///
/// # Errors
/// A clock that is set to before 1970 or after 9999.
pub fn now() -> Result<Datetime, CliError> {
    let now = time::OffsetDateTime::now_utc().replace_nanosecond(0).ok();
    let text = now.and_then(|now| now.format(&time::format_description::well_known::Rfc3339).ok());
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| CliError::new("clock", "the time cannot be written down", "set this machine's clock"))
}

/// All nodes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    version: u32,
    /// The nodes, in the order in which they were prepared.
    #[serde(rename = "node", default)]
    pub nodes: Vec<Node>,
}

impl Registry {
    /// Returns what the file holds; an empty registry where there is none.
    ///
    /// # Errors
    /// A file that cannot be read, that others may read, or that is no registry.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Self { version: VERSION, nodes: Vec::new() });
            }
            Err(error) => return Err(CliError::file(path, &error)),
            #[cfg(unix)]
            Ok(facts) if std::os::unix::fs::PermissionsExt::mode(&facts.permissions()) & 0o077 != 0 => {
                let remedy = format!("chmod 600 {}", path.display());
                return Err(CliError::new(path.display(), "others may read it, and it holds keys", remedy));
            }
            Ok(_) => {}
        }
        let remedy = "it is written by `tanbo provision`; take yesterday's copy";
        let wrong = |reason: &dyn std::fmt::Display| CliError::new(path.display(), reason, remedy);
        let text = String::from_utf8(files::read(path, LIMIT)?).map_err(|_| wrong(&"not a text"))?;
        let registry: Self = toml::from_str(&text).map_err(|error| wrong(&error.to_string().trim_end()))?;
        if registry.version != VERSION {
            return Err(wrong(&format_args!("version {}; this command reads {VERSION}", registry.version)));
        }
        Ok(registry)
    }

    /// Changes the file, alone: whoever comes meanwhile waits. What `change` returns as an error changes nothing.
    ///
    /// # Errors
    /// As [`Registry::read`]; a file that cannot be written; those of `change`.
    pub fn change<T>(path: &Path, change: impl FnOnce(&mut Self) -> Result<T, CliError>) -> Result<T, CliError> {
        let beside = |end: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        };
        let lock_path = beside(".lock");
        let lock = private(&lock_path, false)?;
        lock.lock().map_err(|error| CliError::file(&lock_path, &error))?;
        let mut registry = Self::read(path)?;
        let value = change(&mut registry)?;
        let body = toml::to_string(&registry).map_err(|error| CliError::new(path.display(), error, ""))?;
        let text =
            format!("# Written by `tanbo provision`. It holds keys: keep it to yourself, and keep copies.\n{body}");
        // The old file or the new one, whenever the power goes.
        let new_path = beside(".new");
        let written = private(&new_path, true).and_then(|mut file| {
            file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|e| CliError::file(&new_path, &e))
        });
        written?;
        fs::rename(&new_path, path).map_err(|error| CliError::file(path, &error))?;
        Ok(value)
    }

    /// Returns a node.
    ///
    /// # Errors
    /// None of that id.
    pub fn node(&mut self, path: &Path, id: [u8; 8]) -> Result<&mut Node, CliError> {
        self.nodes.iter_mut().find(|node| node.id == id).ok_or_else(|| {
            let remedy = "`tanbo provision list` shows those that are there; --registry names another file";
            CliError::new(path.display(), format_args!("no node {}", hex::encode(id)), remedy)
        })
    }

    /// Returns keys from the operating system's random source that no node ever had.
    ///
    /// # Errors
    /// A system without such a source.
    pub fn new_keys<const N: usize>(&self) -> Result<[[u8; 16]; N], CliError> {
        let mut keys = [[0; 16]; N];
        loop {
            for key in &mut keys {
                getrandom::fill(key).map_err(|error| CliError::new("random source", error, ""))?;
            }
            let known = |key: &[u8; 16]| {
                let print = fingerprint(key);
                self.nodes.iter().any(|node| node.fingerprints.contains(&print))
            };
            if !keys.iter().any(known) {
                return Ok(keys);
            }
        }
    }
}

/// Opens a file that only its owner may read.
pub fn private(path: &Path, anew: bool) -> Result<File, CliError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(anew);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| CliError::file(path, &error))
}
