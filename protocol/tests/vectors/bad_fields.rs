//! Every field of every kind of frame that clients send, missing, of each wrong type, too long and out of
//! range: each gets the one typed error that names it. What is right is read off `SPEC.md`, so a table
//! that promises too much or too little fails here. A new kind has an example, or does not compile (see
//! [`coverage`](super::coverage)); an example without a table fails.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_protocol::{
    ClientFrame, ErrorCode, FrameError, RequestId, decode::FrameProblem, decode_client_message,
    encode_client_frame, limit,
};
use rmpv::Value;

use super::{
    examples,
    grammar::{self, Field, Type, one_of_each},
    spec::spec,
};

/// An example, and the values of its frame: those it leaves out are nil.
struct Told {
    name: &'static str,
    frame: ClientFrame,
    values: Vec<Value>,
    fields: Vec<Field>,
}

fn told() -> Vec<Told> {
    let kinds: BTreeMap<_, _> = grammar::client(&spec())
        .into_iter()
        .map(|frame| (frame.kind, frame.fields))
        .collect();
    let examples: Vec<_> = examples::client()
        .into_iter()
        .map(|(name, _, frame)| {
            let mut values = values_of(&frame);
            let fields = kinds[&values[0].as_u64().unwrap()].clone();
            values.resize(1 + fields.len(), Value::Nil);
            Told {
                name,
                frame,
                values,
                fields,
            }
        })
        .collect();
    let shown: BTreeSet<_> = examples.iter().map(|it| it.values[0].as_u64()).collect();
    let all: BTreeSet<_> = kinds.keys().copied().map(Some).collect();
    assert_eq!(shown, all, "each kind has a table, and an example");
    examples
}

fn values_of(frame: &ClientFrame) -> Vec<Value> {
    let mut bytes = Vec::new();
    encode_client_frame(frame, &mut bytes);
    match rmpv::decode::read_value(&mut &bytes[..]).unwrap() {
        Value::Array(values) => values,
        other => panic!("{other}"),
    }
}

fn read(values: Vec<Value>) -> Result<ClientFrame, FrameError> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &Value::Array(values)).unwrap();
    let mut frames = decode_client_message(&bytes, limit::CLIENT_MESSAGE_BYTES_MAX).unwrap();
    frames.next().unwrap()
}

impl Told {
    /// The id that an error carries, if it is not the id that is wrong.
    fn id(&self, wrong: usize) -> Option<RequestId> {
        match &self.frame {
            ClientFrame::Request { id, .. } if wrong > 1 => Some(*id),
            _ => None,
        }
    }

    /// Refused for the field at this place of the frame, and for nothing else.
    fn is_refused(&self, values: Vec<Value>, place: usize, why: &str) {
        let field = &self.fields[place - 1].name;
        let context = format!("{} with {field} {why}", self.name);
        let error = read(values).expect_err(&context);
        assert_eq!(error.error_code(), ErrorCode::InvalidField, "{context}");
        assert_eq!(error.id, self.id(place), "{context}");
        let FrameProblem::Field { name, index, .. } = error.problem else {
            panic!("{context}: {error}");
        };
        assert_eq!(index as usize, place, "{context}: {error}");
        assert_eq!(
            name.split('.').next(),
            Some(&field[..]),
            "{context}: {error}"
        );
    }
}

#[test]
fn a_wrong_value_in_any_field_is_refused_by_its_name() {
    for example in told() {
        for place in 1..example.values.len() {
            for (why, value) in example.fields[place - 1].refused() {
                let mut values = example.values.clone();
                values[place] = value;
                example.is_refused(values, place, &why);
            }
        }
    }
}

#[test]
fn what_is_missing_is_refused_unless_it_is_optional_with_all_behind_it() {
    for example in told() {
        for length in 1..example.values.len() {
            let values = example.values[..length].to_vec();
            let behind = &example.fields[length - 1..];
            if let Some(missing) = behind.iter().position(|field| !field.optional) {
                example.is_refused(values, length + missing, "missing");
                continue;
            }
            let mut absent = values.clone();
            absent.resize(example.values.len(), Value::Nil);
            let context = format!("{} cut to {length}", example.name);
            assert_eq!(read(values), read(absent), "{context}");
        }
    }
}

#[test]
fn fields_of_a_later_version_behind_the_known_ones_change_nothing() {
    for example in told() {
        for unknown in one_of_each() {
            let mut values: Vec<_> = (example.values.iter().zip(
                [None]
                    .into_iter()
                    .chain(example.fields.iter().map(|field| Some(&field.of))),
            ))
            .map(|(value, of)| of.map_or_else(|| value.clone(), |of| grown(value, of, &unknown)))
            .collect();
            values.push(unknown);
            assert_eq!(read(values), Ok(example.frame.clone()), "{}", example.name);
        }
    }
}

/// The same with an unknown field behind those of each array inside.
fn grown(value: &Value, of: &Type, unknown: &Value) -> Value {
    let Value::Array(values) = value else {
        return value.clone();
    };
    let fields = |fields: &[Field], values: &[Value]| -> Vec<Value> {
        let mut values = values.to_vec();
        values.resize(fields.len(), Value::Nil);
        let each = fields.iter().zip(&values);
        let mut all: Vec<_> = each
            .map(|(field, value)| grown(value, &field.of, unknown))
            .collect();
        all.push(unknown.clone());
        all
    };
    Value::Array(match of {
        Type::Fields(known) => fields(known, values),
        Type::Forms(forms) => {
            let form = usize::try_from(values[0].as_u64().unwrap()).unwrap();
            let behind = fields(&forms[form - 1], &values[1..]);
            [vec![values[0].clone()], behind].concat()
        }
        Type::List(of, _) => (values.iter())
            .map(|value| grown(value, of, unknown))
            .collect(),
        Type::Bool | Type::Unsigned(..) | Type::Bytes(..) | Type::Text(..) | Type::Name(..) => {
            unreachable!("an array stands where SPEC.md has none")
        }
    })
}
