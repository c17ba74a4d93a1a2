//! `tanbo doctor`: why no debug probe is found, and what to do.

#[cfg(feature = "probe")]
use std::path::Path;

use serde::Serialize;

use crate::Verdict;
use crate::args::DoctorArgs;
use crate::error::CliError;
use crate::output::Output;
use crate::probes::known::{self, Kind};
use crate::probes::system::{Access, System, UsbDevice, User};

/// Where probe-rs keeps its rules, and how they are put in place.
const RULES: &str = "put https://probe.rs/files/69-probe-rs.rules into /etc/udev/rules.d, then: \
                     sudo udevadm control --reload && sudo udevadm trigger";

#[derive(Serialize)]
struct Document {
    /// Probes that can be used.
    usable: usize,
    checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Serialize)]
struct Check {
    what: String,
    ok: bool,
    found: String,
    /// What to do; empty if there is nothing to do.
    remedy: String,
}

impl Check {
    fn good(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), ok: true, found: found.into(), remedy: String::new() }
    }

    fn bad(what: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), ok: false, found: found.into(), remedy: remedy.into() }
    }
}

/// Looks; the answer is no unless there is a probe that can be used.
pub fn doctor(args: &DoctorArgs, out: &Output) -> Result<Verdict, CliError> {
    let system = System::at(&args.root);
    let user = system.user().ok_or_else(|| {
        let place = args.root.join("proc/self/status");
        CliError::new(place.display(), "it does not tell who runs this", "run the command on Linux, with /proc mounted")
    })?;
    let document = examine(&system, &user);
    #[cfg(feature = "probe")]
    let document = if args.root == Path::new("/") { listed(document) } else { document };
    out.document(&document, || text(&document))?;
    Ok(if document.usable > 0 { Verdict::Yes } else { Verdict::No })
}

fn examine(system: &System, user: &User) -> Document {
    let mut document = Document { usable: 0, checks: Vec::new() };
    let checks = &mut document.checks;
    let devices = system.usb();
    let found: Vec<_> = devices
        .iter()
        .filter_map(|device| Some((device, known::device(device.id.0, device.id.1, &device.product)?)))
        .collect();
    if !system.has_usb() {
        let remedy =
            "in a container, start it with --device /dev/bus/usb; in a virtual machine, pass the probe through";
        checks.push(Check::bad("USB", "Linux shows no USB bus here", remedy));
    } else if found.is_empty() {
        let seen = devices.iter().map(id).collect::<Vec<_>>().join(" ");
        let seen = if seen.is_empty() { "no devices".to_string() } else { format!("no probe among {seen}") };
        let remedy = "plug the probe in with a cable that carries data, not only power; try another port without a hub";
        checks.push(Check::bad("USB", seen, remedy));
    }
    if system.is_wsl() && found.is_empty() {
        let remedy = "in Windows, with usbipd-win: usbipd list, usbipd bind --busid ID, usbipd attach --wsl --busid ID";
        checks.push(Check::bad("WSL", "this Linux runs in Windows, which keeps USB devices to itself", remedy));
    }
    for (device, (name, kind)) in found {
        let what = format!("{name} {}", id(device));
        if let Kind::NotYet(remedy) = kind {
            checks.push(Check::bad(what, "no probe yet", remedy));
            continue;
        }
        let check = permission(system, user, device, &what);
        document.usable += usize::from(check.ok);
        checks.push(check);
        if let Some(firmware) = known::firmware(name) {
            checks.push(Check::good(format!("{what}: firmware"), firmware));
        }
    }
    for port in system.serial_ports() {
        let what = format!("serial port /dev/{port}");
        checks.push(match system.access(&port, user) {
            Access::Yes => Check::good(what, "can be opened"),
            Access::No(group) => {
                let group = group.unwrap_or_else(|| "dialout".into());
                Check::bad(what, "this user may not open it", joins(&group))
            }
            Access::Missing => continue,
        });
    }
    document
}

/// Adds what `flash`, `monitor` and the runners see of this machine, which decides: the probes that probe-rs lists.
#[cfg(feature = "probe")]
fn listed(mut document: Document) -> Document {
    let probes = tanbo_probe::list();
    document.usable = probes.iter().filter(|probe| probe.accessible).count();
    for probe in probes {
        let (what, found) = (format!("--probe {}", probe.selector), format!("{}, which probe-rs drives", probe.name));
        document.checks.push(if probe.accessible {
            Check::good(what, found)
        } else {
            Check::bad(what, "this user may not open it", "its line above says why")
        });
    }
    document
}

/// Whether a probe can be opened, and if not, by what rule or group it could be.
fn permission(system: &System, user: &User, device: &UsbDevice, what: &str) -> Check {
    let rule = system.rule_for(device.id.0);
    match system.access(&device.node, user) {
        Access::Yes => Check::good(what, format!("/dev/{} can be opened", device.node)),
        Access::Missing => Check::bad(
            what,
            format!("it hangs on USB, but there is no /dev/{}", device.node),
            "in a container, start it with --device /dev/bus/usb",
        ),
        Access::No(Some(group)) => {
            Check::bad(what, format!("only group {group} may open /dev/{}", device.node), joins(&group))
        }
        Access::No(None) => match rule {
            None => Check::bad(
                what,
                format!("this user may not open /dev/{}, and no udev rule names it", device.node),
                RULES,
            ),
            Some(rule) => Check::bad(
                what,
                format!("{} names it, but this user may not open /dev/{}", rule.display(), device.node),
                "unplug it and plug it in again; if that does not help: sudo udevadm control --reload && sudo udevadm trigger",
            ),
        },
    }
}

fn joins(group: &str) -> String {
    format!("sudo usermod -aG {group} $USER, then log out and in again")
}

fn id(device: &UsbDevice) -> String {
    format!("{:04x}:{:04x}", device.id.0, device.id.1)
}

fn text(document: &Document) -> String {
    let mut text = String::new();
    for Check { what, ok, found, remedy } in &document.checks {
        text += &format!("{}  {what}: {found}\n", if *ok { "ok " } else { "NOT" });
        if !remedy.is_empty() {
            text += &format!("     -> {remedy}\n");
        }
    }
    text + &match document.usable {
        0 => "no probe can be used\n".to_string(),
        1 => "1 probe can be used\n".to_string(),
        more => format!("{more} probes can be used\n"),
    }
}
