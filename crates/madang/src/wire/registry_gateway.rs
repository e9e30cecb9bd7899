//! From the services the registry lists to the names the gateway's egress listener leads to.

use std::sync::Arc;

use madang_registry::Handle;

use crate::routes::Routes;

/// Tells `routes` what there is now, and keeps it in step until the registry is gone.
pub(crate) fn follow(registry: Handle, routes: Arc<Routes>) -> impl Future<Output = ()> {
    let mut changes = registry.watch();
    let tell = move || routes.follow_registered(registry.snapshot().services().map(|(name, _)| name.clone()).collect());
    tell();
    async move {
        while changes.changed().await.is_ok() {
            tell();
        }
    }
}
