//! The host twin: the applications as they run on boards, on a simulated one whose time is an argument.
//!
//! Every sleep is compared with the plan, and the plan with what the simulated devices really do.

mod board;
mod courier;
mod cyclone;
mod firmware;
mod flash;
mod gateway;
mod models;
mod paddy;
mod seismic;
mod water;
