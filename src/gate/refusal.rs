//! How a rejection leaves a stack.

use crate::{event::Scope, rejection::Rejection};

/// Turns a rejection into what the caller gets.
pub trait Refusal<Res, Err> {
    /// Converts one rejection.
    fn refuse(&self, rejection: Rejection) -> Result<Res, Err>;

    /// Passes an answer of the inner service on; as it is, unless you have something to add.
    #[inline]
    fn pass(&self, answer: Result<Res, Err>, scope: &Scope) -> Result<Res, Err> {
        let _ = scope;
        answer
    }
}

/// A rejection becomes an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsError;

impl<Res, Err: From<Rejection>> Refusal<Res, Err> for AsError {
    fn refuse(&self, rejection: Rejection) -> Result<Res, Err> {
        Err(rejection.into())
    }
}

/// A rejection becomes a response, made by a function.
#[derive(Clone, Copy)]
pub struct RespondWith<F>(pub(crate) F);

impl<F, Res, Err> Refusal<Res, Err> for RespondWith<F>
where
    F: Fn(&Rejection) -> Res,
{
    fn refuse(&self, rejection: Rejection) -> Result<Res, Err> {
        Ok((self.0)(&rejection))
    }
}

impl<F> std::fmt::Debug for RespondWith<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RespondWith")
    }
}
