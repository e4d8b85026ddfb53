//! The live page, over pipelines whose dependencies fail in turn.
//!
//! ```text
//! cargo run --example dashboard
//! OPERATOR_TOKEN=of-16-bytes-or-more cargo run --example dashboard
//! cargo run --example dashboard -- --help
//! ```
//!
//! The second one has the controls as well. What is below is all that a service needs for both; the rest of
//! the example breaks things.

mod dependency;
mod options;

use std::{env, net::Ipv4Addr};

use axum::Router;
use portcullis::{
    dashboard::{Admin, Dashboard, Settings},
    registry::Registry,
    rejection::BoxError,
};
use tokio::{net::TcpListener, signal::ctrl_c, time::sleep};

use self::options::{HELP, Options};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let options = Options::parse(env::args().skip(1))?;
    if options.help {
        println!("{HELP}");
        return Ok(());
    }
    let registry = Registry::new();
    let settings = Settings::default().interval(options.interval);
    let mut dashboard = Dashboard::with(&registry, settings)?;
    let mut app = Router::new();
    if let Ok(token) = env::var("OPERATOR_TOKEN") {
        let admin = Admin::new(&registry).operator("operator", token)?;
        app = app.nest("/ops/admin", admin.router());
        dashboard = dashboard.admin_at("admin");
    }
    app = app.nest_service("/ops", dashboard.router());

    // Of this machine only: the page is for operators, and so is its port.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
    println!("live page: http://{}/ops/", listener.local_addr()?);
    dependency::break_in_turn(&registry, &options)?;
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        tokio::select! {
            _ = ctrl_c() => {}
            () = sleep(options.lasts) => {}
        }
        // Or those who watch would keep the server.
        dashboard.shut_down();
    });
    server.await?;
    let snapshots = registry.snapshots();
    let opened = snapshots
        .iter()
        .filter(|pipeline| pipeline.times_opened > 0);
    println!("{} of {} circuits opened", opened.count(), snapshots.len());
    Ok(())
}
