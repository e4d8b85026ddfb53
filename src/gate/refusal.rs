//! How a rejection leaves a stack.

use crate::{event::Scope, rejection::Rejection};

/// Turns a rejection into what the caller gets.
#[diagnostic::on_unimplemented(
    message = "a rejection cannot become `{Err}`",
    note = "map the service's error first, for example with `.map_err(BoxError::from)`,",
    note = "or implement `From<Rejection>` for your error, or answer with `reject_with`"
)]
pub trait Refusal<Res, Err> {
    /// Converts one rejection.
    fn refuse(&self, rejection: Rejection) -> Result<Res, Err>;

    /// Sees an answer of the inner service before it is passed on; does nothing, unless you have
    /// something to add.
    #[inline]
    fn pass(&self, answer: &mut Result<Res, Err>, scope: &Scope) {
        let _ = (answer, scope);
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
