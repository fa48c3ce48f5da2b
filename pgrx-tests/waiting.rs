//! The shared memory, and what a wait leaves in it.

#[pgrx::pg_schema]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use pgrx::prelude::*;

    use super::super::common::run;
    use crate::pg::waiting::{self, Waiting};
    use crate::pg::{shared_memory, subtransaction};

    /// How many of the slots are in use: as the header says, and as they themselves say.
    fn in_use() -> (u32, usize) {
        let shared = shared_memory::attach().expect("there is room");
        let slots = shared.slots.iter();
        (
            shared.header.in_use.load(Ordering::SeqCst),
            slots
                .filter(|slot| slot.load(Ordering::SeqCst) != 0)
                .count(),
        )
    }

    /// One test, since all tests of a run share the memory.
    #[pg_test]
    fn a_wait_leaves_no_slot_behind() {
        assert_eq!(in_use(), (0, 0));
        let waiting = Waiting::begin(7).expect("there is room");
        assert_eq!(in_use(), (1, 0));
        waiting.arm();
        assert_eq!(in_use(), (1, 1));
        assert!(!waiting.is_woken());
        waiting::wake(|topic| topic == 8);
        assert!(!waiting.is_woken());
        waiting::wake(|topic| topic == 7);
        assert!(waiting.is_woken());
        // The latch is set, too: this would last for an hour.
        waiting::sleep(Duration::from_secs(3600));
        waiting.arm();
        assert!(!waiting.is_woken());
        drop(waiting);
        assert_eq!(in_use(), (0, 0));

        let failed = subtransaction::catch(|| {
            let waiting = Waiting::begin(7).expect("there is room");
            waiting.arm();
            run("select 1/0");
        });
        assert_eq!((failed, in_use()), (None, (0, 0)));
    }

    /// The server's ERROR is none for us, and the locks that it would have left to the transaction's end are free.
    #[pg_test]
    fn no_room_in_the_shared_memory() {
        for _ in 0..3 {
            assert_eq!(
                shared_memory::zeroed(c"pg_reldiff too large", 1 << 40),
                None
            );
        }
        let start = shared_memory::zeroed(c"pg_reldiff test", 64).expect("there is room");
        assert_eq!(
            shared_memory::zeroed(c"pg_reldiff test", 64),
            Some(start),
            "the same for all"
        );
        assert_eq!(shared_memory::zeroed(c"pg_reldiff test", 65), None);
        run("create table t (id int); select 1 from pg_shmem_allocations");
        // SAFETY: reads a variable of the backend.
        let held_off = unsafe { pg_sys::InterruptHoldoffCount };
        assert_eq!(held_off, 0);
    }

    #[pg_test(error = "canceling statement due to user request")]
    fn interrupts_come_after_the_servers_error() {
        assert_eq!(
            shared_memory::zeroed(c"pg_reldiff too large", 1 << 40),
            None
        );
        run(
            "do $$ begin perform pg_cancel_backend(pg_backend_pid()); perform pg_sleep(10); end $$",
        );
    }
}
