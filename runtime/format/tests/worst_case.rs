//! Artifacts made to keep the verifier busy: as many records as there can be, each asking for the longest check.

use std::time::{Duration, Instant};

use tanbo_format::emit::{Aligned, Artifact, ConstData, StepSpec, StorageSpec, TensorSpec};
use tanbo_format::record::{MAX_CHAIN_STEPS, MAX_CHECKED_ENTRIES, MAX_STORAGES};
use tanbo_format::{ElementType, Family, Model, Op};
use tanbo_quant::Rounding;

fn tensor(name: String, shape: &[u32], storage: u16) -> TensorSpec {
    TensorSpec { name, ty: ElementType::I8, shape: shape.to_vec(), scale: 1.0, zero_point: 0, storage }
}

fn storage(offset: u32, bytes: u32, last_chain: u16) -> StorageSpec {
    StorageSpec::Arena { offset, bytes, ring_rows: 0, chains: (0, last_chain) }
}

fn artifact(storages: Vec<StorageSpec>, tensors: Vec<TensorSpec>, steps: Vec<StepSpec>, chains: Vec<u16>) -> Artifact {
    Artifact {
        family: Family::Portable,
        storages,
        tensors,
        steps,
        chains,
        inputs: vec![0],
        outputs: vec![1],
        source_macs: 0,
        hops: None,
        front_end: Vec::new(),
        card: String::new(),
        signature: Vec::new(),
    }
}

fn step(op: Op, inputs: Vec<u16>, output: u16, attrs: Vec<i32>, consts: Vec<ConstData>) -> StepSpec {
    StepSpec {
        op,
        variant: 0,
        rounding: Rounding::Single,
        inputs,
        states: vec![],
        output,
        consts,
        attrs,
        scratch: None,
    }
}

/// Asserts that an artifact is accepted, and in time: the fastest of five tries, because a machine may be busy.
fn in_time(what: &str, artifact: &Artifact) {
    let bytes = Aligned::new(&artifact.emit().unwrap());
    let times = (0..5).map(|_| {
        let begin = Instant::now();
        assert!(Model::parse(&bytes).is_ok());
        begin.elapsed()
    });
    let fastest = times.min().unwrap_or_default();
    println!("{what}: {} bytes, {fastest:?}", bytes.len());
    assert!(fastest < Duration::from_millis(100), "{what}: {fastest:?}");
}

#[test]
fn storages_that_all_live_at_once() {
    let storages = (0..MAX_STORAGES as u32).map(|index| storage(index * 4, 1, 0)).collect();
    let tensors = (0..MAX_STORAGES as u16).map(|index| tensor(String::new(), &[1], index)).collect();
    let steps = vec![step(Op::Lut, vec![0], 1, vec![], vec![ConstData::I8(vec![0; 256])])];
    in_time("storages", &artifact(storages, tensors, steps, vec![1]));
}

#[test]
fn long_names_and_operands_that_name_them_again_and_again() {
    // One name as long as all names may be, and every operand refers to its tensor.
    let tensors = vec![tensor("é".repeat(32_767), &[1], 0), tensor(String::new(), &[255], 1)];
    let steps = (0..255).map(|_| step(Op::Concat, vec![0; 255], 1, vec![0], vec![])).collect();
    in_time("operands", &artifact(vec![storage(0, 1, 254), storage(4, 255, 254)], tensors, steps, vec![1; 255]));
}

#[test]
fn as_many_tensors_as_there_can_be() {
    let tensors = (0..65_534).map(|index| tensor("n".into(), &[1], u16::from(index == 1))).collect();
    let steps = vec![step(Op::Lut, vec![0], 1, vec![], vec![ConstData::I8(vec![0; 256])])];
    in_time("tensors", &artifact(vec![storage(0, 1, 0), storage(4, 1, 0)], tensors, steps, vec![1]));
}

#[test]
fn as_many_steps_as_there_can_be_in_long_chains() {
    // 32,767 steps of two operands; chains of 32 steps compare the storages of all their steps.
    let count = 32_767 / MAX_CHAIN_STEPS * MAX_CHAIN_STEPS;
    let chains = count / MAX_CHAIN_STEPS;
    let last = chains as u16 - 1;
    let storages = (0..=MAX_CHAIN_STEPS as u32).map(|index| storage(index * 4, 1, last)).collect();
    let mut tensors: Vec<_> =
        (0..=MAX_CHAIN_STEPS as u16).map(|index| tensor(String::new(), &[1, 1, 1, 1], index)).collect();
    tensors.swap(1, MAX_CHAIN_STEPS);
    let number = |place: usize| match place {
        1 => MAX_CHAIN_STEPS as u16,
        MAX_CHAIN_STEPS => 1,
        _ => place as u16,
    };
    let table = vec![ConstData::I8(vec![0; 256])];
    let steps = (0..count)
        .map(|index| index % MAX_CHAIN_STEPS)
        .map(|place| step(Op::Lut, vec![number(place)], number(place + 1), vec![], table.clone()))
        .collect();
    in_time("steps", &artifact(storages, tensors, steps, vec![MAX_CHAIN_STEPS as u16; chains]));
}

#[test]
fn constants_looked_at_again_and_again() {
    // Steps that share long constants, up to the limit.
    let outputs = 1 << 14;
    let consts = vec![
        ConstData::I8(vec![1; outputs]),
        ConstData::I32(vec![1; outputs]),
        ConstData::I32(vec![1 << 30; outputs]),
        ConstData::I8(vec![0; outputs]),
    ];
    let tensors = vec![tensor(String::new(), &[1], 0), tensor(String::new(), &[outputs as u32], 1)];
    let count = (MAX_CHECKED_ENTRIES / (3 * outputs as u64)) as usize;
    let steps = vec![step(Op::FullyConnected, vec![0], 1, vec![0, 0, -128, 127], consts); count];
    let last = count as u16 - 1;
    let storages = vec![storage(0, 1, last), storage(4, outputs as u32, last)];
    in_time("constants", &artifact(storages, tensors, steps, vec![1; count]));
}
