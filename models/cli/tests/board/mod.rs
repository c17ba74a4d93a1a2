//! `tanbo provision` and `tanbo update` against the emulated board, over its UART.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tanbo_emulated::host::{Program, Runner};
use tempfile::TempDir;

const PROGRAM: Program<'static> = Program { package: "tanbo-board-mps2", bin: "tanbo-node-update" };
const NODE: &str = "70b3d57ed0000001";

/// A board with its memory, and its operator's files.
struct Site {
    dir: TempDir,
    image: PathBuf,
    qemu: String,
}

/// The board while it has power.
struct Powered {
    qemu: Child,
    console: BufReader<ChildStdout>,
}

impl Drop for Powered {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Powered {
    /// The versions that it runs and has committed, as soon as it is at work.
    fn versions(&mut self) -> (u32, u32) {
        let mut said = String::new();
        self.console.read_line(&mut said).unwrap();
        let words: Vec<&str> = said.split_whitespace().collect();
        let ["running", running, "committed", committed] = words[..] else { panic!("{said}") };
        (running.parse().unwrap(), committed.parse().unwrap())
    }
}

impl Site {
    fn new() -> Self {
        let runner = Runner::by_name("m4").unwrap_or_else(|e| panic!("{e}"));
        let image = runner.build(&PROGRAM).unwrap_or_else(|e| panic!("{e}"));
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("memory.bin"), [0xff; 64 << 10]).unwrap();
        Self { dir, image: image.canonicalize().unwrap(), qemu: runner.qemu }
    }

    fn at(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Powers the board. With `button`, somebody holds its button down.
    fn power(&self, button: bool) -> Powered {
        let files = self.dir.path();
        fs::write(files.join("seed"), fastrand::u64(..).to_le_bytes()).unwrap();
        let _ = fs::remove_file(files.join("button"));
        if button {
            fs::write(files.join("button"), [1]).unwrap();
        }
        let _ = fs::remove_file(files.join("uart"));
        let mut words = self.qemu.split_whitespace();
        let mut qemu = Command::new(words.next().unwrap())
            .args(words)
            .args(["-display", "none", "-monitor", "none", "-chardev", "stdio,id=tty"])
            .args(["-chardev", "socket,id=uart,path=uart,server=on,wait=off", "-serial", "chardev:uart"])
            .args(["-semihosting-config", "enable=on,target=native,chardev=tty"])
            .args(["-drive", "if=none,id=m,file=memory.bin,format=raw"])
            .args(["-device", "at24c-eeprom,address=0x50,rom-size=65536,drive=m"])
            .arg("-kernel")
            .arg(&self.image)
            .current_dir(files)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("QEMU");
        let until = Instant::now() + Duration::from_secs(60);
        while !files.join("uart").exists() {
            assert!(Instant::now() < until, "QEMU makes no socket");
            thread::sleep(Duration::from_millis(5));
        }
        let console = BufReader::new(qemu.stdout.take().unwrap());
        Powered { qemu, console }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tanbo"));
        command.arg("--json").args(arguments).current_dir(self.dir.path());
        command
    }

    fn call(&self, code: i32, arguments: &[&str]) -> Value {
        document(code, &self.command(arguments).output().unwrap())
    }

    /// Sends a model; what became of it.
    fn update(&self, code: i32, file: &str, more: &[&str]) -> Value {
        let usual = ["update", file, "--node", NODE, "--windows", "3", "--port", "uart", "--wait", "60"];
        self.call(code, &[&usual[..], more].concat())
    }

    /// Signs the seismic model.
    fn sign(&self, output: &str, key: &str, name: &str, version: u32) {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../zoo/seismic/seismic.tnb").display().to_string();
        let version = version.to_string();
        self.call(0, &["sign", &model, "--key", key, "--name", name, "--version", &version, "--output", output]);
    }

    /// Keys, an identity for the board, and the board at work.
    fn start(&self) -> Powered {
        self.call(0, &["keygen", "a.pem"]);
        let mut board = self.power(false);
        let told = self.call(0, &["provision", "show", "--port", "uart", "--wait", "60"]);
        assert_eq!((&told["board"], &told["node"]), (&"mps2-an386".into(), &Value::Null));
        let write = ["provision", "write", NODE, "--region", "in865", "--key", "a.pub.pem", "--port", "uart"];
        let told = self.call(0, &[&write[..], &["--wait", "60"]].concat());
        assert_eq!((&told["answered"]["node"], &told["state"]), (&NODE.into(), &"active".into()));
        assert_eq!(board.versions(), (0, 0));
        board
    }
}

fn document(code: i32, output: &Output) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}{}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
#[ignore = "needs emulators: cargo xtask test runs it"]
fn a_node_is_provisioned_takes_models_refuses_bad_ones_and_is_revoked() {
    let site = Site::new();
    let board = site.start();
    site.sign("3.tnb", "a.pem", "seismic", 3);
    let told = site.update(0, "3.tnb", &[]);
    assert_eq!((&told["stage"], &told["version"]), (&"committed".into(), &3.into()));

    site.call(0, &["keygen", "b.pem"]);
    site.sign("2.tnb", "a.pem", "seismic", 2);
    site.sign("4.tnb", "a.pem", "seismic", 4);
    site.sign("theirs.tnb", "b.pem", "seismic", 4);
    site.sign("other.tnb", "a.pem", "water", 4);
    let bytes = fs::read(site.at("4.tnb")).unwrap();
    let mut flipped = bytes.clone();
    flipped[4000] ^= 1;
    fs::write(site.at("flipped.tnb"), flipped).unwrap();
    fs::write(site.at("short.tnb"), &bytes[..8000]).unwrap();
    fs::write(site.at("long.tnb"), [&bytes[..], &[0; 8000]].concat()).unwrap();
    let seismic = Path::new(env!("CARGO_MANIFEST_DIR")).join("../zoo/seismic/seismic.tnb");
    fs::copy(seismic, site.at("unsigned.tnb")).unwrap();
    let as_four = ["--release", "4"];
    let none: [&str; 0] = [];
    for (file, more, refusal, words) in [
        ("2.tnb", &none[..], 17, "higher --version"),
        ("2.tnb", &as_four[..], 17, "not above"),
        ("theirs.tnb", &none[..], 7, "not among those"),
        ("other.tnb", &none[..], 16, "something else"),
        ("flipped.tnb", &as_four[..], 3, "not what its hash says"),
        ("short.tnb", &as_four[..], 2, "cut off"),
        ("long.tnb", &as_four[..], 25, "longer than a slot"),
        ("unsigned.tnb", &as_four[..], 4, "not signed"),
    ] {
        let told = site.update(1, file, more);
        assert_eq!((&told["stage"], &told["refusal"]["code"]), (&"refused".into(), &refusal.into()), "{file}");
        let reason = format!("{} {}", told["refusal"]["reason"], told["refusal"]["remedy"]);
        assert!(reason.contains(words), "{file}: {reason}");
    }
    // Without a version that can be read it is not even sent.
    let told = site.update(2, "short.tnb", &[]);
    assert!(told["error"]["remedy"].as_str().unwrap().contains("--release"), "{told}");

    drop(board);
    let mut board = site.power(false);
    assert_eq!(board.versions(), (3, 3));
    assert_eq!(site.update(0, "4.tnb", &[])["stage"], "committed");
    drop(board);

    // With its button held it forgets who it was, and its models stay out of reach.
    let board = site.power(true);
    let told = site.call(0, &["provision", "revoke", NODE, "--port", "uart", "--wait", "60"]);
    assert!(told["erased"].is_string(), "{told}");
    let told = site.call(0, &["provision", "show", "--port", "uart", "--wait", "60"]);
    assert_eq!(told["node"], Value::Null);
    drop(board);
    let told = site.update(2, "4.tnb", &[]);
    assert!(told["error"]["reason"].as_str().unwrap().contains("is revoked"), "{told}");
    let memory = fs::read(site.at("memory.bin")).unwrap();
    assert!(memory[29 << 10..].iter().all(|byte| *byte == 0xff), "the store and the identity are erased");
}

#[test]
#[ignore = "needs emulators: cargo xtask test runs it"]
fn a_model_arrives_over_a_line_that_loses_bytes_and_through_a_pulled_plug() {
    let site = Site::new();
    let board = site.start();
    site.sign("1.tnb", "a.pem", "seismic", 1);
    site.sign("2.tnb", "a.pem", "seismic", 2);

    // The plug, once some of the model is in the slot.
    let usual = ["update", "1.tnb", "--node", NODE, "--windows", "3", "--wait", "60", "--port", "uart"];
    let sending = site.command(&usual).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(120);
    while fs::read(site.at("memory.bin")).unwrap()[..28 << 10].iter().filter(|byte| **byte != 0xff).count() < 1_000 {
        assert!(Instant::now() < until, "nothing arrives");
        thread::sleep(Duration::from_millis(5));
    }
    drop(board);
    let mut board = site.power(false);
    assert_eq!(board.versions(), (0, 0));
    let told = document(0, &sending.wait_with_output().unwrap());
    assert_eq!(told["stage"], "committed");
    assert!(told["reopened"].as_u64() > Some(0), "{told}");
    // What was there was not sent again: an artifact has 56 parts.
    assert!(told["frames"].as_u64() < Some(75), "{told}");

    let port = lossy(site.dir.path().join("uart"), 3_000);
    let usual = ["update", "2.tnb", "--node", NODE, "--windows", "3", "--wait", "60", "--port", &port];
    let told = site.call(0, &usual);
    assert_eq!(told["stage"], "committed");
    assert!(told["repeated"].as_u64() > Some(0), "{told}");
}

/// A port on the way to `uart` that swallows one byte of so many, both ways.
fn lossy(uart: PathBuf, one_of: u32) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("tcp:{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for near in listener.incoming() {
            let (near, far) = (near.unwrap(), UnixStream::connect(&uart).unwrap());
            let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            thread::spawn(move || swallow(near_too, far_too, one_of, 7));
            thread::spawn(move || swallow(far, near, one_of, 8));
        }
    });
    port
}

fn swallow<R: std::io::Read + Ends, W: std::io::Write + Ends>(mut from: R, mut to: W, one_of: u32, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut byte = [0];
    // Until either end is gone.
    while from.read_exact(&mut byte).is_ok() {
        if random.u32(..one_of) > 0 && to.write_all(&byte).is_err() {
            break;
        }
    }
    from.end();
    to.end();
}

trait Ends {
    fn end(&self);
}

impl Ends for TcpStream {
    fn end(&self) {
        let _ = self.shutdown(std::net::Shutdown::Both);
    }
}

impl Ends for UnixStream {
    fn end(&self) {
        let _ = self.shutdown(std::net::Shutdown::Both);
    }
}
