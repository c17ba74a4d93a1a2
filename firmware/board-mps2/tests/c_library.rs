//! A C firmware on the emulated board, linked with the library of `runtime/c`: its outputs are those of the engine on this machine in
//! every bit, and nothing of an operator is linked that it does not name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use object::{Object as _, ObjectSymbol as _};
use tanbo::{Engine, Family, Model};
use tanbo_compiler::Options;
use tanbo_compiler::testing::{mobilenet, random_inputs};
use tanbo_emulated::host::{ImageSize, Runner};
use tanbo_quant::Rounding;

/// What the linker is told: the machine's code, no C library, and to leave out what nothing names.
const FLAGS: [&str; 13] = [
    "-mcpu=cortex-m4",
    "-mthumb",
    "-mfloat-abi=hard",
    "-mfpu=fpv4-sp-d16",
    "-std=c11",
    "-Os",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-ffunction-sections",
    "-nostdlib",
    "-Wl,--gc-sections",
    "-Wl,-Map=image.map",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Links the firmware for `artifact` in `dir`.
fn link(dir: &Path, artifact: &[u8]) -> PathBuf {
    let runner = Runner::by_name("m4").expect("the runner");
    let library = runner.build_library("tanbo-c").expect("the library");
    let artifact = tanbo_format::emit::Aligned::new(artifact);
    let model = Model::parse(&artifact).expect("an artifact");
    fs::write(dir.join("model.h"), tanbo_compiler::c_header(&model, "model")).expect("the model's header");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("c");
    let mut gcc = Command::new("arm-none-eabi-gcc");
    gcc.current_dir(dir).args(FLAGS).arg("-I.").arg("-I").arg(root().join("runtime/c/include"));
    gcc.args(["main.c", "startup.c"].map(|file| source.join(file)));
    gcc.arg("-T").arg(source.join("mps2.ld")).arg("-L").arg(root().join("firmware/emulated/memory"));
    gcc.arg(library).args(["-lgcc", "-o", "image.elf"]);
    let output = gcc.output().expect("arm-none-eabi-gcc: cargo xtask setup installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    dir.join("image.elf")
}

/// The model packed for the core.
fn packed(artifact: &[u8]) -> Vec<u8> {
    let artifact = tanbo_format::emit::Aligned::new(artifact);
    tanbo::pack::repack(&Model::parse(&artifact).expect("an artifact"), Family::Dsp).expect("packed")
}

/// The first output of each input, by the engine on this machine.
fn expected(artifact: &[u8], inputs: &[Vec<u8>]) -> Vec<u8> {
    let artifact = tanbo_format::emit::Aligned::new(artifact);
    let model = Model::parse(&artifact).expect("an artifact");
    let mut arena = tanbo_format::emit::Aligned::new(&vec![0; model.arena_bytes()]);
    let mut engine = Engine::new(&model, tanbo::table_or_reference(Family::Portable), &mut arena).expect("an engine");
    let mut outputs = Vec::new();
    for input in inputs {
        engine.input_bytes_mut(0).expect("the input").copy_from_slice(input);
        engine.run().expect("a run");
        outputs.extend_from_slice(engine.output_bytes(0).expect("the output"));
    }
    outputs
}

/// Runs `image` on the board over `inputs`; what it wrote.
fn on_board(dir: &Path, image: &Path, inputs: &[Vec<u8>]) -> Vec<u8> {
    fs::write(dir.join("input.bin"), inputs.concat()).expect("the inputs");
    let runner = Runner::by_name("m4").expect("the runner");
    let outcome = runner.run(image, dir, Duration::from_secs(120)).expect("the emulation");
    assert_eq!(outcome.exit_code, Some(0), "{}", outcome.console);
    fs::read(dir.join("output.bin")).expect("the outputs")
}

/// What is in an image of the library: operators by symbol, and the modules of the engine's operators and of the kernels.
fn linked(image: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    let bytes = fs::read(image).expect("the image");
    let elf = object::File::parse(&*bytes).expect("an ELF file");
    let names: BTreeSet<String> = elf.symbols().filter_map(|s| s.name().ok().map(String::from)).collect();
    let api = fs::read_to_string(root().join("runtime/c/include/tanbo.h")).expect("the header");
    let is_operator =
        |name: &&String| name.starts_with("tanbo_") && !name.contains('.') && !api.contains(&format!("{name}("));
    let operators = names.iter().filter(is_operator);
    // The parts of mangled names, each a length and as many letters: a module, and something in it.
    let module = |name: &String| {
        let rest = name.split_once("5tanbo3ops").or_else(|| name.split_once("13tanbo_kernels9reference"))?.1;
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let length: usize = rest.get(..digits)?.parse().ok()?;
        let module = rest.get(digits..digits + length)?;
        module.starts_with(|c: char| c.is_ascii_lowercase()).then(|| String::from(module))
    };
    (operators.cloned().collect(), names.iter().filter_map(module).collect())
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_string()).collect()
}

/// Links, runs and looks at the firmware for a model, packed for the core, whose portable form is `portable`.
fn same_bits(portable: &[u8], packed: &[u8], inputs: &[Vec<u8>], operators: &[&str], modules: &[&str]) -> ImageSize {
    let dir = tempfile::tempdir().expect("temporary directory");
    let image = link(dir.path(), packed);
    let outputs = on_board(dir.path(), &image, inputs);
    assert!(outputs == expected(portable, inputs), "other outputs than on this machine");
    assert!(outputs.iter().collect::<BTreeSet<_>>().len() > 4, "the outputs say nothing: {outputs:?}");
    assert_eq!(linked(&image), (set(operators), set(modules)));
    // The map says so too: what it lists with a place in the image, the image has.
    let map = fs::read_to_string(dir.path().join("image.map")).expect("the map");
    let placed = map.split("Linker script and memory map").nth(1).expect("the map's second part");
    for operator in operators {
        assert!(placed.contains(&format!(" {operator}\n")), "{operator} is not in the map");
    }
    ImageSize::of(&image).expect("its size")
}

#[test]
fn the_seismic_model_has_the_same_bits_in_c_and_links_its_operators_alone() {
    let artifact = fs::read(root().join("models/zoo/seismic/seismic.tnb")).expect("the model");
    let mut random = fastrand::Rng::with_seed(7);
    let inputs: Vec<Vec<u8>> = (0..200).map(|_| (0..31).map(|_| random.u8(..)).collect()).collect();
    let operators = ["tanbo_dsp_fully_connected_packed"];
    let packed = packed(&artifact);
    let size = same_bits(&artifact, &packed, &inputs, &operators, &["packed"]);
    // What the README says, with room for another compiler.
    let code = size.flash_code_bytes - packed.len() as u64;
    assert!((30_000..36_000).contains(&code), "{code} bytes of code: the README of runtime/c says 34,632");
}

#[test]
fn a_network_of_several_operators_has_the_same_bits_in_c() {
    let mut random = fastrand::Rng::with_seed(11);
    let graph = mobilenet(32, 0, Rounding::Single, &mut random).graph;
    let compiled = |family| {
        let options = Options { family, ..Options::default() };
        tanbo_compiler::compile(&graph, &options).expect("an artifact")
    };
    let inputs: Vec<Vec<u8>> = (0..8).map(|_| random_inputs(&graph, &mut random).concat()).collect();
    let operators = [
        "tanbo_dsp_average_pool2d",
        "tanbo_dsp_conv2d_packed",
        "tanbo_dsp_depthwise_conv2d_packed",
        "tanbo_dsp_fully_connected_packed",
    ];
    // `packed` is the module of all packed operators; the pool's kernel has two functions.
    let modules = ["average_pool2d", "average_pool2d_absorb", "packed"];
    same_bits(&compiled(Family::Portable), &compiled(Family::Dsp), &inputs, &operators, &modules);
}
