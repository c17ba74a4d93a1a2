//! Inference on the emulated board outlives kills of the emulator: whatever it was at, it ends with the bits of the host.

mod kill;
#[path = "../src/windows.rs"]
mod windows;

use std::time::Duration;

use kill::Board;
use tanbo::{Engine, Model};
use tanbo_emulated::host::Program;
use tanbo_format::emit::Aligned;

const PROGRAM: Program<'static> = Program { package: "tanbo-board-mps2", bin: "tanbo-board-devices" };

/// How often each model is killed.
fn kills() -> usize {
    if std::env::var_os("TANBO_SOAK").is_some() { 200 } else { 15 }
}

/// What the host computes, window after window.
struct Host<'m, 'a> {
    engine: Engine<'m, 'a>,
    outputs: Vec<Vec<i8>>,
}

impl Host<'_, '_> {
    fn output(&mut self, window: usize) -> &[i8] {
        while self.outputs.len() <= window {
            windows::fill(self.outputs.len() as u64, self.engine.input_mut(0).expect("an input"));
            self.engine.run().expect("a run");
            self.outputs.push(self.engine.output(0).expect("an output").to_vec());
        }
        &self.outputs[window]
    }
}

fn kill(test: &str, artifact: &[u8]) {
    let board = Board::new(&PROGRAM);
    let bytes = Aligned::new(artifact);
    let model = Model::parse(&bytes).expect("an artifact");
    let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
    let engine = Engine::new(&model, tanbo::table_or_reference(model.family()), &mut arena).expect("an engine");
    let mut host = Host { engine, outputs: Vec::new() };
    let mut random = fastrand::Rng::with_seed(15);
    let (mut next, mut resumed, mut windows) = (0, 0, 0);
    for kill in 0..kills() {
        let (lines, micros) = (random.usize(0..3), random.u64(0..100_000));
        let said = board.run(test, lines, Duration::from_micros(micros));
        for (number, line) in said.lines().enumerate() {
            let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
            let (window, outputs) = rest.split_once(' ').unwrap_or((rest, ""));
            let window = window.parse().unwrap_or(0usize);
            assert_eq!(what != "window", number == 0, "{line} in {said}");
            match what {
                // Of the window after the last that it told, or of one more, if it was killed before it could tell.
                "nothing" => assert_eq!(next, 0, "after window {next}"),
                "unfinished" => {
                    assert!((next..=next + 1).contains(&window), "{line} after window {next}");
                    resumed += 1;
                    continue;
                }
                "finished" => assert!((next..=next + 2).contains(&(window + 1)), "{line} after window {next}"),
                "window" => windows += 1,
                _ => panic!("kill {kill}: {line}"),
            }
            if what != "nothing" {
                assert_eq!(outputs, format!("{:?}", host.output(window)), "{line}");
                next = window + 1;
            }
        }
    }
    println!("{test}: {} kills, {resumed} inferences resumed, {windows} windows", kills());
    assert!(resumed * 3 > kills() && windows > 0, "{resumed} resumed, {windows} windows");
}

#[test]
fn a_model_with_states_outlives_kills() {
    kill("streamed", include_bytes!("../../journal/tests/data/streamed.tnb"));
}

#[test]
fn a_model_with_rings_outlives_kills() {
    kill("rings", include_bytes!("../../journal/tests/data/rings.tnb"));
}
