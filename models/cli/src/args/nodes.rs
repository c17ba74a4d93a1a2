//! Arguments of the commands about nodes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

#[derive(Debug, clap::Args)]
pub struct ProvisionArgs {
    #[command(subcommand)]
    pub command: Provision,
}

#[derive(Debug, Subcommand)]
pub enum Provision {
    /// Make keys for a node, keep them in the registry, and write them to the node with its region, signers and calibration.
    Write(WriteArgs),
    /// Show the nodes of the registry.
    List(ListArgs),
    /// Take a node out of service for good; with --port or --image, its keys are erased in the node too.
    Revoke(RevokeArgs),
    /// Show a node of the registry, what gateway or network server must be told of it, or ask a node who it is.
    Show(ShowArgs),
}

/// Where the operator's nodes are kept.
#[derive(Clone, Debug, clap::Args)]
pub struct RegistryArgs {
    /// Registry of nodes and their keys; only its owner may read it.
    #[arg(long, value_name = "FILE", default_value = "nodes.toml")]
    pub registry: PathBuf,
}

/// The line to a node.
#[derive(Clone, Debug, clap::Args)]
pub struct LineArgs {
    /// Speed of a serial port.
    #[arg(long, value_name = "BAUD", default_value_t = 115_200)]
    pub baud: u32,
    /// How long to wait for the node, seconds.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub wait: Duration,
}

/// A chip on a debug probe.
#[cfg(feature = "probe")]
#[derive(Clone, Debug, clap::Args)]
pub struct ChipArgs {
    /// Through a debug probe: the node's firmware, an ELF file, whose flash map says where its identity lies.
    #[arg(long, value_name = "IMAGE", requires = "chip")]
    pub image: Option<PathBuf>,
    /// Chip, as probe-rs names it: nRF52840_xxAA, STM32WLE5JCIx, ...
    #[arg(long, value_name = "NAME", requires = "image")]
    pub chip: Option<String>,
    /// Debug probe: VENDOR:PRODUCT or VENDOR:PRODUCT:SERIAL, as `doctor` lists them [default: the only one].
    #[arg(long, value_name = "PROBE", requires = "image")]
    pub probe: Option<String>,
}

#[derive(Debug, clap::Args)]
#[cfg_attr(feature = "probe", group(id = "target", required = true, multiple = false, args = ["port", "output", "image"]))]
#[cfg_attr(not(feature = "probe"), group(id = "target", required = true, multiple = false, args = ["port", "output"]))]
pub struct WriteArgs {
    /// The node's EUI-64, 16 hexadecimal digits.
    #[arg(value_parser = eui)]
    pub node: [u8; 8],
    /// Region of its radio: in865, as923, eu868 or us915.
    #[arg(long, value_parser = region)]
    pub region: String,
    /// JoinEUI (AppEUI) of the network, 16 hexadecimal digits.
    #[arg(long, value_name = "EUI", default_value = "0000000000000000", value_parser = eui)]
    pub join_eui: [u8; 8],
    /// Public key of who may sign its models, as `keygen` writes it; repeat the flag for a second one.
    #[arg(short, long = "key", value_name = "KEY.pub.pem")]
    pub keys: Vec<PathBuf>,
    /// Calibration of its sensors: tables [[calibration]] with sensor, channel, unit, zero and gain_ppm.
    #[arg(long, value_name = "FILE.toml")]
    pub calibration: Option<PathBuf>,
    /// Give new keys to a node that has been written before; over its line, its button must be held while it starts.
    #[arg(long)]
    pub again: bool,
    /// Line to the node: a serial port, an emulator's socket, or tcp:HOST:PORT.
    #[arg(short, long, value_name = "PORT")]
    pub port: Option<String>,
    /// File to write in place of a node, for the page that its flash map has for it.
    #[arg(short, long, value_name = "PAGE.bin")]
    pub output: Option<PathBuf>,
    #[cfg(feature = "probe")]
    #[command(flatten)]
    pub chip: ChipArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub line: LineArgs,
}

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub registry: RegistryArgs,
}

#[derive(Debug, clap::Args)]
pub struct RevokeArgs {
    /// The node's EUI-64.
    #[arg(value_parser = eui)]
    pub node: [u8; 8],
    /// Line to the node, to erase its keys there; its button must be held while it starts.
    #[arg(short, long, value_name = "PORT")]
    pub port: Option<String>,
    #[cfg(feature = "probe")]
    #[command(flatten)]
    pub chip: ChipArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub line: LineArgs,
}

#[derive(Debug, clap::Args)]
#[group(id = "which", required = true, multiple = false, args = ["node", "port"])]
pub struct ShowArgs {
    /// The node's EUI-64.
    #[arg(value_parser = eui)]
    pub node: Option<[u8; 8]>,
    /// Line to a node, which is asked who it is and compared with the registry.
    #[arg(short, long, value_name = "PORT")]
    pub port: Option<String>,
    /// Show with its secrets what one of them must be told.
    #[arg(long = "for", value_name = "WHOM", requires = "node")]
    pub whom: Option<Whom>,
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub line: LineArgs,
}

#[derive(Debug, clap::Args)]
pub struct UpdateArgs {
    /// Model or firmware (.tnf): what `tanbo sign` has written.
    pub file: PathBuf,
    /// EUI-64 of the node; its keys are in the registry.
    #[arg(long, value_parser = eui)]
    pub node: Option<[u8; 8]>,
    #[command(flatten)]
    pub target: UpdateTarget,
    /// Windows that must go well on the node before it keeps the model; of firmware it knows itself how many.
    #[arg(long, value_name = "N", default_value_t = 240, value_parser = clap::value_parser!(u16).range(1..))]
    pub windows: u16,
    /// Do not wait for the end of the trial.
    #[arg(long)]
    pub no_wait: bool,
    /// Send a file whose version cannot be read as this version: to see that the node refuses it.
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u32).range(1..))]
    pub release: Option<u32>,
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub line: LineArgs,
    #[command(flatten)]
    pub cut: CutArgs,
}

/// How a model reaches the node.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct UpdateTarget {
    /// Line to the node: a serial port, an emulator's socket, or tcp:HOST:PORT.
    #[arg(short, long, value_name = "PORT", requires = "node")]
    pub port: Option<String>,
    /// File to write: the payloads of a fragmented transport (LoRaWAN TS004-1.0.0) for a network server's queue, one line each; or
    /// a folder, for one file each.
    #[arg(long, value_name = "FILE|FOLDER")]
    pub fragments: Option<PathBuf>,
}

/// How a model is cut into fragments.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Fragments")]
pub struct CutArgs {
    /// Length of a fragment: what the data rate carries beside 3 bytes, and whole words of the node's flash.
    #[arg(long, value_name = "BYTES", default_value_t = 48)]
    pub fragment_bytes: usize,
    /// Fragments of parity beside those of the model, percent of them: about what may be lost on the air.
    #[arg(long, value_name = "PERCENT", default_value_t = 30, value_parser = clap::value_parser!(u16).range(..=1000))]
    pub redundancy: u16,
    /// Session of the transport, 0 to 3.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub session: u8,
    /// What a line is.
    #[arg(long, value_name = "FORMAT", default_value = "hex")]
    pub format: Format,
}

/// What a line of a file of fragments is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// FPort and payload: `201 08…`.
    Hex,
    /// ChirpStack's JSON for its MQTT topic application/ID/device/NODE/command/down; wants --node.
    Chirpstack,
}

/// Who must be told something of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Whom {
    /// The key of its frames.
    Gateway,
    /// DevEUI, JoinEUI and AppKey.
    NetworkServer,
}

fn eui(text: &str) -> Result<[u8; 8], String> {
    let mut eui = [0; 8];
    let bare = text.replace([':', '-'], "");
    hex::decode_to_slice(bare, &mut eui).map_err(|_| "give an EUI-64: 16 hexadecimal digits".to_string())?;
    Ok(eui)
}

fn region(text: &str) -> Result<String, String> {
    let names = tanbo_flash_map::Region::ALL.map(tanbo_flash_map::Region::name);
    names.contains(&text).then(|| text.into()).ok_or_else(|| format!("there are {}", names.join(", ")))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: u32 = text.parse().map_err(|_| "give whole seconds".to_string())?;
    Ok(Duration::from_secs(seconds.into()))
}
