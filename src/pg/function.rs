//! The functions of the extension.

use super::query::{column, rows};

/// Which of these functions of the schema `event`, which have no arguments, call something else than the function of
/// their name in our library: somebody has replaced them.
pub fn replaced(names: &[&str]) -> Vec<String> {
    let names: Vec<String> = names
        .iter()
        .map(|name| format!("('event.{name}()'::regprocedure)"))
        .collect();
    rows(
        &format!(
            "SELECT proname::text FROM (VALUES {}) AS ours (function) JOIN pg_proc p ON p.oid = function \
             JOIN pg_language l ON l.oid = prolang \
             WHERE (lanname, prosrc, probin) IS DISTINCT FROM ('c', proname::text, \
             (SELECT probin FROM pg_proc WHERE oid = 'event.verify()'::regprocedure)) ORDER BY 1",
            names.join(", ")
        ),
        |row| column(row, 1).expect("never null"),
    )
}
