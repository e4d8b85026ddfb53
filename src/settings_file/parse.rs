//! Reads a file once, and checks each key and value where it stands, so that errors have their line.

use std::fmt::{self, Formatter};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, Unexpected, Visitor, value::MapAccessDeserializer},
};
use serde_json::{Map, Number, Value};

use super::{
    FileError,
    place::{Fields, Place},
};
use crate::or_none::NONE;

pub(super) fn from_toml(text: &str) -> Result<Value, FileError> {
    toml_at(Place::root(&Fields::new()), text)
}

pub(super) fn from_json(text: &str) -> Result<Value, FileError> {
    json_at(Place::root(&Fields::new()), text)
}

/// Reads what a file says of one pipeline.
pub(super) fn overlay_from_toml(text: &str) -> Result<Value, FileError> {
    toml_at(Place::overlay(&Fields::new()), text)
}

/// Reads what a file says of one pipeline.
pub(super) fn overlay_from_json(text: &str) -> Result<Value, FileError> {
    json_at(Place::overlay(&Fields::new()), text)
}

fn toml_at(place: Place<'_>, text: &str) -> Result<Value, FileError> {
    toml::Deserializer::parse(text)
        .and_then(|from| place.deserialize(from))
        .map_err(|error| FileError::of_toml(&error, text))
}

fn json_at(place: Place<'_>, text: &str) -> Result<Value, FileError> {
    // Some editors of Windows begin with one. TOML allows it; in JSON it may be passed over (RFC 8259).
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut from = serde_json::Deserializer::from_str(text);
    place
        .deserialize(&mut from)
        .and_then(|value| from.end().map(|()| value))
        .map_err(|error| FileError::of_json(&error))
}

/// Reads what stands at the place: tables by their keys, and everything else as a value that is checked.
impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl Place<'_> {
    fn checked<E: Error>(&self, value: Value) -> Result<Value, E> {
        self.check(&value).map_err(E::custom)?;
        Ok(match value {
            Value::Null => Value::from(NONE),
            value => value,
        })
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let what = if self.is_table() {
            "a table"
        } else {
            "a value"
        };
        write!(f, "{what} for {}", self.path())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        if !self.is_table() {
            let table = Value::deserialize(MapAccessDeserializer::new(map))?;
            return self.checked(table);
        }
        let mut found = Map::new();
        loop {
            let key = Key {
                table: &self,
                found: &found,
            };
            let Some((key, place)) = map.next_key_seed(key)? else {
                return Ok(Value::Object(found));
            };
            let value = map.next_value_seed(place)?;
            found.insert(key, value);
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.checked(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.checked(Value::from(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.checked(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.checked(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        // Of what is no number, serde_json would make null, and that is none.
        match Number::from_f64(value) {
            Some(number) => self.checked(Value::Number(number)),
            None => Err(E::invalid_value(Unexpected::Float(value), &self)),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.checked(Value::from(value))
    }
}

/// A key of a table, which must exist, and be there once.
struct Key<'p, 'a> {
    table: &'p Place<'a>,
    found: &'p Map<String, Value>,
}

impl<'a, 'de> DeserializeSeed<'de> for Key<'_, 'a> {
    type Value = (String, Place<'a>);

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Key<'_, 'a> {
    type Value = (String, Place<'a>);

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        if self.found.contains_key(key) {
            let table = self.table.path();
            return Err(E::custom(format!("`{key}` is twice in {table}")));
        }
        match self.table.below(key) {
            Some(place) => Ok((key.to_owned(), place)),
            None => Err(E::custom(self.table.unknown(key))),
        }
    }
}
