//! A C program on this machine, linked with the library: every misuse that can be told is refused with its code, and the outputs are
//! the engine's in every bit. Also as C++, which the header must be too.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use tanbo::{Engine, Model, OpSet, Reference};
use tanbo_format::emit::Aligned;

static OPERATORS: OpSet = OpSet::all::<Reference>();

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn succeeded(output: Output) -> Output {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    output
}

/// The library for this machine.
fn library() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(folder()).args(["build", "--quiet", "--package", "tanbo-c", "--lib"]);
    succeeded(build.output().expect("cargo"));
    // target/tmp is what cargo tells a test of its target directory.
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../debug/libtanbo_c.a")
}

/// The outputs of 100 inputs of the program's generator.
fn expected(model: &Model<'_>) -> Vec<u8> {
    let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
    let mut engine = Engine::new(model, &OPERATORS, &mut arena).expect("an engine");
    let mut state = 0u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let mut outputs = Vec::new();
    for _ in 0..100 {
        engine.input_bytes_mut(0).expect("the input").fill_with(&mut next);
        engine.run().expect("a run");
        outputs.extend_from_slice(engine.output_bytes(0).expect("the output"));
    }
    outputs
}

#[test]
fn a_c_program_gets_the_same_bits_and_every_misuse_its_code() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let artifact = fs::read(folder().join("../engine/tests/data/two_layers.tnb")).expect("the model");
    let artifact = Aligned::new(&artifact);
    let model = Model::parse(&artifact).expect("an artifact");
    fs::write(dir.path().join("model.h"), tanbo_compiler::c_header(&model, "model")).expect("the header");
    let include = folder().join("include");
    let mut cc = Command::new("cc");
    cc.current_dir(dir.path()).args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-I."]).arg("-I").arg(&include);
    cc.arg(format!("-DVERSION=\"{}\"", env!("CARGO_PKG_VERSION"))).arg(folder().join("tests/host.c")).arg(library());
    succeeded(cc.args(["-lpthread", "-ldl", "-lm", "-o", "program"]).output().expect("cc"));
    succeeded(Command::new("./program").current_dir(dir.path()).output().expect("the program"));
    let outputs = fs::read(dir.path().join("output.bin")).expect("the outputs");
    assert!(outputs == expected(&model), "other outputs than the engine's");
}

#[test]
fn the_header_is_c99_and_cplusplus_too() {
    let dir = tempfile::tempdir().expect("temporary directory");
    for (language, standard) in [("c", "c99"), ("c", "c17"), ("c++", "c++11"), ("c++", "c++20")] {
        let source = dir.path().join("source");
        fs::write(&source, "#include \"tanbo.h\"\nstatic const tanbo_operator *const list[] = {&tanbo_dsp_conv2d_packed};\nconst void *use(void); const void *use(void) { return list; }\n").expect("the source");
        let mut cc = Command::new("cc");
        cc.args(["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-pedantic", "-x", language])
            .arg(format!("-std={standard}"));
        succeeded(cc.arg("-I").arg(folder().join("include")).arg(&source).output().expect("cc"));
    }
}
