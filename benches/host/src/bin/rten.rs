//! Runs an ONNX model in rten as often as it is told: the other side of `tanbo-timed`, with the same inputs and outputs of its own.
//!
//! `tanbo-timed-rten MODEL.onnx`; the number of threads stands in `RTEN_NUM_THREADS`.

use std::env;
use std::error::Error;
use std::hint::black_box;

use rten::{DataType, Dimension, Model, Value, ValueOrView, ValueType};
use tanbo_host::{next_byte, serve};

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args_os().nth(1).ok_or("give a model: tanbo-timed-rten MODEL.onnx")?;
    let model = Model::load_file(&path)?;
    let mut state = 0x1234_5678;
    let inputs = model
        .input_ids()
        .iter()
        .map(|&id| {
            let info = model.node_info(id).ok_or("an input without a node")?;
            let axes = info.shape().ok_or("an input without a shape")?;
            let shape: Vec<usize> = axes
                .iter()
                .map(|axis| match axis {
                    Dimension::Fixed(length) => *length,
                    Dimension::Symbolic(_) => 1,
                })
                .collect();
            let bytes: Vec<u8> = (0..shape.iter().product()).map(|_| next_byte(&mut state)).collect();
            let value = match info.dtype() {
                Some(ValueType::Tensor(DataType::Float)) => {
                    Value::from_shape(&shape, bytes.iter().map(|&x| f32::from(x) / 64.0 - 2.0).collect::<Vec<_>>())?
                }
                Some(ValueType::Tensor(DataType::Int8)) => {
                    Value::from_shape(&shape, bytes.iter().map(|&x| x as i8).collect::<Vec<_>>())?
                }
                Some(ValueType::Tensor(DataType::UInt8)) => Value::from_shape(&shape, bytes)?,
                other => return Err(format!("an input of type {other:?}").into()),
            };
            Ok((id, value))
        })
        .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    serve("rten", || {
        let feeds = inputs.iter().map(|(id, value)| (*id, ValueOrView::from(value.as_view()))).collect();
        black_box(model.run(black_box(feeds), model.output_ids(), None)?);
        Ok(())
    })
}
