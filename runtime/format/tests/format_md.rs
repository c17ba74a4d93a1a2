//! FORMAT.md says what the code does: every table of records, sections, limits, operators and enumerations.

use std::mem::{offset_of, size_of};

use tanbo_format::record::*;
use tanbo_format::{ConstType, ElementType, Family, MAX_RANK, Op};

const FORMAT_MD: &str = include_str!("../FORMAT.md");

/// Returns the cells of each row of the first table after `heading`, without its two head lines.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let at = FORMAT_MD.find(heading).unwrap_or_else(|| panic!("FORMAT.md has no '{heading}'"));
    let lines = FORMAT_MD[at..].lines().skip_while(|line| !line.starts_with('|'));
    let rows: Vec<_> = lines.take_while(|line| line.starts_with('|')).skip(2).collect();
    assert!(!rows.is_empty(), "'{heading}' has no table");
    rows.iter().map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// Returns the words in backquotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

macro_rules! assert_record {
    ($record:ident: $($field:ident),*) => {
        // A literal without `..` names every field, so that none can be missing here.
        let zero: $record = bytemuck::Zeroable::zeroed();
        let $record { $($field),* } = zero;
        let fields = [$((stringify!($field), offset_of!($record, $field), size_of_val(&$field))),*];
        let heading = format!("### `{}`: {} bytes", stringify!($record), size_of::<$record>());
        let rows = table(&heading);
        let told: Vec<(&str, usize, usize)> =
            rows.iter().map(|row| (quoted(row[2])[0], row[0].parse().unwrap(), row[1].parse().unwrap())).collect();
        assert_eq!(told, fields, "{heading}");
        assert_eq!(fields.iter().map(|f| f.2).sum::<usize>(), size_of::<$record>(), "{heading}: gaps");
    };
}

#[test]
fn records() {
    assert_record!(Header: magic, abi, family, reserved, total_bytes, arena_bytes, operators, sections, source_macs, window_rows, hop_rows,
        window_macs, hash);
    assert_record!(Extent: offset, bytes);
    assert_record!(StorageRecord: kind, fill, ring_rows, offset, bytes, first_chain, last_chain, image, image_bytes);
    assert_record!(TensorRecord: ty, rank, storage, shape, scale, zero_point, name_offset, name_bytes);
    assert_record!(StepRecord: op, variant, rounding, inputs, operand, constant, attribute, scratch);
    assert_record!(ChainRecord: step, steps);
    let rows = table("### `Header`");
    assert_eq!((quoted(rows[0][3])[0].as_bytes(), rows[1][3]), (&MAGIC[..], ABI.to_string().as_str()));
    let none = FORMAT_MD.contains("65,535: none");
    assert!(none && NO_STORAGE == 65_535);
    assert!(FORMAT_MD.contains("4,294,967,295: none") && NO_IMAGE == 4_294_967_295);
}

#[test]
fn sections() {
    use Section::*;
    let all = [
        Storages,
        Tensors,
        Steps,
        Chains,
        Operands,
        ConstExtents,
        Attributes,
        Inputs,
        Outputs,
        Names,
        Constants,
        FrontEnd,
        Card,
        Signature,
    ];
    assert_eq!(all.len(), SECTIONS);
    let want: Vec<String> = all.iter().map(|&section| format!("{} {section:?}", section as u8)).collect();
    let told: Vec<String> = table("## Layout").iter().map(|row| format!("{} {}", row[0], quoted(row[1])[0])).collect();
    assert_eq!(told, want);
}

#[test]
fn limits() {
    let want = [
        ("ALIGN", ALIGN as u64),
        ("MAX_RANK", MAX_RANK as u64),
        ("MAX_STORAGES", MAX_STORAGES as u64),
        ("MAX_CHAIN_STEPS", MAX_CHAIN_STEPS as u64),
        ("MAX_ELEMENTS", MAX_ELEMENTS),
        ("MAX_ARENA_BYTES", u64::from(MAX_ARENA_BYTES)),
        ("MAX_TERMS", MAX_TERMS),
        ("MAX_CHECKED_ENTRIES", MAX_CHECKED_ENTRIES),
    ];
    let rows = table("### Limits");
    let told: Vec<(&str, u64)> = rows.iter().map(|row| (quoted(row[0])[0], row[1].parse().unwrap())).collect();
    assert_eq!(told, want);
}

#[test]
fn element_types_and_families() {
    let rows = table("### Element types");
    assert_eq!(ElementType::from_code(rows.len() as u8), None);
    for (code, row) in rows.iter().enumerate() {
        let ty = ElementType::from_code(code as u8).unwrap();
        assert_eq!((row[0], quoted(row[1])[0]), (code.to_string().as_str(), ty.name()));
        assert_eq!(row[2], ty.bytes().to_string());
        let (low, high) = ty.range();
        let range = if ty == ElementType::I32 { "all".into() } else { format!("[{low}, {high}]").replace('-', "−") };
        assert_eq!(row[3], range);
    }
    let rows = table("### Families");
    let told: Vec<(&str, &str)> = rows.iter().map(|row| (row[0], quoted(row[1])[0])).collect();
    let numbers: Vec<String> = Family::ALL.iter().map(|&family| (family as u8).to_string()).collect();
    let want: Vec<(&str, &str)> =
        numbers.iter().map(String::as_str).zip(Family::ALL.iter().map(|family| family.name())).collect();
    assert_eq!(told, want);
}

fn const_type(ty: ConstType) -> &'static str {
    match ty {
        ConstType::I8 => "i8",
        ConstType::I16 => "i16",
        ConstType::I32 => "i32",
        ConstType::I64 => "i64",
    }
}

#[test]
fn operators() {
    let rows = table("## Operators");
    assert_eq!(rows.len(), Op::ALL.len());
    for (row, &op) in rows.iter().zip(Op::ALL) {
        assert_eq!((row[0], quoted(row[1])[0]), ((op as u8).to_string().as_str(), op.name()));
        let mut inputs = if op.inputs() == 0 { "1 or more".into() } else { op.inputs().to_string() };
        if op.states() > 0 {
            inputs += &format!(", {}", op.states());
        }
        assert_eq!((row[2], row[3]), (inputs.as_str(), if op.is_row_wise() { "yes" } else { "no" }), "{}", op.name());
        let consts: Vec<String> =
            op.consts().iter().map(|spec| format!("{}: {}", spec.name, const_type(spec.ty))).collect();
        assert_eq!(quoted(row[4]), consts, "{}", op.name());
        assert_eq!(quoted(row[5]), op.attrs(), "{}", op.name());
        // Each operator has a paragraph of its own, alone or with others.
        let semantics = &FORMAT_MD[FORMAT_MD.find("**Windows**").unwrap()..];
        let told = semantics.split("**").skip(1).step_by(2).flat_map(|names| names.trim_end_matches('.').split(", "));
        assert_eq!(told.filter(|&name| name == op.name()).count(), 1, "{}", op.name());
    }
}
