//! `forward`.

use tower_multiserver::{Scope, config::Config};

use crate::{
    cli,
    dial::Target,
    failure::Failure,
    input,
    report::Report,
    serve::{self, Handler, Times},
    settings,
    signals::Signals,
};

/// Listens on a local address, and forwards each connection.
pub(crate) async fn run(args: cli::Forward, report: Report) -> Result<(), Failure> {
    let local = input::addresses(&args.local)?;
    if local.iter().any(|address| address.sections().len() > 1) {
        let reason =
            "LOCAL is a transport alone; `listen ADDRESS --to ADDRESS` forwards from others";
        return Err(Failure::usage(reason));
    }
    let target = input::addresses(&args.address)?;
    let mut config = settings::load(&args.setup)?;
    settings::certify(&mut config, &args.certificate);
    let (identity, _) = settings::identity(&config)?;
    let server = settings::server(&config, &identity)?;
    let target = Target::new(server, target, &args.policy)?;
    target.check()?;

    let mut here = Config::default();
    here.plain = Some(true);
    here.limits = config.limits;
    here.certificate = config.certificate;
    serve::limit(&mut here);
    let here = settings::server(&here, &identity)?;
    let mut signals = Signals::catch()?;
    let listening = here.listen(local).await?;
    serve::announce(&listening, report);
    let mut scopes = listening.all_addresses().iter().map(|(scope, _)| *scope);
    if scopes.any(|scope| scope != Scope::Device) {
        report.note("everybody who reaches the local address speaks to the peer in our name");
    }
    serve::run(
        listening,
        Times::Many,
        &Handler::To(target),
        &mut signals,
        report,
    )
    .await
}
