//! Hostile TensorFlow Lite files: named cases of each class that other importers had advisories for, and mutants.
#![cfg(feature = "tflite")]

mod hostile;
#[path = "hostile/flatbuffer.rs"]
mod layout;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hostile::{Random, Worst, check_refusal, mutants};
use layout::{Layout, Part};
use tanbo_compiler::import::tflite::import;
use tanbo_compiler::{Options, compile};

fn folder(name: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tflite").join(name);
    let paths = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = paths.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "tflite"));
    paths.map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())).collect()
}

/// A sound model to spoil: one that has all parts named in `needed`.
fn model_with(models: &BTreeMap<String, Vec<u8>>, name: &str) -> Vec<u8> {
    models.get(name).unwrap_or_else(|| panic!("no model {name} in {:?}", models.keys())).clone()
}

/// Spoils parts of a file: each named part becomes these bytes.
fn spoil(file: &mut [u8], changes: &[(&str, &[u8])]) {
    let layout = Layout::of(file);
    for (part, bytes) in changes {
        let at = layout.at(part);
        file[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

const MAX: [u8; 4] = i32::MAX.to_le_bytes();
const MINUS_ONE: [u8; 4] = (-1i32).to_le_bytes();
const MIN: [u8; 4] = i32::MIN.to_le_bytes();
const ZERO: [u8; 4] = [0; 4];
const ONE: [u8; 4] = 1i32.to_le_bytes();
const FAR: [u8; 4] = 9999i32.to_le_bytes();

/// Class of defect, model, parts that change, and what place and reason of the refusal must hold.
type Case = (&'static str, &'static str, &'static [(&'static str, &'static [u8])], [&'static str; 2]);

const CASES: &[Case] = &[
    (
        "zero stride",
        "conv_3x3_same_stride2_even",
        &[("operator 0 option 1", &ZERO)],
        ["operator 0 (CONV_2D)", "its stride is"],
    ),
    (
        "negative stride",
        "conv_3x3_same_stride2_even",
        &[("operator 0 option 1", &MINUS_ONE)],
        ["operator 0 (CONV_2D)", "its stride is"],
    ),
    (
        "stride of the least number",
        "depthwise_3x3_stride2_even",
        &[("operator 0 option 2", &MIN)],
        ["operator 0 (DEPTHWISE_CONV_2D)", "its stride is"],
    ),
    (
        "zero dilation",
        "conv_dilation2_same",
        &[("operator 0 option 4", &ZERO)],
        ["operator 0 (CONV_2D)", "its dilation is"],
    ),
    ("zero filter", "conv_3x3_same", &[("tensor 1 shape 1", &ZERO)], ["tensor 1", "an extent of its shape is 0"]),
    (
        "zero channels per group",
        "conv_groups2",
        &[("tensor 1 shape 3", &ZERO)],
        ["tensor 1", "an extent of its shape is 0"],
    ),
    (
        "zero depth multiplier",
        "depthwise_3x3_same",
        &[("operator 0 option 3", &ZERO)],
        ["operator 0 (DEPTHWISE_CONV_2D)", "multiplied by 0"],
    ),
    (
        "channels that are no groups",
        "conv_groups2",
        &[("tensor 1 shape 3", &3i32.to_le_bytes())],
        ["tensor 1", "its buffer has"],
    ),
    (
        "zero pooling window",
        "average_pool_2x2",
        &[("operator 0 option 3", &ZERO)],
        ["operator 0 (AVERAGE_POOL_2D)", "its window is"],
    ),
    (
        "huge pooling window",
        "average_pool_2x2",
        &[("operator 0 option 3", &MAX)],
        ["operator 0 (AVERAGE_POOL_2D)", "its window is"],
    ),
    (
        "split into nothing",
        "split_channels",
        &[("operator 0 output length", &ZERO)],
        ["operator 0 (SPLIT)", "0 results"],
    ),
    (
        "axis before the first",
        "concat_channels",
        &[("operator 0 option 0", &MIN)],
        ["operator 0 (CONCATENATION)", "axis -2147483648"],
    ),
    (
        "axis behind the last",
        "concat_channels",
        &[("operator 0 option 0", &MAX)],
        ["operator 0 (CONCATENATION)", "axis 2147483647"],
    ),
    (
        "tensor index that does not exist",
        "conv_3x3_same",
        &[("operator 0 input 0", &FAR)],
        ["operator 0 (CONV_2D)", "names tensor 9999"],
    ),
    (
        "negative tensor index",
        "conv_3x3_same",
        &[("operator 0 input 1", &MIN)],
        ["operator 0 (CONV_2D)", "names tensor -2147483648"],
    ),
    (
        "result index that does not exist",
        "conv_3x3_same",
        &[("operator 0 output 0", &FAR)],
        ["operator 0 (CONV_2D)", "names tensor 9999"],
    ),
    (
        "input of the model that does not exist",
        "conv_3x3_same",
        &[("input 0", &FAR)],
        ["list of inputs", "names tensor 9999"],
    ),
    (
        "operand left out",
        "conv_3x3_same",
        &[("operator 0 input 0", &MINUS_ONE)],
        ["operator 0 (CONV_2D)", "operand 0 is missing"],
    ),
    (
        "buffer index that does not exist",
        "conv_3x3_same",
        &[("tensor 1 buffer", &FAR)],
        ["tensor 1", "names buffer 9999, which is missing"],
    ),
    ("no buffer", "conv_3x3_same", &[("tensor 1 buffer", &ZERO)], ["operator 0 (CONV_2D)", "has no bytes in the file"]),
    (
        "empty buffer",
        "conv_3x3_same",
        &[("buffer 1 data length", &ZERO)],
        ["operator 0 (CONV_2D)", "has no bytes in the file"],
    ),
    ("no subgraph", "conv_3x3_same", &[("graph length", &ZERO)], ["hostile", "0 subgraphs"]),
    ("subgraph beyond the list", "conv_3x3_same", &[("graph length", &2i32.to_le_bytes())], ["", ""]),
    (
        "operator that does not exist",
        "conv_3x3_same",
        &[("code 0 number", &FAR)],
        ["operator 0 (builtin operator 9999)", "newer than this compiler"],
    ),
    (
        "extents whose product overflows",
        "conv_3x3_same",
        &[("tensor 0 shape 1", &MAX), ("tensor 0 shape 2", &MAX)],
        ["tensor 0", "more than 268435456 elements"],
    ),
    (
        "negative extent",
        "conv_3x3_same",
        &[("tensor 0 shape 1", &MINUS_ONE)],
        ["tensor 0", "an extent of its shape is -1"],
    ),
    (
        "bytes that are not the shape's",
        "conv_3x3_same",
        &[("tensor 1 shape 0", &ONE)],
        ["tensor 1", "its shape asks for"],
    ),
    ("result of another shape", "conv_3x3_same", &[("tensor 3 shape 1", &ONE)], ["operator 0 (CONV_2D)", "has shape"]),
    (
        "operator that reads its own result",
        "conv_3x3_same",
        &[("operator 0 input 0", &3i32.to_le_bytes())],
        ["operator 0 (CONV_2D)", "read before anything writes it"],
    ),
    (
        "operator that writes its own operand",
        "conv_3x3_same",
        &[("operator 0 output 0", &ZERO)],
        ["operator 0 (CONV_2D)", "has a value already"],
    ),
    (
        "operator that writes a constant",
        "conv_3x3_same",
        &[("operator 0 output 0", &ONE)],
        ["operator 0 (CONV_2D)", "has a value already"],
    ),
    ("constant as the model's input", "conv_3x3_same", &[("input 0", &ONE)], ["tensor 1", "an input and a constant"]),
    (
        "buffer of four gigabytes",
        "conv_3x3_same",
        &[("buffer 1 data length", &MINUS_ONE)],
        ["byte ", "outside the file"],
    ),
    (
        "a billion operators",
        "conv_3x3_same",
        &[("operator length", &(1i32 << 30).to_le_bytes())],
        ["byte ", "outside the file"],
    ),
    ("name of four gigabytes", "conv_3x3_same", &[("tensor 0 name length", &MINUS_ONE)], ["byte ", "outside the file"]),
    (
        "activation without quantization",
        "conv_3x3_same",
        &[("tensor 0 field 4", &[0, 0])],
        ["tensor 0", "it has 0 and 0"],
    ),
    (
        "filter without quantization",
        "conv_3x3_same",
        &[("tensor 1 field 4", &[0, 0])],
        ["operator 0 (CONV_2D)", "0 scales"],
    ),
    (
        "scale that is no number",
        "conv_3x3_same",
        &[("tensor 0 scale 0", &f32::NAN.to_le_bytes())],
        ["tensor 0", "its scale is NaN"],
    ),
    (
        "negative scale",
        "conv_3x3_same",
        &[("tensor 0 scale 0", &(-1f32).to_le_bytes())],
        ["tensor 0", "its scale is -1"],
    ),
    ("scale of zero", "conv_3x3_same", &[("tensor 0 scale 0", &ZERO)], ["tensor 0", "its scale is 0"]),
    (
        "zero point out of range",
        "conv_3x3_same",
        &[("tensor 0 zero point 0", &FAR)],
        ["tensor 0", "no INT8 quantization"],
    ),
    (
        "list of scales of four gigabytes",
        "conv_3x3_same",
        &[("tensor 1 scale length", &MINUS_ONE)],
        ["byte ", "outside the file"],
    ),
    ("root at an odd byte", "conv_3x3_same", &[("root offset", &[0x21, 0, 0, 0])], ["", ""]),
    ("root outside the file", "conv_3x3_same", &[("root offset", &MINUS_ONE)], ["byte ", "outside the file"]),
    ("root that is its own list of fields", "conv_3x3_same", &[("model field list", &ZERO)], ["", ""]),
    ("list of fields before the file", "conv_3x3_same", &[("model field list", &MAX)], ["byte ", "outside the file"]),
    ("list of fields behind the file", "conv_3x3_same", &[("model field list", &MIN)], ["byte ", "outside the file"]),
    (
        "options of another operator",
        "conv_3x3_same",
        &[("operator 0 kind of options", &[2])],
        ["operator 0 (CONV_2D)", "options are missing"],
    ),
    ("element type that does not exist", "conv_3x3_same", &[("tensor 0 type", &[99])], ["", "type 99"]),
];

#[test]
fn each_class_of_defect_is_refused_by_name() {
    let models = folder("models");
    let mut worst = Worst::new();
    let mut wrong = vec![];
    for (class, model, changes, [place, reason]) in CASES {
        let mut file = model_with(&models, model);
        assert!(worst.offer(&file, || (*model).into(), |b| import(b, "sound")).is_none(), "{model} is sound");
        spoil(&mut file, changes);
        match worst.offer(&file, || (*class).into(), |b| import(b, "hostile")) {
            None => wrong.push(format!("{class}: accepted")),
            Some(error) => {
                check_refusal(&error);
                println!("{class}: {error}");
                if !error.place.contains(place) || !error.reason.contains(reason) {
                    wrong.push(format!("{class}: {error}"));
                }
            }
        }
    }
    worst.report("named cases");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_at_an_odd_address_compiles_to_the_same() {
    for (name, file) in folder("models").into_iter().take(8) {
        let artifact = |bytes: &[u8]| compile(&import(bytes, &name).unwrap(), &Options::default()).unwrap();
        let shifted: Vec<u8> = [0].into_iter().chain(file.iter().copied()).collect();
        assert_eq!(artifact(&shifted[1..]), artifact(&file), "{name}");
    }
}

#[test]
fn files_that_are_no_models_give_errors() {
    let mut worst = Worst::new();
    let zeros = [0u8; 4096];
    let ones = [0xffu8; 4096];
    let mut magic = zeros.to_vec();
    magic[4..8].copy_from_slice(b"TFL3");
    let mut far = magic.clone();
    far[..4].copy_from_slice(&[0xff; 4]);
    for file in [&[][..], b"TFL3", b"GIF89a__", &zeros, &ones, &magic, &far] {
        let error = worst.offer(file, || format!("{} bytes", file.len()), |b| import(b, "file"));
        check_refusal(&error.expect("it is no model"));
    }
    worst.report("no models");
}

#[test]
fn truncated_files_give_errors() {
    let mut worst = Worst::new();
    for (name, file) in folder("models") {
        // Every length of the small ones, and as many of the others.
        let step = (file.len() / mutants(400, 1 << 20)).max(1);
        // The builder's padding is all that a file can lose.
        for len in (0..file.len() - 8).step_by(step) {
            let error = worst.offer(&file[..len], || format!("{name} cut to {len}"), |b| import(b, "cut"));
            assert!(error.is_some(), "{name} cut to {len} of {} bytes compiles", file.len());
        }
    }
    worst.report("truncated files");
}

const WORDS: [i32; 16] =
    [0, 1, -1, 2, 3, 4, 8, 255, 256, 1 << 16, 1 << 20, 1 << 28, i32::MAX, i32::MIN, 0x7f80_0000, 0x3f80_0000];

/// Changes one part of the file, as its kind suggests, or any byte or word.
fn mutate(bytes: &mut [u8], layout: &Layout, names: &[&String], random: &mut Random) {
    let put = |bytes: &mut [u8], at: usize, value: &[u8]| {
        if let Some(slot) = bytes.get_mut(at..at + value.len()) {
            slot.copy_from_slice(value);
        }
    };
    match random.below(4) {
        0 => {
            let at = random.below(bytes.len());
            bytes[at] = random.below(256) as u8;
        }
        1 => {
            let at = 4 * random.below(bytes.len() / 4);
            put(bytes, at, &random.pick(&WORDS).to_le_bytes());
        }
        _ => {
            let (at, part) = layout.parts[*random.pick(names)];
            match part {
                Part::Offset => {
                    let target = layout.parts[*random.pick(names)].0;
                    let distances = [0, 4, target.wrapping_sub(at) as u32, (bytes.len() - at) as u32, u32::MAX];
                    put(bytes, at, &random.pick(&distances).to_le_bytes());
                }
                Part::FieldList => {
                    let distances = [0, at as i32, -(at as i32), 4, -4, i32::MAX, i32::MIN];
                    put(bytes, at, &random.pick(&distances).to_le_bytes());
                }
                Part::Field => put(bytes, at, &random.pick(&[0u16, 4, 8, 12, 0x100, 0xffff]).to_le_bytes()),
                Part::Length => {
                    let now = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
                    let lengths = [0, 1, now.wrapping_sub(1), now.wrapping_add(1), 1 << 20, 1 << 28, 1 << 31, u32::MAX];
                    put(bytes, at, &random.pick(&lengths).to_le_bytes());
                }
                Part::Index => {
                    let value = if random.below(4) == 0 { *random.pick(&WORDS) } else { random.below(12) as i32 - 1 };
                    put(bytes, at, &value.to_le_bytes());
                }
                Part::Extent => {
                    let value = if random.below(2) == 0 { *random.pick(&WORDS) } else { random.below(9) as i32 };
                    put(bytes, at, &value.to_le_bytes());
                }
                Part::Word if random.below(2) == 0 => put(bytes, at, &(random.below(210) as u32).to_le_bytes()),
                Part::Word => put(bytes, at, &random.pick(&WORDS).to_le_bytes()),
                Part::Byte => put(bytes, at, &[random.below(256) as u8]),
            }
        }
    }
}

#[test]
fn mutated_files_give_errors_or_artifacts() {
    let models: Vec<(String, Vec<u8>)> = ["models", "refused", "stateful"].into_iter().flat_map(folder).collect();
    let mutants = mutants(100_000, 1_000_000);
    let mut worst = Worst::new();
    let mut random = Random(1);
    for (name, original) in &models {
        let layout = Layout::of(original);
        let names: Vec<&String> = layout.parts.keys().collect();
        for number in 0..mutants.div_ceil(models.len()) {
            let mut bytes = original.clone();
            for _ in 0..1 + random.below(3) {
                mutate(&mut bytes, &layout, &names, &mut random);
            }
            worst.offer(&bytes, || format!("mutant {number} of {name}"), |b| import(b, "mutant"));
        }
    }
    worst.report("mutants");
    assert!(worst.files >= mutants && worst.accepted > mutants / 100, "{} accepted", worst.accepted);
}
