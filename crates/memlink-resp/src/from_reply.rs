use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

use bytes::Bytes;

use crate::read::{double, integer};
use crate::{Fault, Value};

/// A type that a reply can be read as.
///
/// | type | reads |
/// | --- | --- |
/// | [`Value`] | anything |
/// | `()` | anything, and forgets it |
/// | [`Bytes`], `String` | strings and statuses; `String` only UTF-8 |
/// | `Option<T>` | nothing as `None`, all else as `T` |
/// | `i64`, `u64`, ... | integers, and strings of digits |
/// | `f64` | doubles, integers, and strings that are numbers |
/// | `bool` | booleans, and the integers 0 and 1 |
/// | `Vec<T>` | arrays, sets, and of maps each pair |
/// | `HashMap`, `BTreeMap` | maps, and RESP2's arrays in which keys and values take turns |
/// | `(A, B)`, `(A, B, C)` | arrays of so many |
///
/// An error of the server is the request's error, whatever the type; only [`Value`] holds those in the middle of a reply.
pub trait FromReply: Sized {
    /// Reads the value.
    ///
    /// # Errors
    ///
    /// [`Fault`] when the value is of another type, or is or holds an error of the server.
    fn from_reply(value: Value) -> Result<Self, Fault>;
}

/// The fault of a value that is not what was wanted.
fn not<T>(wanted: &'static str, value: Value) -> Result<T, Fault> {
    Err(match value {
        Value::Error(error) => Fault::Server(error),
        value => Fault::Type { wanted, found: value.kind() },
    })
}

impl FromReply for Value {
    fn from_reply(value: Value) -> Result<Value, Fault> {
        Ok(value)
    }
}

impl FromReply for () {
    fn from_reply(value: Value) -> Result<(), Fault> {
        match value {
            Value::Error(error) => Err(Fault::Server(error)),
            _ => Ok(()),
        }
    }
}

impl FromReply for Bytes {
    #[inline]
    fn from_reply(value: Value) -> Result<Bytes, Fault> {
        match value {
            Value::Bulk(bytes) | Value::Simple(bytes) | Value::BigNumber(bytes) => Ok(bytes),
            Value::Verbatim { text, .. } => Ok(text),
            value => not("a string", value),
        }
    }
}

impl FromReply for String {
    fn from_reply(value: Value) -> Result<String, Fault> {
        let bytes = Bytes::from_reply(value)?;
        let no_text = |_| Fault::Type { wanted: "UTF-8", found: "other bytes" };
        String::from_utf8(bytes.into()).map_err(no_text)
    }
}

impl<T: FromReply> FromReply for Option<T> {
    #[inline]
    fn from_reply(value: Value) -> Result<Option<T>, Fault> {
        match value {
            Value::Null => Ok(None),
            value => T::from_reply(value).map(Some),
        }
    }
}

impl FromReply for f64 {
    fn from_reply(value: Value) -> Result<f64, Fault> {
        match &value {
            Value::Double(number) => return Ok(*number),
            // As every language does that has only these numbers.
            Value::Int(n) => return Ok(*n as f64),
            Value::Bulk(text) | Value::Simple(text) => {
                if let Some(number) = double(text) {
                    return Ok(number);
                }
            }
            _ => {}
        }
        not("a number", value)
    }
}

impl FromReply for bool {
    fn from_reply(value: Value) -> Result<bool, Fault> {
        match value {
            Value::Bool(is) => Ok(is),
            Value::Int(n @ (0 | 1)) => Ok(n == 1),
            value => not("a boolean", value),
        }
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl FromReply for $type {
            fn from_reply(value: Value) -> Result<$type, Fault> {
                let n = match &value {
                    Value::Int(n) => Some(*n),
                    Value::Bulk(text) | Value::Simple(text) => integer(text),
                    _ => None,
                };
                match n.map(<$type>::try_from) {
                    Some(Ok(n)) => Ok(n),
                    Some(Err(_)) => Err(Fault::Type { wanted: stringify!($type), found: "an integer out of its range" }),
                    None => not("an integer", value),
                }
            }
        }
    )*};
}

integers!(i64, u64, i32, u32, usize);

impl<T: FromReply> FromReply for Vec<T> {
    fn from_reply(value: Value) -> Result<Vec<T>, Fault> {
        match value {
            Value::Array(values) | Value::Set(values) | Value::Push(values) => {
                values.into_iter().map(T::from_reply).collect()
            }
            Value::Map(pairs) => {
                pairs.into_iter().map(|(key, value)| T::from_reply(Value::Array(vec![key, value]))).collect()
            }
            value => not("an array", value),
        }
    }
}

/// The pairs of a map, or of an array in which keys and values take turns.
fn pairs<K: FromReply, V: FromReply, M: FromIterator<(K, V)>>(value: Value) -> Result<M, Fault> {
    match value {
        Value::Map(pairs) => {
            pairs.into_iter().map(|(key, value)| Ok((K::from_reply(key)?, V::from_reply(value)?))).collect()
        }
        Value::Array(values) if values.len() % 2 == 0 => {
            let mut values = values.into_iter();
            let pair = || Some((values.next()?, values.next()?));
            let pairs = std::iter::from_fn(pair);
            pairs.map(|(key, value)| Ok((K::from_reply(key)?, V::from_reply(value)?))).collect()
        }
        value => not("a map", value),
    }
}

impl<K: FromReply + Eq + Hash, V: FromReply, S: BuildHasher + Default> FromReply for HashMap<K, V, S> {
    fn from_reply(value: Value) -> Result<HashMap<K, V, S>, Fault> {
        pairs(value)
    }
}

impl<K: FromReply + Ord, V: FromReply> FromReply for BTreeMap<K, V> {
    fn from_reply(value: Value) -> Result<BTreeMap<K, V>, Fault> {
        pairs(value)
    }
}

/// So many values of an array.
fn several<const N: usize>(value: Value) -> Result<[Value; N], Fault> {
    match value {
        Value::Array(values) => {
            let wrong = |_| Fault::Type { wanted: "a tuple", found: "an array of another length" };
            <[Value; N]>::try_from(values).map_err(wrong)
        }
        value => not("an array", value),
    }
}

impl<A: FromReply, B: FromReply> FromReply for (A, B) {
    fn from_reply(value: Value) -> Result<(A, B), Fault> {
        let [a, b] = several(value)?;
        Ok((A::from_reply(a)?, B::from_reply(b)?))
    }
}

impl<A: FromReply, B: FromReply, C: FromReply> FromReply for (A, B, C) {
    fn from_reply(value: Value) -> Result<(A, B, C), Fault> {
        let [a, b, c] = several(value)?;
        Ok((A::from_reply(a)?, B::from_reply(b)?, C::from_reply(c)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &'static str) -> Value {
        Value::Bulk(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn replies_are_read_as_what_is_asked_for() {
        assert_eq!(i64::from_reply(Value::Int(-7)), Ok(-7));
        assert_eq!(u64::from_reply(bulk("12")), Ok(12));
        assert_eq!(f64::from_reply(bulk("2.5")), Ok(2.5));
        assert_eq!(f64::from_reply(Value::Int(2)), Ok(2.0));
        assert_eq!(bool::from_reply(Value::Int(1)), Ok(true));
        assert_eq!(Option::<i64>::from_reply(Value::Null), Ok(None));
        assert_eq!(String::from_reply(Value::Simple(Bytes::from_static(b"OK"))), Ok("OK".to_owned()));
        assert_eq!(Vec::<i64>::from_reply(Value::Set(vec![Value::Int(1), bulk("2")])), Ok(vec![1, 2]));
        let map = Value::Map(vec![(bulk("a"), Value::Int(1))]);
        let flat = Value::Array(vec![bulk("a"), bulk("1")]);
        for value in [map.clone(), flat] {
            assert_eq!(BTreeMap::from_reply(value), Ok(BTreeMap::from([("a".to_owned(), 1_i64)])));
        }
        assert_eq!(Vec::<(String, i64)>::from_reply(map), Ok(vec![("a".to_owned(), 1)]));
    }

    #[test]
    fn what_is_of_another_type_is_told_apart_from_an_error_of_the_server() {
        let wrong = |found| Err(Fault::Type { wanted: "an integer", found });
        assert_eq!(i64::from_reply(Value::Null), wrong("nothing"));
        assert_eq!(i64::from_reply(bulk("x")), wrong("a string"));
        assert!(matches!(u32::from_reply(Value::Int(-1)), Err(Fault::Type { .. })));
        assert!(matches!(bool::from_reply(Value::Int(2)), Err(Fault::Type { .. })));
        assert!(matches!(<(i64, i64)>::from_reply(Value::Array(vec![Value::Int(1)])), Err(Fault::Type { .. })));
        let error = ServerError::new(b"ERR no");
        let inside = Value::Array(vec![Value::Int(1), Value::Error(error.clone())]);
        assert_eq!(Vec::<i64>::from_reply(inside), Err(Fault::Server(error.clone())));
        assert_eq!(<()>::from_reply(Value::Error(error.clone())), Err(Fault::Server(error)));
    }

    use crate::ServerError;
}
