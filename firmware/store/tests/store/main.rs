//! The store on simulated flash.

mod cuts;
mod flash;
mod promises;
