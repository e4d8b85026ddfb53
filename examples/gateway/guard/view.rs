//! What can be seen of a guard at work, and the way out.

use std::time::Duration;

use axum::Router;
use portcullis::{
    circuit_breaker::State,
    dashboard::{Admin, Dashboard},
    health::StillBusy,
    pipeline::{Control, Snapshot},
    rejection::BoxError,
    settings_file::FileStatus,
};

use super::Guard;
use crate::groups::{GROUPS, Group, INVENTORY};

impl Guard {
    fn upstream(&self, group: &Group) -> Option<Control> {
        self.registry.get(&format!("upstream:{}", group.name))
    }

    pub(crate) fn state(&self) -> State {
        self.upstream(&INVENTORY)
            .map_or(State::Closed, |pipeline| pipeline.circuit_breaker().state())
    }

    pub(crate) fn times_opened(&self) -> u64 {
        self.upstream(&INVENTORY)
            .map_or(0, |pipeline| pipeline.circuit_breaker().times_opened())
    }

    /// Returns how many calls a pipeline admits at a time, if it is there.
    pub(crate) fn limit(&self, pipeline: &str) -> Option<u32> {
        let pipeline = self.registry.get(pipeline)?;
        Some(pipeline.bulkhead().limit())
    }

    pub(crate) fn file_status(&self) -> FileStatus {
        self.settings.status()
    }

    pub(crate) fn dashboard(&self) -> Dashboard {
        Dashboard::new(&self.registry)
    }

    /// Returns the routes by which whoever has the token steers the pipelines.
    pub(crate) fn admin(&self, token: &str) -> Result<Router, BoxError> {
        let admin = Admin::new(&self.registry).operator("operator", token)?;
        Ok(admin.router())
    }

    /// Tells balancers to send no more calls. Those that come nevertheless are served.
    pub(crate) fn drain(&self) {
        self.health.drain();
    }

    pub(crate) async fn drained(&self, longest_wait: Duration) -> Result<(), StillBusy> {
        self.health.drained(longest_wait).await
    }

    /// Prints the pipelines' own view of all calls so far.
    pub(crate) fn print_account(&self) {
        println!(
            "\n{:<20}{:>8}{:>8}{:>8}{:>8}{:>10}{:>6}{:>10}  routes",
            "pipeline", "success", "failure", "timeout", "open", "half-open", "full", "fallback"
        );
        for group in GROUPS {
            let routes = format!("/{}", group.routes.join(", /"));
            self.print_line(&format!("upstream:{}", group.name), &routes);
        }
        self.print_line("page", "/pages");
        self.print_line("client:greedy", "all, for one client");
        self.print_line("gateway", "all");
    }

    fn print_line(&self, name: &str, routes: &str) {
        let Some(pipeline) = self.registry.get(name) else {
            return;
        };
        let Snapshot { lifetime, .. } = pipeline.snapshot();
        println!(
            "{name:<20}{:>8}{:>8}{:>8}{:>8}{:>10}{:>6}{:>10}  {routes}",
            lifetime.success,
            lifetime.failure,
            lifetime.timeout,
            lifetime.circuit_open,
            lifetime.half_open_full,
            lifetime.bulkhead_full,
            lifetime.fallback_success,
        );
    }
}
