//! A small hand-made detector behind a real front end: the decisions, and that nothing but the samples matters.

use proptest::prelude::*;
use tanbo::{Arena, Engine, Family, Model, Op, OpSet, Reference};
use tanbo_format::Hops;
use tanbo_format::emit::{Artifact, ConstData, StepSpec, StorageSpec, TensorSpec};
use tanbo_pipeline::{Change, Event, Hop, Pipeline, PipelineError, Rate, Sample};
use tanbo_quant::Rounding;
use tanbo_signal::front_end::{Band, Decision, FrontEnd, Gate};

static OPS: OpSet = tanbo::op_set!(Reference: FullyConnected);
const MODEL_RATE: Rate = Rate { numerator: 125, denominator: 4 };

fn front_end() -> FrontEnd {
    FrontEnd {
        rate: MODEL_RATE,
        hop_samples: 8,
        window_hops: 16,
        segments: 4,
        average_shift: 7,
        warm_up_hops: 24,
        sections: 1,
        floor_mgal2: 1000,
        level_center_q8: 4608,
        feature_shift: 5,
        feature_zero_point: 0,
        decision: Decision { on_score: 40, off_score: 8, votes: 2, of_hops: 3 },
        gate: Gate { short_hops: 4, on_q8: 512, off_q8: 256 },
        bands: heapless::Vec::from_iter([
            Band { gain: 48_785_000, feedback: [930_000_000, -439_300_912] },
            Band { gain: 90_000_000, feedback: [700_000_000, -356_000_000] },
        ]),
    }
}

/// A model whose score is a quarter of the sum of the newest segment's two band ratios.
fn artifact(change: impl FnOnce(&mut Artifact)) -> Vec<u8> {
    let features = front_end().feature_count();
    let mut weights = vec![0i8; features];
    weights[12] = 1;
    weights[13] = 1;
    let arena = |offset: u32, bytes: u32| StorageSpec::Arena { offset, bytes, ring_rows: 0, chains: (0, 0) };
    let tensor = |name: &str, elements: u32, storage: u16| TensorSpec {
        name: name.into(),
        ty: tanbo::ElementType::I8,
        shape: vec![1, elements],
        scale: 0.125,
        zero_point: 0,
        storage,
    };
    let mut artifact = Artifact {
        family: Family::Portable,
        storages: vec![arena(0, features as u32), arena(features.next_multiple_of(16) as u32, 1)],
        tensors: vec![tensor("features", features as u32, 0), tensor("score", 1, 1)],
        steps: vec![StepSpec {
            op: Op::FullyConnected,
            variant: 0,
            rounding: Rounding::Single,
            inputs: vec![0],
            states: vec![],
            output: 1,
            consts: vec![
                ConstData::I8(weights),
                ConstData::I32(vec![0]),
                ConstData::I32(vec![1 << 30]),
                ConstData::I8(vec![-1]),
            ],
            attrs: vec![0, 0, -128, 127],
            scratch: None,
        }],
        chains: vec![1],
        inputs: vec![0],
        outputs: vec![1],
        source_macs: features as u64,
        hops: None,
        front_end: front_end().encode().to_vec(),
        card: String::new(),
        signature: Vec::new(),
    };
    change(&mut artifact);
    artifact.emit().unwrap()
}

/// Bytes at a 16-byte boundary.
struct Aligned(Vec<u128>, usize);

impl Aligned {
    fn new(bytes: &[u8]) -> Self {
        let words = bytes.chunks(16).map(|chunk| {
            let mut word = [0; 16];
            word[..chunk.len()].copy_from_slice(chunk);
            u128::from_le_bytes(word)
        });
        Self(words.collect(), bytes.len())
    }

    fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.0)[..self.1]
    }
}

fn with_pipeline<T>(artifact: &[u8], rate: Rate, f: impl FnOnce(Result<Pipeline<'_, '_>, PipelineError>) -> T) -> T {
    let aligned = Aligned::new(artifact);
    let model = Model::parse(aligned.bytes()).unwrap();
    let mut arena = Arena::<64>::new();
    let engine = Engine::new(&model, &OPS, arena.as_mut()).unwrap();
    f(Pipeline::new(engine, rate))
}

fn run(artifact: &[u8], rate: Rate, samples: &[Sample]) -> Vec<Hop> {
    with_pipeline(artifact, rate, |pipeline| {
        let mut pipeline = pipeline.unwrap();
        let mut hops = Vec::new();
        for (index, sample) in samples.iter().enumerate() {
            pipeline.push(rate.micros(index as u64), *sample, |hop| hops.push(hop)).unwrap();
        }
        hops
    })
}

/// `seconds` of noise around gravity, 50 mGal and from `shake.0` to `shake.1` seconds 20 gal, at `rate`.
fn trace(rate: Rate, seconds: u32, shake: (f64, f64)) -> Vec<Sample> {
    let mut state = 7u32;
    (0..seconds * rate.numerator / rate.denominator)
        .map(|n| {
            let t = f64::from(n) * f64::from(rate.denominator) / f64::from(rate.numerator);
            let amplitude = if (shake.0..shake.1).contains(&t) { 20_000 } else { 50 };
            [0, 0, 981_000].map(|rest| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                rest + (state >> 8) as i32 % (2 * amplitude + 1) - amplitude
            })
        })
        .collect()
}

fn events(hops: &[Hop]) -> Vec<Event> {
    hops.iter().filter_map(|hop| hop.event).collect()
}

#[test]
fn a_shake_raises_and_ends_one_alarm() {
    let artifact = artifact(|_| {});
    for rate in [MODEL_RATE, Rate { numerator: 100, denominator: 1 }, Rate { numerator: 200, denominator: 1 }] {
        let hops = run(&artifact, rate, &trace(rate, 60, (40.0, 45.0)));
        let [on, off] = events(&hops)[..] else { panic!("{rate}: {:?}", events(&hops)) };
        assert_eq!((on.change, off.change), (Change::AlarmOn, Change::AlarmOff));
        assert!((40_200_000..41_500_000).contains(&on.time_us), "{rate}: {on:?}");
        assert!((45_000_000..49_000_000).contains(&off.time_us), "{rate}: {off:?}");
        assert_eq!(rate.micros(on.sample), on.time_us);
        assert!(on.score.unwrap() >= 40);
        // The model slept while nothing moved.
        let mut ran = hops.iter().filter(|hop| hop.score.is_some());
        assert!(ran.all(|hop| hop.ready && (39_900_000..50_000_000).contains(&hop.time_us)));
    }
}

#[test]
fn nothing_is_decided_before_the_warm_up() {
    let artifact = artifact(|_| {});
    let hops = run(&artifact, MODEL_RATE, &trace(MODEL_RATE, 30, (3.0, 9.0)));
    assert_eq!(hops.iter().position(|hop| hop.ready), Some(39));
    assert!(hops[..39].iter().all(|hop| hop.score.is_none() && hop.event.is_none() && hop.gate_q8 == 0));
    assert!(hops[39..].iter().all(|hop| hop.ready));
}

#[test]
fn lost_samples_raise_no_alarm_and_end_none() {
    let artifact = artifact(|_| {});
    let rate = Rate { numerator: 100, denominator: 1 };
    let samples = trace(rate, 120, (80.0, 90.0));
    let hops = with_pipeline(&artifact, rate, |pipeline| {
        let mut pipeline = pipeline.unwrap();
        let mut hops = Vec::new();
        for (index, sample) in samples.iter().enumerate() {
            // Lost: five seconds of quiet, after which the sensor lies elsewhere, and two in the middle of the shake.
            let lost = (4000..4500).contains(&index) || (8400..8600).contains(&index);
            if index == 4500 || index == 8600 {
                pipeline.restart();
            }
            let turned = if index < 4500 { [0; 3] } else { [600_000, 0, -205_000] };
            if !lost {
                let sample = std::array::from_fn(|axis| sample[axis] + turned[axis]);
                pipeline.push(rate.micros(index as u64), sample, |hop| hops.push(hop)).unwrap();
            }
        }
        hops
    });
    let [on, off] = events(&hops)[..] else { panic!("{:?}", events(&hops)) };
    assert_eq!((on.change, off.change), (Change::AlarmOn, Change::AlarmOff));
    assert!((80_200_000..81_500_000).contains(&on.time_us), "{on:?}");
    assert!((90_000_000..94_000_000).contains(&off.time_us), "{off:?}");
    assert!(hops.iter().filter(|hop| (45_000_000..48_000_000).contains(&hop.time_us)).all(|hop| !hop.ready));
}

#[test]
fn refuses_artifacts_that_do_not_fit() {
    let refuse = |change: fn(&mut Artifact), rate| {
        with_pipeline(&artifact(change), rate, |pipeline| pipeline.map(|_| ()).unwrap_err())
    };
    assert_eq!(refuse(|artifact| artifact.front_end.clear(), MODEL_RATE), PipelineError::NoFrontEnd);
    assert!(matches!(refuse(|artifact| artifact.front_end.truncate(64), MODEL_RATE), PipelineError::FrontEnd(_)));
    assert!(matches!(
        refuse(|artifact| artifact.tensors[0].scale = 0.25, MODEL_RATE),
        PipelineError::InputQuantization { .. }
    ));
    let streamed = Hops { window_rows: 38, hop_rows: 19, window_macs: 1 };
    let refused =
        with_pipeline(&artifact(|artifact| artifact.hops = Some(streamed)), MODEL_RATE, |pipeline| pipeline.err());
    assert_eq!(refused, Some(PipelineError::Streamed));
    let more_bands = |artifact: &mut Artifact| {
        let mut front_end = front_end();
        let band = front_end.bands[0];
        front_end.bands.push(band).unwrap();
        artifact.front_end = front_end.encode().to_vec();
    };
    assert_eq!(refuse(more_bands, MODEL_RATE), PipelineError::InputLength { features: 23, elements: 19 });
    assert!(matches!(refuse(|_| {}, Rate { numerator: 5000, denominator: 1 }), PipelineError::Resample(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Two pipelines that take turns, in chunks of any size, give what one gives in one go.
    #[test]
    fn chunks_do_not_matter(chunks in proptest::collection::vec(1usize..700, 1..20), start in 15u32..25) {
        let artifact = artifact(|_| {});
        let rate = Rate { numerator: 100, denominator: 1 };
        let samples = trace(rate, 40, (f64::from(start), 30.0));
        let whole = run(&artifact, rate, &samples);
        let aligned = Aligned::new(&artifact);
        let model = Model::parse(aligned.bytes()).unwrap();
        let (mut arena_a, mut arena_b) = (Arena::<64>::new(), Arena::<64>::new());
        let mut a = Pipeline::new(Engine::new(&model, &OPS, arena_a.as_mut()).unwrap(), rate).unwrap();
        let mut b = Pipeline::new(Engine::new(&model, &OPS, arena_b.as_mut()).unwrap(), rate).unwrap();
        let (mut hops_a, mut hops_b) = (Vec::new(), Vec::new());
        let (mut at_a, mut at_b) = (0, 0);
        for (turn, chunk) in chunks.iter().cycle().enumerate() {
            let (pipeline, hops, at) =
                if turn % 2 == 0 { (&mut a, &mut hops_a, &mut at_a) } else { (&mut b, &mut hops_b, &mut at_b) };
            for sample in &samples[*at..samples.len().min(*at + chunk)] {
                pipeline.push(rate.micros(*at as u64), *sample, |hop| hops.push(hop)).unwrap();
                *at += 1;
            }
            if at_a == samples.len() && at_b == samples.len() {
                break;
            }
        }
        prop_assert_eq!(&hops_a, &whole);
        prop_assert_eq!(&hops_b, &whole);
    }
}
