//! A transactional log in memory.
