//! The committed header is what the sources say: `TANBO_WRITE=1 cargo test -p tanbo-c --test header` writes it again.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use cbindgen::{Builder, Config, DocumentationStyle, EnumConfig, Language, RenameRule, Style};
use tanbo::{Family, Op};

/// Rust's names and those of the header.
const TYPES: [(&str, &str); 8] = [
    ("Status", "tanbo_status"),
    ("Type", "tanbo_type"),
    ("Tensor", "tanbo_tensor"),
    ("ModelStorage", "tanbo_model"),
    ("EngineStorage", "tanbo_engine"),
    ("SlotStorage", "tanbo_slot"),
    ("FaultStorage", "tanbo_fault"),
    ("Operator", "tanbo_operator"),
];

/// Operators that have packings of the families, and that have one with transformed weights.
const PACKED: [Op; 3] = [Op::Conv2d, Op::DepthwiseConv2d, Op::FullyConnected];
const WINOGRAD: Op = Op::Conv2d;

const BEFORE: &str = "\
#if !defined(TANBO_ALIGNED)
#define TANBO_ALIGNED(n) __attribute__((aligned(n)))
#endif

/* An arena of so many bytes (the compiler tells them; tanbo_model_arena_bytes does too). */
#define TANBO_ARENA(name, bytes) static TANBO_ALIGNED(16) uint8_t name[bytes]

/* One operator in the kernels of one family: only its address is of use. */
typedef struct tanbo_operator tanbo_operator;
";

/// Declarations of every operator.
fn operators() -> String {
    let mut text = String::from(
        "
/* The operators of each kernel family: tanbo_<family>_<operator>, and with constants packed for the family
   tanbo_<family>_<operator>_packed. What a program does not name is not linked, if the linker is told --gc-sections. */
#define TANBO_DECLARE_OPERATOR(family, name) extern const tanbo_operator tanbo_##family##_##name;
#define TANBO_DECLARE_FAMILY(family) \\\n",
    );
    let lines: Vec<String> =
        Op::ALL.iter().map(|op| format!("  TANBO_DECLARE_OPERATOR(family, {})", op.name())).collect();
    text += &lines.join(" \\\n");
    text += "\n#define TANBO_DECLARE_PACKED(family) \\\n";
    let lines: Vec<String> =
        PACKED.iter().map(|op| format!("  TANBO_DECLARE_OPERATOR(family, {}_packed)", op.name())).collect();
    text += &lines.join(" \\\n");
    text += "\n\n#if defined(__cplusplus)\nextern \"C\" {\n#endif\n";
    for number in 0..=u8::MAX {
        let Some(family) = Family::from_code(number) else { continue };
        let name = if family == Family::Portable { "reference" } else { family.name() };
        let _ = writeln!(text, "TANBO_DECLARE_FAMILY({name})");
        if family != Family::Portable {
            let _ = writeln!(text, "TANBO_DECLARE_PACKED({name})");
        }
    }
    let _ = writeln!(text, "TANBO_DECLARE_OPERATOR(dsp, {}_winograd)", WINOGRAD.name());
    text += "#if defined(__cplusplus)\n}\n#endif\n";
    text
}

fn header() -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut config = Config {
        language: Language::C,
        cpp_compat: true,
        include_guard: Some(String::from("TANBO_H")),
        autogen_warning: Some(String::from("/* Made of runtime/c/src by its tests. Do not edit. */")),
        no_includes: true,
        sys_includes: ["stddef.h", "stdint.h"].map(String::from).into(),
        after_includes: Some(format!("{BEFORE}{}", operators())),
        style: Style::Both,
        usize_is_size_t: true,
        documentation_style: DocumentationStyle::C,
        line_length: 120,
        enumeration: EnumConfig {
            rename_variants: RenameRule::QualifiedScreamingSnakeCase,
            prefix_with_name: false,
            ..EnumConfig::default()
        },
        ..Config::default()
    };
    config.layout.aligned_n = Some(String::from("TANBO_ALIGNED"));
    config.export.rename = TYPES.map(|(from, to)| (String::from(from), String::from(to))).into();
    config.export.exclude = vec![String::from("Operator")];
    config.export.include = ["Status", "Type"].map(String::from).into();
    let mut builder = Builder::new().with_config(config);
    for file in ["abi.rs", "status.rs", "tensor.rs"] {
        builder = builder.with_src(source.join(file));
    }
    let mut bytes = Vec::new();
    builder.generate().expect("a header").write(&mut bytes);
    String::from_utf8(bytes).expect("text")
}

#[test]
fn the_committed_header_is_of_these_sources() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/tanbo.h");
    let header = header();
    if env::var_os("TANBO_WRITE").is_some() {
        fs::write(&path, &header).expect("the header");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == header, "{}: run TANBO_WRITE=1 cargo test -p tanbo-c --test header", path.display());
}
