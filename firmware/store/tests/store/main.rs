//! The store on simulated flash.

mod cuts;
mod promises;
