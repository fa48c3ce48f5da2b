//! Utility commands, run as another role.

use pgrx::pg_sys::Oid;

/// Runs an SQL command as `role`, inside a security-restricted operation and with a pinned search_path.
///
/// The command is ours; names in it are quoted by the caller. Raises what it raises.
pub fn run_as(role: Oid, command: &str) {
    super::role::as_role(role, || {
        super::pinned::with_search_path(|| {
            pgrx::Spi::connect_mut(|client| {
                if let Err(error) = client.update(command, None, &[]) {
                    pgrx::error!("could not run a command of the extension: {error}");
                }
            });
        });
    });
}
