//! What may be none in settings: in a file the word `"none"`, because TOML has no null. Null is read too.

use std::{
    fmt::{self, Formatter},
    marker::PhantomData,
    time::Duration,
};

use humantime_serde::Serde;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, IntoDeserializer, MapAccess, Visitor, value::MapAccessDeserializer},
};

pub(crate) const NONE: &str = "none";

/// What may be none, for `serde(with)`.
pub(crate) struct OrNone<T>(PhantomData<T>);

impl<T> OrNone<T> {
    /// Writes the word where JSON would have null: in TOML what is null would be left out, and come back
    /// with its default.
    pub(crate) fn serialize<S>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize,
        S: Serializer,
    {
        match value {
            Some(value) => value.serialize(to),
            None => to.serialize_str(NONE),
        }
    }

    pub(crate) fn deserialize<'de, D>(from: D) -> Result<Option<T>, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        from.deserialize_any(Self(PhantomData))
    }
}

/// A duration for people, such as `"250ms"`, which may be none, for `serde(with)`.
pub(crate) struct DurationOrNone;

impl DurationOrNone {
    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        OrNone::serialize(&value.map(Serde::from), to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        let value: Option<Serde<Duration>> = OrNone::deserialize(from)?;
        Ok(value.map(Serde::into_inner))
    }
}

/// Hands everything on but the word and null, so that errors are those of the type, where it stands.
impl<'de, T: Deserialize<'de>> Visitor<'de> for OrNone<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a value or \"none\"")
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        T::deserialize(value.into_deserializer()).map(Some)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        T::deserialize(value.into_deserializer()).map(Some)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        T::deserialize(value.into_deserializer()).map(Some)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        T::deserialize(value.into_deserializer()).map(Some)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        match value {
            NONE => Ok(None),
            _ => T::deserialize(value.into_deserializer()).map(Some),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }
}

#[cfg(all(test, not(portcullis_loom)))]
mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::*;

    impl<T: JsonSchema> JsonSchema for OrNone<T> {
        fn schema_name() -> Cow<'static, str> {
            format!("{}OrNone", T::schema_name()).into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let value = generator.subschema_for::<T>();
            json_schema!({"anyOf": [value, {"enum": [NONE, null]}]})
        }

        fn inline_schema() -> bool {
            true
        }
    }

    impl JsonSchema for DurationOrNone {
        fn schema_name() -> Cow<'static, str> {
            OrNone::<Duration>::schema_name()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            OrNone::<Duration>::json_schema(generator)
        }

        fn inline_schema() -> bool {
            true
        }
    }
}
