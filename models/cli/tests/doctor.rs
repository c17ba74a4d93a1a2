//! `tanbo doctor` on machines that are folders: each reason why a probe is not found, with its remedy.
#![cfg(unix)]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use serde_json::Value;

use common::{Folder, document};

/// A machine on which user 4242 asks.
struct Machine(Folder);

impl Machine {
    fn new() -> Self {
        let machine = Self(Folder::new());
        machine.file(
            "proc/self/status",
            "Name:\ttanbo\nUid:\t4242\t4242\t4242\t4242\nGid:\t4242\t4242\t4242\t4242\nGroups:\t27 4242 \n",
        );
        machine.file("proc/sys/kernel/osrelease", "6.1.0\n");
        fs::create_dir_all(machine.0.path("sys/bus/usb/devices")).unwrap();
        machine
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.0.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Plugs a device in; `mode` is of its file.
    fn plug(&self, vendor: &str, product: &str, name: &str, mode: Option<u32>) {
        for (file, text) in
            [("idVendor", vendor), ("idProduct", product), ("product", name), ("busnum", "1"), ("devnum", "4")]
        {
            self.file(&format!("sys/bus/usb/devices/1-2/{file}"), &format!("{text}\n"));
        }
        if let Some(mode) = mode {
            self.device("dev/bus/usb/001/004", mode);
        }
    }

    fn device(&self, path: &str, mode: u32) {
        self.file(path, "");
        fs::set_permissions(self.0.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// What it answers with this exit code: the checks that failed, each as text and remedy.
    fn failed(&self, code: i32) -> Vec<(String, String)> {
        let found = document(code, &["doctor", "--root", &self.0.at("")]);
        assert_eq!(found["usable"], i32::from(code == 0), "{found}");
        let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_string();
        let checks = found["checks"].as_array().unwrap();
        let failed = checks.iter().filter(|check| check["ok"] == false);
        failed.map(|check| (text(check, "what") + ": " + &text(check, "found"), text(check, "remedy"))).collect()
    }

    /// As [`Machine::failed`], of one check.
    fn only(&self, what: &str, remedy: &str) {
        let failed = self.failed(1);
        assert!(failed.len() == 1 && failed[0].0.contains(what) && failed[0].1.contains(remedy), "{failed:?}");
    }
}

#[test]
fn nothing_on_usb_is_told_apart_from_no_usb() {
    let machine = Machine::new();
    machine.only("no devices", "cable that carries data");
    machine.plug("046d", "c52b", "USB Receiver", None);
    machine.only("no probe among 046d:c52b", "cable that carries data");
    fs::remove_dir_all(machine.0.path("sys")).unwrap();
    machine.only("no USB bus", "--device /dev/bus/usb");
}

#[test]
fn windows_keeps_devices_to_itself() {
    let machine = Machine::new();
    machine.file("proc/sys/kernel/osrelease", "5.15.153.1-microsoft-standard-WSL2\n");
    let failed = machine.failed(1);
    assert!(failed.len() == 2 && failed[1].1.contains("usbipd attach --wsl"), "{failed:?}");
    // Attached, it is a device as any other.
    machine.plug("0d28", "0204", "DAPLink CMSIS-DAP", Some(0o666));
    assert_eq!(machine.failed(0), []);
}

#[test]
fn a_probe_without_permission_gets_the_rule_the_group_or_a_replug() {
    let machine = Machine::new();
    machine.plug("0483", "374e", "STLINK-V3", Some(0o600));
    machine.only("0483:374e: this user may not open /dev/bus/usb/001/004, and no udev rule", "69-probe-rs.rules");
    // A comment is no rule.
    machine.file(
        "etc/udev/rules.d/69-probe-rs.rules",
        "# ATTRS{idVendor}==\"0483\"\nATTRS{idVendor}==\"1366\", MODE=\"660\"\n",
    );
    machine.only("no udev rule", "69-probe-rs.rules");
    machine.file(
        "etc/udev/rules.d/69-probe-rs.rules",
        "ATTRS{idVendor}==\"0483\", ATTRS{idProduct}==\"374e\", MODE=\"660\", TAG+=\"uaccess\"\n",
    );
    machine.only("69-probe-rs.rules names it", "plug it in again");
    machine.device("dev/bus/usb/001/004", 0o606);
    assert_eq!(machine.failed(0), []);
}

/// Files of tests belong to who runs them: the group of one is that of the machine's plugdev.
#[test]
fn a_group_that_may_is_named() {
    let machine = Machine::new();
    machine.plug("2e8a", "000c", "Debug Probe (CMSIS-DAP)", Some(0o660));
    let facts = fs::metadata(machine.0.path("dev/bus/usb/001/004")).unwrap();
    machine.file("etc/group", &format!("root:x:0:\nplugdev:x:{}:\n", facts.gid()));
    if facts.gid() == 0 {
        // Nobody is told to join root's group.
        machine.only("2e8a:000c: this user may not open", "69-probe-rs.rules");
        std::os::unix::fs::chown(machine.0.path("dev/bus/usb/001/004"), None, Some(46)).unwrap();
        machine.file("etc/group", "plugdev:x:46:\n");
    }
    machine.only("only group plugdev may open", "usermod -aG plugdev");
}

#[test]
fn devices_that_are_no_probes_yet_say_what_makes_them_one() {
    for (product, remedy) in [("0003", "debugprobe_on_pico.uf2"), ("0004", "hold BOOTSEL")] {
        let machine = Machine::new();
        machine.plug("2e8a", product, "", Some(0o666));
        machine.only("no probe yet", remedy);
    }
    let machine = Machine::new();
    machine.plug("0483", "3744", "STM32 STLink", Some(0o666));
    machine.only("ST-LINK/V1", "too old");
}

#[test]
fn a_device_without_a_file_is_a_container_s() {
    let machine = Machine::new();
    machine.plug("1366", "0105", "J-Link", None);
    machine.only("there is no /dev/bus/usb/001/004", "--device /dev/bus/usb");
}

#[test]
fn serial_ports_and_firmware_are_told_beside_the_probe() {
    let machine = Machine::new();
    machine.plug("0483", "374b", "STM32 STLink", Some(0o666));
    machine.device("dev/ttyACM0", 0o600);
    let failed = machine.failed(0);
    assert!(failed.len() == 1 && failed[0].0.contains("/dev/ttyACM0") && failed[0].1.contains("dialout"), "{failed:?}");
    let found = document(0, &["doctor", "--root", &machine.0.at("")]);
    assert!(found.to_string().contains("V2J26"), "{found}");
}

#[test]
fn this_machine_is_examined_whatever_it_has() {
    let output = common::tanbo(&["doctor"]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
}
