//! The seismic node takes models while it samples.

use std::cell::{Cell, RefCell};

use tanbo::{Arena, Engine, Family, Model, Op, OpSet, Reference, op_set};
use tanbo_board_api::sim::{FaultPlan, Faulty, Replay, Restart, SimPower, World};
use tanbo_board_api::{Firmware, ResetCause};
use tanbo_fragments::memory_words;
use tanbo_node::plan::Application;
use tanbo_node::slots::Refusal;
use tanbo_node::{Memory, Models, Stop, seismic_with_slots};
use tanbo_pipeline::{Pipeline, Rate};
use tanbo_release::{Golden, Name, SelfTestError, Signer};
use tanbo_wire::v1::Stage;

use crate::board::{Flash, PAGES, SECOND_US, Seen, drive, parts_with, setup};
use crate::courier::Courier;
use crate::flash::{self, Chip};
use crate::gateway::Gateway;
use crate::seismic::{ACCELEROMETER, MAINS, SETTINGS, after_quiet, model};

const ARENA_BYTES: usize = 1024;
const RATE: Rate = Rate { numerator: 200, denominator: 1 };

pub fn signer() -> Signer {
    Signer::from_pem(include_str!("../../../../runtime/release/golden/key.pem")).expect("a key")
}

fn golden(artifact: &[u8]) -> Golden {
    let model = Model::parse(artifact).expect("a model");
    let mut arena = Arena::<ARENA_BYTES>::new();
    let mut engine = Engine::new(&model, &model::OPS, arena.as_mut()).expect("an engine");
    Golden::of(&mut engine, 1, 4, |_| ()).expect("outputs")
}

/// The zoo's model with other weights.
fn another() -> tanbo_format::emit::Aligned {
    let mut bytes = tanbo_zoo::SEISMIC.to_vec();
    let constants = Model::parse(tanbo_zoo::SEISMIC).expect("a model").constants();
    let at = constants.as_ptr().addr() - tanbo_zoo::SEISMIC.as_ptr().addr();
    for byte in bytes[at..].iter_mut().take(400).step_by(37) {
        *byte = (byte.cast_signed() / 2).cast_unsigned();
    }
    let hash = tanbo_format::hash::content_hash(&bytes);
    bytes[160..192].copy_from_slice(&hash);
    tanbo_format::emit::Aligned::new(&bytes)
}

fn release(artifact: &[u8], version: u32) -> Vec<u8> {
    let name = Name::new("seismic").expect("a name");
    signer().sign(artifact, name, version, golden(artifact)).expect("a release")
}

/// Scores of the pipeline by itself, hop by hop.
fn scores(artifact: &[u8], samples: &[i32]) -> Vec<(u64, Option<i8>)> {
    static OPS: &OpSet = &model::OPS;
    let mut arena = Arena::<ARENA_BYTES>::new();
    let model = OPS.parse(artifact).expect("a model");
    let engine = Engine::new(&model, OPS, arena.as_mut()).expect("an engine");
    let mut pipeline = Pipeline::new(engine, RATE).expect("a pipeline");
    let mut scores = Vec::new();
    for (number, sample) in (1..).zip(samples.as_chunks().0) {
        pipeline.push(number * 5_000, *sample, |hop| scores.push((hop.sample, hop.score))).expect("a hop");
    }
    scores
}

/// A node with slots, whose chips outlive its starts.
pub struct Site {
    samples: Vec<i32>,
    pub gateway: RefCell<Gateway>,
    flash: Flash,
    chip: Chip,
    pub seen: RefCell<Seen>,
    pub lose: Vec<u32>,
    operators: &'static OpSet,
    end_us: Cell<u64>,
}

impl Site {
    pub fn new(samples: Vec<i32>, couriers: Vec<Courier>) -> Self {
        let mut gateway = Gateway::default();
        gateway.couriers = couriers.into();
        Self {
            samples,
            gateway: RefCell::new(gateway),
            flash: Flash::new(PAGES),
            chip: flash::chip(),
            seen: RefCell::default(),
            lose: Vec::new(),
            operators: &model::OPS,
            end_us: Cell::new(0),
        }
    }

    /// Runs the node for so many seconds, or until its supply is cut in a word of its store or of its slots.
    fn run(&self, seconds: u64, words: [Option<usize>; 2], before: Option<Restart>) -> Restart {
        let (restart, stopped) = self.run_with(seconds, words, before, &mut ());
        assert!(!stopped);
        restart
    }

    /// The same on a board that takes firmware; whether the node stopped to restart.
    pub fn run_with(
        &self,
        seconds: u64,
        words: [Option<usize>; 2],
        before: Option<Restart>,
        firmware: &mut impl Firmware,
    ) -> (Restart, bool) {
        // The world goes on between two starts.
        let begin_us = self.end_us.get();
        self.end_us.set(begin_us + seconds * SECOND_US);
        let world = World::new(begin_us);
        world.cut_us.set(Some(self.end_us.get()));
        let mut power = before.map_or_else(|| SimPower::new(&world), |before| SimPower::restart(&world, before));
        power.supply = &|_| MAINS;
        power.watchdog_asleep = true;
        let mut chip = self.chip.handle();
        chip.flag = Some(world.cut_flag());
        let mut view = flash::view();
        let mut slots = flash::slots(chip, &mut view);
        slots.behind().cut_after(words[1]);
        let mut parts = parts_with(&world, power, &self.gateway, &self.flash, Application::Seismic, &self.seen, slots);
        parts.flash.left = words[0];
        let faults = FaultPlan { lose: &self.lose, ..FaultPlan::default() };
        let mut accelerometer = Faulty::new(Replay::new(&world, 0, ACCELEROMETER, &self.samples), faults);
        let mut motion = Replay::new(&world, 1, ACCELEROMETER, &self.samples);
        let keys = [signer().public()];
        let models = Models {
            included: &model::MODEL,
            version: 1,
            name: Name::new("seismic").expect("a name"),
            keys: &keys,
            operators: self.operators,
            family: Family::Portable,
        };
        let mut arena = Arena::<ARENA_BYTES>::new();
        let mut fragments = [0; memory_words(222, 100)];
        let memory = Memory { arena: arena.as_mut(), fragments: &mut fragments };
        let setup = setup();
        let sensors = (&mut accelerometer, &mut motion);
        let node = seismic_with_slots(&mut parts, &setup, sensors, &models, memory, firmware, &SETTINGS);
        let bytes = size_of_val(&node);
        assert!(bytes <= 14_500, "{bytes}");
        let stop = drive(&world, node);
        assert!(matches!(stop, None | Some(Stop::Restart)), "{stop:?}");
        // The world stands still until the next start.
        self.end_us.set(world.now_us());
        let cause = if stop.is_some() { ResetCause::Software } else { ResetCause::BrownOut };
        (parts.power.end(cause), stop.is_some())
    }
}

/// What the node runs, as it went.
fn models(seen: &Seen) -> Vec<Option<u8>> {
    seen.models.iter().map(|(slot, _)| *slot).collect()
}

#[test]
fn a_model_comes_while_the_node_samples_and_two_bad_ones_do_not_stay() {
    // Quakes after one minute, eleven and twenty-one: between them the running average forgets.
    let samples = [after_quiet(60), after_quiet(535), after_quiet(535)].concat();
    let length_s = samples.len() as u64 / 3 / 200;
    let new = another();
    let wrong = {
        let name = Name::new("seismic").expect("a name");
        signer().sign(&new, name, 8, golden(tanbo_zoo::SEISMIC)).expect("a release")
    };
    // The first one's parts take more than a minute, in which the first quake falls. The node speaks again with the second one.
    let later_us = 200 * SECOND_US;
    let couriers = vec![
        Courier::frames(0, release(&new, 7), 7, 20, 2 * SECOND_US),
        Courier::frames(later_us, wrong, 8, 20, 0),
        Courier::frames(later_us, release(tanbo_zoo::SEISMIC, 9), 9, 600, 0),
    ];
    // In the trial of the last one readings are lost: reads are 25 in three seconds.
    let site = Site { lose: vec![760 * 25 / 3], ..Site::new(samples.clone(), couriers) };
    site.run(length_s, [None; 2], None);

    let (seen, gateway) = (site.seen.borrow(), site.gateway.borrow());
    let stages: Vec<Stage> = gateway.delivered.iter().map(|told| told.stage).collect();
    assert_eq!(stages, [Stage::Committed, Stage::Refused, Stage::RolledBack]);
    let self_test = Refusal::SelfTest(SelfTestError::Outputs).code();
    assert_eq!(gateway.delivered[1].refusal, self_test);
    // An alarm may overtake the report of a refusal: then the gateway, which has not heard it, sends the model again.
    let mut faults: Vec<_> = seen.faults.iter().filter(|(kind, ..)| *kind >= 9).copied().collect();
    faults.dedup();
    assert_eq!(faults, [(9, self_test, 8), (10, 0, 9)]);
    // The firmware's, the new one, also after the self-test of another, that on trial, and back.
    let mut run = seen.models.clone();
    run.dedup_by_key(|(slot, _)| *slot);
    assert_eq!(run.iter().map(|(slot, _)| *slot).collect::<Vec<_>>(), [None, Some(0), Some(1), Some(0)]);

    // Bit for bit the scores of the pipeline: until it came with the firmware's model, from then on with the new one.
    let (before, after) = (scores(tanbo_zoo::SEISMIC, &samples), scores(&new, &samples));
    let (first, third) = (run[1].1, run[2].1);
    assert_eq!(seen.scores[..first], before[..first]);
    assert_eq!(seen.scores[first..third], after[first..third]);
    assert!(after[first..third] != before[first..third], "the new model is no other");
    let scored = |scores: &[(u64, Option<i8>)]| scores.iter().filter(|(_, score)| score.is_some()).count();
    let counts = [&seen.scores[..first], &seen.scores[first..third]].map(scored);
    println!("{counts:?} scores of the firmware's model and of the new one, of {third} hops");
    assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
    // The alarm went out while parts came.
    let alarm_us = seen.alarms[0];
    let parts =
        seen.log.lines().filter(|line| line.contains("Update(Update { version: 7") && line.contains("Receiving"));
    let times: Vec<u64> = parts.filter_map(|line| line.split(' ').next()?.parse().ok()).collect();
    assert!(times[0] < alarm_us && alarm_us < times[times.len() - 1], "{alarm_us}, {times:?}");
    let begun = seen.events[0].time_us;
    assert!(alarm_us - begun < 700_000, "{alarm_us} for {begun}");
}

#[test]
fn a_model_with_an_operator_that_the_firmware_lacks_is_not_tried() {
    static FEW: OpSet = op_set!(Reference: Conv2d, Lut);
    let couriers = vec![Courier::frames(0, release(&another(), 3), 3, 2, 0)];
    let site = Site { operators: &FEW, ..Site::new(after_quiet(0), couriers) };
    site.run(25, [None; 2], None);
    let (seen, gateway) = (site.seen.borrow(), site.gateway.borrow());
    let refusal = Refusal::Operator(Op::FullyConnected).code();
    let told: Vec<_> = gateway.delivered.iter().map(|told| (told.stage, told.refusal)).collect();
    assert_eq!(told, [(Stage::Refused, refusal)]);
    assert_eq!(tanbo_wire::v1::refused_operator(refusal).and_then(Op::from_code), Some(Op::FullyConnected));
    let faults: Vec<_> = seen.faults.iter().filter(|(kind, ..)| *kind >= 9).copied().collect();
    assert_eq!(faults, [(9, refusal, 3)]);
    // The firmware's goes on.
    assert!(models(&seen).iter().all(Option::is_none), "{:?}", seen.models);
}

#[test]
fn a_model_comes_as_fragments_of_which_one_in_five_is_lost() {
    let samples = after_quiet(200);
    let new = another();
    let couriers = vec![Courier::fragments(0, release(&new, 3), 3, 20)];
    let site = Site::new(samples.clone(), couriers);
    let before = site.run(265, [None; 2], None);
    {
        let (seen, gateway) = (site.seen.borrow(), site.gateway.borrow());
        assert_eq!(gateway.delivered.iter().map(|told| told.stage).collect::<Vec<_>>(), [Stage::Committed]);
        assert_eq!(models(&seen), [None, Some(0)]);
        let first = seen.models[1].1;
        assert_eq!(seen.scores[first..], scores(&new, &samples)[first..seen.scores.len()]);
        assert!(seen.events.len() >= 2, "{:?}", seen.events);
    }
    // After a reset it is the node's model.
    site.run(20, [None; 2], Some(before));
    assert_eq!(models(&site.seen.borrow()), [None, Some(0), Some(0)]);
}

#[test]
fn a_model_that_a_probe_has_laid_down_is_tried_and_a_bad_one_does_not_stay() {
    let samples = after_quiet(200);
    let new = another();
    let site = Site::new(samples.clone(), vec![]);
    // What the node says of it, as the gateway hears it.
    let said = |site: &Site, words: &str| site.seen.borrow().log.contains(words);
    flash::lay(&site.chip, &release(&new, 3));
    let before = site.run(260, [None; 2], None);
    // The firmware's first, until the new one is checked: then on trial, and committed after its windows.
    assert_eq!(models(&site.seen.borrow()), [None, Some(0)]);
    assert!(said(&site, "Update { version: 3, received: 0, stage: Committed"), "{}", site.seen.borrow().log);
    {
        let seen = site.seen.borrow();
        let first = seen.models[1].1;
        assert_eq!(seen.scores[first..], scores(&new, &samples)[first..seen.scores.len()]);
    }
    // It computes something else than where it was signed.
    let name = Name::new("seismic").expect("a name");
    let wrong = signer().sign(&new, name, 4, golden(tanbo_zoo::SEISMIC)).expect("a release");
    flash::lay(&site.chip, &wrong);
    let before = site.run(30, [None; 2], Some(before));
    let refused = format!("stage: Refused, refusal: {}", Refusal::SelfTest(SelfTestError::Outputs).code());
    assert!(said(&site, &format!("Update {{ version: 4, received: 0, {refused}")), "{}", site.seen.borrow().log);
    // A reset ends its trial.
    flash::lay(&site.chip, &release(tanbo_zoo::SEISMIC, 5));
    let before = site.run(30, [None; 2], Some(before));
    assert_eq!(models(&site.seen.borrow()).last(), Some(&Some(1)));
    site.run(30, [None; 2], Some(before));
    assert_eq!(models(&site.seen.borrow()).last(), Some(&Some(0)));
    assert!(said(&site, "Update { version: 5, received: 0, stage: RolledBack"), "{}", site.seen.borrow().log);
}

/// An update whose supply is cut in word `word` of the store or of the slots; whether it was reached.
fn cut(bytes: &[u8], store: bool, word: usize) -> bool {
    // Sent once more where the first one ends with the trial, or with a word that is torn.
    let couriers = [(); 2].map(|()| Courier::frames(0, bytes.to_vec(), 3, 2, 0)).into();
    let site = Site::new(after_quiet(0), couriers);
    let words = if store { [Some(word), None] } else { [None, Some(word)] };
    let before = site.run(25, words, None);
    let ends = |site: &Site| site.gateway.borrow().delivered.iter().map(|told| told.stage).collect::<Vec<_>>();
    if !ends(&site).is_empty() {
        return false;
    }
    let starts = site.seen.borrow().models.len();
    site.run(50, [None; 2], Some(before));
    let models = models(&site.seen.borrow());
    let ends = ends(&site);
    // Never a model that is not whole, and in the end the one that was sent.
    assert_eq!((models.last(), ends.last()), (Some(&Some(0)), Some(&Stage::Committed)), "{word}: {models:?} {ends:?}");
    let first = models[starts];
    assert!(first.is_none() || ends == [Stage::Committed; 2], "{word}: {models:?} {ends:?}");
    true
}

#[test]
fn wherever_the_supply_is_cut_the_node_comes_back_with_a_model() {
    let bytes = release(&another(), 3);
    let every: usize = if std::env::var_os("TANBO_SOAK").is_some() { 1 } else { 47 };
    let mut cuts = [0; 2];
    for (store, cuts) in [true, false].into_iter().zip(&mut cuts) {
        let every = if store { every.div_ceil(8) } else { every };
        for word in (1..).step_by(every) {
            if !cut(&bytes, store, word) {
                break;
            }
            *cuts += 1;
        }
    }
    println!("{} cuts in the store, {} in the slots", cuts[0], cuts[1]);
    assert!(cuts[0] > 5 && cuts[1] > 20, "{cuts:?}");
}
