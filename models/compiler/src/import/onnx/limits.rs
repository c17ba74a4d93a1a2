//! How much memory a protobuf file takes when decoded, told before it is decoded: an empty attribute is two bytes of
//! the file and two thousand of memory, a file of some megabytes could ask for gigabytes.
//!
//! prost has a limit on nesting but none on memory. The walk follows the messages of onnx.proto
//! (github.com/onnx/onnx); what prost skips costs nothing, and what is damaged ends the walk: prost reports it.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use tract_onnx::pb;

/// Most that a decoded model may take.
const MAX_DECODED_BYTES: usize = 1 << 29;
/// Deepest nesting that prost decodes.
const MAX_DEPTH: u32 = 100;
/// A vector that grows holds up to twice what is in it, or four where it holds one.
const SPARE: usize = 4;

/// A message that is decoded.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Sparse,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    Dimension,
    Pair,
    OperatorSet,
    Function,
    Training,
    Annotation,
}

/// What a length-delimited field decodes to.
enum Field {
    Message(Message),
    /// Packed numbers, so many bytes of memory for one of the file.
    Numbers(usize),
    /// Text or bytes, or nothing that is decoded.
    Bytes,
}

impl Message {
    const fn size(self) -> usize {
        match self {
            Self::Model => size_of::<pb::ModelProto>(),
            Self::Graph => size_of::<pb::GraphProto>(),
            Self::Node => size_of::<pb::NodeProto>(),
            Self::Attribute => size_of::<pb::AttributeProto>(),
            Self::Tensor => size_of::<pb::TensorProto>(),
            Self::Sparse => size_of::<pb::SparseTensorProto>(),
            Self::ValueInfo => size_of::<pb::ValueInfoProto>(),
            Self::Type => size_of::<pb::TypeProto>(),
            Self::TensorType => size_of::<pb::type_proto::Tensor>(),
            Self::Shape => size_of::<pb::TensorShapeProto>(),
            Self::Dimension => size_of::<pb::tensor_shape_proto::Dimension>(),
            Self::Pair => size_of::<pb::StringStringEntryProto>(),
            Self::OperatorSet => size_of::<pb::OperatorSetIdProto>(),
            Self::Function => size_of::<pb::FunctionProto>(),
            Self::Training => size_of::<pb::TrainingInfoProto>(),
            Self::Annotation => size_of::<pb::TensorAnnotation>(),
        }
    }

    const fn field(self, tag: u32) -> Field {
        use Field::{Bytes, Numbers};
        let message = match (self, tag) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) | (Self::Training, 1 | 2) => Self::Graph,
            (Self::Model, 8) | (Self::Function, 9) => Self::OperatorSet,
            (Self::Model, 14) | (Self::Tensor, 13) | (Self::Annotation, 2) | (Self::Training, 3 | 4) => Self::Pair,
            (Self::Model, 20) => Self::Training,
            (Self::Model, 25) => Self::Function,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::Sparse, 1 | 2) => Self::Tensor,
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Self::Sparse,
            (Self::Graph, 11..=13) => Self::ValueInfo,
            (Self::Graph, 14) => Self::Annotation,
            (Self::Node, 5) => Self::Attribute,
            (Self::Attribute, 15) | (Self::ValueInfo, 2) => Self::Type,
            (Self::Type, 1) => Self::TensorType,
            (Self::TensorType, 2) => Self::Shape,
            (Self::Shape, 1) => Self::Dimension,
            // A number is one byte of the file or more and up to eight of memory.
            (Self::Tensor, 1 | 5 | 7 | 11) | (Self::Attribute, 8) | (Self::Sparse, 3) => return Numbers(8 * SPARE),
            (Self::Tensor, 4 | 10) | (Self::Attribute, 7) => return Numbers(SPARE),
            _ => return Bytes,
        };
        Field::Message(message)
    }
}

/// Returns whether decoding a model takes more memory than it may.
pub(super) fn decodes_to_too_much(file: &[u8]) -> bool {
    let mut room = Some(MAX_DECODED_BYTES);
    walk(file, Message::Model, 0, &mut room);
    room.is_none()
}

fn charge(room: &mut Option<usize>, bytes: usize) {
    *room = room.and_then(|room| room.checked_sub(bytes));
}

fn walk(mut rest: &[u8], message: Message, depth: u32, room: &mut Option<usize>) {
    charge(room, SPARE * message.size());
    while !rest.is_empty() && room.is_some() && depth < MAX_DEPTH {
        let Ok((tag, wire)) = decode_key(&mut rest) else { return };
        if wire != WireType::LengthDelimited {
            // An element of a list that is not packed, at most.
            charge(room, 8 * SPARE);
            let skipped = skip_field(wire, tag, &mut rest, DecodeContext::default());
            if skipped.is_err() {
                return;
            }
            continue;
        }
        let length = decode_varint(&mut rest).ok().and_then(|length| usize::try_from(length).ok());
        let Some((content, after)) = length.and_then(|length| rest.split_at_checked(length)) else { return };
        match message.field(tag) {
            Field::Message(inner) => walk(content, inner, depth + 1, room),
            Field::Numbers(per_byte) => charge(room, content.len().saturating_mul(per_byte)),
            Field::Bytes => charge(room, content.len() + SPARE * size_of::<Vec<u8>>()),
        }
        rest = after;
    }
}
