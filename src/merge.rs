//! The heads of a partition's inputs, as one stream in event-time order.
