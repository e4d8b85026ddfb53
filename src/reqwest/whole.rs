//! Calls that last until the body of their response has ended.

use std::mem;

use reqwest::{Body, Response};

use super::url;
use crate::{
    http::WholeExchange,
    outcome::{Aloft, Classify, Verdict},
};

/// reqwest's bodies are type-erased, so that no layer beneath has to make them fit.
impl<C, Err> Classify<Response, Err> for WholeExchange<C>
where
    C: Classify<Response, Err>,
{
    fn classify(&self, answer: Result<&Response, &Err>) -> Verdict {
        self.heads().classify(answer)
    }

    fn goes_on(&self, response: &Response) -> bool {
        self.waits_for_body(response.status(), response.headers())
    }

    fn go_on(&self, response: &mut Response, call: Aloft) {
        let nothing = http::Response::new(Body::default());
        let whole = url::keep(mem::replace(response, nothing.into()));
        let (status, headers) = (whole.status(), whole.headers());
        *response = match self.see_off(status, headers, whole.body(), call) {
            Some(exchange) => whole.map(|body| Body::wrap(exchange.around(body))).into(),
            None => whole.into(),
        };
    }
}
