//! The `farsight` command: one verb, one file in `commands/`.

#[allow(unsafe_code)] // a global allocator is unsafe by nature
mod allocations;
mod commands;
mod device;
mod draw;
mod failure;
mod inputs;
mod logger;
mod output;
mod progress;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::output::Output;

/// Compile vision models for small computers, and run them there.
#[derive(Parser)]
#[command(name = "farsight", version, max_term_width = 100, after_help = EXAMPLE)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Standard output holds JSON and nothing else
    #[arg(long, global = true)]
    json: bool,
    /// The ONNX Runtime library (libonnxruntime.so); searched for where it is not given
    #[arg(long, global = true, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
    /// Say more on standard error (-v: what happens, -vv: everything)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

const EXAMPLE: &str = "Example:
  farsight compile cows.onnx --spec yolo --labels cow -o cows.farsight
  farsight run cows.farsight barn.jpg --save out/";

#[derive(Subcommand)]
enum Command {
    /// Turn a model into a bundle, and prove that its answers stayed the same
    Compile(commands::compile::Arguments),
    /// Run a bundle on pictures, folders, rasters or tensors
    Run(commands::run::Arguments),
    /// Measure a bundle or model on labelled data, or against another model
    Eval(commands::eval::Arguments),
    /// Measure how long a bundle takes, against its bare session
    Bench(commands::bench::Arguments),
    /// Prepare this device's own caches, so that later starts are quick
    Warm(commands::warm::Arguments),
    /// Show what is inside a model or a bundle
    Inspect(commands::inspect::Arguments),
    /// List the built-in model specs, or show one
    Models(commands::catalogue::Arguments),
    /// List the built-in target profiles, or explain one
    Targets(commands::targets::Arguments),
    /// Tell what this machine can do, and re-run a bundle's self-test
    Doctor(commands::doctor::Arguments),
}

/// What every command needs.
struct Context {
    output: Output,
    onnxruntime: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return wrong_call(&error),
    };
    logger::start(arguments.verbose);
    let context = Context { output: Output { json: arguments.json }, onnxruntime: arguments.onnxruntime };
    let result = match arguments.command {
        Command::Compile(arguments) => commands::compile::run(arguments, &context),
        Command::Run(arguments) => commands::run::run(arguments, &context),
        Command::Eval(arguments) => commands::eval::run(arguments, &context),
        Command::Bench(arguments) => commands::bench::run(arguments, &context),
        Command::Warm(arguments) => commands::warm::run(arguments, &context),
        Command::Inspect(arguments) => commands::inspect::run(arguments, &context),
        Command::Models(arguments) => commands::catalogue::models(arguments, &context),
        Command::Targets(arguments) => commands::targets::run(&arguments, &context),
        Command::Doctor(arguments) => commands::doctor::run(arguments, &context),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            context.output.failure(&failure);
            failure.exit_code()
        }
    }
}

/// A call that clap refuses, or a request for help. With `--json` the refusal is a document, too.
fn wrong_call(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().any(|argument| argument == "--json");
    if error.use_stderr() && wants_json {
        let message = error.to_string();
        Output { json: true }.failure(&failure::Failure::usage(message.trim().trim_start_matches("error: ")));
    } else {
        // Nothing is left to tell if even this cannot be printed.
        let _ = error.print();
    }
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}
