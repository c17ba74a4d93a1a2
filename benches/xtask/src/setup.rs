//! Installs what the tests need and the machine lacks: Debian packages and Rust targets.

use std::collections::BTreeSet;
use std::process::Command;

use tanbo_emulated::host::Runner;

use crate::boards;
use crate::workspace::{Error, succeeds};

/// Packages that the fallback toolchain consists of, where rustup has no targets to give.
const DEBIAN_RUST: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// Subcommands of cargo that the lint check runs.
const COMPONENTS: [&str; 2] = ["fmt", "clippy"];

/// Installs what is missing, or prints the commands that do where this user may not.
///
/// # Errors
/// Something is missing and could not be installed.
pub fn run() -> Result<(), Error> {
    let runners = Runner::list().map_err(|error| Error(error.to_string()))?;
    // The plugin that counts instructions is compiled with gcc; programs in C use the library, on this machine and on the board.
    let mut packages: BTreeSet<String> = ["gcc", "g++", "libc6-dev", "gcc-arm-none-eabi"].map(String::from).into();
    let mut targets = BTreeSet::new();
    for runner in &runners {
        packages.extend(runner.apt.iter().cloned());
        targets.insert(runner.target.clone());
    }
    targets.extend(boards::list()?.into_iter().map(|board| board.target));
    packages.retain(|package| !is_installed(package));
    install_packages(&packages.into_iter().collect::<Vec<_>>())?;
    let installed = installed_targets();
    targets.retain(|target| !installed.contains(target));
    install_targets(&targets.into_iter().collect::<Vec<_>>())?;
    install_components()
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn is_installed(package: &str) -> bool {
    output("dpkg-query", &["-W", "-f=${Status}", package]).is_some_and(|status| status.ends_with(" installed"))
}

fn is_root() -> bool {
    output("id", &["-u"]).is_some_and(|id| id.trim() == "0")
}

fn install_packages(packages: &[String]) -> Result<(), Error> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if !is_root() {
        return Err(Error(format!("not root, so run: sudo apt-get install -y --no-install-recommends {list}")));
    }
    eprintln!("installing {list}");
    succeeds(&mut apt(&["update", "-q"]))?;
    let mut arguments = vec!["install", "-q", "-y", "--no-install-recommends"];
    arguments.extend(packages.iter().map(String::as_str));
    if succeeds(&mut apt(&arguments))? {
        return Ok(());
    }
    // QEMU's packages share files of one version: tools from a newer release (backports) block this release's emulators.
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let codename = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or("stable");
    let tools = format!("qemu-utils/{codename}");
    if is_installed("qemu-utils") {
        arguments.extend(["--allow-downgrades", &tools]);
        if succeeds(&mut apt(&arguments))? {
            return Ok(());
        }
    }
    Err(Error(format!("apt-get could not install {list}; its messages stand above")))
}

fn apt(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    // stdout is for results.
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(std::io::stderr());
    command
}

/// Returns the targets for which rustup's active toolchain has a standard library; none without rustup.
fn installed_targets() -> BTreeSet<String> {
    output("rustup", &["target", "list", "--installed"])
        .map(|list| list.lines().map(|line| line.trim().to_string()).collect())
        .unwrap_or_default()
}

fn install_targets(targets: &[String]) -> Result<(), Error> {
    if targets.is_empty() || has_debian_toolchain() {
        return Ok(());
    }
    eprintln!("adding Rust targets {}", targets.join(" "));
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add"]).args(targets).stdout(std::io::stderr());
    if rustup.status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    eprintln!("rustup has none to give: falling back to Debian's compiler, which builds core and std from source");
    install_packages(&DEBIAN_RUST.map(String::from))?;
    if succeeds(Command::new("rustup").args(["toolchain", "link", "debian", "/usr"]).stdout(std::io::stderr()))? {
        return Ok(());
    }
    Err(Error(format!("run: rustup target add {}", targets.join(" "))))
}

/// Installs what `lint` runs.
fn install_components() -> Result<(), Error> {
    for component in COMPONENTS {
        if output(&format!("cargo-{component}"), &["--version"]).is_some() {
            continue;
        }
        let name = if component == "fmt" { "rustfmt" } else { component };
        if !succeeds(Command::new("rustup").args(["component", "add", name]).stdout(std::io::stderr()))? {
            return Err(Error(format!("cargo {component} is missing, so run: rustup component add {name}")));
        }
    }
    Ok(())
}

fn has_debian_toolchain() -> bool {
    output("rustup", &["toolchain", "list"]).is_some_and(|list| list.lines().any(|line| line.starts_with("debian")))
}
