//! The artifact of the README: what it computes, and the accessors, errors and macros of the crate.

#[path = "data/two_layers.rs"]
mod source;

use source::{BIAS, HIDDEN_ZERO, MULTIPLIER, WEIGHTS, artifact};
use tanbo::{
    Arena, ElementType, Engine, EngineError, Lifetime, Lifetimes, Model, Op, OpSet, Progress, Reference, Slot,
};
use tanbo_format::emit::{Aligned, StepSpec, StorageSpec};

tanbo_include::include_model!(mod model = "data/two_layers.tnb");

const BYTES: &[u8] = &tanbo::Aligned(*include_bytes!("data/two_layers.tnb")).0;

static OPS: OpSet = tanbo::op_set!(Reference: FullyConnected);
static OTHER_OPS: OpSet = tanbo::op_set!(Reference: Conv2d, Softmax,);
static ALL_OPS: OpSet = OpSet::all::<Reference>();

/// The formula, in floor division of wide integers.
fn by_hand(x: [i8; 4]) -> Vec<i8> {
    let layer = |layer: usize, x: &[i32], zero: i32, outputs: usize, zero_out: i32| -> Vec<i32> {
        (0..outputs)
            .map(|o| {
                let products = x.iter().zip(WEIGHTS[layer][o]).map(|(&x, w)| i64::from(x - zero) * i64::from(w));
                let acc = i64::from(BIAS[layer][o]) + products.sum::<i64>();
                ((acc + 128).div_euclid(256) + i64::from(zero_out)).clamp(-128, 127) as i32
            })
            .collect()
    };
    let hidden = layer(0, &x.map(i32::from), 3, 3, HIDDEN_ZERO);
    layer(1, &hidden, HIDDEN_ZERO, 2, -5).iter().map(|&y| y as i8).collect()
}

#[test]
fn computes_the_formula() {
    let parsed = Model::parse(BYTES).unwrap();
    let mut arena = Arena::<{ model::ARENA_BYTES }>::new();
    let mut engine = Engine::new(&parsed, &model::OPS, arena.as_mut()).unwrap();
    for x in [[17; 4], [-128, 127, -128, 127], [127; 4], [0, 1, 2, 3], [-128; 4]] {
        engine.input_mut(0).unwrap().copy_from_slice(&x);
        engine.run().unwrap();
        assert_eq!(engine.output(0).unwrap(), by_hand(x), "{x:?}");
    }
}

#[test]
fn an_included_artifact_computes_the_same() {
    let mut arena = Arena::<{ model::ARENA_BYTES }>::new();
    let mut engine = model::engine(arena.as_mut()).unwrap();
    assert_eq!(engine.table_name(), "reference");
    for x in [[17; 4], [-128, 127, -128, 127], [127; 4]] {
        engine.input_mut(0).unwrap().copy_from_slice(&x);
        engine.run().unwrap();
        assert_eq!(engine.output(0).unwrap(), by_hand(x), "{x:?}");
    }
    assert_eq!(engine.input_mut(1).unwrap_err(), EngineError::NoSuchTensor);
    assert_eq!(engine.seek(2).unwrap_err(), EngineError::NoSuchChain);
}

#[test]
fn an_included_artifact_states_what_it_needs() {
    let parsed = Model::parse(BYTES).unwrap();
    assert_eq!(model::ARENA_BYTES, parsed.arena_bytes());
    assert_eq!(model::ARTIFACT_BYTES, BYTES.len());
    assert_eq!(model::OPS.table_name(), "reference");
    let mut arena = Arena::<32>::new();
    let needed = model::ARENA_BYTES;
    let small = model::engine(&mut arena.as_mut()[..needed - 1]).unwrap_err();
    assert_eq!(small, EngineError::ArenaTooSmall { needed, given: needed - 1 });
    assert_eq!(model::engine(&mut arena.as_mut()[1..]).unwrap_err(), EngineError::ArenaMisaligned);
}

/// Another artifact, which arrives when the program runs.
#[test]
fn an_included_artifacts_operators_parse_others() {
    let other = Aligned::new(&artifact().emit().unwrap());
    let parsed = model::OPS.parse(&other).unwrap();
    let mut arena = Arena::<{ model::ARENA_BYTES }>::new();
    let mut engine = Engine::new(&parsed, &model::OPS, arena.as_mut()).unwrap();
    engine.input_mut(0).unwrap().fill(17);
    engine.run().unwrap();
    assert_eq!(engine.output(0).unwrap(), by_hand([17; 4]));
}

/// Steps that stay decoded, some of them or all.
#[test]
fn a_cache_changes_nothing() {
    let parsed = Model::parse(BYTES).unwrap();
    for count in 0..4 {
        let mut arena = Arena::<{ model::ARENA_BYTES }>::new();
        let mut slots = [Slot::EMPTY; 4];
        let mut engine = Engine::new(&parsed, &OPS, arena.as_mut()).unwrap();
        engine.set_cache(&mut slots[..count]);
        for x in [[3; 4], [-128, 127, -128, 127]] {
            engine.input_mut(0).unwrap().copy_from_slice(&x);
            engine.run().unwrap();
            assert_eq!(engine.output(0).unwrap(), by_hand(x), "{count}: {x:?}");
        }
    }
}

#[test]
fn op_set_holds_what_it_names() {
    let parsed = Model::parse(BYTES).unwrap();
    let mut arena = Arena::<{ model::ARENA_BYTES }>::new();
    assert!(Engine::new(&parsed, &OPS, arena.as_mut()).is_ok());
    let missing = EngineError::MissingOperator { op: Op::FullyConnected, step: 0 };
    let error = Engine::new(&parsed, &OTHER_OPS, arena.as_mut()).unwrap_err();
    assert_eq!(error, missing);
    assert_eq!(error.to_string(), "operator fully_connected (step 0) is not in the operator set: add it to op_set!");
}

#[test]
fn arena_too_small_or_misaligned() {
    let parsed = Model::parse(BYTES).unwrap();
    let mut arena = Arena::<32>::new();
    let needed = model::ARENA_BYTES;
    let small = Engine::new(&parsed, &OPS, &mut arena.as_mut()[..needed - 1]).unwrap_err();
    assert_eq!(small, EngineError::ArenaTooSmall { needed, given: needed - 1 });
    for shift in 1..16 {
        let misaligned = Engine::new(&parsed, &OPS, &mut arena.as_mut()[shift..shift + needed]).unwrap_err();
        assert_eq!(misaligned, EngineError::ArenaMisaligned, "{shift}");
    }
    assert!(Engine::new(&parsed, &OPS, &mut arena.as_mut()[..needed]).is_ok());
}

#[test]
fn accessors_refuse_what_is_not_there() {
    let parsed = Model::parse(BYTES).unwrap();
    let mut arena = Arena::<{ model::ARENA_BYTES }>::new();
    let mut engine = Engine::new(&parsed, &OPS, arena.as_mut()).unwrap();
    assert_eq!(engine.input_mut(0).unwrap().len(), 4);
    assert_eq!(engine.input_bytes_mut(0).unwrap().len(), 4);
    assert_eq!(engine.output(0).unwrap().len(), 2);
    assert_eq!(engine.output_bytes(0).unwrap().len(), 2);
    assert_eq!(engine.tensor_bytes(1).unwrap().len(), 3);
    assert_eq!(engine.input_mut(1).unwrap_err(), EngineError::NoSuchTensor);
    assert_eq!(engine.input_bytes_mut(1).unwrap_err(), EngineError::NoSuchTensor);
    assert_eq!(engine.output(1).unwrap_err(), EngineError::NoSuchTensor);
    assert_eq!(engine.output_bytes(usize::MAX).unwrap_err(), EngineError::NoSuchTensor);
    assert_eq!(engine.tensor_bytes(3).unwrap_err(), EngineError::NoSuchTensor);
    assert_eq!(engine.tensor_bytes_mut(u16::MAX).unwrap_err(), EngineError::NoSuchTensor);
    assert_eq!(engine.seek(2).unwrap_err(), EngineError::NoSuchChain);
}

#[test]
fn steps_and_seeks() {
    let parsed = Model::parse(BYTES).unwrap();
    let mut arena = Arena::<{ model::ARENA_BYTES }>::new();
    let mut engine = Engine::new(&parsed, &OPS, arena.as_mut()).unwrap();
    engine.input_mut(0).unwrap().copy_from_slice(&[4, 3, 2, 1]);
    assert_eq!((engine.chain(), engine.step(1)), (0, Ok(Progress::More)));
    assert_eq!((engine.chain(), engine.step(0)), (1, Ok(Progress::Done)));
    assert_eq!(engine.chain(), 0);
    assert_eq!(engine.output(0).unwrap(), by_hand([4, 3, 2, 1]));
    // The second layer alone, on a hidden tensor of one's own: -128, -28 and 127.
    engine.tensor_bytes_mut(1).unwrap().copy_from_slice(&[128, 228, 127]);
    engine.seek(1).unwrap();
    assert_eq!(engine.step(u32::MAX), Ok(Progress::Done));
    let y = |w: [i32; 3], bias: i32| ((bias + 100 * w[1] + 255 * w[2] + 128).div_euclid(256) - 5) as i8;
    assert_eq!(engine.output(0).unwrap(), [y([99, -20, 5], -50), y([-31, 64, 17], 75)]);
}

/// An input that is not int8 has its bytes only.
#[test]
fn other_element_types_are_bytes() {
    let mut artifact = artifact();
    artifact.storages[0] = StorageSpec::Arena { offset: 8, bytes: 6, ring_rows: 0, chains: (0, 0) };
    (artifact.tensors[0].ty, artifact.tensors[0].shape) = (ElementType::I16, vec![1, 3]);
    artifact.steps[0] = StepSpec {
        op: Op::Requantize,
        consts: Vec::new(),
        attrs: vec![3, HIDDEN_ZERO, MULTIPLIER.0, MULTIPLIER.1.into(), -128, 127],
        ..artifact.steps[0].clone()
    };
    let bytes = Aligned::new(&artifact.emit().unwrap());
    let parsed = Model::parse(&bytes).unwrap();
    let mut arena = Arena::<16>::new();
    let mut engine = Engine::new(&parsed, &ALL_OPS, arena.as_mut()).unwrap();
    assert_eq!(engine.input_mut(0).unwrap_err(), EngineError::NotInt8);
    let words = [259i16, -32768, 32767].map(i16::to_le_bytes);
    engine.input_bytes_mut(0).unwrap().copy_from_slice(words.as_flattened());
    engine.run().unwrap();
    // (x - 3) / 256 - 128, rounded and clamped.
    assert_eq!(engine.tensor_bytes(1).unwrap(), [-127i8 as u8, -128i8 as u8, 0]);
}

#[test]
fn an_operator_outside_the_set_is_refused_when_parsed() {
    let refused = OTHER_OPS.parse(BYTES).unwrap_err();
    assert_eq!(refused.kind, tanbo_format::FormatErrorKind::Operator);
    assert!(model::OPS.parse(BYTES).is_ok());
}

/// Between its two layers, in another arena: the included artifact tells the same ranges as the parsed one.
#[test]
fn an_included_artifact_resumes() {
    let x = [17, -3, 100, -128];
    let mut arena = Arena::<{ model::ARENA_BYTES }>::new();
    let mut engine = model::engine(arena.as_mut()).unwrap();
    engine.input_mut(0).unwrap().copy_from_slice(&x);
    assert_eq!(engine.step(1), Ok(Progress::More));
    let mut kept = Vec::new();
    engine.changed(&model::LIFETIMES, None, |bytes| kept.push(bytes.to_vec())).unwrap();
    let position = engine.position();
    assert!(matches!(&kept[..], [hidden] if hidden.len() == 3), "{kept:?}");

    let parsed = Model::parse(BYTES).unwrap();
    let (mut storages, mut steps) = ([Lifetime::EMPTY; 8], [0; 8]);
    let lifetimes = Lifetimes::of(&parsed, &mut storages, &mut steps).unwrap();
    assert_eq!(lifetimes.storages, model::LIFETIMES.storages);
    assert_eq!((&lifetimes.hash, lifetimes.scratch), (&model::LIFETIMES.hash, model::LIFETIMES.scratch));
    assert_eq!(Lifetimes::of(&parsed, &mut [], &mut []).unwrap_err(), EngineError::Lifetimes);

    let mut arena = Arena::<{ model::ARENA_BYTES }>::new();
    let mut engine = Engine::new(&parsed, &model::OPS, arena.as_mut()).unwrap();
    engine.resume(&position).unwrap();
    engine.changed(&lifetimes, None, |bytes| bytes.copy_from_slice(&kept.remove(0))).unwrap();
    assert_eq!(engine.step(1), Ok(Progress::Done));
    assert_eq!(engine.output(0).unwrap(), by_hand(x));
}
