//! Our one registration of the service, and which connection is whose.

use std::{
    collections::{HashMap, hash_map::Entry},
    io,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use crate::lock::lock;
use bluer::{
    ErrorKind as Kind, Session, Uuid,
    rfcomm::{ConnectRequest, Profile, ProfileHandle, ReqError, Role},
};
use futures_util::StreamExt as _;
use tokio::{
    sync::{Mutex as AsyncMutex, mpsc, oneshot},
    task::JoinSet,
    time::sleep,
};
use tower_multiserver_core::Error;

use super::{
    daemon,
    dial::{Dial, Dialed},
    error::failed,
};
use crate::transport::bluetooth::{BACKLOG, ChannelNumber, DeviceAddress, SERVICE};

/// The registration that a transport and its clones share, as long as anybody needs it.
#[derive(Default)]
pub(super) struct Registry(AsyncMutex<Weak<Registration>>);

/// The service is ours. Dropping it gives it back.
pub(super) struct Registration {
    session: Session,
    offered: bool,
    routes: Arc<Routes>,
    /// What hands on connections, and the dials, with which BlueZ goes on though they are given up.
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Default)]
pub(super) struct Routes {
    pub(super) dials: Mutex<HashMap<DeviceAddress, Waiting>>,
    inbound: Mutex<Option<mpsc::Sender<ConnectRequest>>>,
}

/// Who waits for the connection to a device that is dialed: nobody before BlueZ was asked for it, and once it is there.
type Waiting = Option<oneshot::Sender<ConnectRequest>>;

/// A registration that was dropped, by us a moment ago perhaps, is taken back a little later, and nobody tells when. So
/// BlueZ is asked again after so long, so many times: for a second in all, where it takes milliseconds.
const PAUSE: Duration = Duration::from_millis(20);
const ATTEMPTS: usize = 50;

impl Registry {
    pub(super) async fn for_dialing(&self) -> Result<Arc<Registration>, Error> {
        let mut current = self.0.lock().await;
        if let Some(registration) = current.upgrade() {
            return Ok(registration);
        }
        let client = Profile {
            role: Some(Role::Client),
            ..service()
        };
        Registration::open(&mut current, client, None).await
    }

    pub(super) async fn for_listening(
        &self,
        channel: ChannelNumber,
    ) -> Result<(Arc<Registration>, mpsc::Receiver<ConnectRequest>), Error> {
        let mut current = self.0.lock().await;
        let (sender, inbound) = mpsc::channel(BACKLOG.into());
        if let Some(registration) = current.upgrade() {
            // Of a listener that is gone there may be connections.
            registration.listen_again(sender)?;
            return Ok((registration, inbound));
        }
        // Without a role, it serves for dialing too.
        let both = Profile {
            name: Some("multiserver".into()),
            channel: Some(channel.get().into()),
            ..service()
        };
        let registration = Registration::open(&mut current, both, Some(sender)).await?;
        Ok((registration, inbound))
    }
}

/// Who proves a key needs no consent of BlueZ's.
fn service() -> Profile {
    Profile {
        uuid: Uuid::from_u128(SERVICE),
        require_authentication: Some(false),
        require_authorization: Some(false),
        ..Profile::default()
    }
}

impl Registration {
    async fn open(
        current: &mut Weak<Self>,
        profile: Profile,
        inbound: Option<mpsc::Sender<ConnectRequest>>,
    ) -> Result<Arc<Self>, Error> {
        let session = daemon::session().await?;
        let offered = inbound.is_some();
        let handle = register(&session, profile).await?;
        let routes = Arc::new(Routes {
            inbound: Mutex::new(inbound),
            ..Routes::default()
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(hand_on(handle, routes.clone()));
        let registration = Arc::new(Self {
            session,
            offered,
            routes,
            tasks: Mutex::new(tasks),
        });
        *current = Arc::downgrade(&registration);
        Ok(registration)
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    fn listen_again(&self, sender: mpsc::Sender<ConnectRequest>) -> io::Result<()> {
        let mut inbound = lock(&self.routes.inbound);
        let in_use = |reason| Err(io::Error::new(io::ErrorKind::AddrInUse, reason));
        match &*inbound {
            _ if !self.offered => in_use("the service is in use for dialing alone"),
            Some(other) if !other.is_closed() => in_use("the service has a listener"),
            _ => {
                *inbound = Some(sender);
                Ok(())
            }
        }
    }

    /// Dials a device. When it is given up, what BlueZ brings of it still is refused.
    pub(super) async fn connect(self: &Arc<Self>, dial: Dial) -> Result<Dialed, Error> {
        match lock(&self.routes.dials).entry(dial.to) {
            Entry::Vacant(vacant) => vacant.insert(None),
            Entry::Occupied(_) => {
                let reason = "another dial to the device is under way";
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, reason).into());
            }
        };
        let (asked, outcome) = oneshot::channel();
        {
            let mut tasks = lock(&self.tasks);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(dial.run(self.routes.clone(), asked));
        }
        let ended = |_| Error::from(io::Error::from(io::ErrorKind::NotConnected));
        let (io, device) = outcome.await.map_err(ended)??;
        Ok((io.keeping(self.clone()), device))
    }
}

async fn register(session: &Session, profile: Profile) -> Result<ProfileHandle, Error> {
    let mut retries = 1..ATTEMPTS;
    loop {
        match session.register_profile(profile.clone()).await {
            Err(error) if matches!(error.kind, Kind::NotPermitted | Kind::AlreadyExists) => {
                if retries.next().is_none() {
                    return Err(io::Error::new(io::ErrorKind::AddrInUse, error).into());
                }
                sleep(PAUSE).await;
            }
            result => return result.map_err(failed),
        }
    }
}

/// Hands each connection to who dialed the device or, if nobody did, to the listener.
async fn hand_on(mut requests: ProfileHandle, routes: Arc<Routes>) {
    while let Some(request) = requests.next().await {
        let from = DeviceAddress::from(request.device());
        let dial = lock(&routes.dials).get_mut(&from).and_then(Option::take);
        let refused = match dial {
            Some(dial) => dial.send(request).err(),
            None => match &*lock(&routes.inbound) {
                Some(inbound) => inbound.try_send(request).err().map(|e| e.into_inner()),
                None => Some(request),
            },
        };
        if let Some(request) = refused {
            request.reject(ReqError::Rejected);
        }
    }
}
