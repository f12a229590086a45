use std::fmt;

use bytes::Bytes;

use crate::ServerError;

/// Any value of RESP2 or RESP3.
///
/// Attributes, which may stand before any value and which no command of Redis or Valkey sends unasked, are read and left out.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// Nothing: `_`, and RESP2's `$-1` and `*-1`.
    Null,
    /// `+`: a short text of the server's own, `OK` for one.
    Simple(Bytes),
    /// `$`: a text or any bytes.
    Bulk(Bytes),
    /// `=`: a text that says how it is to be read.
    Verbatim {
        /// Three characters: `txt`, `mkd`.
        format: [u8; 3],
        /// The text.
        text: Bytes,
    },
    /// `:`
    Int(i64),
    /// `(`: decimal digits, perhaps behind a minus.
    BigNumber(Bytes),
    /// `,`
    Double(f64),
    /// `#`
    Bool(bool),
    /// `-` and `!`: an error in the middle of a reply. One that is the whole reply is an [`Error`](crate::Error).
    Error(ServerError),
    /// `*`
    Array(Vec<Value>),
    /// `~`: in the server's order.
    Set(Vec<Value>),
    /// `%`: in the server's order.
    Map(Vec<(Value, Value)>),
    /// `>`: a message that nobody asked for; never a reply.
    Push(Vec<Value>),
}

impl Value {
    /// What kind of value it is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Simple(_) => "a status",
            Value::Bulk(_) => "a string",
            Value::Verbatim { .. } => "a verbatim string",
            Value::Int(_) => "an integer",
            Value::BigNumber(_) => "a big number",
            Value::Double(_) => "a double",
            Value::Bool(_) => "a boolean",
            Value::Error(_) => "an error",
            Value::Array(_) => "an array",
            Value::Set(_) => "a set",
            Value::Map(_) => "a map",
            Value::Push(_) => "a push message",
        }
    }

    /// The bytes of whatever is a text.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(bytes) | Value::Bulk(bytes) | Value::BigNumber(bytes) => Some(bytes),
            Value::Verbatim { text, .. } => Some(text),
            _ => None,
        }
    }
}

/// Says what it is and how long, not what is in it: replies hold users' data.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("Null"),
            Value::Simple(bytes) => write!(f, "Simple({} bytes)", bytes.len()),
            Value::Bulk(bytes) => write!(f, "Bulk({} bytes)", bytes.len()),
            Value::Verbatim { text, .. } => write!(f, "Verbatim({} bytes)", text.len()),
            Value::Int(n) => write!(f, "Int({n})"),
            Value::BigNumber(digits) => write!(f, "BigNumber({} digits)", digits.len()),
            Value::Double(number) => write!(f, "Double({number})"),
            Value::Bool(is) => write!(f, "Bool({is})"),
            Value::Error(error) => write!(f, "Error({error})"),
            Value::Array(values) => f.debug_tuple("Array").field(values).finish(),
            Value::Set(values) => f.debug_tuple("Set").field(values).finish(),
            Value::Map(pairs) => f.debug_tuple("Map").field(pairs).finish(),
            Value::Push(values) => f.debug_tuple("Push").field(values).finish(),
        }
    }
}
