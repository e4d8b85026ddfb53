//! What operators see and steer: a page on a port of its own, which no client of the gateway can reach.

use std::env;

use axum::Router;
use portcullis::{dashboard::Dashboard, rejection::BoxError};

use crate::{gateway::Gateway, guard::Guard};

/// Names the variable of the environment with the operator's token.
const TOKEN: &str = "OPERATOR_TOKEN";

/// The live page of a gateway.
pub(crate) struct Operators {
    dashboard: Dashboard,
    server: Gateway,
}

impl Operators {
    /// Starts a page to watch.
    pub(crate) async fn watching(guard: &Guard) -> Result<Self, BoxError> {
        Self::start(guard.dashboard(), Router::new()).await
    }

    /// Starts a page to watch and, with a token, to steer by.
    pub(crate) async fn steering(guard: &Guard) -> Result<Self, BoxError> {
        let given = env::var(TOKEN).ok();
        let token = given.clone().map_or_else(made_up, Ok)?;
        let admin = Router::new().nest("/ops/admin", guard.admin(&token)?);
        let operators = Self::start(guard.dashboard().admin_at("admin"), admin).await?;
        match given {
            Some(_) => println!("token: as {TOKEN} says"),
            None => println!("token: {token}"),
        }
        Ok(operators)
    }

    async fn start(dashboard: Dashboard, others: Router) -> Result<Self, BoxError> {
        let routes = others.nest_service("/ops", dashboard.router::<()>());
        let server = Gateway::start(routes).await?;
        println!("live page: http://{}/ops/", server.address());
        Ok(Self { dashboard, server })
    }

    pub(crate) async fn shut_down(self) -> Result<(), BoxError> {
        // Or those who watch would keep the server.
        self.dashboard.shut_down();
        self.server.shut_down().await
    }
}

/// Returns a token that nobody can guess.
fn made_up() -> Result<String, BoxError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
