//! Plans as text: small graphs in, what lies where and in which packing out.
//!
//! `INSTA_UPDATE=always cargo test -p tanbo-compiler --test plans` accepts a change.

use tanbo_compiler::graph::{Clamp, Graph, NodeOp};
use tanbo_compiler::packings::name;
use tanbo_compiler::testing::{Builder, plan_text, random_inputs, run, run_artifact, weights, window};
use tanbo_compiler::{CompileErrorKind, Options, compile};
use tanbo_format::emit::Aligned;
use tanbo_format::{Family, Model};
use tanbo_quant::Rounding;

const CLAMP: Clamp = Clamp::INT8;

fn conv(kernel: usize, inputs: usize, outputs: usize) -> NodeOp {
    let data: Vec<i8> = (0..kernel * kernel * inputs * outputs).map(|at| (at * 37 % 101) as i8 - 50).collect();
    let weights = weights(&data, &vec![100; outputs], &[0.01]);
    NodeOp::Conv2d { window: window(kernel, 1, kernel / 2), groups: 1, weights, clamp: CLAMP }
}

/// Three convolutions of 3×3, which Winograd's transforms make cheaper, the later ones for more bytes.
fn convolutions() -> Graph {
    let mut b = Builder::new("convolutions", Rounding::Tflite);
    let x = b.input("x", &[1, 8, 8, 8], (0.05, 3));
    let a = b.node("a", conv(3, 8, 8), &[x], &[1, 8, 8, 8], (0.4, -3));
    let c = b.node("c", conv(3, 8, 16), &[a], &[1, 8, 8, 16], (1.5, 0));
    let d = b.node("d", conv(3, 16, 16), &[c], &[1, 8, 8, 16], (6.0, 5));
    b.output(d);
    b.finish()
}

fn with_budget(flash_budget: Option<u32>) -> Result<Vec<u8>, tanbo_compiler::CompileError> {
    compile(&convolutions(), &Options { family: Family::Dsp, flash_budget, ..Options::default() })
}

#[test]
fn more_flash_buys_dearer_packings_step_by_step() {
    let usual = with_budget(None).expect("a model").len() as u32;
    let most = with_budget(Some(1 << 20)).expect("room for everything").len() as u32;
    let mut page = String::new();
    for budget in [usual, usual + 1_500, usual + 3_000, usual + 5_000, most, 1 << 20] {
        let artifact = Aligned::new(&with_budget(Some(budget)).expect("the usual packings fit"));
        assert!(artifact.len() <= budget as usize);
        let model = Model::parse(&artifact).expect("an artifact");
        let variants: Vec<_> = (0..3).map(|step| name(model.step(step).unwrap().variant, model.family())).collect();
        let (room, more) = (budget - usual, artifact.len() - usual as usize);
        page += &format!("at most {room} bytes more: {} for {more}\n", variants.join(" "));
    }
    insta::assert_snapshot!("flash_budget", page);
    // What is asked for without a budget stays as it was, and what cannot fit is refused with what it would take.
    assert_eq!(with_budget(Some(usual)).expect("it fits"), with_budget(None).expect("a model"));
    let error = with_budget(Some(2_000)).expect_err("the weights alone have more");
    assert_eq!(error.kind, CompileErrorKind::TooLarge);
    assert!(error.to_string().contains("flash budget of 2000"), "{error}");
}

/// Two branches, the longer one first: what it computes waits while the other needs room.
#[test]
fn the_branch_that_needs_more_room_goes_first() {
    let mut b = Builder::new("branches", Rounding::Single);
    let x = b.input("x", &[1, 4, 4, 2], (0.05, 0));
    let small = b.node("small", conv(1, 2, 4), &[x], &[1, 4, 4, 4], (0.1, 0));
    let wide = b.node("wide", conv(1, 2, 16), &[x], &[1, 4, 4, 16], (0.1, 0));
    let narrow = b.node("narrow", conv(1, 16, 4), &[wide], &[1, 4, 4, 4], (0.1, 0));
    let sum = b.node("sum", NodeOp::Add { clamp: CLAMP }, &[small, narrow], &[1, 4, 4, 4], (0.2, 0));
    b.output(sum);
    insta::assert_snapshot!("branches", plan_text(&b.finish(), &Options::default()));
}

/// What goes value by value writes where it reads, unless something else reads that too or it is an output.
#[test]
fn functions_products_and_sums_write_where_they_read() {
    let mut b = Builder::new("in place", Rounding::Single);
    let shape = [1, 4, 4, 4];
    let x = b.input("x", &shape, (0.05, 0));
    let a = b.node("a", conv(1, 4, 4), &[x], &shape, (0.1, 0));
    let table = NodeOp::Lut { table: Box::new(std::array::from_fn(|q| (q as i32 / 2 - 40) as i8)) };
    let gate = b.node("gate", table, &[a], &shape, (0.1, 1));
    let gated = b.node("gated", NodeOp::Mul { clamp: CLAMP }, &[a, gate], &shape, (0.2, 0));
    let c = b.node("c", conv(1, 4, 4), &[gated], &shape, (0.1, 0));
    let less = b.node("less", NodeOp::Sub { clamp: CLAMP }, &[c, gated], &shape, (0.2, 0));
    let scaled = b.node("scaled", NodeOp::Requantize { clamp: CLAMP }, &[less], &shape, (0.3, 4));
    let d = b.node("d", conv(1, 4, 4), &[scaled], &shape, (0.1, 0));
    b.output(d);
    let graph = b.finish();
    insta::assert_snapshot!("in_place", plan_text(&graph, &Options::default()));
    let artifact = compile(&graph, &Options::default()).expect("a model");
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..20 {
        let inputs = random_inputs(&graph, &mut rng);
        assert_eq!(run_artifact(&artifact, &inputs), [run(&graph, &inputs)[&d].clone()]);
    }
}

/// A view costs nothing, and lies where what it views does.
#[test]
fn views_share_a_storage() {
    let mut b = Builder::new("views", Rounding::Single);
    let x = b.input("x", &[1, 2, 2, 4], (0.05, 0));
    let a = b.node("a", conv(1, 4, 6), &[x], &[1, 2, 2, 6], (0.1, 0));
    let flat = b.node("flat", NodeOp::Reshape, &[a], &[1, 24], (0.1, 0));
    let data: Vec<i8> = (0..72).map(|at| at as i8 - 36).collect();
    let dense = NodeOp::FullyConnected { weights: weights(&data, &[0, 1, 2], &[0.01]), clamp: CLAMP };
    let y = b.node("y", dense, &[flat], &[1, 3], (0.2, 0));
    b.output(y);
    insta::assert_snapshot!("views", plan_text(&b.finish(), &Options::default()));
}
