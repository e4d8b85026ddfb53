//! What a call costs in portcullis and in its peers, measured side by side.
//!
//! See the README beside `Cargo.toml` for how to read the numbers.

use std::{env, process::ExitCode, thread};

use crate::{
    args::{Command, Options},
    case::Case,
    course::Course,
    memory::Table,
    rows::{Row, Rows},
    subject::Subject,
};

mod args;
mod backend;
mod budgets;
mod case;
mod course;
mod drive;
mod instructions;
mod machine;
mod measure;
mod memory;
mod report;
mod round;
mod rows;
mod subject;
mod subjects;
mod tables;
mod task;

fn main() -> ExitCode {
    let done = args::parse(env::args().skip(1))
        .map_err(|error| format!("{error}\n\n{}", args::HELP))
        .and_then(perform);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn perform(command: Command) -> Result<(), String> {
    match command {
        Command::Help => println!("{}", args::HELP),
        Command::List => list(),
        Command::Tables { from, pages, mode } => return tables::update(&from, &pages, mode),
        Command::Count {
            case,
            subject,
            calls,
        } => return in_runtime(|| instructions::run(case, &subject, calls)),
        Command::Run(options) => return in_runtime(|| run(&options)),
    }
    Ok(())
}

fn in_runtime(act: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    // One worker, asleep in the timer's driver: timers are driven, and all calls are made by threads
    // of our own.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .map_err(|error| error.to_string())?;
    let _entered = runtime.enter();
    act()
}

fn list() {
    println!("cases:");
    for case in Case::ALL {
        println!("    {}", case.name());
    }
    println!("    memory\nsubjects:");
    for subject in subject::all() {
        println!("    {}", subject.name());
    }
}

fn run(options: &Options) -> Result<(), String> {
    let subjects: Vec<Box<dyn Subject>> = subject::all()
        .into_iter()
        .filter(|subject| subject.name() == "bare" || options.has_subject(subject.name()))
        .collect();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut rows = machine::describe(options.effort);
    let cases = Case::ALL.iter().copied();
    let mut courses: Vec<Course> = cases
        .filter(|case| options.has_case(case.name()))
        .map(|case| Course::new(case, threads))
        .collect();
    let passes = measure::passes(options.effort);
    for pass in 1..=passes {
        eprintln!("pass {pass} of {passes}");
        for course in &mut courses {
            course.pass(options, &subjects);
        }
    }
    rows.extend(courses.into_iter().flat_map(Course::finish));
    if options.has_case("memory") {
        rows.extend(run_memory(options, &subjects, threads));
    }
    budgets::print(&Rows::new(&rows));
    match &options.json {
        Some(path) => rows::write(&rows, path),
        None => Ok(()),
    }
}

fn run_memory(options: &Options, subjects: &[Box<dyn Subject>], threads: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for Table { name, case, counts } in memory::TABLES {
        report::print_memory_heading(name);
        // Nothing around the backend takes nothing.
        for subject in subjects.iter().filter(|subject| subject.name() != "bare") {
            let subject = subject.as_ref();
            let most = subject::most_instances(subject.name(), options.effort);
            for count in counts.iter().copied().filter(|count| *count <= most) {
                let Some(bytes) = memory::of(subject, case, options.effort, count, threads) else {
                    continue;
                };
                let row = Row {
                    instances: Some(count),
                    inline_bytes: Some(bytes.inline),
                    idle_bytes: Some(bytes.idle),
                    busy_bytes: Some(bytes.busy),
                    ..Row::new(name, subject.name())
                };
                report::print_memory(&row);
                rows.push(row);
            }
        }
    }
    rows
}
