//! Utility commands, run as another role.

use pgrx::pg_sys::{self, Oid};

/// Runs SQL commands as `role`, inside a security-restricted operation and with a pinned search_path.
///
/// The commands are ours; names in them are quoted by the caller. Raises what they raise.
pub fn run_as(role: Oid, commands: &[String]) {
    let (mut saved_role, mut saved_context) = (Oid::INVALID, 0);
    // SAFETY: the saved identity is restored below; after an ERROR the transaction's abort restores it.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&mut saved_role, &mut saved_context);
        pg_sys::SetUserIdAndSecContext(
            role,
            saved_context
                | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32
                | pg_sys::SECURITY_RESTRICTED_OPERATION as i32,
        );
    }
    super::pinned::with_search_path(|| {
        pgrx::Spi::connect_mut(|client| {
            for command in commands {
                if let Err(error) = client.update(command, None, &[]) {
                    pgrx::error!("could not run a command of the extension: {error}");
                }
            }
        });
    });
    // SAFETY: as above.
    unsafe { pg_sys::SetUserIdAndSecContext(saved_role, saved_context) }
}
