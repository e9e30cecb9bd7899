//! The house: every part put together, for `up` and `serve` alike.
//!
//! Start: look for all programs, lock the data folder, open all listeners and the store, then the supervisor, the
//! gateway and the admin API. What can fail without a trace comes first. Stop: the gateway takes no new requests and ends
//! those it has, then the services, then the admin API, which can be asked how it goes until the end, then the store.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use madang_admin::openapi::Document;
use madang_admin::{Admin, Events, NotReady};
use madang_base::Name;
use madang_gateway::{Gateway, Prepared};
use madang_registry::eureka;
use madang_runtime::Scope;
use madang_serve::{Guard, http as serve_http};
use madang_store::Store;
use madang_supervise::{Handle, InstanceView, OnLoss, Options, State, Supervisor};
use madang_upstream::Directory;
use tokio::sync::Notify;

use crate::codes;
use crate::data_folder::DataFolder;
use crate::failure::{Failure, Report};
use crate::listeners::{Listeners, Unwritten};
use crate::reload::{Outcome, Reloader, SharedSettings};
use crate::routes::Routes;
use crate::runtime::Faces;
use crate::settings::{Listen, Settings};
use crate::source::{Loaded, Source};
use crate::watch_file::FileWatch;
use crate::wire::gateway_supervise::environment;
use crate::wire::{
    gateway_admin, registry_admin, registry_gateway, registry_upstream, settings_admin, supervise_admin,
    supervise_registry,
};

/// How long requests in progress may take once Madang is asked to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// How long our own tasks may take to end after that.
const TASKS: Duration = Duration::from_secs(5);

/// How this house is run.
pub(crate) struct Plan {
    /// The data folder.
    pub(crate) data: PathBuf,
    /// What becomes of services when Madang is killed.
    pub(crate) on_loss: OnLoss,
    /// What becomes of a face whose port is taken and was not written down.
    pub(crate) unwritten: Unwritten,
    /// The command line without a port offset, for hints.
    pub(crate) command: String,
}

/// A running Madang.
pub(crate) struct House {
    scope: Scope,
    gateway: Gateway,
    routes: Arc<Routes>,
    events: Events,
    supervisor: Handle,
    store: Store,
    shared: SharedSettings,
    listen: Listen,
    reload: Arc<Notify>,
    stopping: Arc<AtomicBool>,
    _faces: Faces,
    /// Last: the folder is ours until everything else has ended.
    _data: DataFolder,
}

impl House {
    /// Starts everything that `loaded` names. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// The first thing that cannot be had; nothing runs then.
    pub(crate) async fn start(source: &Source, loaded: &Loaded, plan: Plan) -> Result<Self, Failure> {
        let settings = &loaded.settings;
        let missing = madang_supervise::check_commands(&settings.supervise.services);
        if missing.has_errors() {
            return Err(missing.into());
        }
        let data = DataFolder::open(&plan.data)?;
        let listeners = Listeners::open(loaded, source, &plan.command, plan.unwritten)?;
        let scope = Scope::new("madang");
        let store = madang_store::embedded::open(&data.path().join("store.redb"), madang_store::Options::default())
            .map_err(|error| Report::could_not(error.to_string()).hint(error.hint()).code(error.code()))?;
        let registry = madang_registry::open(data.path(), settings.registry.clone(), &scope)
            .map_err(|error| Report::could_not(error.to_string()).code(error.code()))?;
        let shared = SharedSettings::new(settings);
        let environment = environment(&listeners.addresses, shared.names.subscribe());
        let options = Options::new(data.path().to_owned(), plan.on_loss);
        let options = Options { environment, store: Some(store.clone()), ..options };
        let supervisor = Supervisor::start(options, settings.supervise.services.clone(), &scope)
            .await
            .map_err(|error| Report::could_not(error.to_string()).hint(error.hint()).code(error.code()))?;
        let started = Self::serve(loaded, listeners, data, scope, shared, supervisor.clone(), store, registry);
        if started.is_err() {
            supervisor.kill_all().await;
        }
        started
    }

    /// The part of the start after the services.
    #[allow(clippy::too_many_arguments, reason = "the parts of the house, each started once, here")]
    fn serve(
        loaded: &Loaded,
        listeners: Listeners,
        data: DataFolder,
        scope: Scope,
        shared: SharedSettings,
        supervisor: Handle,
        store: Store,
        registry: madang_registry::Handle,
    ) -> Result<Self, Failure> {
        let settings = &loaded.settings;
        let directory = Directory::default();
        let instances = supervise_registry::follow(supervisor.watch(), registry.clone());
        let endpoints = registry_upstream::follow(registry.clone(), shared.fixed.subscribe(), directory.clone());
        until_the_end(&scope, "instances", instances);
        until_the_end(&scope, "endpoints", endpoints);
        let prepared = Prepared::new(&settings.gateway, &settings.service_names(), &directory);
        let gateway = Gateway::start(listeners.gateway, &settings.gateway, prepared, directory)
            .map_err(|error| Report::could_not(error.to_string()).code(&codes::FILE_UNREADABLE))?;
        let routes = Arc::new(Routes::new(gateway.clone(), settings));
        until_the_end(&scope, "egress", registry_gateway::follow(registry.clone(), Arc::clone(&routes)));
        let events = Events::new(&scope);
        if listeners.admin.is_some() {
            until_the_end(&scope, "process-events", supervise_admin::follow(&supervisor, events.clone()));
            until_the_end(&scope, "registry-events", registry_admin::follow(registry.clone(), events.clone()));
            gateway_admin::follow(gateway.clone(), &events);
            until_the_end(&scope, "breaker-events", gateway_admin::tell(gateway.turns(), events.clone()));
        }
        let faces = Faces::start().map_err(|error| Report::could_not(format!("cannot start a thread: {error}")))?;
        if let Some(listener) = listeners.eureka {
            let admin = listeners.addresses.admin.map(|address| format!("http://{address}/"));
            let options = eureka::Options { auth: settings.registry.auth.clone(), admin };
            let guard = Guard { allowed_hosts: settings.registry.hosts.clone() };
            let _there = faces.enter();
            let face = eureka::router(registry.clone(), options);
            serve_http::serve_within(listener, face, guard, eureka::limits(), &scope.child("eureka"))
                .map_err(|error| Report::could_not(format!("cannot serve the Eureka face: {error}")))?;
        }
        let stopping = Arc::new(AtomicBool::new(false));
        if let Some(listener) = listeners.admin {
            admin_api(settings, &gateway, &supervisor, &registry, &stopping)
                .events(&events)
                .serve(listener, &settings.admin, &scope.child("admin"))
                .map_err(|error| Report::could_not(format!("cannot serve the admin API: {error}")))?;
        }
        let (listen, reload) = (listeners.addresses, Arc::default());
        Ok(Self {
            scope,
            gateway,
            routes,
            events,
            supervisor,
            store,
            shared,
            listen,
            reload,
            stopping,
            _faces: faces,
            _data: data,
        })
    }

    /// The addresses that are listened on.
    pub(crate) fn listen(&self) -> &Listen {
        &self.listen
    }

    /// The services that Madang runs.
    pub(crate) fn supervisor(&self) -> &Handle {
        &self.supervisor
    }

    /// Looks at the settings again, as if the file had changed.
    pub(crate) fn reload(&self) {
        self.reload.notify_one();
    }

    /// Applies the settings whenever their file changes or [`Self::reload`] is called, and tells what came of it.
    pub(crate) fn follow_settings(&self, source: Source, current: Loaded, tell: impl Fn(Outcome) + Send + 'static) {
        let watch = match FileWatch::start(source.path()) {
            Ok(watch) => Some(watch),
            Err(error) => {
                tracing::warn!(%error, "the settings file is not watched; SIGHUP to `madang serve` reads it again");
                None
            }
        };
        // The file may have changed between its reading and its watching: the first look is at once.
        self.reload.notify_one();
        let (supervisor, routes, shared) = (self.supervisor.clone(), Arc::clone(&self.routes), self.shared.clone());
        let mut reloader = Reloader { source, current, supervisor, routes, shared };
        let (asked, scope, stopping) = (Arc::clone(&self.reload), self.scope.clone(), Arc::clone(&self.stopping));
        let events = self.events.clone();
        self.scope.spawn("settings", async move {
            while scope.until_cancelled(next_look(watch.as_ref(), &asked)).await.is_some() {
                // An edit while everything stops is for the next start.
                if stopping.load(Ordering::Relaxed) {
                    return;
                }
                let outcome = reloader.reload().await;
                settings_admin::tell(&events, &outcome);
                tell(outcome);
            }
        });
    }

    /// Stops everything in order. Dropping the future half-way is fine when [`Self::kill`] follows.
    pub(crate) async fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.gateway.drain(DRAIN).await;
        self.supervisor.stop_all().await;
        let _ = self.scope.shutdown(TASKS).await;
        self.store.close().await;
    }

    /// Ends everything at once.
    pub(crate) async fn kill(&self) {
        self.supervisor.kill_all().await;
        let _ = self.scope.shutdown(Duration::ZERO).await;
        self.store.close().await;
    }
}

async fn next_look(watch: Option<&FileWatch>, asked: &Notify) {
    let changed = async {
        match watch {
            Some(watch) => watch.changed().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = changed => {}
        () = asked.notified() => {}
    }
}

/// A task that goes on until everything ends.
fn until_the_end(scope: &Scope, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    let until = scope.clone();
    scope.spawn(name, async move {
        let _ = until.until_cancelled(task).await;
    });
}

/// What the routers mounted in [`admin_api`] say of themselves: for the running program and for the reference alike.
pub(crate) const DOCUMENTS: &[Document] =
    &[madang_registry::api::openapi, madang_gateway::api::openapi, madang_supervise::api::openapi];

fn admin_api(
    settings: &Settings,
    gateway: &Gateway,
    supervisor: &Handle,
    registry: &madang_registry::Handle,
    stopping: &Arc<AtomicBool>,
) -> Admin {
    let registered = registry.clone();
    let (meters, views, stopping) = (gateway.clone(), supervisor.watch(), Arc::clone(stopping));
    Admin::new(settings.name.as_str(), env!("CARGO_PKG_VERSION"))
        .ready(move || is_ready(&stopping, &views.borrow()))
        .mount(madang_supervise::api::router(supervisor.clone()))
        .mount(madang_gateway::api::router(gateway.clone()))
        .mount(madang_registry::api::router(registry.clone()))
        .documents(DOCUMENTS)
        .link("/v1/supervise/instances", "what runs")
        .link("/v1/gateway/routes", "where requests go")
        .link("/v1/registry/services", "who is registered")
        .link("/v1/gateway/requests", "which requests failed or were slow")
        .link("/v1/gateway/traffic", "who calls whom")
        .metrics(move |out| meters.write_metrics(out))
        .metrics(move |out| registered.write_metrics(out))
}

/// Ready is: taking requests, and every service that has instances has one that answers.
fn is_ready(stopping: &AtomicBool, views: &[InstanceView]) -> Result<(), NotReady> {
    if stopping.load(Ordering::Relaxed) {
        return Err(NotReady("stopping".to_owned()));
    }
    let answers = |service: &Name| views.iter().any(|view| view.service == *service && view.state == State::Healthy);
    match views.iter().find(|view| !answers(&view.service)) {
        Some(view) => Err(NotReady(format!("no instance of `{}` is healthy", view.service))),
        None => Ok(()),
    }
}
